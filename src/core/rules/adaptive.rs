//! Rules of one-sided bars whose threshold follows the market.
//!
//! The trades of a group are cut into blocks of equally many, which bars do not restart. What a full block amounts to moves an
//! exponential average, and that average is the threshold of the bars that open from then on. So a bar has about as many
//! trades as a block, fewer where trades are one-sided. No length of a bar has a say: an average of lengths that the
//! threshold itself made runs away or collapses.

use std::ops::Range;

use super::CloseRule;
use super::amounts::{Amount, Amounts};
use super::imbalance::{amounts_of_bar, read_by_side};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::checkpoint::{CheckpointError, Put, Reader};
use crate::core::error::{Role, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::Number;
use crate::core::trades::trade::PlainTrade;

/// What is taken of the amounts of buyers and sellers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// By how much they differ.
    Imbalance,
    /// The larger one.
    Run,
}

impl Measure {
    fn of(self, amounts: Amounts) -> i128 {
        match self {
            Self::Imbalance => amounts.imbalance(),
            Self::Run => amounts.sold.max(amounts.all - amounts.sold),
        }
    }

    /// Whether one of several rows may bring a bar to a limit.
    fn may_reach(self, limit: i128, before: Amounts, more: Amounts) -> bool {
        match self {
            Self::Imbalance => before.imbalance().saturating_add(more.all) >= limit,
            Self::Run => self.of(before.plus(more)) >= limit,
        }
    }
}

/// What closes the forming bar.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    /// As many rows as a block has: there is no threshold yet, or it is zero.
    Rows,
    /// A raw amount.
    Amount(i128),
}

/// Closes a bar on the trade that makes a measure of its buyers and sellers reach the average of the measure over blocks of
/// trades, as it was before the trade that opened the bar. Every trade has a side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveRule {
    measure: Measure,
    amount: Amount,
    /// Rows of a block.
    target: u64,
    /// The share of a new block in the average.
    share: f64,
    /// Raw units in one of the amount.
    scale: f64,
    /// Rows of the forming bar whose aggressor sold, where rows are counted.
    sold_rows: u64,
    /// The threshold of the forming bar, if there is one.
    threshold: Option<f64>,
    limit: Limit,
    /// Rows of the block that fills, and its amounts.
    in_block: u64,
    block: Amounts,
    /// Whether the amounts of a block did not fit.
    is_beyond: bool,
    /// The average over the blocks, once one was full.
    expected: Option<f64>,
}

impl AdaptiveRule {
    /// A rule by the rows of a block and the span of the average, of which a new block has the share 2 / (span + 1); both are
    /// at least 1. Prices have some decimals.
    #[must_use]
    pub fn new(measure: Measure, amount: Amount, target: u64, span: u64, decimals: Decimals) -> Self {
        debug_assert!(target > 0 && span > 0, "no block and no average");
        let scale = match amount {
            Amount::Rows | Amount::Trades => 1.0,
            Amount::Volume => Decimals::OF_QUANTITIES.scale(),
            Amount::Turnover => Decimals::OF_QUANTITIES.scale() * decimals.scale(),
        };
        Self {
            measure,
            amount,
            target,
            share: 2.0 / (span as f64 + 1.0),
            scale,
            sold_rows: 0,
            threshold: None,
            limit: Limit::Rows,
            in_block: 0,
            block: Amounts::default(),
            is_beyond: false,
            expected: None,
        }
    }

    fn set_threshold(&mut self, threshold: Option<f64>) {
        self.threshold = threshold;
        self.limit = match threshold {
            Some(threshold) if threshold > 0.0 => Limit::Amount(least_raw(threshold, self.scale)),
            _ => Limit::Rows,
        };
    }

    /// Adds rows to the block, which has room for them, and moves the average if it is full.
    fn fill(&mut self, rows: u64, more: Amounts) {
        self.in_block += rows;
        self.block = self.block.plus(more);
        self.is_beyond |= self.block.all == i128::MAX;
        if self.in_block < self.target {
            return;
        }
        let full = self.measure.of(self.block) as f64 / self.scale;
        self.expected = Some(self.expected.map_or(full, |average| average + self.share * (full - average)));
        (self.in_block, self.block) = (0, Amounts::default());
    }
}

/// The least raw amount that is, as a double of its unit, at least a threshold above zero.
fn least_raw(threshold: f64, scale: f64) -> i128 {
    let reaches = |raw: i128| raw as f64 / scale >= threshold;
    let near = (threshold * scale) as i128;
    let around = (near >> 50) + 2; // more than the product and the quotient are off by
    let (mut below, mut reached) = ((near - around).max(0), near.saturating_add(around));
    if !reaches(reached) || below > 0 && reaches(below) {
        (below, reached) = (0, i128::MAX);
    }
    while reached - below > 1 {
        let middle = below + (reached - below) / 2;
        if reaches(middle) {
            reached = middle;
        } else {
            below = middle;
        }
    }
    reached
}

