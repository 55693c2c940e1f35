//! A range bar in raw integers and how trades are folded into it.

use std::ops::Range;

use super::block::Block;
use super::error::{Column, RowError, Rule};
use super::fixed::{Number, from_fixed};
use super::piece::{Piece, Sums};
use super::seen::Seen;
use super::trade::Trade;
use super::trades::TimeUnit;

/// Why a bar ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// A trade touched the threshold.
    Threshold,
    /// A calendar period ended: an orphan.
    Reset,
    /// The next trade came too late: an orphan.
    Gap,
    /// The data ended: the bar still forms.
    End,
}

impl CloseReason {
    /// Every reason as its word, in the order of the discriminants: the categories of the column.
    pub const WORDS: [&'static str; 4] = ["threshold", "reset", "gap", "end"];

    /// Whether the bar ended without touching its threshold, and will not go on.
    #[must_use]
    pub fn is_orphan(self) -> bool {
        matches!(self, Self::Reset | Self::Gap)
    }
}

/// One bar. Prices and volumes are raw fixed point (1e-8), turnovers raw products (1e-16), times in the
/// input's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeBar {
    /// Time of the first trade.
    pub open_time: i64,
    /// Time of the last trade.
    pub close_time: i64,
    /// From the first to the last trade, microseconds.
    pub duration_us: i64,
    /// Price of the first trade.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Price of the last trade.
    pub close: i64,
    /// First individual trade of the first row.
    pub first_trade_id: i64,
    /// Last individual trade of the last row.
    pub last_trade_id: i64,
    /// Id of the first row.
    pub first_agg_trade_id: i64,
    /// Id of the last row.
    pub last_agg_trade_id: i64,
    /// Input rows.
    pub agg_record_count: u64,
    /// Individual trades.
    pub individual_trade_count: u64,
    /// Individual trades whose aggressor sold.
    pub sell_trade_count: u64,
    pub(super) sums: Sums,
    /// Why the bar ended.
    pub close_reason: CloseReason,
}

impl RangeBar {
    /// A bar that begins at a row and holds nothing yet, not even that row.
    #[must_use]
    pub fn begin(block: &Block<'_>, row: usize) -> Self {
        let (time, price) = (block.trades.time[row], block.price[row]);
        Self {
            open_time: time,
            close_time: time,
            duration_us: 0,
            open: price,
            high: price,
            low: price,
            close: price,
            first_trade_id: block.individual_ids(row).0,
            last_trade_id: block.individual_ids(row).1,
            first_agg_trade_id: block.id(row),
            last_agg_trade_id: block.id(row),
            agg_record_count: 0,
            individual_trade_count: 0,
            sell_trade_count: 0,
            sums: Sums::default(),
            close_reason: CloseReason::End,
        }
    }

    /// Folds rows of a block, at least one, into the bar; `piece` is made of the same rows.
    ///
    /// # Errors
    ///
    /// The first row whose addition does not fit: a sum beyond 128 bits, a duration or a count beyond 64.
    pub fn extend(
        &mut self,
        block: &Block<'_>,
        rows: Range<usize>,
        piece: &Piece,
        unit: TimeUnit,
    ) -> Result<(), RowError> {
        let last = rows.end - 1;
        self.extend_time(block, rows.clone(), unit)?;
        self.high = self.high.max(piece.high);
        self.low = self.low.min(piece.low);
        self.close = block.price[last];
        self.last_trade_id = block.individual_ids(last).1;
        self.last_agg_trade_id = block.id(last);
        self.agg_record_count += rows.len() as u64;
        self.extend_counts(block, last, piece)?;
        match piece.sums.and_then(|sums| self.sums.checked_add(&sums)) {
            Some(sums) => self.sums = sums,
            None => self.extend_sums_by_row(block, rows)?,
        }
        Ok(())
    }

    fn extend_time(&mut self, block: &Block<'_>, rows: Range<usize>, unit: TimeUnit) -> Result<(), RowError> {
        let time = block.trades.time;
        self.close_time = time[rows.end - 1];
        if let Some(duration_us) = unit.span_us(self.open_time, self.close_time) {
            self.duration_us = duration_us;
            return Ok(());
        }
        let fits = |row: &usize| unit.span_us(self.open_time, time[*row]).is_some();
        let row = rows.clone().find(|row| !fits(row)).unwrap_or(rows.end - 1);
        let rule = Rule::DurationFits { time: time[row], open_time: self.open_time };
        Err(block.error(Column::Time, row, rule))
    }

