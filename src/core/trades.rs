//! What comes in: equally long columns of trades, borrowed.

use std::ops::Range;

use super::fixed::Numbers;

/// Unit of the integers in a time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
}

impl TimeUnit {
    /// The unit's short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }

    /// Nanoseconds in one unit.
    #[must_use]
    pub fn nanoseconds(self) -> i128 {
        match self {
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }

    /// Units in a day.
    #[must_use]
    pub fn per_day(self) -> i64 {
        match self {
            Self::Milliseconds => 86_400_000,
            Self::Microseconds => 86_400_000_000,
            Self::Nanoseconds => 86_400_000_000_000,
        }
    }

    /// The span from `start` to `end` in whole microseconds (nanoseconds are cut off); `None` if 64 bits cannot hold it.
    #[must_use]
    pub fn span_us(self, start: i64, end: i64) -> Option<i64> {
        let span = i128::from(end) - i128::from(start);
        let us = match self {
            Self::Milliseconds => span * 1_000,
            Self::Microseconds => span,
            Self::Nanoseconds => span / 1_000,
        };
        i64::try_from(us).ok()
    }
}

/// A column of booleans, one bit a row, least significant bit first.
#[derive(Debug, Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    offset: usize,
    len: usize,
}

impl<'a> Bits<'a> {
    /// `len` bits of `bytes` from bit `offset`; `None` if `bytes` is too short for them.
    #[must_use]
    pub fn new(bytes: &'a [u8], offset: usize, len: usize) -> Option<Self> {
        (offset.checked_add(len)?.div_ceil(8) <= bytes.len()).then_some(Self { bytes, offset, len })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows of a range.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.len, "rows beyond the column");
        Self { bytes: self.bytes, offset: self.offset + rows.start, len: rows.len() }
    }

    /// One row.
    #[must_use]
    pub fn get(&self, row: usize) -> bool {
        let bit = self.offset + row;
        self.bytes[bit / 8] >> (bit % 8) & 1 != 0
    }

    /// Writes -1 (all bits) where a row is true and 0 where it is false: a mask to `&` with.
    pub fn to_masks(&self, out: &mut [i8]) {
        let (bytes, shift) = (&self.bytes[self.offset / 8..], self.offset % 8);
        // Eight bits that start anywhere lie in two bytes; what is beyond the last byte is not asked for.
        let masks = |chunk: usize| {
            let after = bytes.get(chunk + 1).copied().unwrap_or(0);
            let eight = u16::from_le_bytes([bytes[chunk], after]) >> shift;
            &MASKS[usize::from(eight as u8)]
        };
        let (chunks, rest) = out[..self.len].as_chunks_mut::<8>();
        for (chunk, out) in chunks.iter_mut().enumerate() {
            *out = *masks(chunk);
        }
        if !rest.is_empty() {
            rest.copy_from_slice(&masks(self.len / 8)[..rest.len()]);
        }
    }
}

/// The masks of eight rows by their bits: 0.5 -> 0.2 ns a row over shifting each into its place.
static MASKS: [[i8; 8]; 256] = {
    let mut masks = [[0; 8]; 256];
    let mut at = 0;
    while at < 256 * 8 {
        masks[at / 8][at % 8] = -(((at / 8) >> (at % 8) & 1) as i8);
        at += 1;
    }
    masks
};

/// Columns of trades of one group, in the order in which they happened. All have the same length.
#[derive(Debug, Clone, Copy)]
pub struct Trades<'a> {
    /// Time in the input's own unit.
    pub time: &'a [i64],
    /// Price of each trade.
    pub price: Numbers<'a>,
    /// Quantity of each trade; without it there are no volumes, turnovers and what needs them.
    pub quantity: Option<Numbers<'a>>,
    /// True where the seller was the aggressor; without it the sides are unknown.
    pub is_buyer_maker: Option<Bits<'a>>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_follow_offset_and_slice() {
        let bytes = [0b1010_0110, 0b0000_0001];
        let bits = Bits::new(&bytes, 1, 8).expect("nine bits are there");
        let mut out = [9; 3];
        bits.slice(4..7).to_masks(&mut out);
        assert_eq!(out, [-1, 0, -1]);
        let mut all = [9; 16];
        Bits::new(&bytes, 0, 16).expect("sixteen bits are there").to_masks(&mut all);
        assert_eq!(all, [0, -1, -1, 0, 0, -1, 0, -1, -1, 0, 0, 0, 0, 0, 0, 0]);
        assert!(Bits::new(&bytes, 9, 8).is_none());
        assert!(Bits::new(&bytes, usize::MAX, 8).is_none());
    }

    #[test]
    fn spans_truncate_nanoseconds_and_never_wrap() {
        assert_eq!(TimeUnit::Nanoseconds.span_us(0, 1_999), Some(1));
        assert_eq!(TimeUnit::Milliseconds.span_us(1, 3), Some(2_000));
        assert_eq!(TimeUnit::Microseconds.span_us(i64::MIN, i64::MAX), None);
        assert_eq!(TimeUnit::Milliseconds.span_us(0, i64::MAX), None);
    }
}
