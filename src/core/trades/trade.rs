//! A single trade, and the number of individual trades that a row stands for.

use super::seen::{Seen, out_of_order};
use super::sides::Side;
use super::steps::Steps;
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::Number;
use crate::core::numbers::precision::Precision;

/// The most individual trades that one row may stand for.
const MAX_TRADES: u64 = 1 << 52;

/// A single trade.
#[derive(Debug, Clone, Copy)]
pub struct Trade {
    /// Time in the unit of the input.
    pub time: i64,
    /// Price.
    pub price: Number,
    /// Quantity.
    pub quantity: Number,
    /// True if the seller was the aggressor; without it the side is unknown.
    pub is_buyer_maker: Option<bool>,
    /// Id; without it the row number within the group.
    pub agg_trade_id: Option<i64>,
    /// First and last individual trade; without them it is one trade.
    pub individual_ids: Option<(i64, i64)>,
}

/// A single trade that breaks no rule, in integers.
#[derive(Debug, Clone, Copy)]
pub struct PlainTrade {
    /// Time in the unit of the input.
    pub time: i64,
    /// Raw price.
    pub price: i64,
    /// Raw quantity.
    pub quantity: i64,
    /// Individual trades.
    pub trades: u64,
    /// The aggressor, if the input has sides.
    pub side: Option<Side>,
}

impl Trade {
    /// Raw price, to some decimals, and quantity of a trade that breaks no rule and whose integers are small, as for nearly all; otherwise
    /// [`Buffers::convert`](crate::core::Buffers::convert) finds out what it is.
    #[inline]
    #[must_use]
    pub fn plain(&self, seen: &Seen, steps: &Steps, decimals: Decimals) -> Option<(i64, i64)> {
        let follows = seen.last.is_none_or(|(last, last_id)| {
            out_of_order(self.time, self.agg_trade_id, last, last_id).is_none() && steps.allow(last, self.time)
        });
        let is_right = follows && self.individual_ids.is_none_or(|(first, last)| is_trade_count(first, last));
        let (price, quantity) = (self.price.to_narrow(decimals)?, self.quantity.to_narrow(Decimals::OF_QUANTITIES)?);
        let are_kept = Precision::of_prices(decimals).holds(self.price, price)
            && Precision::OF_QUANTITIES.holds(self.quantity, quantity);
        (is_right && are_kept && price > 0).then_some((price, quantity))
    }

    /// Id of the row: its own, or its number within the group.
    #[must_use]
    pub fn id(&self, seen: &Seen) -> i64 {
        self.agg_trade_id.unwrap_or(seen.rows as i64)
    }

    /// Individual trades.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.individual_ids.map_or(1, |(first, last)| trade_count(first, last))
    }
}

/// Individual trades of a checked row, from none to `MAX_TRADES`.
#[must_use]
pub fn trade_count(first: i64, last: i64) -> u64 {
    last.wrapping_sub(first).wrapping_add(1) as u64
}

/// Whether [`trade_count`] is valid: it is zero exactly if the last id is below the first.
pub(in crate::core) fn is_trade_count(first: i64, last: i64) -> bool {
    let count = trade_count(first, last);
    ((last < first) == (count == 0)) & (count <= MAX_TRADES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trade_counts_at_the_edges_of_64_bits() {
        assert!(is_trade_count(i64::MIN, i64::MIN) && trade_count(i64::MIN, i64::MIN) == 1);
        assert!(is_trade_count(5, 4) && trade_count(5, 4) == 0);
        assert!(is_trade_count(0, MAX_TRADES as i64 - 1) && !is_trade_count(0, MAX_TRADES as i64));
        assert!(!is_trade_count(5, 3) && !is_trade_count(i64::MIN, i64::MAX) && !is_trade_count(i64::MAX, i64::MIN));
    }
}
