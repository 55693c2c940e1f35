//! The rule of one-sided bars: a bar closes when what was bought and what was sold are far enough apart.

use std::ops::Range;

use super::CloseRule;
use super::amounts::{Amount, Amounts};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::checkpoint::{CheckpointError, Put, Reader};
use crate::core::error::{Role, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::trades::sides::Side;
use crate::core::trades::trade::PlainTrade;

/// The columns that an amount by side is taken from.
pub(super) fn read_by_side(amount: Amount) -> &'static [Role] {
    match amount {
        Amount::Rows => &[Role::IsBuyerMaker],
        Amount::Trades => &[Role::FirstTradeId, Role::LastTradeId, Role::IsBuyerMaker],
        Amount::Volume | Amount::Turnover => &[Role::Quantity, Role::IsBuyerMaker],
    }
}

/// The amounts of a bar. How many of its rows were sold, it does not know.
pub(super) fn amounts_of_bar(amount: Amount, bar: &RangeBar, sold_rows: u64) -> Amounts {
    let sold = match amount {
        Amount::Rows => sold_rows.into(),
        Amount::Trades => bar.sell_trade_count.into(),
        Amount::Volume => bar.sell_volume(),
        Amount::Turnover => bar.sell_turnover(),
    };
    Amounts { all: amount.of_bar(bar), sold }
}

/// Closes a bar on the trade that makes the amounts of its buyers and sellers differ by a threshold, be it the one that
/// opens it. Every trade has a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImbalanceRule {
    amount: Amount,
    least: i128,
    /// Rows of the forming bar whose aggressor sold, where rows are counted.
    sold_rows: u64,
}

impl ImbalanceRule {
    /// A rule by a raw amount, at least 1.
    #[must_use]
    pub fn new(amount: Amount, least: i128) -> Self {
        debug_assert!(least > 0, "a bar would close without a trade");
        Self { amount, least, sold_rows: 0 }
    }
}

impl CloseRule for ImbalanceRule {
    fn reads(&self) -> &'static [Role] {
        read_by_side(self.amount)
    }

    fn may_close_at_open(&self) -> bool {
        true
    }

    fn open(&mut self, _price: i64, _decimals: Decimals, _time: i64) -> Result<(), Rule> {
        self.sold_rows = 0;
        Ok(())
    }

    fn closing_row(&mut self, bar: &RangeBar, block: &Block<'_>, rows: Range<usize>) -> Option<usize> {
        let mut sums = amounts_of_bar(self.amount, bar, self.sold_rows);
        let may_close = |sums: Amounts, more: Amounts| sums.imbalance().saturating_add(more.all) >= self.least;
        let closes = |sums: Amounts| sums.imbalance() >= self.least;
        let closing = self.amount.first_closing(block, rows, true, &mut sums, may_close, closes);
        if self.amount == Amount::Rows {
            self.sold_rows = sums.sold as u64;
        }
        closing
    }

    fn stays_open(&self, bar: &RangeBar, trade: &PlainTrade) -> bool {
        if self.amount == Amount::Rows {
            return false; // the side of every row is remembered
        }
        let all = self.amount.of_trade(trade);
        let more = Amounts { all, sold: if trade.side == Some(Side::Sold) { all } else { 0 } };
        amounts_of_bar(self.amount, bar, 0).plus(more).imbalance() < self.least
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.put(self.sold_rows);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        self.sold_rows = from.take()?;
        Ok(())
    }
}
