//! A range bar in raw integers, and how trades are added to it.

use std::ops::Range;

use crate::core::block::Block;
use crate::core::block::contribution::{Contribution, Sums};
use crate::core::error::{Role, RowError, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::division::quotient;
use crate::core::numbers::fixed::Number;
use crate::core::time::clock::TimeUnit;
use crate::core::trades::seen::Seen;
use crate::core::trades::sides::Side;
use crate::core::trades::trade::{Trade, trade_count};

/// Why a bar ended. The number of each is the place of its word in the dtype of the column; no checkpoint holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// A trade touched the threshold.
    Threshold = 0,
    /// A calendar period ended: an orphan.
    Reset = 1,
    /// The next trade came too late: an orphan.
    Gap = 2,
    /// The data ended while the bar was forming.
    End = 3,
    /// The next trade lay in a later window of time.
    Time = 4,
}

impl CloseReason {
    /// The words for the reasons, each at the index of its number: the categories of the column.
    pub const WORDS: [&'static str; 5] = ["threshold", "reset", "gap", "end", "time"];

    /// Whether the bar ended without touching its threshold, and will not continue.
    #[must_use]
    pub fn is_orphan(self) -> bool {
        matches!(self, Self::Reset | Self::Gap)
    }
}

/// One bar. Prices and volumes are raw fixed-point integers, turnovers raw products of both, times are in the unit of
/// the input.
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
    pub(in crate::core) sums: Sums,
    /// Whether a trade of it has no side, where the input has sides: then what is said of its sides means nothing.
    pub lacks_side: bool,
    /// Why the bar ended.
    pub close_reason: CloseReason,
    /// Decimals of the prices.
    pub price_decimals: Decimals,
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
            lacks_side: false,
            close_reason: CloseReason::End,
            price_decimals: block.decimals,
        }
    }

    /// Adds rows of a block, at least one, to the bar; `contribution` is that of the same rows.
    ///
    /// # Errors
    ///
    /// The first row whose addition does not fit: a sum beyond 128 bits, a duration or a count beyond 64.
    pub fn extend(
        &mut self,
        block: &Block<'_>,
        rows: Range<usize>,
        contribution: &Contribution,
        unit: TimeUnit,
    ) -> Result<(), RowError> {
        let last = rows.end - 1;
        self.extend_time(block, rows.clone(), unit)?;
        self.high = self.high.max(contribution.high);
        self.low = self.low.min(contribution.low);
        self.close = block.price[last];
        self.last_trade_id = block.individual_ids(last).1;
        self.last_agg_trade_id = block.id(last);
        self.agg_record_count += rows.len() as u64;
        self.lacks_side |= block.lacks_side(rows.clone());
        self.extend_counts(block, rows.clone(), contribution)?;
        match contribution.sums.and_then(|sums| self.sums.checked_add(&sums)) {
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
        Err(block.error(Role::Time, row, rule))
    }

    fn extend_counts(
        &mut self,
        block: &Block<'_>,
        rows: Range<usize>,
        contribution: &Contribution,
    ) -> Result<(), RowError> {
        let fits = self.individual_trade_count.checked_add(contribution.trades);
        self.individual_trade_count = fits.ok_or_else(|| self.count_beyond(block, rows))?;
        self.sell_trade_count += contribution.sell_trades;
        Ok(())
    }

    /// The error of the first row whose individual trades do not fit.
    #[cold]
    fn count_beyond(&self, block: &Block<'_>, rows: Range<usize>) -> RowError {
        let (mut count, mut at) = (self.individual_trade_count, rows.start);
        let trades = |row| {
            let (first, last) = block.individual_ids(row);
            trade_count(first, last)
        };
        while let (true, Some(more)) = (at + 1 < rows.end, count.checked_add(trades(at))) {
            (count, at) = (more, at + 1);
        }
        block.error(Role::LastTradeId, at, Rule::CountFits { trades: trades(at) })
    }

    /// Adds row by row, with a check at each, for prices and quantities that are not narrow, and to find the row that
    /// overflows.
    #[cold]
    fn extend_sums_by_row(&mut self, block: &Block<'_>, rows: Range<usize>) -> Result<(), RowError> {
        for row in rows {
            let (price, volume) = (i128::from(block.price[row]), block.quantity.get(row));
            let sold = block.seller.is_some_and(|seller| seller[row] != 0);
            let sums = price.checked_mul(volume).and_then(|turnover| {
                let sell = if sold { (volume, turnover) } else { (0, 0) };
                self.sums.checked_add(&Sums { volume, turnover, sell_volume: sell.0, sell_turnover: sell.1 })
            });
            let value = Number::Float(Decimals::OF_QUANTITIES.double(volume));
            self.sums = sums.ok_or_else(|| block.error(Role::Quantity, row, Rule::SumFits { value }))?;
        }
        Ok(())
    }

    /// Adds one plain trade with a raw price and quantity, unless a sum may not fit: then it does nothing, and the
    /// caller must use [`RangeBar::extend`]. A push of one trade takes less than half as long this way.
    #[inline]
    pub fn try_extend(
        &mut self,
        trade: &Trade,
        side: Option<Side>,
        (price, quantity): (i64, i64),
        seen: &Seen,
        unit: TimeUnit,
    ) -> bool {
        const FAR: u64 = 1 << 53; // in milliseconds, a thousand of which still fit 64 bits
        let span = trade.time.abs_diff(self.open_time);
        if self.sums.turnover >> 125 != 0 || self.individual_trade_count >> 62 != 0 || span >= FAR {
            return false;
        }
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
        self.lacks_side |= side == Some(Side::Unknown);
        if side == Some(Side::Sold) {
            self.sell_trade_count += trade.trades();
            self.sums.sell_volume += volume;
            self.sums.sell_turnover += turnover;
        }
        true
    }

    /// The double nearest to a raw price.
    #[inline]
    #[must_use]
    pub fn price(&self, raw: impl Into<i128>) -> f64 {
        self.price_decimals.double(raw)
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

    /// Volume-weighted average price, truncated to the decimals of prices; the open if there is no volume.
    #[must_use]
    pub fn vwap(&self) -> i128 {
        quotient(self.sums.turnover, self.sums.volume).unwrap_or_else(|| i128::from(self.open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_word() {
        let words = [
            (CloseReason::Threshold, "threshold"),
            (CloseReason::Reset, "reset"),
            (CloseReason::Gap, "gap"),
            (CloseReason::End, "end"),
            (CloseReason::Time, "time"),
        ];
        for (reason, word) in words {
            assert_eq!(CloseReason::WORDS[reason as usize], word);
        }
        assert_eq!(words.len(), CloseReason::WORDS.len());
    }
}
