//! The way in of updates: the check of dtypes and nulls.

use std::collections::BTreeMap;

use polars::prelude::*;

use crate::core::{Bits, BookRole, BookRule, Decimals, Role, Rule, UpdateIds, Updates};
use crate::frame::inputs::{NumberColumn, first_unreadable, hold};
use crate::frame::{FrameError, TimeColumn};

/// Names of the columns in the user's frame: the default names unless others are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookNames([String; BookRole::ALL.len()]);

impl BookNames {
    /// The names that a request gives.
    ///
    /// # Errors
    ///
    /// A role that does not exist.
    pub fn new(given: &BTreeMap<String, Option<String>>) -> Result<Self, FrameError> {
        let mut names = BookRole::ALL.map(|role| role.name().to_owned());
        for (default, name) in given {
            let role = BookRole::ALL.iter().find(|role| role.name() == default);
            let role = role.ok_or_else(|| FrameError(format!("there is no column role `{default}`")))?;
            if let Some(name) = name {
                names[*role as usize].clone_from(name);
            }
        }
        Ok(Self(names))
    }

    /// Name of a role's column.
    pub fn get(&self, role: BookRole) -> &str {
        &self.0[role as usize]
    }
}

/// A row that cannot be read.
type Unreadable = (usize, BookRole, BookRule);

/// Columns of updates that passed the checks, each in one chunk.
#[derive(Debug, Clone)]
pub struct UpdateColumns {
    time: Int64Chunked,
    is_bid: BooleanChunked,
    price: NumberColumn,
    quantity: NumberColumn,
    last: Option<Int64Chunked>,
    first: Option<Int64Chunked>,
    previous: Option<Int64Chunked>,
    is_snapshot: Option<BooleanChunked>,
    batch: Option<Int64Chunked>,
    unreadable: Option<Unreadable>,
}

