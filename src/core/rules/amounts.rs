//! What rules count of trades: rows, individual trades, volume or turnover, and the part of it whose aggressor sold.

use std::ops::Range;

use crate::core::bars::bar::RangeBar;
use crate::core::block::contribution::{NO_SELLER, trade_counts};
use crate::core::block::{Block, Quantities};
use crate::core::error::Role;
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::Number;
use crate::core::numbers::simd::vectorised;
use crate::core::trades::trade::{PlainTrade, trade_count};

/// A rule looks at each of so many rows by itself; the amounts of more are first added up in vectors.
const ROWS_BY_THEMSELVES: usize = 32;

/// How many these are at first.
const FIRST_ROWS: usize = 128;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Rows of the input.
    Rows,
    /// Individual trades.
    Trades,
    /// Raw quantities.
    Volume,
    /// Raw prices times raw quantities.
    Turnover,
}

/// An amount of some trades, and the part of it whose aggressor sold. Sums stop at the largest integer: a bar whose sums
/// do not fit is refused anyway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Of all trades.
    pub all: i128,
    /// Of those whose aggressor sold.
    pub sold: i128,
}

impl Amounts {
    /// By how much that of the buyers and that of the sellers differ.
    #[must_use]
    pub fn imbalance(self) -> i128 {
        (self.all - self.sold - self.sold).abs()
    }

    /// What these have more than others, which are a part of them.
    #[must_use]
    pub fn minus(self, part: Self) -> Self {
        Self { all: self.all - part.all, sold: self.sold - part.sold }
    }

    /// The amounts of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { all: self.all.saturating_add(other.all), sold: self.sold.saturating_add(other.sold) }
    }
}