    fn extend_counts(&mut self, block: &Block<'_>, row: usize, piece: &Piece) -> Result<(), RowError> {
        let (first, last) = block.individual_ids(row);
        let fits = self.individual_trade_count.checked_add(piece.trades);
        self.individual_trade_count =
            fits.ok_or_else(|| block.error(Column::LastTradeId, row, Rule::TradeCount { first, last }))?;
        self.sell_trade_count += piece.sell_trades;
        Ok(())
    }

    /// Row by row and checked at each: for prices and quantities that are not narrow, and to find the row that overflows.
    #[cold]
    fn extend_sums_by_row(&mut self, block: &Block<'_>, rows: Range<usize>) -> Result<(), RowError> {
        for row in rows {
            let (price, volume) = (i128::from(block.price[row]), block.quantity.get(row));
            let sold = block.seller.is_some_and(|seller| seller[row] != 0);
            let sums = price.checked_mul(volume).and_then(|turnover| {
                let sell = if sold { (volume, turnover) } else { (0, 0) };
                self.sums.checked_add(&Sums { volume, turnover, sell_volume: sell.0, sell_turnover: sell.1 })
            });
            let value = Number::Float(from_fixed(volume));
            self.sums = sums.ok_or_else(|| block.error(Column::Quantity, row, Rule::SumFits { value }))?;
        }
        Ok(())
    }

    /// Folds in one plain trade of a raw price and quantity, unless a sum may not fit: then nothing is done, and
    /// [`RangeBar::extend`] is to be asked. A push of one trade takes less than half as long this way.
    #[inline]
    pub fn try_extend(&mut self, trade: &Trade, price: i64, quantity: i64, seen: &Seen, unit: TimeUnit) -> bool {
        const FAR: u64 = 1 << 53; // in milliseconds, a thousand of which still fit 64 bits
        let span = trade.time.abs_diff(self.open_time);
        if self.sums.turnover >> 125 != 0 || self.individual_trade_count >> 62 != 0 || span >= FAR {
            return false;
        }
        let sold = trade.is_buyer_maker == Some(true);
        let (volume, turnover) = (i128::from(quantity), i128::from(price) * i128::from(quantity));
        self.close_time = trade.time;
        self.duration_us = match unit {
            TimeUnit::Milliseconds => span as i64 * 1_000,
            TimeUnit::Microseconds => span as i64,
            TimeUnit::Nanoseconds => span as i64 / 1_000,
        };
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.last_agg_trade_id = trade.id(seen);
        self.last_trade_id = trade.individual_ids.map_or(self.last_agg_trade_id, |(_, last)| last);
        self.agg_record_count += 1;
        self.individual_trade_count += trade.trades();
        self.sums.volume += volume;
        self.sums.turnover += turnover;
        if sold {
            self.sell_trade_count += trade.trades();
            self.sums.sell_volume += volume;
            self.sums.sell_turnover += turnover;
        }
        true
    }

    /// Sum of the quantities.
    #[must_use]
    pub fn volume(&self) -> i128 {
        self.sums.volume
    }

    /// Sum of price times quantity.
    #[must_use]
    pub fn turnover(&self) -> i128 {
        self.sums.turnover
    }

    /// Volume whose aggressor sold.
    #[must_use]
    pub fn sell_volume(&self) -> i128 {
        self.sums.sell_volume
    }

    /// Volume whose aggressor bought.
    #[must_use]
    pub fn buy_volume(&self) -> i128 {
        self.sums.volume - self.sums.sell_volume
    }

    /// Turnover whose aggressor sold.
    #[must_use]
    pub fn sell_turnover(&self) -> i128 {
        self.sums.sell_turnover
    }

    /// Turnover whose aggressor bought.
    #[must_use]
    pub fn buy_turnover(&self) -> i128 {
        self.sums.turnover - self.sums.sell_turnover
    }

    /// Individual trades whose aggressor bought.
    #[must_use]
    pub fn buy_trade_count(&self) -> u64 {
        self.individual_trade_count - self.sell_trade_count
    }

    /// Volume-weighted average price, truncated to the fixed point; the open while there is no volume.
    #[must_use]
    pub fn vwap(&self) -> i128 {
        self.sums.turnover.checked_div(self.sums.volume).unwrap_or_else(|| i128::from(self.open))
    }
}
