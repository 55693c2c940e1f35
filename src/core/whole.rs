//! The rule of trades that are one bar whatever their prices: the statistics of a group are those of its only bar.

use std::ops::Range;

use super::block::Block;
use super::builder::CloseRule;

/// Closes no bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeRule;

impl CloseRule for WholeRule {
    type Limits = ();

    fn limits(&self, _open: i64, _open_time: i64) {}

    fn closes(&self, (): &mut (), _price: i64, _time: i64) -> bool {
        false
    }

    fn closing_row(&self, (): &mut (), _block: &Block<'_>, _rows: Range<usize>) -> Option<usize> {
        None
    }
}
