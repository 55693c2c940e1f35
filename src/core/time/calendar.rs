//! Periods of the calendar, and lengths of time that count months.

use std::ops::RangeInclusive;

use super::clock::TimeUnit;
use super::sessions::{Session, Sessions};

/// Periods that follow each other without a break: those of the calendar in UTC, or the sessions of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// From 00:00.
    Day,
    /// From Sunday 00:00.
    Week,
    /// From the first 00:00.
    Month,
    /// From 1 January 00:00.
    Year,
    /// From when a place's clock shows a time.
    Sessions(Sessions),
}

impl Reset {
    /// The words for the periods of the calendar.
    pub const WORDS: [(&'static str, Self); 4] =
        [("1d", Self::Day), ("1w", Self::Week), ("1mo", Self::Month), ("1y", Self::Year)];

    /// The period that contains an instant; its ends are clipped to the instants that 64 bits can hold.
    #[must_use]
    pub fn period(self, time: i64, unit: TimeUnit) -> Period {
        self.session(time, unit).period
    }

    /// The same with the date that names it: for a period of the calendar, its first day in UTC.
    #[must_use]
    pub fn session(self, time: i64, unit: TimeUnit) -> Session {
        let day = time.div_euclid(unit.per_day());
        let (first, next) = match self {
            Self::Day => (day, day + 1),
            Self::Week => {
                // 1 January 1970 was a Thursday, the fifth day of its week.
                let first = day - (day + 4).rem_euclid(7);
                (first, first + 7)
            }
            Self::Month => {
                let (year, month, _) = civil(day);
                (day_of(year, month, 1), day_of(year, month + 1, 1))
            }
            Self::Year => {
                let (year, ..) = civil(day);
                (day_of(year, 1, 1), day_of(year + 1, 1, 1))
            }
            Self::Sessions(sessions) => return sessions.session(time, unit),
        };
        let instant = |day: i64| i128::from(day) * i128::from(unit.per_day());
        let period = Period { first: saturate(instant(first)), last: saturate(instant(next) - 1) };
        Session { period, date: first }
    }
}

/// Instants of one calendar period, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First instant.
    pub first: i64,
    /// Last instant.
    pub last: i64,
}

impl Period {
    /// Whether an instant is in it.
    #[must_use]
    pub fn holds(&self, time: i64) -> bool {
        RangeInclusive::new(self.first, self.last).contains(&time)
    }
}

/// A length of time: the longest between two trades of one bar, or how far a window reaches back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Calendar months, counted first.
    months: u32,
    /// Units of the clock in addition.
    span: i64,
}

impl Length {
    /// A length on a clock. Parts finer than the clock make no difference: a time is later by more than 1.5 units if it
    /// is later by more than one.
    #[must_use]
    pub fn new(months: u32, nanoseconds: i128, unit: TimeUnit) -> Self {
        Self { months, span: saturate(nanoseconds / unit.nanoseconds()) }
    }

    /// Calendar months.
    #[must_use]
    pub fn months(&self) -> u32 {
        self.months
    }

    /// Units of the clock in addition to the months.
    #[must_use]
    pub fn span(&self) -> i64 {
        self.span
    }

    /// The last instant that is not later than `time` by more than this.
    #[inline]
    #[must_use]
    pub fn after(&self, time: i64, unit: TimeUnit) -> i64 {
        if self.months == 0 {
            return time.saturating_add(self.span);
        }
        saturate(add_months(time, i64::from(self.months), unit) + i128::from(self.span))
    }

    /// The earliest instant that [`Length::after`] gives for this time or a later one; see [`Length::earliest_before`].
    #[must_use]
    pub fn earliest_after(&self, time: i64, unit: TimeUnit) -> i64 {
        self.after(self.since(time, unit), unit)
    }

    /// The first instant that is not earlier than `time` by more than this.
    #[must_use]
    pub fn before(&self, time: i64, unit: TimeUnit) -> i64 {
        if self.months == 0 {
            return time.saturating_sub(self.span);
        }
        saturate(add_months(time, -i64::from(self.months), unit) - i128::from(self.span))
    }

    /// The earliest instant that [`Length::before`] gives for this time or a later one. One month earlier, the last
    /// days of a long month coincide, and their times of day start again.
    #[must_use]
    pub fn earliest_before(&self, time: i64, unit: TimeUnit) -> i64 {
        self.before(self.since(time, unit), unit)
    }

    /// The time, or the midnight before it if months are counted.
    fn since(&self, time: i64, unit: TimeUnit) -> i64 {
        let since_midnight = if self.months == 0 { 0 } else { time.rem_euclid(unit.per_day()) };
        time.saturating_sub(since_midnight)
    }
}

