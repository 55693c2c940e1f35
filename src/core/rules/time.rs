//! The rule of time bars: a bar ends where a trade lies in a later window of time than the bar.

use std::ops::Range;

use super::CloseRule;
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::error::Rule;
use crate::core::numbers::decimals::Decimals;
use crate::core::time::clock::TimeUnit;
use crate::core::time::every::Every;
use crate::core::trades::trade::PlainTrade;

/// Ends a bar before the first trade of a later window. There is no bar for a window without trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRule {
    every: Every,
    unit: TimeUnit,
    /// The last instant of the forming bar's window.
    last: i64,
}

impl TimeRule {
    /// A rule by the length of the windows; the builder tells it the clock.
    #[must_use]
    pub fn new(every: Every) -> Self {
        Self { every, unit: TimeUnit::Nanoseconds, last: i64::MIN }
    }
}

impl CloseRule for TimeRule {
    fn on_clock(&mut self, unit: TimeUnit) {
        self.unit = unit;
    }

    fn open(&mut self, _price: i64, _decimals: Decimals, time: i64) -> Result<(), Rule> {
        self.last = self.every.last(time, self.unit);
        Ok(())
    }

    fn closing_row(&mut self, _bar: &RangeBar, _block: &Block<'_>, _rows: Range<usize>) -> Option<usize> {
        None
    }

    fn holds(&self, time: i64) -> bool {
        time <= self.last
    }

    fn stays_open(&self, _bar: &RangeBar, trade: &PlainTrade) -> bool {
        self.holds(trade.time)
    }
}
