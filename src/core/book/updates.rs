//! Columns of updates, and how they become integers.

use std::ops::Range;

use super::error::{BookRole, BookRule};
use crate::core::block::convert::exact_price;
use crate::core::error::Rule;
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::{NARROW, Number, Numbers, round};
use crate::core::numbers::precision::Precision;
use crate::core::numbers::simd::vectorised;
use crate::core::trades::bits::Bits;

/// Columns of updates, of any number of groups, in the order in which they came. All have the same length.
#[derive(Debug, Clone, Copy)]
pub struct Updates<'a> {
    /// Time in the unit of the input.
    pub time: &'a [i64],
    /// Whether the level is a bid.
    pub is_bid: Bits<'a>,
    /// Price of the level.
    pub price: Numbers<'a>,
    /// What is offered there from now on; 0 deletes the level.
    pub quantity: Numbers<'a>,
    /// Ids of the message.
    pub ids: Option<UpdateIds<'a>>,
    /// Whether the row is of a snapshot, whose first row clears the book.
    pub is_snapshot: Option<Bits<'a>>,
    /// What the rows of one event have in common; without it a message is an event, or without ids what has one time.
    pub batch: Option<&'a [i64]>,
}

/// Ids of messages: the last one, and what tells whether it follows the message before.
#[derive(Debug, Clone, Copy)]
pub struct UpdateIds<'a> {
    /// Last id.
    pub last: &'a [i64],
    /// First id, which is the last one of the message before plus 1.
    pub first: Option<&'a [i64]>,
    /// Last id of the message before, as it says itself; where it is known, it is looked at alone.
    pub previous: Option<&'a [i64]>,
}

impl<'a> Updates<'a> {
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
        let of = |ids: &'a [i64]| &ids[rows.clone()];
        Self {
            time: of(self.time),
            is_bid: self.is_bid.slice(rows.clone()),
            price: self.price.slice(rows.clone()),
            quantity: self.quantity.slice(rows.clone()),
            ids: self.ids.map(|ids| UpdateIds {
                last: of(ids.last),
                first: ids.first.map(of),
                previous: ids.previous.map(of),
            }),
            is_snapshot: self.is_snapshot.map(|bits| bits.slice(rows.clone())),
            batch: self.batch.map(of),
        }
    }
}

/// Rows that are converted at once: they stay in the nearest cache.
pub const BOOK_ROWS: usize = 1_024;

/// Updates as integers.
#[derive(Debug, Clone, Copy)]
pub struct RawUpdates<'a> {
    /// The columns that are integers already.
    pub(super) of: Updates<'a>,
    /// -1 for a bid, 0 for an ask.
    pub(super) side: &'a [i8],
    /// Raw prices.
    pub(super) price: &'a [i64],
    /// Raw quantities.
    pub(super) quantity: &'a [i64],
    /// Not 0 for rows of a snapshot.
    pub(super) snapshot: &'a [i8],
}

/// A rule that is broken in a row, counted from the first that was converted.
pub type BrokenRow = (usize, BookRole, BookRule);

/// Memory for converted updates; one serves any number of groups.
#[derive(Debug)]
pub struct UpdateBuffers {
    side: Box<[i8]>,
    snapshot: Box<[i8]>,
    price: Box<[i64]>,
    quantity: Box<[i64]>,
    doubles: (Box<[f64]>, Box<[f64]>),
}

impl Default for UpdateBuffers {
    fn default() -> Self {
        let doubles = || vec![0.0; BOOK_ROWS].into();
        Self {
            side: vec![0; BOOK_ROWS].into(),
            snapshot: vec![0; BOOK_ROWS].into(),
            price: vec![0; BOOK_ROWS].into(),
            quantity: vec![0; BOOK_ROWS].into(),
            doubles: (doubles(), doubles()),
        }
    }
}

