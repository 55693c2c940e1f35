//! The height of a level, and which level a price is in.

use crate::core::error::PointsError;
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::Number;
use crate::core::rules::raw_distance;

/// A raw difference of prices above zero, with what divides by it fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    raw: i64,
    /// `floor((2^64 - 1) / raw)`.
    reciprocal: u64,
}

impl Tick {
    /// A raw difference of prices, if it is above zero.
    #[must_use]
    pub fn new(raw: i64) -> Option<Self> {
        let divisor = u64::try_from(raw).ok().filter(|&raw| raw > 0)?;
        Some(Self { raw, reciprocal: u64::MAX / divisor })
    }

    /// A difference of prices, rounded to their decimals.
    ///
    /// # Errors
    ///
    /// A number that is not above zero, is zero once it is rounded, or does not fit 64 bits.
    pub fn of(tick: Number, decimals: Decimals) -> Result<Self, PointsError> {
        let raw = raw_distance("footprint", tick, decimals)?;
        Ok(Self { raw, reciprocal: u64::MAX / raw.unsigned_abs() })
    }

    /// The raw difference.
    #[must_use]
    pub fn raw(self) -> i64 {
        self.raw
    }

    /// The level of a raw price, which is above zero: `floor(price / tick)`.
    ///
    /// The reciprocal is less than 2^64 / tick by at most 1, and a price less than 2^63. So the product is too small by
    /// less than a half, and its whole part by at most 1. A division takes five times as long on many CPUs.
    #[inline]
    #[must_use]
    pub fn level(self, price: i64) -> i64 {
        let level = ((u128::from(price as u64) * u128::from(self.reciprocal)) >> 64) as i64;
        level + i64::from(price - level * self.raw >= self.raw)
    }

    /// The lowest raw price of a level that holds one.
    #[inline]
    #[must_use]
    pub fn price(self, level: i64) -> i64 {
        level * self.raw
    }
}
