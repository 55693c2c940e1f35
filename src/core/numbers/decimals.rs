//! How many decimals a fixed-point number has, and how it becomes a double again.

use super::division::double;
use super::fixed::{EXACT, Number};

/// Decimals of a fixed-point number (`docs/columns.md`, Exactness), from none to 18.
///
/// Quantities have eight, and so have prices unless others are asked for. It is a byte, so each bar says what its prices
/// are; loops over rows take [`Decimals::scale`] once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimals(u8);

/// With one more, nothing from 10 on would fit 64 bits.
const MOST: u8 = 18;

/// Places of a table of powers: enough for the product of the finest price and a quantity, and a power of two, so that
/// no place has to be checked.
const PLACES: usize = 32;

/// Powers of ten.
const POWERS: [u128; PLACES] = {
    let mut powers = [1; PLACES];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = powers[power - 1] * 10;
        power += 1;
    }
    powers
};

/// The same as doubles.
const DOUBLES: [f64; PLACES] = {
    let mut doubles = [1.0; PLACES];
    let mut power = 1;
    while power < doubles.len() {
        doubles[power] = POWERS[power] as f64;
        power += 1;
    }
    doubles
};

/// The doubles nearest to one over each power.
const INVERSES: [f64; PLACES] = {
    let mut inverses = [1.0; PLACES];
    let mut power = 1;
    while power < inverses.len() {
        inverses[power] = 1.0 / DOUBLES[power];
        power += 1;
    }
    inverses
};

/// The largest power of ten that is a double.
const MOST_EXACT: usize = 22;

impl Decimals {
    /// Those of quantities.
    pub const OF_QUANTITIES: Self = Self(8);

    /// So many, if there may be.
    #[must_use]
    pub fn new(count: u32) -> Option<Self> {
        u8::try_from(count).ok().filter(|&count| count <= MOST).map(Self)
    }

    /// Any number of them, from none to the most.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..=MOST).map(Self)
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0 as u32
    }

    /// Units in one.
    #[must_use]
    pub const fn units(self) -> u64 {
        POWERS[self.0 as usize % PLACES] as u64
    }

    /// Units in one as a double, which is exact.
    #[inline]
    #[must_use]
    pub const fn scale(self) -> f64 {
        DOUBLES[self.0 as usize % PLACES]
    }

    /// A raw value as the number that it stands for.
    #[must_use]
    pub fn number(self, raw: i64) -> Number {
        Number::Decimal { mantissa: raw.into(), scale: self.count() }
    }

    /// The double nearest to a raw value. Inlined wherever it is, so that a loop over bars divides without a call each
    /// (4 -> 2 ns).
    #[inline(always)]
    #[must_use]
    pub fn double(self, raw: impl Into<i128>) -> f64 {
        let raw = raw.into();
        match exact(raw) {
            Some(raw) => raw / self.scale(),
            None => nearest_double(raw, self.count() as usize),
        }
    }

    /// The double nearest to a raw product of a price of these decimals and a quantity.
    #[inline]
    #[must_use]
    pub fn double_of_product(self, raw: i128) -> f64 {
        let power = usize::from(self.0 + Self::OF_QUANTITIES.0) % PLACES;
        match exact(raw) {
            Some(raw) if power <= MOST_EXACT => raw / DOUBLES[power],
            _ => nearest_double(raw, power),
        }
    }
}

/// Those of prices, unless others are asked for.
impl Default for Decimals {
    fn default() -> Self {
        Self(8)
    }
}

/// An integer as a double, if a double holds it: then one division rounds once.
#[inline(always)]
fn exact(raw: i128) -> Option<f64> {
    i64::try_from(raw).ok().filter(|raw| raw.unsigned_abs() <= EXACT).map(|raw| raw as f64)
}

/// The double nearest to any number of units, of which a power of ten makes 1.
#[inline(never)]
fn nearest_double(raw: i128, power: usize) -> f64 {
    proven(raw, power).unwrap_or_else(|| divided(raw, POWERS[power]))
}

/// [`nearest_double`] by a guess that is then proven: turnovers are beyond 2^53, and four divisions of 128 bits were most of what
/// a short bar took (100 -> 6 ns each).
#[inline]
fn proven(raw: i128, power: usize) -> Option<f64> {
    const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
    const FIRST: u64 = 1 << MANTISSA;
    // Units of 64 bits: then products take one multiplication, and not three.
    let units = u64::try_from(*POWERS.get(power)?).ok()?;
    let magnitude = raw.unsigned_abs();
    // By the inverse: a division would be waited for. The guess is then at most two doubles beside the nearest one.
    let guess = double(raw).abs() * INVERSES[power];
    // The guess is its mantissa, of 53 bits, over two to the power of this; so the number is this one over as much.
    let shift = u32::try_from(f64::MAX_EXP - 1 + MANTISSA as i32 - (guess.to_bits() >> MANTISSA) as i32).ok()?;
    if shift >= magnitude.leading_zeros() {
        return None;
    }
    let number = (magnitude << shift) as i128;
    let mantissa = guess.to_bits() & (FIRST - 1) | FIRST;
    let (half, whole) = (i128::from(units / 2), i128::from(units)); // units are even, or 1
    let rest = number - (u128::from(mantissa) * u128::from(units)) as i128;
    let steps = |rest: i128| i64::from(rest > half) + i64::from(rest > half + whole);
    let step = steps(rest) - steps(-rest);
    let rest = rest - i128::from(step) * whole;
    let (mantissa, bits) = (mantissa.wrapping_add_signed(step), guess.to_bits().wrapping_add_signed(step));
    // Nearer than half a step to the next double. Just below a power of two steps are half as long: not for a guess beside it.
    let is_nearest = mantissa > FIRST && mantissa < 2 * FIRST && rest.abs() < half;
    is_nearest.then(|| f64::from_bits(bits)).map(|value| if raw < 0 { -value } else { value })
}

