//! State as bytes: little-endian integers, one after the other, read back with every step checked.
//!
//! What the bytes of a whole checkpoint are is the envelope's affair; this is what a group's state is made of.

use std::fmt;

use super::bars::bar::{CloseReason, RangeBar};
use super::block::contribution::Sums;
use super::numbers::decimals::Decimals;
use super::time::clock::TimeUnit;
use super::trades::seen::Seen;

/// Why bytes are not a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointError {
    /// They end too soon.
    Truncated,
    /// They say what no trades could have led to.
    Impossible,
    /// The session of the last trade began at another instant than it begins by the changes of the clock that are known
    /// here.
    OtherSession {
        /// When it began where they were written.
        was: i64,
        /// When it began by what is known here.
        is: i64,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the checkpoint ends too soon"),
            Self::Impossible => f.write_str("the checkpoint holds a state that no trades lead to"),
            Self::OtherSession { was, is } => write!(
                f,
                "the session of the last trade began at {was} where the checkpoint was written, and begins at {is} here"
            ),
        }
    }
}

impl std::error::Error for CheckpointError {}

/// A value of fixed width.
pub trait FixedWidth: Sized {
    /// Appends the value.
    fn write(self, out: &mut Vec<u8>);

    /// Takes the value off the front.
    ///
    /// # Errors
    ///
    /// There are too few bytes, or they are no such value.
    fn read(from: &mut Reader<'_>) -> Result<Self, CheckpointError>;
}

macro_rules! fixed_width {
    ($($int:ty),*) => {$(
        impl FixedWidth for $int {
            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, CheckpointError> {
                let (bytes, rest) = from.0.split_first_chunk().ok_or(CheckpointError::Truncated)?;
                from.0 = rest;
                Ok(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}

fixed_width!(u8, u32, u64, i64, i128);

impl FixedWidth for bool {
    fn write(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CheckpointError> {
        match u8::read(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CheckpointError::Impossible),
        }
    }
}

/// Where values are appended.
pub trait Put {
    /// Appends a value.
    fn put(&mut self, value: impl FixedWidth);

    /// Appends bytes behind their number.
    fn put_bytes(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    fn put(&mut self, value: impl FixedWidth) {
        value.write(self);
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }
}

/// Bytes that are taken off the front, value by value.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes a value.
    ///
    /// # Errors
    ///
    /// As [`FixedWidth::read`].
    pub fn take<T: FixedWidth>(&mut self) -> Result<T, CheckpointError> {
        T::read(self)
    }

    /// Takes bytes that stand behind their number.
    ///
    /// # Errors
    ///
    /// There are fewer.
    pub fn take_bytes(&mut self) -> Result<&'a [u8], CheckpointError> {
        let len: u64 = self.take()?;
        let len = usize::try_from(len).ok().filter(|&len| len <= self.0.len()).ok_or(CheckpointError::Truncated)?;
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(bytes)
    }

    /// Whether all was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// More rows than this no group has: what rows are counted by can then not overflow.
const MAX_ROWS: u64 = 1 << 62;

impl Seen {
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        let (time, id) = self.last.unwrap_or_default();
        out.put(self.rows);
        out.put(time);
        out.put(id);
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Self, CheckpointError> {
        let (rows, last) = (from.take()?, (from.take()?, from.take()?));
        if rows > MAX_ROWS {
            return Err(CheckpointError::Impossible);
        }
        Ok(Self { rows, last: (rows > 0).then_some(last) })
    }
}

impl RangeBar {
    /// Writes a forming bar.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        for time_or_price in [self.open_time, self.open, self.high, self.low, self.close] {
            out.put(time_or_price);
        }
        for id in [self.first_trade_id, self.last_trade_id, self.first_agg_trade_id, self.last_agg_trade_id] {
            out.put(id);
        }
        for count in [self.agg_record_count, self.individual_trade_count, self.sell_trade_count] {
            out.put(count);
        }
        for sum in [self.sums.volume, self.sums.turnover, self.sums.sell_volume, self.sums.sell_turnover] {
            out.put(sum);
        }
    }

    /// Reads a forming bar, whose last row is the last that was seen.
    pub(super) fn load(
        from: &mut Reader<'_>,
        seen: &Seen,
        unit: TimeUnit,
        price_decimals: Decimals,
    ) -> Result<Self, CheckpointError> {
        let (close_time, _) = seen.last.ok_or(CheckpointError::Impossible)?;
        let open_time = from.take()?;
        let mut bar = Self {
            open_time,
            close_time,
            duration_us: unit.span_us(open_time, close_time).ok_or(CheckpointError::Impossible)?,
            open: from.take()?,
            high: from.take()?,
            low: from.take()?,
            close: from.take()?,
            first_trade_id: from.take()?,
            last_trade_id: from.take()?,
            first_agg_trade_id: from.take()?,
            last_agg_trade_id: from.take()?,
            agg_record_count: from.take()?,
            individual_trade_count: from.take()?,
            sell_trade_count: from.take()?,
            sums: Sums::default(),
            lacks_side: false, // the builder says so
            close_reason: CloseReason::End,
            price_decimals,
        };
        bar.sums = Sums {
            volume: from.take()?,
            turnover: from.take()?,
            sell_volume: from.take()?,
            sell_turnover: from.take()?,
        };
        if bar.could_be(seen) { Ok(bar) } else { Err(CheckpointError::Impossible) }
    }

    /// Whether this can be the forming bar behind these rows, as far as the bar itself tells.
    fn could_be(&self, seen: &Seen) -> bool {
        let Sums { volume, turnover, sell_volume, sell_turnover } = self.sums;
        self.low > 0
            && (self.low..=self.high).contains(&self.open)
            && (self.low..=self.high).contains(&self.close)
            && self.open_time <= self.close_time
            && (1..=seen.rows).contains(&self.agg_record_count)
            && self.sell_trade_count <= self.individual_trade_count
            && (0..=volume).contains(&sell_volume)
            && (0..=turnover).contains(&sell_turnover)
    }
}

/// CRC-64/XZ (ECMA-182, reflected) of some bytes: finds every burst of up to 64 altered bits, and misses one in 2^64 of
/// all other alterations.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    !bytes.iter().fold(u64::MAX, |crc, &byte| CRC[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// The remainder of every byte.
static CRC: [u64; 256] = {
    const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Buffers;
    use crate::core::{BarBuilder, Breaks, Numbers, RangeRule, Trades, WindowOptions};

    fn builder() -> BarBuilder {
        let rules = [100, 5_000].map(|dbps| RangeRule::dbps(dbps, true).expect("a valid threshold"));
        BarBuilder::new(&rules, Breaks::default(), TimeUnit::Milliseconds, WindowOptions::default())
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(checksum(b"123456789"), 0x995D_C9BB_DF19_39FA);
        assert_eq!(checksum(b""), 0);
    }

    #[test]
    fn state_comes_back_and_every_shorter_prefix_is_refused() {
        let price = Numbers::F64(&[100.0, 100.0, 101.0, 101.01]);
        let trades = Trades {
            time: &[-5, -5, 6, 7],
            price,
            quantity: Some(price),
            is_buyer_maker: None,
            agg_trade_id: Some(&[-3, -2, 9, 10]),
            individual_ids: None,
        };
        let mut live = builder();
        for end in 0..=trades.len() {
            let mut bytes = vec![];
            live.save(&mut bytes);
            let (mut restored, mut from) = (builder(), Reader::new(&bytes));
            assert_eq!(restored.load(&mut from), Ok(()));
            assert!(from.is_empty() && restored.seen() == live.seen());
            assert!(restored.forming().eq(live.forming()) && restored.closed() == live.closed());
            for short in 0..bytes.len() {
                assert_eq!(builder().load(&mut Reader::new(&bytes[..short])), Err(CheckpointError::Truncated));
            }
            if end < trades.len() {
                let row = trades.slice(end..end + 1);
                live.push(row, &mut Buffers::default(), &mut vec![]).expect("valid trades");
            }
        }
        assert_eq!(live.closed(), 1);
    }

    #[test]
    fn what_no_trades_lead_to_is_refused() {
        let price = Numbers::F64(&[100.0, 100.05]);
        let trades = Trades {
            time: &[1, 2],
            price,
            quantity: Some(price),
            is_buyer_maker: None,
            agg_trade_id: None,
            individual_ids: None,
        };
        let mut live = builder();
        live.push(trades, &mut Buffers::default(), &mut vec![]).expect("valid trades");
        let mut good = vec![];
        live.save(&mut good);
        // Rows and last time of what was seen; closed bars; then the bar: flag, open time, open, high, low, close.
        let bar = 3 * 8 + 8;
        let to_zero = |place: usize, len: usize| {
            let mut bytes = good.clone();
            bytes[place..place + len].fill(0);
            builder().load(&mut Reader::new(&bytes))
        };
        for (place, what) in [(0, "rows"), (8, "last time"), (bar + 9, "open"), (bar + 17, "high"), (bar + 25, "low")] {
            assert_eq!(to_zero(place, 8), Err(CheckpointError::Impossible), "{what}");
        }
        for (place, what) in [(0, "more rows than fit"), (24, "more bars than rows")] {
            let mut bytes = good.clone();
            bytes[place..place + 8].fill(0xff);
            assert_eq!(builder().load(&mut Reader::new(&bytes)), Err(CheckpointError::Impossible), "{what}");
        }
        let mut flag = good.clone();
        flag[bar] = 2;
        assert_eq!(builder().load(&mut Reader::new(&flag)), Err(CheckpointError::Impossible));
    }
}
