//! The last rows of a group, in raw integers: what open windows still need.

use std::ops::Range;

use crate::core::block::{Block, Quantities};
use crate::core::checkpoint::{CheckpointError, Put, Reader};
use crate::core::features::window::Window;
use crate::core::numbers::fixed::{MAX_QUANTITY, NARROW};
use crate::core::trades::sides::Side;

/// Rows for which there may be room for nothing.
const LEAST_ROOM: usize = 64;

/// Rows that follow each other. Numbered within the group; added at the end, dropped at the front.
#[derive(Debug, Clone, Default)]
pub struct HeldRows {
    /// Number of the first row held.
    first: u64,
    time: Vec<i64>,
    price: Vec<i64>,
    quantity: Held,
    side: Vec<Side>,
    /// No row from this one on lacks a side: so most windows need not look.
    sides_from: u64,
}

/// Quantities as they came in blocks: in 64 bits until one of them needs more.
#[derive(Debug, Clone)]
enum Held {
    Narrow(Vec<i64>),
    Wide(Vec<i128>),
}

impl Default for Held {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

/// Which columns are held beside time and price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Columns {
    /// Quantities.
    pub quantity: bool,
    /// Sides.
    pub side: bool,
}

impl HeldRows {
    /// Number of the first row held.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number of the row behind the last.
    pub fn end(&self) -> u64 {
        self.first + self.time.len() as u64
    }

    /// Time of the last row, if one is held.
    pub fn last_time(&self) -> Option<i64> {
        self.time.last().copied()
    }

    /// Whether the side of one of some rows is not known.
    pub fn lack_side(&self, rows: Range<u64>) -> bool {
        rows.start < self.sides_from && lack_side(held(&self.side, self.places(rows)))
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Adds the rows of a block.
    pub fn append(&mut self, block: &Block<'_>, columns: Columns) {
        self.time.extend_from_slice(block.trades.time);
        self.price.extend_from_slice(block.price);
        if columns.quantity {
            self.quantity.append(block.quantity);
        }
        if columns.side
            && let Some(seller) = block.seller
        {
            let sides = seller.iter().map(|&sold| Side::of(sold != 0));
            match block.known {
                None => self.side.extend(sides),
                Some(known) => {
                    let known = sides.zip(known).map(|(side, &known)| if known != 0 { side } else { Side::Unknown });
                    self.side.extend(known);
                    self.sides_from = self.end();
                }
            }
        }
    }

    /// Adds one row.
    pub fn push(&mut self, time: i64, price: i64, quantity: i64, side: Option<Side>, columns: Columns) {
        self.time.push(time);
        self.price.push(price);
        if columns.quantity {
            self.quantity.append(Quantities::Narrow(&[quantity]));
        }
        if columns.side
            && let Some(side) = side
        {
            self.side.push(side);
            if side == Side::Unknown {
                self.sides_from = self.end();
            }
        }
    }

    /// Rows by their numbers.
    ///
    /// # Panics
    ///
    /// If one of them is not held.
    pub fn window(&self, rows: Range<u64>) -> Window<'_> {
        let rows = self.places(rows);
        let quantity = match &self.quantity {
            Held::Narrow(raw) => Quantities::Narrow(held(raw, rows.clone())),
            Held::Wide(raw) => Quantities::Wide(held(raw, rows.clone())),
        };
        let side = held(&self.side, rows.clone());
        Window { time: &self.time[rows.clone()], price: &self.price[rows], quantity, side }
    }

    fn places(&self, rows: Range<u64>) -> Range<usize> {
        (rows.start - self.first) as usize..(rows.end - self.first) as usize
    }

    /// Number of the first row from `from` on, before `to`, whose time is `time` or later.
    pub fn first_at(&self, time: i64, from: u64, to: u64) -> u64 {
        let places = self.places(from.max(self.first)..to);
        self.first + (places.start + self.time[places].partition_point(|&earlier| earlier < time)) as u64
    }

    /// Drops the rows before a number.
    pub fn drop_before(&mut self, first: u64) {
        let gone = (first - self.first) as usize;
        self.first = first;
        self.time.drain(..gone);
        self.price.drain(..gone);
        self.quantity.drop_first(gone);
        drop_first(&mut self.side, gone);
    }

    /// A copy of some rows.
    pub fn copy(&self, rows: Range<u64>) -> Self {
        let first = rows.start;
        let rows = self.places(rows);
        Self {
            first,
            time: self.time[rows.clone()].to_vec(),
            price: self.price[rows.clone()].to_vec(),
            quantity: self.quantity.copy(rows.clone()),
            side: held(&self.side, rows).to_vec(),
            sides_from: self.sides_from,
        }
    }

    /// Makes room for so many rows.
    pub fn reserve(&mut self, rows: usize, columns: Columns) {
        self.time.reserve(rows);
        self.price.reserve(rows);
        if let (true, Held::Narrow(held)) = (columns.quantity, &mut self.quantity) {
            held.reserve(rows);
        }
        if columns.side {
            self.side.reserve(rows);
        }
    }