impl UpdateBuffers {
    /// Converts at most [`BOOK_ROWS`] updates. If a row cannot be, only those before it are valid, and it is told which
    /// rule it breaks.
    pub fn convert<'a>(
        &'a mut self,
        updates: Updates<'a>,
        price_decimals: Decimals,
        quantity_decimals: Decimals,
    ) -> (RawUpdates<'a>, Option<BrokenRow>) {
        let len = updates.len();
        assert!(len <= BOOK_ROWS, "at most {BOOK_ROWS} rows at once");
        let (prices, quantities) = (Precision::of_prices(price_decimals), Precision::of_quantities(quantity_decimals));
        updates.is_bid.to_masks(&mut self.side[..len]);
        if let Some(bits) = updates.is_snapshot {
            bits.to_masks(&mut self.snapshot[..len]);
        }
        let (price, quantity) = (&mut self.price[..len], &mut self.quantity[..len]);
        let bad_price = if are_narrow(updates.price, prices, 1, &mut self.doubles.0, price) {
            None
        } else {
            first_bad(price, |row| exact_price(updates.price.get(row), prices).map_err(BookRule::from))
        };
        let bad_quantity = if are_narrow(updates.quantity, quantities, 0, &mut self.doubles.1, quantity) {
            None
        } else {
            first_bad(quantity, |row| exact_quantity(updates.quantity.get(row), quantities))
        };
        let broken = [(bad_price, BookRole::Price), (bad_quantity, BookRole::Quantity)];
        let broken = broken.into_iter().filter_map(|(bad, role)| bad.map(|(row, rule)| (row, role, rule)));
        let first = broken.min_by_key(|(row, ..)| *row);
        let raw = RawUpdates {
            of: updates,
            side: &self.side[..len],
            price: &self.price[..len],
            quantity: &self.quantity[..len],
            snapshot: &self.snapshot[..len],
        };
        (raw, first)
    }
}

/// The path of nearly all numbers: doubles, all of them small, at least so many units, and none changed by too much.
fn are_narrow(numbers: Numbers<'_>, precision: Precision, least: i64, memory: &mut [f64], out: &mut [i64]) -> bool {
    let Some(doubles) = numbers.to_doubles(memory) else { return false };
    let (are_narrow, are_large) =
        narrow(doubles, precision.decimals().scale(), least, precision.largest_doubtful(), out);
    are_narrow && (are_large || precision.holds_of_all(doubles, out))
}

vectorised! {
    /// Whether all numbers are narrow, and at least so many units; whether none but zeros may have been changed by too much.
    fn narrow(numbers: &[f64], scale: f64, least: i64, doubtful: i64, out: &mut [i64]) -> (bool, bool) {
        let (mut are_narrow, mut are_large) = (true, true);
        for (&number, out) in numbers.iter().zip(out) {
            let scaled = number * scale;
            *out = round(scaled);
            are_narrow &= (0.0..NARROW).contains(&scaled) & (*out >= least);
            are_large &= (*out > doubtful) | (number == 0.0);
        }
        (are_narrow, are_large)
    }
}

#[cold]
fn first_bad(out: &mut [i64], convert: impl Fn(usize) -> Result<i64, BookRule>) -> Option<(usize, BookRule)> {
    out.iter_mut().enumerate().find_map(|(row, out)| match convert(row) {
        Ok(raw) => {
            *out = raw;
            None
        }
        Err(rule) => Some((row, rule)),
    })
}

fn exact_quantity(value: Number, precision: Precision) -> Result<i64, BookRule> {
    if !value.is_finite() || value.is_negative() {
        return Err(Rule::NotNegative { value }.into());
    }
    match value.to_fixed(precision.decimals()).map(i64::try_from) {
        Some(Ok(raw)) if precision.holds(value, raw) => Ok(raw),
        Some(Ok(rounded)) => Err(BookRule::QuantityPrecision { value, rounded, precision }),
        _ => Err(BookRule::QuantityFits { value, decimals: precision.decimals() }),
    }
}
