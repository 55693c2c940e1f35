//! What is missing between the rows of one group: ids, and times without a trade.

use crate::core::error::{Role, RowError, Rule};
use crate::core::time::calendar::Length;
use crate::core::time::clock::TimeUnit;

/// What one row covers: one trade, or the trades of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Time of its first trade.
    pub first_time: i64,
    /// Time of its last trade.
    pub last_time: i64,
    /// Ids of its first and its last trade, if there are ids.
    pub ids: Option<(i64, i64)>,
}

/// A place between two rows where something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Time of the last trade before.
    pub last_time: i64,
    /// Time of the first trade after.
    pub next_time: i64,
    /// From the first to the second, microseconds.
    pub silence_us: i64,
    /// Whether that is longer than the limit.
    pub is_silent: bool,
    /// First and last missing id, if any.
    pub missing_ids: Option<(i64, i64)>,
}

impl Gap {
    /// Number of missing ids.
    #[must_use]
    pub fn missing_id_count(&self) -> u64 {
        self.missing_ids.map_or(0, |(first, last)| last.abs_diff(first) + 1)
    }
}

/// Finds the gaps of one group, row by row.
#[derive(Debug, Clone, Copy)]
pub struct GapFinder {
    unit: TimeUnit,
    max_gap: Option<Length>,
    last: Option<Span>,
    rows: u64,
}

impl GapFinder {
    /// A finder that has seen nothing.
    #[must_use]
    pub fn new(max_gap: Option<Length>, unit: TimeUnit) -> Self {
        Self { unit, max_gap, last: None, rows: 0 }
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The gap between the row before and this one, if there is one.
    ///
    /// # Errors
    ///
    /// Time goes back, or the time between the two does not fit 64 bits of microseconds.
    pub fn next(&mut self, row: Span) -> Result<Option<Gap>, RowError> {
        let error = |rule| RowError { column: Role::Time, row: self.rows, rule };
        let Some(last) = self.last.filter(|last| last.last_time <= row.first_time) else {
            if let Some(last) = self.last {
                return Err(error(Rule::TimeOrder { time: row.first_time, previous: last.last_time }));
            }
            (self.last, self.rows) = (Some(row), 1);
            return Ok(None);
        };
        let silence = self.unit.span_us(last.last_time, row.first_time);
        let too_long = || error(Rule::DurationFits { time: row.first_time, open_time: last.last_time });
        let gap = Gap {
            last_time: last.last_time,
            next_time: row.first_time,
            silence_us: silence.ok_or_else(too_long)?,
            is_silent: self.max_gap.is_some_and(|gap| row.first_time > gap.after(last.last_time, self.unit)),
            missing_ids: missing(last.ids, row.ids),
        };
        (self.last, self.rows) = (Some(row), self.rows + 1);
        Ok((gap.is_silent || gap.missing_ids.is_some()).then_some(gap))
    }
}

/// Ids between two rows; none if they fall or repeat.
fn missing(last: Option<(i64, i64)>, next: Option<(i64, i64)>) -> Option<(i64, i64)> {
    let (first, last) = (last?.1.checked_add(1)?, next?.0.checked_sub(1)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(time: i64, id: i64) -> Span {
        Span { first_time: time, last_time: time, ids: Some((id, id)) }
    }

    #[test]
    fn ids_and_silences_are_found_and_falling_ids_are_not() {
        let max_gap = Some(Length::new(0, 10_000, TimeUnit::Microseconds));
        let mut finder = GapFinder::new(max_gap, TimeUnit::Microseconds);
        let rows = [trade(1, 5), trade(11, 6), trade(22, 7), trade(22, 10), trade(23, 3), trade(40, 5)];
        let found: Vec<_> = rows.into_iter().map(|row| finder.next(row).expect("in order")).collect();
        let silent: Vec<_> = found.iter().map(|gap| gap.is_some_and(|gap| gap.is_silent)).collect();
        assert_eq!(silent, [false, false, true, false, false, true]);
        let missing: Vec<_> = found.iter().map(|gap| gap.and_then(|gap| gap.missing_ids)).collect();
        assert_eq!(missing, [None, None, None, Some((8, 9)), None, Some((4, 4))]);
        assert_eq!(found[3].map(|gap| gap.missing_id_count()), Some(2));
        assert_eq!(found[5].map(|gap| (gap.silence_us, gap.next_time)), Some((17, 40)));
        assert!(finder.next(trade(39, 6)).is_err());
    }

    #[test]
    fn ids_at_the_ends_of_64_bits() {
        let ids = |id| Some((id, id));
        assert_eq!(missing(ids(i64::MIN), ids(i64::MAX)), Some((i64::MIN + 1, i64::MAX - 1)));
        assert_eq!(missing(ids(i64::MAX), ids(i64::MIN)), None);
        let gap = Gap {
            last_time: 0,
            next_time: 0,
            silence_us: 0,
            is_silent: false,
            missing_ids: Some((i64::MIN + 1, i64::MAX - 1)),
        };
        assert_eq!(gap.missing_id_count(), u64::MAX - 1);
    }
}
