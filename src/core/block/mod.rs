//! One block of trades, checked and in integers: the input of the bar rule and of the accumulation.
//!
//! Blocks are short enough for the caches and for sums that cannot overflow, and long enough for loops that vectorise.
//! They never show in a result.

pub mod contribution;
pub mod convert;

use std::ops::Range;

use self::contribution::{Contribution, FEW_ROWS, NO_SELLER, fold_few, fold_narrow, fold_prices};
use crate::core::error::{Role, RowError, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::NARROW;
use crate::core::trades::columns::Trades;

/// Quantities of a block in raw units.
#[derive(Debug, Clone, Copy)]
pub enum Quantities<'a> {
    /// The input has none, or no result needs them.
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
    /// Decimals of the raw prices.
    pub decimals: Decimals,
    /// Raw prices.
    pub price: &'a [i64],
    /// Raw quantities.
    pub quantity: Quantities<'a>,
    /// All bits if the seller was the aggressor, none if the buyer was or the side is not known.
    pub seller: Option<&'a [i8]>,
    /// All bits if the side is known, none if not; without it, every trade of the column has a side.
    pub known: Option<&'a [i8]>,
    /// What all rows add to a bar, if it is known, as for nearly all blocks.
    pub total: Option<Contribution>,
    /// Rows of the group before this block.
    pub first_row: u64,
}

impl Block<'_> {
    /// Number of rows, at most `BLOCK_ROWS`.
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

    /// Whether one of some rows has no side, where the input has a column of sides.
    #[must_use]
    pub fn lacks_side(&self, rows: Range<usize>) -> bool {
        self.known.is_some_and(|known| known[rows].contains(&0))
    }

    /// What a range of rows, at least one, adds to a bar.
    #[must_use]
    pub fn contribution(&self, rows: Range<usize>) -> Contribution {
        if let (Some(total), true) = (self.total, rows.len() == self.len()) {
            return total;
        }
        let price = &self.price[rows.clone()];
        let seller = &self.seller.unwrap_or(&NO_SELLER)[rows.clone()];
        let is_narrow = || self.total.is_some() || price.iter().all(|&price| price < NARROW as i64);
        let contribution = match self.quantity {
            Quantities::Narrow(quantity) if is_narrow() => {
                let fold = if rows.len() <= FEW_ROWS { fold_few } else { fold_narrow };
                fold(price, &quantity[rows.clone()], seller)
            }
            Quantities::Narrow(_) | Quantities::Wide(_) => Contribution { sums: None, ..fold_prices(price, seller) },
            Quantities::Absent => fold_prices(price, seller),
        };
        let ids = self.trades.individual_ids;
        contribution.counting(ids.map(|(first, last)| (&first[rows.clone()], &last[rows.clone()])), seller)
    }

    /// The error of a row of this block.
    #[must_use]
    pub fn error(&self, column: Role, row: usize, rule: Rule) -> RowError {
        RowError { column, row: self.first_row + row as u64, rule }
    }
}
