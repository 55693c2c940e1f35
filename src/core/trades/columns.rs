//! The input: borrowed columns of trades, all of the same length.

use std::ops::Range;

use super::sides::Sides;
use crate::core::numbers::fixed::Numbers;

/// Columns of the trades of one group, in the order in which they happened. All have the same length.
#[derive(Debug, Clone, Copy)]
pub struct Trades<'a> {
    /// Time in the unit of the input.
    pub time: &'a [i64],
    /// Price of each trade.
    pub price: Numbers<'a>,
    /// Quantity of each trade; without it there are no volumes, turnovers or results that need them.
    pub quantity: Option<Numbers<'a>>,
    /// Whether the seller was the aggressor, as far as it is known; without it no trade has a side.
    pub is_buyer_maker: Option<Sides<'a>>,
    /// Id of each row; without it the row number within the group.
    pub agg_trade_id: Option<&'a [i64]>,
    /// First and last individual trade of each row; without them a row is one trade.
    pub individual_ids: Option<(&'a [i64], &'a [i64])>,
}

impl Trades<'_> {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// The rows of a range.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        Self {
            time: &self.time[rows.clone()],
            price: self.price.slice(rows.clone()),
            quantity: self.quantity.map(|x| x.slice(rows.clone())),
            is_buyer_maker: self.is_buyer_maker.map(|x| x.slice(rows.clone())),
            agg_trade_id: self.agg_trade_id.map(|x| &x[rows.clone()]),
            individual_ids: self.individual_ids.map(|(first, last)| (&first[rows.clone()], &last[rows.clone()])),
        }
    }
}
