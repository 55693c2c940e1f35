//! Days and weeks of a place, which begin when its clock shows a time: the sessions of an exchange.

use super::calendar::{Period, saturate};
use super::clock::TimeUnit;
use super::zone::Zone;

const DAY: i64 = 86_400;

/// 1 January 1970 was a Thursday, the fifth day of a week that begins on Sunday.
const THURSDAY: i64 = 4;

/// Sessions that follow each other without a break.
///
/// The session of a date begins at the first instant at which the clock of the place shows `at` of that date or a later
/// time: where the clock is put forward over `at`, at that moment; where it shows `at` twice, the first time. A date that
/// the clock skips as a whole has no session of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// The clock.
    pub zone: &'static Zone,
    /// Seconds since midnight at which a session begins, below those of a day.
    pub at: u32,
    /// The day of the week with which sessions begin, counted from Sunday; without one, they begin every day.
    pub on: Option<u8>,
    /// Whether a session has the date on which it ends, or that on which it begins.
    pub named_by_end: bool,
}

/// A session and the date that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its instants.
    pub period: Period,
    /// Its date, in days since 1970.
    pub date: i64,
}

impl Sessions {
    /// The session that contains an instant; its ends are clipped to the instants that 64 bits can hold.
    #[must_use]
    pub fn session(&self, time: i64, unit: TimeUnit) -> Session {
        let per_second = unit.per_day() / DAY;
        let second = time.div_euclid(per_second);
        // Where a clock was put back, it has begun a later date before.
        let shown = self.zone.shows(second).div_euclid(DAY);
        let mut date = self.before(shown + 3);
        let mut first = self.begin(date);
        while first > second {
            date = self.before(date);
            first = self.begin(date);
        }
        let next = self.after(date);
        let instant = |second: i64| i128::from(second) * i128::from(per_second);
        Session {
            period: Period { first: saturate(instant(first)), last: saturate(instant(self.begin(next)) - 1) },
            date: if self.named_by_end { next } else { date },
        }
    }

    /// The first second of the session of a date.
    fn begin(&self, date: i64) -> i64 {
        self.zone.first(date * DAY + i64::from(self.at))
    }

    /// The last date before another one that has a session.
    fn before(&self, date: i64) -> i64 {
        let mut found = date - 1;
        while !self.has(found) {
            found -= 1;
        }
        found
    }

    /// The first date after another one that has a session.
    fn after(&self, date: i64) -> i64 {
        let mut found = date + 1;
        while !self.has(found) {
            found += 1;
        }
        found
    }

    /// Whether a date has a session.
    fn has(&self, date: i64) -> bool {
        match self.on {
            Some(day) => (date + THURSDAY).rem_euclid(7) == i64::from(day),
            None => self.zone.shows(self.zone.first(date * DAY)) < (date + 1) * DAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::calendar::day_of;

    const HOUR: i64 = 3_600;
    const UNITS: [TimeUnit; 3] = [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];

    fn zone(before: i64, changes: Vec<(i64, i64)>) -> &'static Zone {
        Box::leak(Box::new(Zone::new(before, changes).unwrap()))
    }

    /// New York in 2024: the clock is put forward on 10 March and back on 3 November.
    fn new_york() -> &'static Zone {
        let (march, november) = (day_of(2024, 3, 10) * DAY + 7 * HOUR, day_of(2024, 11, 3) * DAY + 6 * HOUR);
        zone(-5 * HOUR, vec![(march, -4 * HOUR), (november, -5 * HOUR)])
    }

    fn bounds(sessions: Sessions, second: i64) -> (i64, i64, i64) {
        let Session { period, date } = sessions.session(second * 1_000, TimeUnit::Milliseconds);
        (period.first / 1_000, (period.last + 1) / 1_000, date)
    }

    #[test]
    fn sessions_begin_at_the_same_local_time_on_both_sides_of_a_change() {
        let daily = Sessions { zone: new_york(), at: 18 * 3_600, on: None, named_by_end: true };
        let (friday, monday) = (day_of(2024, 3, 8), day_of(2024, 3, 11));
        assert_eq!(bounds(daily, friday * DAY), ((friday - 1) * DAY + 23 * HOUR, friday * DAY + 23 * HOUR, friday));
        assert_eq!(bounds(daily, monday * DAY), ((monday - 1) * DAY + 22 * HOUR, monday * DAY + 22 * HOUR, monday));
        let sunday = day_of(2024, 3, 10);
        assert_eq!(bounds(daily, sunday * DAY), ((sunday - 1) * DAY + 23 * HOUR, sunday * DAY + 22 * HOUR, sunday));
        let weekly = Sessions { at: 17 * 3_600, on: Some(0), named_by_end: false, ..daily };
        let week = (sunday * DAY + 21 * HOUR, (sunday + 7) * DAY + 21 * HOUR, sunday);
        assert_eq!(bounds(weekly, monday * DAY), week);
        assert_eq!(bounds(weekly, week.0), week);
        assert_eq!(bounds(weekly, week.0 - 1), ((sunday - 7) * DAY + 22 * HOUR, week.0, sunday - 7));
    }

    #[test]
    fn a_time_that_does_not_exist_or_exists_twice_begins_one_session() {
        let daily = Sessions { zone: new_york(), at: 9_000, on: None, named_by_end: false }; // 02:30
        let march = day_of(2024, 3, 10);
        assert_eq!(bounds(daily, march * DAY + 7 * HOUR).0, march * DAY + 7 * HOUR);
        let twice = Sessions { at: 5_400, ..daily }; // 01:30
        let november = day_of(2024, 11, 3);
        let first = november * DAY + 5 * HOUR + 1_800;
        assert_eq!(bounds(twice, first), (first, (november + 1) * DAY + 6 * HOUR + 1_800, november));
    }

    #[test]
    fn a_date_that_is_skipped_has_no_session() {
        // Apia went from the end of 29 December 2011 to 31 December.
        let change = day_of(2011, 12, 30) * DAY + 10 * HOUR;
        let apia = zone(-10 * HOUR, vec![(change, 14 * HOUR)]);
        let daily = Sessions { zone: apia, at: 18 * 3_600, on: None, named_by_end: false };
        let day = day_of(2011, 12, 29);
        assert_eq!(bounds(daily, change), (day * DAY + 28 * HOUR, day * DAY + 52 * HOUR, day));
        assert_eq!(bounds(Sessions { named_by_end: true, ..daily }, change).2, day + 2);
        let friday = Sessions { on: Some(5), ..daily };
        assert_eq!((bounds(friday, change).0, bounds(friday, change).2), (change, day + 1));
    }

    #[test]
    fn sessions_follow_each_other_without_a_break() {
        for on in [None, Some(0), Some(6)] {
            for at in [0, 1, 9_000, 86_399] {
                let sessions = Sessions { zone: new_york(), at, on, named_by_end: at > 9_000 };
                for unit in UNITS {
                    for time in [0, -1, 1_710_000_000_000, 1_710_000_000_000_000, -62_135_596_800_001, 1 << 60] {
                        let now = sessions.session(time, unit);
                        assert!(now.period.holds(time));
                        assert_eq!(sessions.session(now.period.first, unit), now);
                        assert_eq!(sessions.session(now.period.last, unit), now);
                        let next = sessions.session(now.period.last + 1, unit);
                        assert_eq!(next.period.first, now.period.last + 1);
                        assert!(next.date > now.date);
                    }
                    for time in [i64::MIN, i64::MAX] {
                        assert!(sessions.session(time, unit).period.holds(time));
                    }
                }
            }
        }
    }
}
