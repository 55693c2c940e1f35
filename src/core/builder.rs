//! The state machine that every route drives: trades in, closed bars out, one forming bar kept.

use super::bar::{CloseReason, RangeBar};
use super::block::{Block, Buffers, ROWS, Seen};
use super::error::RowError;
use super::trades::{TimeUnit, Trades};

/// Decides which trade closes a bar. Everything else about a bar is the same for every rule.
pub trait CloseRule {
    /// What the rule remembers of the forming bar.
    type Limits: Copy;

    /// The limits of a bar that opens at a row.
    fn limits(&self, block: &Block<'_>, row: usize) -> Self::Limits;

    /// The first row of `from..` that closes the bar.
    fn closing_row(&self, limits: &mut Self::Limits, block: &Block<'_>, from: usize) -> Option<usize>;
}

/// A bar that ended, and the row (of the trades pushed) that ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedBar {
    /// Row of the closing trade.
    pub row: usize,
    /// The bar.
    pub bar: RangeBar,
}

/// The bars of one group. State is one forming bar, whatever the number of trades pushed, so how the
/// input is split never changes a bit.
///
/// ```
/// use rangebar_polars::core::{BarBuilder, Numbers, RangeRule, TimeUnit, Trades, block::Buffers};
///
/// let mut builder = BarBuilder::new(RangeRule::new(1_000, true)?, TimeUnit::Microseconds);
/// let trades = Trades {
///     time: &[1, 2, 3, 4],
///     price: Numbers::F64(&[100.0, 100.5, 101.0, 101.0]), // 1 % above the open: the third trade closes
///     quantity: Some(Numbers::F64(&[1.0, 2.0, 3.0, 4.0])),
///     is_buyer_maker: None,
///     agg_trade_id: None,
///     individual_ids: None,
/// };
/// let mut closed = Vec::new();
/// builder.push(trades, &mut Buffers::default(), &mut closed)?;
/// assert_eq!((closed.len(), closed[0].row), (1, 2));
/// assert_eq!(closed[0].bar.volume(), 600_000_000);
/// assert_eq!(builder.forming().map(|bar| bar.agg_record_count), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct BarBuilder<R: CloseRule> {
    rule: R,
    unit: TimeUnit,
    seen: Seen,
    closed: u64,
    forming: Option<(RangeBar, R::Limits)>,
}

impl<R: CloseRule> BarBuilder<R> {
    /// A builder that has seen nothing.
    pub fn new(rule: R, unit: TimeUnit) -> Self {
        Self { rule, unit, seen: Seen::default(), closed: 0, forming: None }
    }

    /// The bar still forming.
    pub fn forming(&self) -> Option<&RangeBar> {
        self.forming.as_ref().map(|(bar, _)| bar)
    }

    /// Bars closed so far: the number of the bar that the next trade is in.
    pub fn closed(&self) -> u64 {
        self.closed
    }

    /// Trades seen so far.
    pub fn rows(&self) -> u64 {
        self.seen.rows
    }

    /// Adds trades and appends the bars that they close to `closed`.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule. Trades before it may already be in the state: a builder that
    /// returned an error is to be dropped.
    pub fn push(
        &mut self,
        trades: Trades<'_>,
        buffers: &mut Buffers,
        closed: &mut Vec<ClosedBar>,
    ) -> Result<(), RowError> {
        for start in (0..trades.len()).step_by(ROWS) {
            let end = trades.len().min(start + ROWS);
            let block = buffers.load(trades.slice(start..end), &self.seen)?;
            self.add(&block, start, closed)?;
            let last = end - start - 1;
            self.seen.last = Some((block.trades.time[last], block.trades.agg_trade_id.map_or(0, |ids| ids[last])));
            self.seen.rows += block.len() as u64;
        }
        Ok(())
    }

    fn add(&mut self, block: &Block<'_>, start: usize, closed: &mut Vec<ClosedBar>) -> Result<(), RowError> {
        let mut row = 0;
        while row < block.len() {
            // A trade that opens a bar cannot close it.
            let search = row + usize::from(self.forming.is_none());
            let (bar, limits) =
                self.forming.get_or_insert_with(|| (RangeBar::begin(block, row), self.rule.limits(block, row)));
            let closing = self.rule.closing_row(limits, block, search);
            let end = closing.map_or(block.len(), |closing| closing + 1);
            bar.extend(block, row..end, self.unit)?;
            if closing.is_some() {
                bar.close_reason = CloseReason::Threshold;
                closed.push(ClosedBar { row: start + end - 1, bar: *bar });
                self.closed += 1;
                self.forming = None;
            }
            row = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