impl Amount {
    /// The columns that it is taken from, besides time, price and side.
    #[must_use]
    pub fn reads(self) -> &'static [Role] {
        match self {
            Self::Rows => &[],
            Self::Trades => &[Role::FirstTradeId, Role::LastTradeId],
            Self::Volume | Self::Turnover => &[Role::Quantity],
        }
    }

    /// A number of units as a raw amount, rounded to eight decimals; prices have some decimals. Absent if it is not above
    /// zero then, or too large for 128 bits.
    #[must_use]
    pub fn raw(self, number: Number, decimals: Decimals) -> Option<i128> {
        let rounded = match self {
            Self::Rows | Self::Trades => return number.to_fixed(Decimals::new(0)?).filter(|&raw| raw > 0),
            Self::Volume | Self::Turnover => number.to_fixed(Decimals::OF_QUANTITIES)?,
        };
        let units = if self == Self::Turnover { i128::from(decimals.units()) } else { 1 };
        rounded.checked_mul(units).filter(|&raw| raw > 0)
    }

    /// Of a bar, whatever the side.
    #[must_use]
    pub fn of_bar(self, bar: &RangeBar) -> i128 {
        match self {
            Self::Rows => bar.agg_record_count.into(),
            Self::Trades => bar.individual_trade_count.into(),
            Self::Volume => bar.volume(),
            Self::Turnover => bar.turnover(),
        }
    }

    /// Of one trade.
    #[inline]
    #[must_use]
    pub fn of_trade(self, trade: &PlainTrade) -> i128 {
        match self {
            Self::Rows => 1,
            Self::Trades => trade.trades.into(),
            Self::Volume => trade.quantity.into(),
            Self::Turnover => i128::from(trade.price) * i128::from(trade.quantity),
        }
    }

    /// Of one row.
    #[inline]
    fn of_row(self, block: &Block<'_>, row: usize) -> i128 {
        match self {
            Self::Rows => 1,
            Self::Trades => {
                let (first, last) = block.individual_ids(row);
                trade_count(first, last).into()
            }
            Self::Volume => block.quantity.get(row),
            Self::Turnover => i128::from(block.price[row]).saturating_mul(block.quantity.get(row)),
        }
    }

    /// Of some rows; that of the sellers only where it is asked for.
    #[must_use]
    pub fn of_rows(self, block: &Block<'_>, rows: Range<usize>, with_sold: bool) -> Amounts {
        let len = rows.len() as i128;
        if let (Some(total), true) = (block.total, rows.len() == block.len()) {
            match (self, total.sums) {
                (Self::Volume, Some(sums)) => return Amounts { all: sums.volume, sold: sums.sell_volume },
                (Self::Turnover, Some(sums)) => return Amounts { all: sums.turnover, sold: sums.sell_turnover },
                (Self::Trades, _) => return Amounts { all: total.trades.into(), sold: total.sell_trades.into() },
                _ => {}
            }
        }
        let seller = block.seller.filter(|_| with_sold).map(|seller| &seller[rows.clone()]);
        match (self, block.quantity) {
            (Self::Rows, _) => Amounts { all: len, sold: seller.map_or(0, count).into() },
            (Self::Trades, _) => match block.trades.individual_ids {
                None => Amounts { all: len, sold: seller.map_or(0, count).into() },
                Some((first, last)) => {
                    let seller = seller.unwrap_or(&NO_SELLER[..rows.len()]);
                    let (all, sold) = trade_counts(&first[rows.clone()], &last[rows], seller);
                    Amounts { all: all.into(), sold: sold.into() }
                }
            },
            (Self::Volume, Quantities::Narrow(quantity)) => {
                let (all, sold) = volumes(&quantity[rows.clone()], seller.unwrap_or(&[]));
                Amounts { all: all.into(), sold: sold.into() }
            }
            (Self::Turnover, Quantities::Narrow(quantity)) if block.total.is_some() => {
                let (price, quantity) = (&block.price[rows.clone()], &quantity[rows.clone()]);
                let (all, sold) = turnovers(price, quantity, seller.unwrap_or(&[]));
                Amounts { all, sold }
            }
            _ => rows.fold(Amounts::default(), |sums, row| sums.plus(self.of_one(block, row))),
        }
    }

    /// As [`Amount::first_closing`], row by row. What is counted is asked once for all of them, and sums that are far from
    /// the largest integer are not watched: half the time of a bar whose threshold is always near.
    #[inline]
    fn one_by_one(
        self,
        block: &Block<'_>,
        rows: Range<usize>,
        sums: &mut Amounts,
        closes: &impl Fn(Amounts) -> bool,
    ) -> Option<usize> {
        const FAR: i128 = 1 << 120;
        let (seller, is_far) = (block.seller.unwrap_or(&NO_SELLER), sums.all < FAR);
        let mut add = |row: usize, all: i128| {
            sums.all += all;
            sums.sold += all & i128::from(seller[row]);
            closes(*sums)
        };
        match (self, block.quantity) {
            (Self::Rows, _) => rows.into_iter().find(|&row| add(row, 1)),
            (Self::Volume, Quantities::Narrow(quantity)) if is_far => {
                rows.into_iter().find(|&row| add(row, quantity[row].into()))
            }
            (Self::Turnover, Quantities::Narrow(quantity)) if is_far && block.total.is_some() => {
                let product = |row: usize| i128::from(block.price[row]) * i128::from(quantity[row]);
                rows.into_iter().find(|&row| add(row, product(row)))
            }
            _ => rows.into_iter().find(|&row| {
                *sums = sums.plus(self.of_one(block, row));
                closes(*sums)
            }),
        }
    }

    /// Of one row, and of its seller.
    #[inline]
    fn of_one(self, block: &Block<'_>, row: usize) -> Amounts {
        let all = self.of_row(block, row);
        Amounts { all, sold: if block.seller.is_some_and(|seller| seller[row] != 0) { all } else { 0 } }
    }

    /// The first of some rows behind which a bar closes whose amounts were `sums` before them: these become those up to
    /// that row, or behind all of them; those of the sellers only where they are asked for. `may_close` says of the amounts before and of the amounts of several rows whether
    /// one of them may close the bar.
    #[inline]
    pub fn first_closing(
        self,
        block: &Block<'_>,
        rows: Range<usize>,
        with_sold: bool,
        sums: &mut Amounts,
        may_close: impl Fn(Amounts, Amounts) -> bool,
        closes: impl Fn(Amounts) -> bool,
    ) -> Option<usize> {
        let mut start = rows.start;
        // The amounts of a whole block are known. Otherwise more and more rows are taken at once, until one of them may
        // close the bar; then less and less, until it is found.
        let (mut len, mut grows) = (if rows.len() == block.len() { rows.len() } else { FIRST_ROWS }, true);
        while start < rows.end {
            let end = rows.end.min(start + len);
            let more = self.of_rows(block, start..end, with_sold);
            if !may_close(*sums, more) {
                *sums = sums.plus(more);
                start = end;
                len <<= u32::from(grows);
            } else if end - start > ROWS_BY_THEMSELVES {
                (len, grows) = ((end - start) / 2, false);
            } else {
                if let Some(row) = self.one_by_one(block, start..end, sums, &closes) {
                    return Some(row);
                }
                start = end;
                grows = true;
            }
        }
        None
    }
}

