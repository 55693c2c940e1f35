//! Rules of the extremes of a bar: it closes when its high and its low are far enough apart, or when the price has turned
//! far enough away from one of them.

use std::ops::Range;

use super::{CloseRule, Gate, Move};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::error::Rule;
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::simd::vectorised;
use crate::core::trades::trade::PlainTrade;

/// Rows whose extremes are taken together before each row is looked at.
const ROWS_AT_ONCE: usize = 32;

/// The highest and the lowest price of a bar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extremes {
    pub high: i64,
    pub low: i64,
}

impl Extremes {
    pub fn of_bar(bar: &RangeBar) -> Self {
        Self { high: bar.high, low: bar.low }
    }

    pub fn with(self, price: i64) -> Self {
        Self { high: self.high.max(price), low: self.low.min(price) }
    }

    fn of_both(self, other: Self) -> Self {
        Self { high: self.high.max(other.high), low: self.low.min(other.low) }
    }
}

/// The first of some rows that closes a bar whose extremes were these before, by its price and by the extremes that include
/// it; the first rows, which the gate holds, cannot. `may_close` says of the extremes of several rows, and of those with the
/// ones before, whether one of the rows may close the bar.
pub(super) fn first_closing(
    block: &Block<'_>,
    rows: Range<usize>,
    gate: &Gate,
    mut extremes: Extremes,
    may_close: impl Fn(Extremes, Extremes) -> bool,
    closes: impl Fn(i64, Extremes) -> bool,
) -> Option<usize> {
    if let Some(total) = block.total {
        let all = Extremes { high: total.high, low: total.low };
        if !may_close(all, extremes.of_both(all)) {
            return None; // as in most blocks: nothing to search
        }
    }
    let held = gate.held(&block.trades.time[rows.clone()]);
    let mut start = rows.start + held;
    extremes = block.price[rows.start..start].iter().fold(extremes, |extremes, &price| extremes.with(price));
    while start < rows.end {
        let price = &block.price[start..rows.end.min(start + ROWS_AT_ONCE)];
        let (high, low) = extremes_of(price);
        let more = Extremes { high, low };
        if may_close(more, extremes.of_both(more)) {
            for (row, &price) in price.iter().enumerate() {
                extremes = extremes.with(price);
                if closes(price, extremes) {
                    return Some(start + row);
                }
            }
        }
        extremes = extremes.of_both(more);
        start += price.len();
    }
    None
}

vectorised! {
    /// The highest and the lowest of some prices.
    fn extremes_of(price: &[i64]) -> (i64, i64) {
        let (mut high, mut low) = (i64::MIN, i64::MAX);
        for &price in price {
            high = high.max(price);
            low = low.min(price);
        }
        (high, low)
    }
}

/// Closes a bar on the trade with which its high and its low are a set distance apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HighLowRule {
    distance: Move,
    gate: Gate,
    /// The most by which high and low of the forming bar may differ while it stays open.
    most: u64,
}

impl HighLowRule {
    /// A rule; with the gate, no trade at a bar's open time closes it.
    #[must_use]
    pub fn new(distance: Move, same_timestamp_gate: bool) -> Self {
        Self { distance, gate: Gate::new(same_timestamp_gate), most: 0 }
    }

    fn is_wide(&self, extremes: Extremes) -> bool {
        extremes.high.abs_diff(extremes.low) > self.most
    }
}

impl CloseRule for HighLowRule {
    fn open(&mut self, open: i64, decimals: Decimals, open_time: i64) -> Result<(), Rule> {
        let distance = self.distance.from_open(open, decimals)?;
        self.most = (distance - 1) as u64; // at most the open or 64 bits, and above zero
        self.gate.open(open_time);
        Ok(())
    }

    fn closing_row(&mut self, bar: &RangeBar, block: &Block<'_>, rows: Range<usize>) -> Option<usize> {
        let before = Extremes::of_bar(bar);
        // Trades that the gate holds may have made the bar wide enough: then the next one closes it, whatever its price.
        first_closing(block, rows, &self.gate, before, |_, all| self.is_wide(all), |_, all| self.is_wide(all))
    }

    fn stays_open(&self, bar: &RangeBar, trade: &PlainTrade) -> bool {
        !self.is_wide(Extremes::of_bar(bar).with(trade.price)) || self.gate.holds(trade.time)
    }
}