/// [`nearest_double`], by division: two bits of the quotient more than a double holds,
/// the last of which also says whether there is a remainder, round as the exact quotient does.
#[inline(never)]
fn divided(raw: i128, units: u128) -> f64 {
    const BITS: u32 = f64::MANTISSA_DIGITS + 2;
    let magnitude = raw.unsigned_abs();
    let room = (magnitude | 1).leading_zeros();
    let shift = (BITS + units.ilog2() + 1).saturating_sub(u128::BITS - room).min(room);
    let dividend = magnitude << shift;
    let (mut quotient, mut rest) = (dividend / units, dividend % units);
    let mut scale = (1_u128 << shift) as f64;
    // Only units of more than 72 bits leave no room for all bits at once.
    while quotient >> (BITS - 1) == 0 && rest > 0 {
        let more = rest.leading_zeros().min(u64::BITS - 1);
        let dividend = rest << more;
        quotient = (quotient << more) + dividend / units;
        rest = dividend % units;
        scale *= (1_u128 << more) as f64;
    }
    let value = (quotient | u128::from(rest > 0)) as f64 / scale;
    if raw < 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::words;

    #[test]
    fn there_are_none_to_eighteen() {
        assert!(Decimals::all().map(Decimals::count).eq(0..=18));
        assert!(Decimals::all().all(|decimals| Decimals::new(decimals.count()) == Some(decimals)));
        assert_eq!([Decimals::new(19), Decimals::new(264), Decimals::new(u32::MAX)], [None; 3]);
        assert_eq!(Decimals::default(), Decimals::OF_QUANTITIES);
        for decimals in Decimals::all() {
            assert_eq!(decimals.units(), 10_u64.pow(decimals.count()));
            assert_eq!(decimals.scale() as u64, decimals.units(), "a double holds it");
        }
        assert!((0..=MOST_EXACT).all(|power| DOUBLES[power] as u128 == POWERS[power]));
        assert_eq!(Decimals::OF_QUANTITIES.number(5).to_string(), "0.00000005");
    }

    #[test]
    fn prop_back_to_doubles_as_the_decimal_is_read() {
        let near = [1_i128 << 53, 1 << 54, 1 << 63, 1 << 106, i128::MAX - 2]
            .map(|edge: i128| (edge - 2..=edge + 2).collect::<Vec<_>>());
        let drawn: Vec<_> = words(9)
            .zip(words(10))
            .map(|(high, low)| (i128::from(high) << 64 | i128::from(low)) >> (high % 120))
            .take(4_000)
            .collect();
        for decimals in Decimals::all() {
            // Units of a whole double, and one off: just at the middle of two doubles, or beside it.
            let middles = (0..200).map(|k: i128| ((1 << 53) + 2 * k + 1) * i128::from(decimals.units()) / 2);
            let middles: Vec<_> = middles.flat_map(|middle| [middle - 1, middle, middle + 1]).collect();
            let (price, product) = (decimals.count(), decimals.count() + 8);
            for raw in [vec![0, 1, 2_364_092_620_900_000_000], near.concat(), drawn.clone(), middles].concat() {
                for raw in [raw, -raw] {
                    assert_eq!(Ok(decimals.double(raw)), format!("{raw}e-{price}").parse(), "{raw} {decimals:?}");
                    assert_eq!(Ok(decimals.double_of_product(raw)), format!("{raw}e-{product}").parse(), "{raw}");
                }
            }
        }
        assert_eq!(Decimals::default().double(2_364_092_620_900_000_000_i64), 23_640_926_209.0);
    }

    #[test]
    fn prop_turnovers_are_proven_and_hardly_ever_divided() {
        let mut proven_ones = 0;
        for word in words(12).take(20_000) {
            // Prices to 1e6, quantities to 1e5, and many trades.
            let turnover = (i128::from(word >> 44) + 1) * 100_000_000 * (i128::from(word & 0xFFFF_FFFF) + 1) * 1_000;
            let proven = proven(turnover, 16);
            assert!(proven.is_none_or(|value| value == divided(turnover, POWERS[16])), "{turnover}");
            proven_ones += u32::from(proven.is_some());
        }
        assert!(proven_ones > 19_900, "the quick way was hardly taken: {proven_ones}");
    }

    #[test]
    fn prop_large_doubles_come_back() {
        for decimals in Decimals::all() {
            for word in words(11).take(5_000) {
                let unit = 9.1e15 / decimals.scale();
                for x in [unit + (word >> 24) as f64 / 100.0, f64::from_bits((1_050 + word % 40) << 52 | word >> 12)] {
                    let Some(raw) = Number::Float(x).to_fixed(decimals) else { continue };
                    assert!(raw < 1 << 53 || decimals.double(raw) == x, "{x:?} {decimals:?}");
                }
            }
        }
    }
}
