//! How far time may step forward from one trade of a group to the next: a clock in two units makes steps of centuries.

use crate::core::error::{Role, Rule};
use crate::core::time::calendar::Length;
use crate::core::time::clock::TimeUnit;

/// Days of the longest step unless another is given: 40 years of 365.25 days (`docs/columns.md`, Trades).
const DAYS: i128 = 14_610;

/// The longest step on a clock, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    unit: TimeUnit,
    longest: Option<Length>,
}

impl Steps {
    /// Steps of at most 40 years.
    #[must_use]
    pub fn usual(unit: TimeUnit) -> Self {
        let nanoseconds = DAYS * i128::from(TimeUnit::Nanoseconds.per_day());
        Self::new(Some(Length::new(0, nanoseconds, unit)), unit)
    }

    /// Steps of at most some length, or of any length.
    #[must_use]
    pub fn new(longest: Option<Length>, unit: TimeUnit) -> Self {
        Self { unit, longest }
    }

    /// Whether a trade may follow one before it.
    #[inline]
    #[must_use]
    pub fn allow(&self, previous: i64, time: i64) -> bool {
        self.longest.is_none_or(|longest| time <= longest.after(previous, self.unit))
    }

    /// Whether each of these times, which do not go back, may follow the one before, and the first may follow the last
    /// one seen.
    pub(in crate::core) fn allow_all(&self, time: &[i64], last: Option<i64>) -> bool {
        let (Some(longest), Some(first), Some(end)) = (self.longest, last.or(time.first().copied()), time.last())
        else {
            return true;
        };
        *end <= longest.earliest_after(first, self.unit) || self.first_too_long(time, last).is_none()
    }

    /// The first row that comes too late, and the rule that it breaks.
    pub(in crate::core) fn first_too_long(&self, time: &[i64], last: Option<i64>) -> Option<(usize, Role, Rule)> {
        let mut before = last;
        time.iter().enumerate().find_map(|(row, &time)| {
            let previous = before.replace(time)?;
            (!self.allow(previous, time)).then_some((row, Role::Time, Rule::StepTooLong { time, previous }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: [TimeUnit; 3] = [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];

    #[test]
    fn forty_years_are_allowed_and_a_tick_more_is_not() {
        for unit in UNITS {
            let (steps, far) = (Steps::usual(unit), 14_610 * unit.per_day());
            for start in [0, -far, 1_700_000_000_000, i64::MIN] {
                assert!(steps.allow(start, start + far) && !steps.allow(start, start + far + 1), "{unit:?}");
                assert!(steps.allow_all(&[start, start + 1, start + far + 1], None));
                let late = Some((1, Role::Time, Rule::StepTooLong { time: start + far + 1, previous: start }));
                assert_eq!(steps.first_too_long(&[start, start + far + 1], None), late);
                assert!(
                    steps.allow_all(&[start + far], Some(start)) && !steps.allow_all(&[start + far + 1], Some(start))
                );
            }
            assert!(steps.allow_all(&[], Some(0)) && steps.allow_all(&[i64::MAX], None));
            assert!(Steps::new(None, unit).allow_all(&[i64::MIN, i64::MAX], Some(i64::MIN)));
        }
    }

    #[test]
    fn a_step_of_months_is_told_by_each_pair() {
        let unit = TimeUnit::Milliseconds;
        let hour = unit.per_day() / 24;
        let steps = Steps::new(Some(Length::new(1, 0, unit)), unit);
        // From 30 January 2023, 23:00, a month lasts until 28 February, 23:00; from the 31st, 01:00, until 01:00 of it.
        let january = 1_675_119_600_000;
        let time = [january, january + 2 * hour, january + (28 * 24 + 23) * hour];
        assert!(!steps.allow_all(&time, None));
        assert_eq!(steps.first_too_long(&time, None).map(|(row, ..)| row), Some(2));
    }
}
