//! Where bars end for reasons other than price: calendar periods and gaps between trades.

use crate::core::bars::bar::CloseReason;
use crate::core::time::calendar::{Length, Period, Reset};
use crate::core::time::clock::TimeUnit;

/// What ends bars besides the rule that closes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaks {
    /// Bars end with the calendar period.
    pub reset: Option<Reset>,
    /// Bars end where no trade follows for longer than this.
    pub max_gap: Option<Length>,
}

impl Breaks {
    /// The reason why a bar whose last trade was at `previous` cannot hold a trade at `time`, if any. Keeps `period` up
    /// to date.
    pub fn between(
        &self,
        previous: i64,
        time: i64,
        unit: TimeUnit,
        period: &mut Option<Period>,
    ) -> Option<CloseReason> {
        if let Some(reset) = self.reset
            && !period.get_or_insert_with(|| reset.period(previous, unit)).holds(time)
        {
            *period = Some(reset.period(time, unit));
            return Some(CloseReason::Reset);
        }
        self.max_gap.filter(|gap| time > gap.after(previous, unit)).map(|_| CloseReason::Gap)
    }

    /// How many of these times, of which there is at least one and which do not go back, follow the first without a
    /// break.
    #[must_use]
    pub fn unbroken(&self, time: &[i64], unit: TimeUnit, period: Option<Period>) -> usize {
        let mut len = time.len();
        if let Some(reset) = self.reset {
            let last = period.unwrap_or_else(|| reset.period(time[0], unit)).last;
            if time[len - 1] > last {
                len = time.partition_point(|&time| time <= last);
            }
        }
        if let Some(gap) = self.max_gap
            && time[len - 1] > gap.earliest_after(time[0], unit)
        {
            let late = |pair: &[i64]| pair[1] > gap.after(pair[0], unit);
            len = time[..len].windows(2).position(late).map_or(len, |row| row + 1);
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::calendar::day_of;

    const US: TimeUnit = TimeUnit::Microseconds;

    #[test]
    fn a_gap_of_a_month_is_found_whatever_came_before() {
        // A month from 30 January 2023, 23:00, ends on 28 February, 23:00; from the 31st, 01:00, at 01:00.
        let (hour, january) = (US.per_day() / 24, day_of(2023, 1, 30) * US.per_day());
        let time = [january + 23 * hour, january + 25 * hour, day_of(2023, 2, 28) * US.per_day() + 22 * hour];
        let breaks = Breaks { reset: None, max_gap: Some(Length::new(1, 0, US)) };
        assert_eq!(breaks.between(time[1], time[2], US, &mut None), Some(CloseReason::Gap));
        assert_eq!(breaks.unbroken(&time, US, None), 2);
    }

    #[test]
    fn breaks_are_found_one_by_one_as_in_a_slice() {
        let day = US.per_day();
        let hours = |n: i64| n * day / 24;
        let time = [hours(1), hours(2), hours(9), hours(23), hours(24), hours(24), hours(90), hours(91)];
        let breaks = Breaks { reset: Some(Reset::Day), max_gap: Some(Length::new(0, 7 * 3_600_000_000_000, US)) };
        let mut one_by_one = vec![];
        let mut period = None;
        for row in 1..time.len() {
            if let Some(reason) = breaks.between(time[row - 1], time[row], US, &mut period) {
                one_by_one.push((row, reason));
            }
        }
        assert_eq!(one_by_one, [(3, CloseReason::Gap), (4, CloseReason::Reset), (6, CloseReason::Reset)]);
        let (mut found, mut row) = (vec![], 0);
        while row < time.len() {
            row += breaks.unbroken(&time[row..], US, None);
            found.push(row);
        }
        assert_eq!(found, [3, 4, 6, 8]);
    }
}
