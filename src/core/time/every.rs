//! Windows of time that follow each other without a break, in UTC.

use super::calendar::{civil, day_of, saturate};
use super::clock::TimeUnit;

/// The length of windows, and so where they begin: those of `group_by_dynamic`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// So many nanoseconds, above zero, counted from 1970.
    Nanoseconds(i64),
    /// So many nanoseconds, above zero, counted from the first Monday of 1970, as weeks are.
    Weeks(i64),
    /// So many calendar months, above zero, counted from January 1970.
    Months(u32),
}

/// The first Monday of 1970.
const MONDAY: i128 = 4;

impl Every {
    /// The last instant of the window that holds an instant; at most what 64 bits can hold. A window may be shorter than
    /// a unit of the clock: then it holds one instant or none.
    #[must_use]
    pub fn last(self, time: i64, unit: TimeUnit) -> i64 {
        let (length, origin) = match self {
            Self::Nanoseconds(length) => (length, 0),
            Self::Weeks(length) => (length, MONDAY * i128::from(TimeUnit::Nanoseconds.per_day())),
            Self::Months(months) => return last_of_months(time, months, unit),
        };
        let (length, now) = (i128::from(length), i128::from(time) * unit.nanoseconds() - origin);
        let next = (now.div_euclid(length) + 1) * length + origin;
        saturate((next - 1).div_euclid(unit.nanoseconds()))
    }
}

fn last_of_months(time: i64, months: u32, unit: TimeUnit) -> i64 {
    let (year, month, _) = civil(time.div_euclid(unit.per_day()));
    let since_1970 = (year - 1970) * 12 + month - 1;
    let next = (since_1970.div_euclid(months.into()) + 1) * i64::from(months);
    let day = day_of(1970 + next.div_euclid(12), next.rem_euclid(12) + 1, 1);
    saturate(i128::from(day) * i128::from(unit.per_day()) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: TimeUnit = TimeUnit::Microseconds;
    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn windows_follow_each_other_without_a_break() {
        let each = [Every::Nanoseconds(HOUR), Every::Nanoseconds(7_000), Every::Weeks(336 * HOUR), Every::Months(5)];
        for every in each.into_iter().chain([Every::Nanoseconds(1), Every::Nanoseconds(1_500), Every::Months(1)]) {
            for unit in [TimeUnit::Milliseconds, US, TimeUnit::Nanoseconds] {
                for time in [0, -1, 1_709_164_800_000, -62_135_596_800_001, 951_782_400_000_000] {
                    let last = every.last(time, unit);
                    assert!(last >= time && every.last(last, unit) == last && every.last(last + 1, unit) > last);
                }
                assert_eq!(every.last(i64::MAX, unit), i64::MAX);
                assert!(every.last(i64::MIN, unit) < 0);
            }
        }
    }

    #[test]
    fn windows_begin_where_the_calendar_says() {
        let day = |year, month, day| day_of(year, month, day) * US.per_day();
        let noon = US.per_day() / 2;
        let first_behind = |every: Every, time| every.last(time, US) + 1;
        assert_eq!(first_behind(Every::Nanoseconds(24 * HOUR), day(2024, 2, 29) + noon), day(2024, 3, 1));
        // Thursday 29 February 2024; weeks begin on Monday, every second one as from 5 January 1970.
        assert_eq!(first_behind(Every::Weeks(168 * HOUR), day(2024, 2, 29)), day(2024, 3, 4));
        assert_eq!(first_behind(Every::Weeks(336 * HOUR), day(1970, 1, 4)), day(1970, 1, 5));
        assert_eq!(first_behind(Every::Weeks(336 * HOUR), day(1970, 1, 5)), day(1970, 1, 19));
        assert_eq!(first_behind(Every::Months(1), day(2024, 2, 29) + noon), day(2024, 3, 1));
        assert_eq!(first_behind(Every::Months(3), day(2024, 2, 29)), day(2024, 4, 1));
        assert_eq!(first_behind(Every::Months(12), day(1969, 12, 31)), day(1970, 1, 1));
        assert_eq!(first_behind(Every::Months(5), day(1970, 6, 1)), day(1970, 11, 1));
    }
}