    /// Gives room back that is large beside the rows held.
    pub fn shrink(&mut self) {
        if self.time.capacity() > 4 * self.len().max(LEAST_ROOM) {
            *self = self.copy(self.first..self.end());
        }
    }

    /// Drops the rows from a number on.
    pub fn truncate(&mut self, end: u64) {
        let len = (end - self.first) as usize;
        self.time.truncate(len);
        self.price.truncate(len);
        self.quantity.truncate(len);
        self.side.truncate(len);
    }

    /// Writes the rows from a number on: how many, then column by column.
    pub fn save(&self, first: u64, out: &mut Vec<u8>) {
        let from = (first - self.first) as usize;
        out.put((self.len() - from) as u64);
        self.time[from..].iter().for_each(|&time| out.put(time));
        self.price[from..].iter().for_each(|&price| out.put(price));
        // As narrow as the rows themselves allow: the blocks they came in are not part of the state.
        let is_wide = (from..self.quantity.len()).any(|row| self.quantity.get(row) >= NARROW as i128);
        out.put(is_wide);
        for row in from..self.quantity.len() {
            let quantity = self.quantity.get(row);
            if is_wide { out.put(quantity) } else { out.put(quantity as i64) }
        }
        held(&self.side, from..self.len()).iter().for_each(|&side| out.put(side));
    }

    /// Reads what [`HeldRows::save`] wrote, the last rows of so many.
    ///
    /// # Errors
    ///
    /// The bytes end too soon, or no rows are like that.
    pub fn load(from: &mut Reader<'_>, end: u64, columns: Columns) -> Result<Self, CheckpointError> {
        let len: u64 = from.take()?;
        let first = end.checked_sub(len).ok_or(CheckpointError::Impossible)?;
        // Grown as the bytes come: a length that was altered must not ask for memory.
        let mut read = |len: u64| (0..len).map(|_| from.take::<i64>()).collect::<Result<Vec<_>, _>>();
        let (time, price) = (read(len)?, read(len)?);
        if !time.is_sorted() || price.iter().any(|&price| price <= 0) {
            return Err(CheckpointError::Impossible);
        }
        let quantities = if columns.quantity { len } else { 0 };
        let quantity = if from.take()? {
            Held::Wide((0..quantities).map(|_| from.take()).collect::<Result<_, _>>()?)
        } else {
            Held::Narrow((0..quantities).map(|_| from.take()).collect::<Result<_, _>>()?)
        };
        if !quantity.is_right() {
            return Err(CheckpointError::Impossible);
        }
        let sides = if columns.side { len } else { 0 };
        let side = (0..sides).map(|_| from.take()).collect::<Result<Vec<_>, _>>()?;
        let sides_from = if lack_side(&side) { end } else { 0 };
        Ok(Self { first, time, price, quantity, side, sides_from })
    }
}

/// Whether one of some sides is not known, many at a time.
fn lack_side(side: &[Side]) -> bool {
    const AT_ONCE: usize = 256;
    side.chunks(AT_ONCE).any(|sides| sides.iter().fold(false, |any, &side| any | (side == Side::Unknown)))
}

/// Some rows of a column; a column that is not held is empty.
fn held<T>(column: &[T], rows: Range<usize>) -> &[T] {
    if column.is_empty() { column } else { &column[rows] }
}

/// Drops the first rows of a column, unless it is not held.
fn drop_first<T>(column: &mut Vec<T>, rows: usize) {
    if !column.is_empty() {
        column.drain(..rows);
    }
}

impl Held {
    fn append(&mut self, quantity: Quantities<'_>) {
        match (&mut *self, quantity) {
            (_, Quantities::Absent) => {}
            (Self::Narrow(held), Quantities::Narrow(raw)) => held.extend_from_slice(raw),
            (Self::Wide(held), Quantities::Wide(raw)) => held.extend_from_slice(raw),
            (Self::Wide(held), Quantities::Narrow(raw)) => held.extend(raw.iter().map(|&raw| i128::from(raw))),
            (Self::Narrow(held), Quantities::Wide(raw)) => {
                let narrow = held.iter().map(|&raw| i128::from(raw));
                *self = Self::Wide(narrow.chain(raw.iter().copied()).collect());
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Narrow(held) => held.len(),
            Self::Wide(held) => held.len(),
        }
    }

    fn get(&self, row: usize) -> i128 {
        match self {
            Self::Narrow(held) => i128::from(held[row]),
            Self::Wide(held) => held[row],
        }
    }

    fn drop_first(&mut self, rows: usize) {
        match self {
            Self::Narrow(held) => drop_first(held, rows),
            Self::Wide(held) => drop_first(held, rows),
        }
    }

    fn copy(&self, rows: Range<usize>) -> Self {
        match self {
            Self::Narrow(raw) => Self::Narrow(held(raw, rows).to_vec()),
            Self::Wide(raw) => Self::Wide(held(raw, rows).to_vec()),
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Self::Narrow(held) => held.truncate(rows),
            Self::Wide(held) => held.truncate(rows),
        }
    }

    fn is_right(&self) -> bool {
        (0..self.len()).all(|row| (0..=MAX_QUANTITY).contains(&self.get(row)))
    }
}
