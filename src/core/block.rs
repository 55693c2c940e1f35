//! One block of trades, checked and in integers: what the bar rule and the accumulation work on.
//!
//! Blocks are short enough for the caches and for sums that cannot overflow, long enough for loops that
//! vectorise. They never show in a result.

use std::ops::Range;

use super::error::{Column, RowError, Rule};
use super::fixed::NARROW;
use super::piece::{NO_SELLER, Piece, fold_narrow, fold_prices};
use super::trades::Trades;

/// Quantities of a block in raw units.
#[derive(Debug, Clone, Copy)]
pub enum Quantities<'a> {
    /// The input has none, or nobody asked for what they give.
    Absent,
    /// All below 2^51.
    Narrow(&'a [i64]),
    /// Some at or above 2^51.
    Wide(&'a [i128]),
}

impl Quantities<'_> {
    /// One raw quantity.
    #[must_use]
    pub fn get(&self, row: usize) -> i128 {
        match self {
            Self::Absent => 0,
            Self::Narrow(raw) => i128::from(raw[row]),
            Self::Wide(raw) => raw[row],
        }
    }
}

/// A checked block of trades of one group.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The columns that need no conversion.
    pub trades: Trades<'a>,
    /// Raw prices.
    pub price: &'a [i64],
    /// Raw quantities.
    pub quantity: Quantities<'a>,
    /// All bits where the seller was the aggressor, none where the buyer was.
    pub seller: Option<&'a [i8]>,
    /// What all rows add to a bar, where it is known: of nearly all blocks.
    pub whole: Option<Piece>,
    /// Rows of the group before this block.
    pub first_row: u64,
}

impl Block<'_> {
    /// Number of rows, at most `ROWS`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.price.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.price.is_empty()
    }

    /// Id of a row: its own, or its number within the group.
    #[must_use]
    pub fn id(&self, row: usize) -> i64 {
        self.trades.agg_trade_id.map_or((self.first_row + row as u64) as i64, |ids| ids[row])
    }

    /// First and last individual trade of a row: its own, or the row's id.
    #[must_use]
    pub fn individual_ids(&self, row: usize) -> (i64, i64) {
        self.trades.individual_ids.map_or((self.id(row), self.id(row)), |(first, last)| (first[row], last[row]))
    }

    /// What some rows, at least one, add to a bar.
    #[must_use]
    pub fn piece(&self, rows: Range<usize>) -> Piece {
        if let (Some(whole), true) = (self.whole, rows.len() == self.len()) {
            return whole;
        }
        let price = &self.price[rows.clone()];
        let seller = &self.seller.unwrap_or(&NO_SELLER)[rows.clone()];
        let is_narrow = || self.whole.is_some() || price.iter().all(|&price| price < NARROW as i64);
        let piece = match self.quantity {
            Quantities::Narrow(quantity) if is_narrow() => fold_narrow(price, &quantity[rows.clone()], seller),
            Quantities::Narrow(_) | Quantities::Wide(_) => Piece { sums: None, ..fold_prices(price, seller) },
            Quantities::Absent => fold_prices(price, seller),
        };
        let ids = self.trades.individual_ids;
        piece.counting(ids.map(|(first, last)| (&first[rows.clone()], &last[rows.clone()])), seller)
    }

    /// The error of a row of this block.
    #[must_use]
    pub fn error(&self, column: Column, row: usize, rule: Rule) -> RowError {
        RowError { column, row: self.first_row + row as u64, rule }
    }
}
