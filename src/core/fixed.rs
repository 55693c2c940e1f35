//! Fixed point with eight decimals: the one place where a number becomes an integer and back.

use std::fmt;
use std::ops::Range;

/// Raw units in one: prices and quantities carry eight decimals (SPEC 2).
pub const SCALE: f64 = 1e8;

/// Raw units in one of a product of two fixed-point numbers.
pub const PRODUCT_SCALE: f64 = 1e16;

/// Decimals of the fixed point.
const DECIMALS: u32 = 8;

/// Raw values below 2^51 are narrow: doubles of this size round exactly in vector arithmetic, and a
/// thousand products of them with a price fit 128 bits.
pub const NARROW: f64 = (1_u64 << 51) as f64;

/// 2^52: adding it to a double in [0, 2^52) leaves the integer part in the low bits of the mantissa.
const MAGIC: f64 = (1_u64 << 52) as f64;

/// One number as it came, kept for exact conversion and for messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A double; single precision is widened, which is exact.
    Float(f64),
    /// `mantissa / 10^scale`; an integer has scale 0.
    Decimal {
        /// The unscaled integer.
        mantissa: i128,
        /// Digits behind the decimal point.
        scale: u32,
    },
}

impl Number {
    /// Nearest raw value, halves away from zero; `None` if not finite or beyond 128 bits.
    #[must_use]
    pub fn to_fixed(self) -> Option<i128> {
        match self {
            Self::Float(x) => {
                let raw = (x * SCALE).round();
                // 2^127 is exact as a double; the range below excludes NaN and the infinities.
                (raw.abs() < 2_f64.powi(127)).then_some(raw as i128)
            }
            Self::Decimal { mantissa, scale } if scale <= DECIMALS => {
                mantissa.checked_mul(10_i128.pow(DECIMALS - scale))
            }
            Self::Decimal { mantissa, scale } => {
                let Some(unit) = 10_i128.checked_pow(scale - DECIMALS) else {
                    return Some(0); // more digits than 128 bits have: nothing is left of the number
                };
                let (quotient, rest) = (mantissa / unit, mantissa % unit);
                let up = i128::from(rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2));
                Some(quotient + mantissa.signum() * up)
            }
        }
    }

    /// As [`Number::to_fixed`], for doubles of which the raw value lies in `0..NARROW`; `None` for all others.
    #[inline]
    #[must_use]
    pub fn to_narrow(self) -> Option<i64> {
        match self {
            Self::Float(x) => {
                let raw = x * SCALE;
                // Below 2^51 the integer part and what is behind it are exact. NaN is in no range.
                (0.0..NARROW).contains(&raw).then(|| {
                    let whole = raw as i64;
                    whole + i64::from(raw - whole as f64 >= 0.5)
                })
            }
            Self::Decimal { .. } => None,
        }
    }

    /// Whether the number is below zero. NaN is not.
    #[must_use]
    pub fn is_negative(self) -> bool {
        match self {
            Self::Float(x) => x < 0.0,
            Self::Decimal { mantissa, .. } => mantissa < 0,
        }
    }

    /// Whether the number is finite.
    #[must_use]
    pub fn is_finite(self) -> bool {
        match self {
            Self::Float(x) => x.is_finite(),
            Self::Decimal { .. } => true,
        }
    }

    /// Whether the number is exactly zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        match self {
            Self::Float(x) => x == 0.0,
            Self::Decimal { mantissa, .. } => mantissa == 0,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Decimal { mantissa, scale: 0 } => write!(f, "{mantissa}"),
            Self::Decimal { mantissa, scale } => {
                let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = scale as usize + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
                let sign = if mantissa < 0 { "-" } else { "" };
                write!(f, "{sign}{whole}.{fraction}")
            }
        }
    }
}