impl UpdateColumns {
    /// The columns of a frame, each found by the role that it plays; ids, snapshots and batches may be absent. The decimals
    /// are for messages.
    ///
    /// # Errors
    ///
    /// A required column that is missing, or a dtype that cannot be read.
    pub fn new(
        names: &BookNames,
        time: &TimeColumn,
        [price_decimals, quantity_decimals]: [Decimals; 2],
        find: impl Fn(BookRole) -> Option<Series>,
    ) -> Result<Self, FrameError> {
        let find = |role| find(role).map(|series| series.rechunk());
        let required = |role: BookRole| {
            find(role).ok_or_else(|| FrameError(format!("the updates have no column `{}`", names.get(role))))
        };
        let mut unreadable: Option<Unreadable> = None;
        let mut note = |found: Option<Unreadable>| {
            if let Some(found) = found
                && unreadable.as_ref().is_none_or(|(row, ..)| found.0 < *row)
            {
                unreadable = Some(found);
            }
        };
        let times = required(BookRole::Time)?;
        if *times.dtype() != time.dtype {
            return Err(FrameError(format!(
                "`{}` must stay {:?} throughout the input, got {:?}; cast the column to one dtype first",
                names.get(BookRole::Time),
                time.dtype,
                times.dtype()
            )));
        }
        note(first_null(BookRole::Time, &times));
        let mut number = |role: BookRole, of_trades: Role, decimals: Decimals| {
            let series = required(role)?;
            let held = hold(of_trades, &series)?;
            note(first_unreadable(of_trades, decimals, &series, &held)?.map(|(row, _, rule)| {
                let rule = match rule {
                    Rule::QuantityFits { value } => BookRule::QuantityFits { value, decimals },
                    rule => rule.into(),
                };
                (row, role, rule)
            }));
            NumberColumn::new(names.get(role), &held)
        };
        let price = number(BookRole::Price, Role::Price, price_decimals)?;
        let quantity = number(BookRole::Quantity, Role::Quantity, quantity_decimals)?;
        let mut integers = |role: BookRole| -> Result<Option<Int64Chunked>, FrameError> {
            let Some(series) = find(role) else { return Ok(None) };
            let held = match series.dtype() {
                DataType::Datetime(..) if role == BookRole::Batch => series.to_physical_repr().into_owned(),
                dtype if dtype.is_integer() => hold(Role::AggTradeId, &series)?,
                dtype => {
                    return Err(FrameError(format!(
                        "`{}` must be an integer, got {dtype:?}; cast it to Int64, or pass None to ignore it",
                        names.get(role)
                    )));
                }
            };
            let found = first_unreadable(Role::AggTradeId, price_decimals, &series, &held)?;
            note(found.map(|(row, _, rule)| (row, role, rule.into())));
            Ok(Some(held.i64()?.clone()))
        };
        let last = integers(BookRole::LastUpdateId)?;
        let first = integers(BookRole::FirstUpdateId)?;
        let previous = integers(BookRole::PreviousUpdateId)?;
        let batch = integers(BookRole::Batch)?;
        if last.is_some() != (first.is_some() || previous.is_some()) {
            return Err(FrameError(format!(
                "`last_update_id` comes with `first_update_id` or `previous_update_id`, by which a missing message is \
                 found: the updates have {}; name the others, or pass None to ignore all of them",
                if last.is_some() { "the last id alone" } else { "no last id" }
            )));
        }
        let is_snapshot = match find(BookRole::IsSnapshot) {
            None => None,
            Some(series) if *series.dtype() == DataType::Boolean => {
                note(first_null(BookRole::IsSnapshot, &series));
                Some(series.bool()?.clone())
            }
            Some(series) => {
                return Err(FrameError(format!(
                    "`{}` must be Boolean, true for the rows of a snapshot, got {:?}; compare it with its value for a \
                     snapshot, or pass None to ignore it",
                    names.get(BookRole::IsSnapshot),
                    series.dtype()
                )));
            }
        };
        let (is_bid, unknown) = bids(names.get(BookRole::Side), &required(BookRole::Side)?)?;
        note(unknown);
        Ok(Self {
            time: times.to_physical_repr().i64()?.clone(),
            is_bid,
            price,
            quantity,
            last,
            first,
            previous,
            is_snapshot,
            batch,
            unreadable,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Whether the input tells which rows are of a snapshot.
    pub fn has_snapshots(&self) -> bool {
        self.is_snapshot.is_some()
    }

    /// The first row with a value that cannot be read, if any: push the rows before it, then this is the error.
    pub fn unreadable(&self) -> Option<&(usize, BookRole, BookRule)> {
        self.unreadable.as_ref()
    }

    /// The updates; values from the unreadable row on are arbitrary. None if there are no rows.
    pub fn updates(&self) -> Option<Updates<'_>> {
        let ids = match &self.last {
            Some(last) => Some(UpdateIds {
                last: slice(last)?,
                first: self.first.as_ref().and_then(slice),
                previous: self.previous.as_ref().and_then(slice),
            }),
            None => None,
        };
        (self.len() > 0).then_some(())?;
        Some(Updates {
            time: slice(&self.time)?,
            is_bid: bits(&self.is_bid)?,
            price: self.price.chunk(0)?,
            quantity: self.quantity.chunk(0)?,
            ids,
            is_snapshot: self.is_snapshot.as_ref().and_then(bits),
            batch: self.batch.as_ref().and_then(slice),
        })
    }
}

fn slice(ca: &Int64Chunked) -> Option<&[i64]> {
    ca.downcast_get(0).map(|array| array.values().as_slice())
}

fn bits(ca: &BooleanChunked) -> Option<Bits<'_>> {
    let (bytes, offset, len) = ca.downcast_get(0)?.values().as_slice();
    Bits::new(bytes, offset, len)
}

fn first_null(role: BookRole, series: &Series) -> Option<Unreadable> {
    if series.null_count() == 0 {
        return None;
    }
    let row = series.is_null().iter().position(|null| null == Some(true))?;
    Some((row, role, Rule::NotNull.into()))
}

/// Which rows are bids, and the first row of which nobody knows.
fn bids(name: &str, series: &Series) -> Result<(BooleanChunked, Option<Unreadable>), FrameError> {
    let known = match series.dtype() {
        DataType::Boolean => return Ok((series.bool()?.clone(), first_null(BookRole::Side, series))),
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) => {
            let words = series.cast(&DataType::String)?;
            let words = words.str()?;
            let known: BooleanChunked = words.iter().map(|word| word.and_then(is_bid)).collect();
            let unknown = known.iter().position(|known| known.is_none()).map(|row| {
                let rule = words
                    .get(row)
                    .map_or(Rule::NotNull.into(), |value| BookRule::KnownSide { value: value.to_owned() });
                (row, BookRole::Side, rule)
            });
            return Ok((known, unknown));
        }
        dtype => dtype,
    };
    Err(FrameError(format!(
        "`{name}` must be Boolean, true for bids, or text, \"bid\" or \"ask\", got {known:?}; compare it with its value \
         for a bid, as in pl.col({name:?}) == 1"
    )))
}

/// Whether a word says bid or ask.
fn is_bid(word: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(["bid", "b", "buy"]) {
        return Some(true);
    }
    (is(["ask", "a", "sell"]) || word.eq_ignore_ascii_case("s")).then_some(false)
}