pub(super) fn saturate(time: i128) -> i64 {
    time.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// The same time of day some months later, or earlier; on the last day of a month that has no such day.
fn add_months(time: i64, months: i64, unit: TimeUnit) -> i128 {
    let (day, rest) = (time.div_euclid(unit.per_day()), time.rem_euclid(unit.per_day()));
    let (year, month, day_of_month) = civil(day);
    let month = month + months;
    let first = day_of(year, month, 1);
    let length = day_of(year, month + 1, 1) - first;
    let day = first + (day_of_month - 1).min(length - 1);
    i128::from(day) * i128::from(unit.per_day()) + i128::from(rest)
}

/// Years of the Gregorian calendar repeat after this many days.
const DAYS_OF_400_YEARS: i64 = 146_097;

/// Days from 1 March of the year 0 to 1 January 1970.
const EPOCH: i64 = 719_468;

/// Year, month and day of the month, each counted from 1, of a day counted from 1970.
///
/// Years are counted from 1 March here, so that the leap day is their last.
pub(super) fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + EPOCH;
    let (era, day) = (day.div_euclid(DAYS_OF_400_YEARS), day.rem_euclid(DAYS_OF_400_YEARS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March; five months from March or August have 153 days
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let january = month >= 10;
    (era * 400 + year + i64::from(january), if january { month - 9 } else { month + 3 }, day_of_month)
}

/// A day counted from 1970; months beyond 12 are those of later years.
pub(in crate::core) fn day_of(year: i64, month: i64, day_of_month: i64) -> i64 {
    let march = month - 3;
    let (year, month) = (year + march.div_euclid(12), march.rem_euclid(12));
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5 + day_of_month - 1;
    era * DAYS_OF_400_YEARS + day - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: TimeUnit = TimeUnit::Microseconds;

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        assert_eq!((civil(0), day_of(1970, 1, 1)), ((1970, 1, 1), 0));
        assert_eq!(civil(day_of(2000, 2, 29)), (2000, 2, 29));
        assert_eq!(day_of(2024, 14, 1), day_of(2025, 2, 1));
        let mut expected = civil(-1_000_000);
        for day in -1_000_000..1_000_000 {
            assert_eq!((civil(day), day_of(expected.0, expected.1, expected.2)), (expected, day));
            let leap = expected.0 % 4 == 0 && (expected.0 % 100 != 0 || expected.0 % 400 == 0);
            let length = match expected.1 {
                4 | 6 | 9 | 11 => 30,
                2 if leap => 29,
                2 => 28,
                _ => 31,
            };
            expected.2 += 1;
            if expected.2 > length {
                expected = (expected.0, expected.1 + 1, 1);
            }
            if expected.1 > 12 {
                expected = (expected.0 + 1, 1, 1);
            }
        }
    }

    #[test]
    fn periods_hold_their_instant_and_touch_each_other() {
        for (_, reset) in Reset::WORDS {
            for unit in [TimeUnit::Milliseconds, US, TimeUnit::Nanoseconds] {
                for time in [0, -1, 1_709_164_800_000, 951_782_400_000_000, -62_135_596_800_001, 1 << 60] {
                    let period = reset.period(time, unit);
                    assert!(period.holds(time) && !period.holds(period.last + 1));
                    assert_eq!(reset.period(period.last + 1, unit).first, period.last + 1);
                    assert_eq!(reset.period(period.first, unit), period);
                }
            }
        }
        assert_eq!(Reset::Year.period(i64::MAX, US).last, i64::MAX);
        assert_eq!(Reset::Month.period(i64::MIN, TimeUnit::Milliseconds).first, i64::MIN);
        // Sunday 31 December 2023 to Saturday 6 January 2024.
        let week = Reset::Week.period(day_of(2024, 1, 3) * US.per_day(), US);
        assert_eq!(week.first, day_of(2023, 12, 31) * US.per_day());
    }

    #[test]
    fn months_keep_the_day_or_take_the_last() {
        let at = |year, month, day| day_of(year, month, day) * US.per_day() + 5;
        let limit = |months, time| Length::new(months, 1_999, US).after(time, US);
        assert_eq!(limit(1, at(2024, 1, 31)), at(2024, 2, 29) + 1);
        assert_eq!(limit(13, at(2023, 1, 30)), at(2024, 2, 29) + 1);
        assert_eq!(limit(0, at(2023, 1, 30)), at(2023, 1, 30) + 1);
        assert_eq!(limit(u32::MAX, i64::MAX), i64::MAX);
        let back = |months, time| Length::new(months, 1_999, US).before(time, US);
        assert_eq!(back(1, at(2024, 3, 31)), at(2024, 2, 29) - 1);
        assert_eq!(back(13, at(2024, 1, 30)), at(2022, 12, 30) - 1);
        assert_eq!(back(0, at(2023, 1, 30)), at(2023, 1, 30) - 1);
        assert_eq!(back(u32::MAX, i64::MIN), i64::MIN);
        let month = Length::new(1, 0, US);
        let hours: Vec<_> =
            (0..24 * 40).map(|hour| day_of(2024, 3, 1) * US.per_day() + hour * US.per_day() / 24).collect();
        assert!(!hours.is_sorted_by_key(|&hour| month.before(hour, US)));
        for (row, &hour) in hours.iter().enumerate() {
            let earliest = hours[row..].iter().map(|&later| month.before(later, US)).min();
            assert!(earliest >= Some(month.earliest_before(hour, US)));
        }
    }
}
