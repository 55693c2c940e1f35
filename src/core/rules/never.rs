//! The rule that makes one bar of all trades, whatever their prices: the statistics of a group are those of its only bar.

use std::ops::Range;

use super::CloseRule;
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::error::Rule;
use crate::core::numbers::decimals::Decimals;
use crate::core::trades::trade::PlainTrade;

/// Closes no bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeverRule;

impl CloseRule for NeverRule {
    fn open(&mut self, _price: i64, _decimals: Decimals, _time: i64) -> Result<(), Rule> {
        Ok(())
    }

    fn closing_row(&mut self, _bar: &RangeBar, _block: &Block<'_>, _rows: Range<usize>) -> Option<usize> {
        None
    }

    fn stays_open(&self, _bar: &RangeBar, _trade: &PlainTrade) -> bool {
        true
    }
}