impl CloseRule for AdaptiveRule {
    fn reads(&self) -> &'static [Role] {
        read_by_side(self.amount)
    }

    fn may_close_at_open(&self) -> bool {
        true
    }

    fn open(&mut self, _price: i64, _decimals: Decimals, _time: i64) -> Result<(), Rule> {
        if self.is_beyond {
            return Err(Rule::SumFits { value: Number::Float(i128::MAX as f64 / self.scale) });
        }
        self.sold_rows = 0;
        self.set_threshold(self.expected);
        Ok(())
    }

    fn closing_row(&mut self, bar: &RangeBar, block: &Block<'_>, rows: Range<usize>) -> Option<usize> {
        let mut sums = amounts_of_bar(self.amount, bar, self.sold_rows);
        let mut start = rows.start;
        let mut closing = None;
        while closing.is_none() && start < rows.end {
            let room = usize::try_from(self.target - self.in_block).unwrap_or(usize::MAX);
            let part = start..rows.end.min(start.saturating_add(room));
            let before = sums;
            closing = match self.limit {
                Limit::Amount(limit) => {
                    let measure = self.measure;
                    let may_close = |sums: Amounts, more: Amounts| measure.may_reach(limit, sums, more);
                    let closes = |sums: Amounts| measure.of(sums) >= limit;
                    self.amount.first_closing(block, part.clone(), true, &mut sums, may_close, closes)
                }
                Limit::Rows => {
                    let held = bar.agg_record_count + (start - rows.start) as u64;
                    let more = usize::try_from(self.target.saturating_sub(held).max(1)).unwrap_or(usize::MAX);
                    let closing = (more <= part.len()).then(|| start + more - 1);
                    let end = closing.map_or(part.end, |row| row + 1);
                    sums = sums.plus(self.amount.of_rows(block, start..end, true));
                    closing
                }
            };
            let end = closing.map_or(part.end, |row| row + 1);
            self.fill((end - start) as u64, sums.minus(before));
            start = end;
        }
        if self.amount == Amount::Rows {
            self.sold_rows = sums.sold as u64;
        }
        closing
    }

    fn stays_open(&self, _bar: &RangeBar, _trade: &PlainTrade) -> bool {
        false // every trade is remembered
    }

    fn start_anew(&mut self) {
        (self.in_block, self.block, self.expected) = (0, Amounts::default(), None);
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.put(self.sold_rows);
        out.put(self.in_block);
        out.put(self.block.all);
        out.put(self.block.sold);
        out.put(self.is_beyond);
        for average in [self.threshold, self.expected] {
            out.put(average.is_some());
            out.put(average.unwrap_or_default().to_bits());
        }
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        self.sold_rows = from.take()?;
        self.in_block = from.take()?;
        self.block = Amounts { all: from.take()?, sold: from.take()? };
        self.is_beyond = from.take()?;
        let mut average = || {
            let (is_some, value): (bool, u64) = (from.take()?, from.take()?);
            let value = f64::from_bits(value);
            let could_be = value >= 0.0 && value.is_finite();
            if could_be { Ok(is_some.then_some(value)) } else { Err(CheckpointError::Impossible) }
        };
        let (threshold, expected) = (average()?, average()?);
        self.set_threshold(threshold);
        self.expected = expected;
        let could_be = self.in_block < self.target && (0..=self.block.all).contains(&self.block.sold);
        if could_be { Ok(()) } else { Err(CheckpointError::Impossible) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::words;

    #[test]
    fn prop_the_least_amount_is_the_least() {
        for word in words(3).take(3_000) {
            for scale in [1.0, 1e8, 1e16] {
                let threshold = (word >> 11) as f64 * 2_f64.powi((word % 90) as i32 - 70) + 1e-9;
                if threshold * scale > 1e37 {
                    continue;
                }
                let least = least_raw(threshold, scale);
                assert!(least as f64 / scale >= threshold, "{threshold} {scale}");
                assert!(least == 1 || ((least - 1) as f64 / scale) < threshold, "{threshold} {scale}");
                if least < 1 << 100 {
                    // That of another amount is that amount, or one of which the double is the same.
                    let double = least as f64 / scale;
                    assert!(least_raw(double, scale) <= least && least_raw(double.next_up(), scale) > least);
                }
            }
        }
        assert_eq!((least_raw(3.0, 1.0), least_raw(2.5, 1.0), least_raw(1e-300, 1.0)), (3, 3, 1));
    }
}
