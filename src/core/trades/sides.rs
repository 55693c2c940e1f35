//! Who was the aggressor of each trade, as far as it is known.

use std::ops::Range;

use super::bits::Bits;
use crate::core::block::contribution::BLOCK_ROWS;
use crate::core::checkpoint::{CheckpointError, FixedWidth, Reader};

/// The aggressor of one trade. The number of each is its code in checkpoints, which never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Side {
    /// The buyer.
    Bought = 0,
    /// The seller.
    Sold = 1,
    /// Nobody knows.
    Unknown = 2,
}

impl Side {
    /// The side of a trade that says whether its seller was the aggressor.
    #[must_use]
    pub fn of(sold: bool) -> Self {
        if sold { Self::Sold } else { Self::Bought }
    }
}

impl FixedWidth for Side {
    fn write(self, out: &mut Vec<u8>) {
        out.push(self as u8);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CheckpointError> {
        match u8::read(from)? {
            0 => Ok(Self::Bought),
            1 => Ok(Self::Sold),
            2 => Ok(Self::Unknown),
            _ => Err(CheckpointError::Impossible),
        }
    }
}

/// The sides of some trades.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// Whether the seller was the aggressor; any bit where that is not known.
    sold: Bits<'a>,
    /// Whether the side is known; without it, all are.
    known: Option<Bits<'a>>,
}

impl<'a> From<Bits<'a>> for Sides<'a> {
    fn from(sold: Bits<'a>) -> Self {
        Self { sold, known: None }
    }
}

impl<'a> Sides<'a> {
    /// Sides of which some are not known.
    ///
    /// # Panics
    ///
    /// If the columns differ in length.
    #[must_use]
    pub fn partly(sold: Bits<'a>, known: Bits<'a>) -> Self {
        assert_eq!(sold.len(), known.len(), "each trade has a side or none");
        Self { sold, known: Some(known) }
    }

    /// The sides of at most a block of trades, none of which is known.
    #[must_use]
    pub fn unknown(len: usize) -> Option<Self> {
        static NONE: [u8; BLOCK_ROWS / 8] = [0; BLOCK_ROWS / 8];
        let none = Bits::new(&NONE, 0, len)?;
        Some(Self { sold: none, known: Some(none) })
    }

    /// Whether the seller was the aggressor; any bit where that is not known.
    #[must_use]
    pub fn sold(&self) -> Bits<'a> {
        self.sold
    }

    /// Whether the side is known; without it, all are.
    #[must_use]
    pub fn known(&self) -> Option<Bits<'a>> {
        self.known
    }

    /// The rows of a range.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        Self { sold: self.sold.slice(rows.clone()), known: self.known.map(|known| known.slice(rows)) }
    }

    /// One row: whether the seller was the aggressor, if it is known.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<bool> {
        self.known.is_none_or(|known| known.get(row)).then(|| self.sold.get(row))
    }
}
