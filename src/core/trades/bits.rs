//! Booleans of a column, one bit per row.

use std::ops::Range;

/// A column of booleans, one bit per row, least significant bit first.
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

    /// Writes -1 (all bits) for a row that is true and 0 for one that is false: a mask for `&`.
    pub fn to_masks(&self, out: &mut [i8]) {
        let (bytes, shift) = (&self.bytes[self.offset / 8..], self.offset % 8);
        // Eight bits that start anywhere lie in two bytes; nothing beyond the last byte is read.
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

/// The masks of eight rows by their bits: 0.5 -> 0.2 ns per row, compared with shifting each into place.
static MASKS: [[i8; 8]; 256] = {
    let mut masks = [[0; 8]; 256];
    let mut at = 0;
    while at < 256 * 8 {
        masks[at / 8][at % 8] = -(((at / 8) >> (at % 8) & 1) as i8);
        at += 1;
    }
    masks
};

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
}
