//! The last rows of a group, in raw integers: what open windows still need.

use std::ops::Range;

use crate::core::block::{Block, Quantities};
use crate::core::checkpoint::{CheckpointError, Put, Reader};
use crate::core::features::window::Window;
use crate::core::fixed::{MAX_QUANTITY, NARROW};

/// Rows for which there may be room for nothing.
const LEAST_ROOM: usize = 64;

/// Rows that follow each other. Numbered within the group; added at the end, dropped at the front.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Number of the first row held.
    first: u64,
    time: Vec<i64>,
    price: Vec<i64>,
    quantity: Held,
    sold: Vec<bool>,
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

impl Rows {
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
            self.sold.extend(seller.iter().map(|&mask| mask != 0));
        }
    }

    /// Adds one row.
    pub fn push(&mut self, time: i64, price: i64, quantity: i64, sold: Option<bool>, columns: Columns) {
        self.time.push(time);
        self.price.push(price);
        if columns.quantity {
            self.quantity.append(Quantities::Narrow(&[quantity]));
        }
        if columns.side
            && let Some(sold) = sold
        {
            self.sold.push(sold);
        }
    }

    /// Rows by their numbers.
    ///
    /// # Panics
    ///
    /// If one of them is not held.
    pub fn window(&self, rows: Range<u64>) -> Window<'_> {
        let rows = self.places(rows);
        // A column that is not held is empty.
        let part = |len: usize| if len == 0 { 0..0 } else { rows.clone() };
        let quantity = match &self.quantity {
            Held::Narrow(raw) => Quantities::Narrow(&raw[part(raw.len())]),
            Held::Wide(raw) => Quantities::Wide(&raw[part(raw.len())]),
        };
        let sold = &self.sold[part(self.sold.len())];
        Window { time: &self.time[rows.clone()], price: &self.price[rows], quantity, sold }
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
        self.sold.drain(..gone.min(self.sold.len()));
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
            sold: self.sold.get(rows).unwrap_or_default().to_vec(),
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
            self.sold.reserve(rows);
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
        self.sold.truncate(len);
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
        self.sold.get(from..).unwrap_or_default().iter().for_each(|&sold| out.put(sold));
    }

    /// Reads what [`Rows::save`] wrote, the last rows of so many.
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
        let sold = (0..sides).map(|_| from.take()).collect::<Result<_, _>>()?;
        Ok(Self { first, time, price, quantity, sold })
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
            Self::Narrow(held) => drop(held.drain(..rows.min(held.len()))),
            Self::Wide(held) => drop(held.drain(..rows.min(held.len()))),
        }
    }

    fn copy(&self, rows: Range<usize>) -> Self {
        match self {
            Self::Narrow(held) => Self::Narrow(held.get(rows).unwrap_or_default().to_vec()),
            Self::Wide(held) => Self::Wide(held.get(rows).unwrap_or_default().to_vec()),
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
