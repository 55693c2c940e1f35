//! The rule of bars that hold equally much: a bar closes when its rows, individual trades, volume or turnover reach a
//! threshold.

use std::ops::Range;

use super::CloseRule;
use super::amounts::{Amount, Amounts};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::error::{Role, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::trades::trade::PlainTrade;

/// Closes a bar on the trade that makes an amount of the bar reach a threshold, be it the one that opens it. What a bar has
/// beyond its threshold stays in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotalRule {
    amount: Amount,
    least: i128,
}

impl TotalRule {
    /// A rule by a raw amount, at least 1. No amount is below zero, so a bar reaches it once.
    #[must_use]
    pub fn new(amount: Amount, least: i128) -> Self {
        debug_assert!(least > 0, "a bar would close without a trade");
        Self { amount, least }
    }
}

impl CloseRule for TotalRule {
    fn reads(&self) -> &'static [Role] {
        self.amount.reads()
    }

    fn may_close_at_open(&self) -> bool {
        true
    }

    fn open(&mut self, _price: i64, _decimals: Decimals, _time: i64) -> Result<(), Rule> {
        Ok(())
    }

    fn closing_row(&mut self, bar: &RangeBar, block: &Block<'_>, rows: Range<usize>) -> Option<usize> {
        let before = self.amount.of_bar(bar);
        if self.amount == Amount::Rows {
            // A bar of which a checkpoint says that it has reached the threshold already closes with the next row.
            let more = usize::try_from((self.least - before).max(1)).ok()?;
            return (more <= rows.len()).then(|| rows.start + more - 1);
        }
        let reaches = |sums: Amounts| sums.all >= self.least;
        let mut sums = Amounts { all: before, sold: 0 };
        self.amount.first_closing(block, rows, false, &mut sums, |sums, more| reaches(sums.plus(more)), reaches)
    }

    fn stays_open(&self, bar: &RangeBar, trade: &PlainTrade) -> bool {
        self.amount.of_bar(bar).saturating_add(self.amount.of_trade(trade)) < self.least
    }
}
