//! Fixed-point numbers: the only place where a number becomes an integer.

use std::fmt;
use std::ops::Range;

use super::decimals::Decimals;

/// Doubles up to this hold every integer.
pub(super) const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// Largest quantity in raw units: 1e15 (`docs/columns.md`, Exactness).
pub const MAX_QUANTITY: i128 = 100_000_000_000_000_000_000_000;

/// Raw values below 2^51 are narrow: doubles of this size round exactly in vector arithmetic, and a thousand products
/// of them with a price fit 128 bits.
pub const NARROW: f64 = (1_u64 << 51) as f64;

/// 2^52: adding it to a double in [0, 2^52) leaves the integer part in the low bits of the mantissa.
const ROUND_TO_INTEGER: f64 = (1_u64 << 52) as f64;

/// One number as it was given, kept for exact conversion and for messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A double; single precision is widened, which is exact.
    Float(f64),
    /// `mantissa / 10^scale`; an integer has scale 0.
    Decimal {
        /// The unscaled integer.
        mantissa: i128,
        /// Digits after the decimal point.
        scale: u32,
    },
}

impl Number {
    /// Nearest raw value, halves away from zero; `None` if not finite or beyond 128 bits.
    #[must_use]
    pub fn to_fixed(self, decimals: Decimals) -> Option<i128> {
        match self {
            Self::Float(x) => {
                let raw = (x * decimals.scale()).round();
                // 2^127 is exact as a double; the range below excludes NaN and the infinities.
                let fits = raw.abs() < 2_f64.powi(127);
                fits.then(|| if raw.abs() < EXACT as f64 { raw as i128 } else { exact_product(x, decimals) })
            }
            Self::Decimal { mantissa, scale } if scale <= decimals.count() => {
                mantissa.checked_mul(10_i128.pow(decimals.count() - scale))
            }
            Self::Decimal { mantissa, scale } => {
                let Some(unit) = 10_i128.checked_pow(scale - decimals.count()) else {
                    return Some(0); // more digits than 128 bits have: the number rounds to 0
                };
                let (quotient, rest) = (mantissa / unit, mantissa % unit);
                let up = i128::from(rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2));
                Some(quotient + mantissa.signum() * up)
            }
        }
    }

    /// As [`Number::to_fixed`], for doubles whose raw value lies in `0..NARROW`; `None` for all others.
    #[inline]
    #[must_use]
    pub fn to_narrow(self, decimals: Decimals) -> Option<i64> {
        match self {
            Self::Float(x) => {
                let scaled = x * decimals.scale();
                (0.0..NARROW).contains(&scaled).then(|| round(scaled)) // NaN is in no range
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

/// A column of numbers in the form in which it was given.
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
        /// Digits after the decimal point.
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

    /// The column as doubles, in `memory` if it was given in another form, if it may be rounded as doubles: integers
    /// beyond 2^53 are not narrow, however they round. Decimals are converted one by one.
    #[must_use]
    pub fn to_doubles<'b>(&self, memory: &'b mut [f64]) -> Option<&'b [f64]>
    where
        'a: 'b,
    {
        let memory = &mut memory[..self.len()];
        match *self {
            Self::F64(x) => return Some(x),
            Self::F32(x) => memory.iter_mut().zip(x).for_each(|(to, &x)| *to = f64::from(x)),
            Self::I64(x) => memory.iter_mut().zip(x).for_each(|(to, &x)| *to = x as f64),
            Self::Decimal { .. } => return None,
        }
        Some(memory)
    }
}

/// The nearest integer, halves up, of a double in `0.0..2^51`, with arithmetic that every CPU has for vectors: adding
/// 2^52 rounds half to even, and a tie that went down to the even neighbour is moved up.
///
/// All other doubles give an integer with a bit set from the 51st up, except negative ones, which may give 0.
#[inline(always)]
#[must_use]
pub fn round(scaled: f64) -> i64 {
    let shifted = scaled + ROUND_TO_INTEGER;
    let tie_went_down = scaled - (shifted - ROUND_TO_INTEGER) >= 0.5;
    (shifted.to_bits().wrapping_sub(ROUND_TO_INTEGER.to_bits()) as i64).wrapping_add(i64::from(tie_went_down))
}

/// [`Number::to_fixed`] of a double whose product with the scale is beyond the integers that doubles hold exactly: the
/// exact product, halves away from zero.
fn exact_product(x: f64, decimals: Decimals) -> i128 {
    const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = x.abs().to_bits();
    let mantissa = bits & ((1 << MANTISSA) - 1) | 1 << MANTISSA;
    let product = u128::from(mantissa) * u128::from(decimals.units());
    // The double is its mantissa times two to the power of this.
    let power = (bits >> MANTISSA) as i32 - (f64::MAX_EXP - 1) - MANTISSA as i32;
    let magnitude = match u32::try_from(-power) {
        Ok(fraction @ 1..) => (product + (1 << (fraction - 1))) >> fraction,
        _ => product << power,
    };
    if x < 0.0 { -(magnitude as i128) } else { magnitude as i128 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::words;

    const EIGHT: Decimals = Decimals::OF_QUANTITIES;

    /// The definition: halves away from zero of the IEEE product and, from 2^53 on, of the exact product, whose
    /// fractional part is that of a double times the units, in 128 bits.
    fn slow(x: f64, decimals: Decimals) -> i128 {
        let y = x * decimals.scale();
        if y.abs() >= EXACT as f64 {
            // The fraction of a double from 2^-7 on is a multiple of 2^-60.
            let (units, fraction) = (i128::from(decimals.units()), (x - x.trunc()) * 2_f64.powi(60));
            let product = fraction as i128 * units;
            assert_eq!(fraction.trunc(), fraction);
            return x.trunc() as i128 * units + (2 * product + product.signum() * (1 << 60)) / (1 << 61);
        }
        let t = y.trunc();
        t as i128 + if (y - t).abs() >= 0.5 { y.signum() as i128 } else { 0 }
    }

    #[test]
    fn prop_one_narrow_number_is_the_one_of_the_slow_way() {
        for decimals in Decimals::all() {
            let halves = (0..2_000).map(|k| (f64::from(k) + 0.5) / decimals.scale());
            let drawn = words(5).take(5_000).map(f64::from_bits);
            let usual = words(6).take(5_000).map(|word| (word >> 20) as f64 / 1e7);
            for x in halves.chain(drawn).chain(usual).chain([0.0, -0.0, f64::NAN, f64::INFINITY, -1e-9]) {
                let number = Number::Float(x);
                match number.to_narrow(decimals) {
                    Some(raw) => assert_eq!(Some(i128::from(raw)), number.to_fixed(decimals), "{x:e}"),
                    None => assert!(x.is_nan() || x < 0.0 || x * decimals.scale() >= NARROW, "{x:e}"),
                }
            }
        }
    }

    #[test]
    fn prop_fast_and_slow_conversion_agree() {
        for decimals in Decimals::all() {
            let (mut narrow, bits) = (0, (decimals.scale().log2() + 0.5) as i32);
            for word in words(1).take(20_000) {
                // From 2^-13 to 2^57 raw units, and near-ties: k + 0.5 raw units plus or minus one ulp.
                let magnitude = 2_f64.powi((word % 71) as i32 - 13 - bits);
                let x = (word >> 11) as f64 / (1_u64 << 53) as f64 * magnitude;
                let tie = ((word >> 20) as f64 + 0.5) / decimals.scale();
                for x in [x, tie, tie.next_up(), tie.next_down()] {
                    assert_eq!(Number::Float(x).to_fixed(decimals), Some(slow(x, decimals)), "{x:?} {decimals:?}");
                    if let Some(raw) = Number::Float(x).to_narrow(decimals) {
                        assert_eq!(i128::from(raw), slow(x, decimals), "{x:?}");
                        narrow += 1;
                    }
                }
            }
            assert!(narrow > 40_000, "the fast way was hardly taken: {narrow} {decimals:?}");
        }
    }

    #[test]
    fn prop_large_doubles_are_rounded_once() {
        for decimals in Decimals::all() {
            let (first, powers) = ((EXACT as f64 / decimals.scale()).to_bits() >> 52, 73);
            for word in words(8).take(10_000) {
                // From just above 2^53 raw units to 2^126.
                let x = f64::from_bits((first + 1 + word % powers) << 52 | word >> 12);
                for x in [x, -x, x.trunc(), x.trunc() + 0.5] {
                    if x.abs() < 2_f64.powi(126) / decimals.scale() {
                        assert_eq!(Number::Float(x).to_fixed(decimals), Some(slow(x, decimals)), "{x:?} {decimals:?}");
                    }
                }
            }
        }
        assert_eq!(Number::Float(23_640_926_209.0).to_fixed(EIGHT), Some(2_364_092_620_900_000_000));
        assert_eq!(Number::Float(1e15).to_fixed(EIGHT), Some(MAX_QUANTITY));
        assert_eq!(Number::Float(1e31).to_fixed(EIGHT), None);
    }

    #[test]
    fn decimals_convert_exactly_and_round_half_away_from_zero() {
        let to = |mantissa, scale, count| {
            Number::Decimal { mantissa, scale }.to_fixed(Decimals::new(count).expect("at most 18"))
        };
        let fixed = |mantissa, scale| to(mantissa, scale, 8);
        assert_eq!(fixed(12_345, 2), Some(12_345_000_000));
        assert_eq!(fixed(7, 0), Some(700_000_000));
        assert_eq!(fixed(15, 9), Some(2));
        assert_eq!(fixed(14, 9), Some(1));
        assert_eq!(fixed(-15, 9), Some(-2));
        assert_eq!(fixed(i128::MAX, 0), None);
        assert_eq!(fixed(i128::MAX, 60), Some(0));
        assert_eq!((to(5, 1, 0), to(-5, 1, 0), to(4, 1, 0)), (Some(1), Some(-1), Some(0)));
        assert_eq!((to(123_456, 11, 12), to(123_456, 11, 18)), (Some(1_234_560), Some(1_234_560_000_000)));
        assert_eq!((to(7, 0, 18), to(7, 0, 0)), (Some(7_000_000_000_000_000_000), Some(7)));
    }

    #[test]
    fn numbers_print_as_they_came() {
        assert_eq!(Number::Decimal { mantissa: -1_205, scale: 3 }.to_string(), "-1.205");
        assert_eq!(Number::Decimal { mantissa: 5, scale: 3 }.to_string(), "0.005");
        assert_eq!(Number::Float(-1.0).to_string(), "-1.0");
        assert_eq!(Number::Float(f64::NAN).to_string(), "NaN");
    }
}
