//! What closes bars. A rule is a value: [`AnyRule`] has one variant for each, and everything else about a bar is the same
//! for all of them.
//!
//! Another rule is a file of this folder that implements [`CloseRule`], a row in the table of `any.rs`, and its form
//! in requests (`frame/rules.rs`).

mod adaptive;
mod amounts;
mod any;
mod breaks;
mod cusum;
mod high_low;
mod imbalance;
mod never;
mod range;
#[cfg(test)]
mod tests;
mod time;
mod total;

use std::ops::Range;

pub use adaptive::{AdaptiveRule, Measure};
pub use amounts::Amount;
pub use any::AnyRule;
pub use breaks::Breaks;
pub use cusum::CusumRule;
pub use high_low::HighLowRule;
pub use imbalance::ImbalanceRule;
pub use never::NeverRule;
pub(in crate::core) use range::first_outside;
pub use range::{Move, RangeRule, raw_distance};
pub use time::TimeRule;
pub use total::TotalRule;

use super::checkpoint::{CheckpointError, Reader};
use super::error::{Role, Rule};
use super::numbers::decimals::Decimals;
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::time::clock::TimeUnit;
use crate::core::trades::trade::PlainTrade;

/// Decides which trade closes a bar, and holds what it remembers of the forming bar and of the bars before.
///
/// The builder asks in the order of the rows, and for each row once: [`CloseRule::open`] at the row that opens a bar, then
/// [`CloseRule::closing_row`] for ranges of rows, all of which the bar [holds](CloseRule::holds), up to the one that closes it. So a rule may count what it sees. For
/// a trade that comes by itself the builder first asks [`CloseRule::stays_open`], which changes nothing and saves the
/// conversion of a whole block: a push of one trade takes less than half as long that way.
///
/// A rule with a bar that forms is copied at the beginning of a push that may be undone, so it must be small.
pub trait CloseRule {
    /// The columns that the rule looks at besides time and price.
    fn reads(&self) -> &'static [Role] {
        &[]
    }

    /// Whether the trade that opens a bar may also close it.
    fn may_close_at_open(&self) -> bool {
        false
    }

    /// The rule will be asked for trades whose times are in this unit.
    fn on_clock(&mut self, _unit: TimeUnit) {}

    /// A bar opens at a raw price of some decimals and at a time.
    ///
    /// # Errors
    ///
    /// No bar can open at this price.
    fn open(&mut self, price: i64, decimals: Decimals, time: i64) -> Result<(), Rule>;

    /// The first of a range of rows that closes the bar, which holds the rows before them; a bar that has just opened holds
    /// no row, but has its open, high and low.
    fn closing_row(&mut self, bar: &RangeBar, block: &Block<'_>, rows: Range<usize>) -> Option<usize>;

    /// Whether the forming bar may hold a trade at a time that is not before its last trade. If it may not, the bar ends
    /// before that trade; it may hold the one that opened it.
    fn holds(&self, _time: i64) -> bool {
        true
    }

    /// Whether a trade certainly leaves the bar, which does not hold it yet, open, and the rule needs to remember nothing
    /// of it.
    fn stays_open(&self, bar: &RangeBar, trade: &PlainTrade) -> bool;

    /// A reset or a gap ended what was: the rule forgets it.
    fn start_anew(&mut self) {}

    /// Writes what the rule remembers, unless the forming bar tells it.
    fn save(&self, _out: &mut Vec<u8>) {}

    /// Reads what [`CloseRule::save`] wrote into a rule of the same parameters, whose bar, if one forms, was opened anew.
    ///
    /// # Errors
    ///
    /// The bytes end too soon, or what they say cannot be.
    fn load(&mut self, _from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        Ok(())
    }
}

/// Rows at the time of a bar's open do not close it, if the rule is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    is_on: bool,
    open_time: i64,
}

impl Gate {
    /// A gate, on or off.
    #[must_use]
    pub fn new(is_on: bool) -> Self {
        Self { is_on, open_time: 0 }
    }

    /// A bar opens.
    pub fn open(&mut self, time: i64) {
        self.open_time = time;
    }

    /// Whether a trade at this time cannot close the bar.
    #[must_use]
    pub fn holds(&self, time: i64) -> bool {
        self.is_on && time == self.open_time
    }

    /// How many of these times, which follow the open, cannot close the bar.
    #[must_use]
    pub fn held(&self, times: &[i64]) -> usize {
        if self.is_on { times.iter().take_while(|&&time| time == self.open_time).count() } else { 0 }
    }
}