/// Rows whose mask says that the aggressor sold.
fn count(seller: &[i8]) -> u32 {
    seller.iter().map(|&seller| u32::from(seller != 0)).sum()
}

vectorised! {
    /// Sums of raw quantities below 2^51 of at most a block of rows: of all, and of those whose aggressor sold; without
    /// sides nobody did.
    fn volumes(quantity: &[i64], seller: &[i8]) -> (i64, i64) {
        let (mut all, mut sold) = (0, 0);
        if seller.is_empty() {
            for &quantity in quantity {
                all += quantity;
            }
        }
        for (&quantity, &seller) in quantity.iter().zip(seller) {
            all += quantity;
            sold += quantity & i64::from(seller);
        }
        (all, sold)
    }
}

vectorised! {
    /// Sums of raw prices times raw quantities, all below 2^51, of at most a block of rows, as [`volumes`].
    fn turnovers(price: &[i64], quantity: &[i64], seller: &[i8]) -> (i128, i128) {
        let (mut all, mut sold) = ([0_i64; 3], [0_i64; 3]);
        if seller.is_empty() {
            for (&price, &quantity) in price.iter().zip(quantity) {
                add(&mut all, products(price, quantity));
            }
        }
        for ((&price, &quantity), &seller) in price.iter().zip(quantity).zip(seller) {
            let parts = products(price, quantity);
            add(&mut all, parts);
            add(&mut sold, parts.map(|part| part & i64::from(seller)));
        }
        (sum_of_parts(all), sum_of_parts(sold))
    }
}

/// Bits of the lower half of a number below 2^51.
const HALF: u32 = 26;

/// A product as the products of halves: no sum of a block of them exceeds 62 bits.
#[inline(always)]
fn products(x: i64, y: i64) -> [i64; 3] {
    let halves = |x: i64| ((x & ((1 << HALF) - 1)) as u32, (x >> HALF) as u32);
    let ((x_low, x_high), (y_low, y_high)) = (halves(x), halves(y));
    let product = |a: u32, b: u32| (u64::from(a) * u64::from(b)) as i64;
    [product(x_low, y_low), product(x_low, y_high) + product(x_high, y_low), product(x_high, y_high)]
}

#[inline(always)]
fn add(sums: &mut [i64; 3], parts: [i64; 3]) {
    for (sum, part) in sums.iter_mut().zip(parts) {
        *sum += part;
    }
}

#[inline(always)]
fn sum_of_parts([low, middle, high]: [i64; 3]) -> i128 {
    i128::from(low) + (i128::from(middle) << HALF) + (i128::from(high) << (2 * HALF))
}