/// A column of numbers in the form in which it came.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// Doubles.
    F64(&'a [f64]),
    /// Singles.
    F32(&'a [f32]),
    /// Integers.
    I64(&'a [i64]),
    /// Decimals, or integers wider than 64 bits with scale 0.
    Decimal {
        /// Unscaled integers.
        mantissa: &'a [i128],
        /// Digits behind the decimal point.
        scale: u32,
    },
}

impl<'a> Numbers<'a> {
    /// A column of one row.
    #[must_use]
    pub fn one(value: &'a Number) -> Self {
        match value {
            Number::Float(value) => Self::F64(std::slice::from_ref(value)),
            Number::Decimal { mantissa, scale } => {
                Self::Decimal { mantissa: std::slice::from_ref(mantissa), scale: *scale }
            }
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F64(x) => x.len(),
            Self::F32(x) => x.len(),
            Self::I64(x) => x.len(),
            Self::Decimal { mantissa, .. } => mantissa.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of a range.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Numbers<'a> {
        match *self {
            Self::F64(x) => Self::F64(&x[rows]),
            Self::F32(x) => Self::F32(&x[rows]),
            Self::I64(x) => Self::I64(&x[rows]),
            Self::Decimal { mantissa, scale } => Self::Decimal { mantissa: &mantissa[rows], scale },
        }
    }

    /// One value.
    #[must_use]
    pub fn get(&self, row: usize) -> Number {
        match *self {
            Self::F64(x) => Number::Float(x[row]),
            Self::F32(x) => Number::Float(f64::from(x[row])),
            Self::I64(x) => Number::Decimal { mantissa: i128::from(x[row]), scale: 0 },
            Self::Decimal { mantissa, scale } => Number::Decimal { mantissa: mantissa[row], scale },
        }
    }

    /// Converts a column whose raw values are all in `at_least..2^51` into `out`; `false` if one is not,
    /// then `out` is to be ignored. Decimals are always `false`: they convert one by one.
    #[must_use]
    pub fn to_narrow(&self, at_least: i64, out: &mut [i64]) -> bool {
        match *self {
            Self::F64(x) => round_positive(x.iter().copied(), at_least, out),
            Self::F32(x) => round_positive(x.iter().map(|&x| f64::from(x)), at_least, out),
            Self::I64(x) => scale_positive(x, at_least, out),
            Self::Decimal { .. } => false,
        }
    }
}

/// Rounds `x * 1e8` half away from zero in arithmetic that vectorises on every CPU: adding 2^52 rounds
/// half to even, and a tie that went down to the even neighbour is moved up.
///
/// Whether all rows are inside is read off the bits: a raw value that is negative, below `at_least`, at
/// 2^51 or beyond, or not finite sets a bit from the 51st up in `outside`, and so does a sign.
fn round_positive(x: impl Iterator<Item = f64>, at_least: i64, out: &mut [i64]) -> bool {
    let mut outside = 0;
    for (x, out) in x.zip(out) {
        let scaled = x * SCALE;
        let even = (scaled + MAGIC) - MAGIC;
        let rounded = if scaled - even >= 0.5 { even + 1.0 } else { even };
        let raw = (rounded + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i64;
        *out = raw;
        outside |= raw | raw.wrapping_sub(at_least) | (x.to_bits() as i64 & i64::MIN);
    }
    (outside as u64) < NARROW as u64
}

/// Multiplies integers by 1e8 where the product is in `at_least..2^51`.
fn scale_positive(x: &[i64], at_least: i64, out: &mut [i64]) -> bool {
    const UNITS: i64 = SCALE as i64;
    let mut inside = true;
    for (&x, out) in x.iter().zip(out) {
        *out = x.wrapping_mul(UNITS);
        inside &= (x >= at_least) & (x < NARROW as i64 / UNITS);
    }
    inside
}

/// A raw price or quantity as a double: one division.
#[must_use]
pub fn from_fixed(raw: i128) -> f64 {
    raw as f64 / SCALE
}

/// A raw product of price and quantity as a double: one division.
#[must_use]
pub fn from_product(raw: i128) -> f64 {
    raw as f64 / PRODUCT_SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prop_one_narrow_number_is_the_one_of_the_slow_way() {
        let halves = (0..2_000).map(|k| (f64::from(k) + 0.5) / SCALE);
        let drawn = crate::core::testing::words(5).take(50_000).map(f64::from_bits);
        let usual = crate::core::testing::words(6).take(50_000).map(|word| (word >> 20) as f64 / 1e7);
        for x in halves.chain(drawn).chain(usual).chain([0.0, -0.0, f64::NAN, f64::INFINITY, -1e-9]) {
            let number = Number::Float(x);
            match number.to_narrow() {
                Some(raw) => assert_eq!(Some(i128::from(raw)), number.to_fixed(), "{x:e}"),
                None => assert!(x.is_nan() || x < 0.0 || x * SCALE >= NARROW, "{x:e}"),
            }
        }
    }
    use crate::core::testing::words;

    /// The definition, digit by digit: halves away from zero of the IEEE product.
    fn slow(x: f64) -> i128 {
        let y = x * SCALE;
        let t = y.trunc();
        t as i128 + if (y - t).abs() >= 0.5 { y.signum() as i128 } else { 0 }
    }

    #[test]
    fn prop_fast_and_slow_conversion_agree() {
        let mut narrow = 0;
        for word in words(1).take(200_000) {
            // Every exponent from 2^-40 to 2^30, and near-ties: k + 0.5 raw units plus or minus one ulp.
            let magnitude = 2_f64.powi((word % 71) as i32 - 40);
            let x = (word >> 11) as f64 / (1_u64 << 53) as f64 * magnitude;
            let tie = ((word >> 20) as f64 + 0.5) / SCALE;
            for x in [x, tie, tie.next_up(), tie.next_down()] {
                assert_eq!(Number::Float(x).to_fixed(), Some(slow(x)), "{x:?}");
                let mut out = [0];
                if Numbers::F64(&[x]).to_narrow(0, &mut out) {
                    assert_eq!(i128::from(out[0]), slow(x), "{x:?}");
                    narrow += 1;
                }
            }
        }
        assert!(narrow > 400_000, "the fast way was hardly taken: {narrow}");
    }

    #[test]
    fn the_fast_way_refuses_what_it_cannot_hold() {
        let mut out = [0];
        for x in [
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            -2e-9,
            -1e16,
            5e7,
            1e8,
            -1e-300,
            2_f64.powi(51) / SCALE,
            1e300,
        ] {
            assert!(!Numbers::F64(&[x]).to_narrow(0, &mut out), "{x:?}");
        }
        for (x, fits) in [(0, true), (22_517_997, true), (22_517_998, false), (-1, false), (i64::MAX, false)] {
            assert_eq!(Numbers::I64(&[x]).to_narrow(0, &mut out), fits, "{x}");
        }
        assert!(!Numbers::F64(&[4e-9]).to_narrow(1, &mut out), "rounds to zero");
        assert!(!Numbers::F64(&[-0.0]).to_narrow(0, &mut out), "the sign is enough to go the slow way");
        assert!(Numbers::F64(&[0.0]).to_narrow(0, &mut out) && out[0] == 0);
    }

    #[test]
    fn decimals_convert_exactly_and_round_half_away_from_zero() {
        let fixed = |mantissa, scale| Number::Decimal { mantissa, scale }.to_fixed();
        assert_eq!(fixed(12_345, 2), Some(12_345_000_000));
        assert_eq!(fixed(7, 0), Some(700_000_000));
        assert_eq!(fixed(15, 9), Some(2));
        assert_eq!(fixed(14, 9), Some(1));
        assert_eq!(fixed(-15, 9), Some(-2));
        assert_eq!(fixed(i128::MAX, 0), None);
        assert_eq!(fixed(i128::MAX, 60), Some(0));
    }

    #[test]
    fn numbers_print_as_they_came() {
        assert_eq!(Number::Decimal { mantissa: -1_205, scale: 3 }.to_string(), "-1.205");
        assert_eq!(Number::Decimal { mantissa: 5, scale: 3 }.to_string(), "0.005");
        assert_eq!(Number::Float(-1.0).to_string(), "-1.0");
        assert_eq!(Number::Float(f64::NAN).to_string(), "NaN");
    }
}
