//! How much of a number may be lost when it is rounded to the decimals that it may have: at eight, a coin that costs
//! less than a hundred units of the last decimal would get another price.

use super::decimals::Decimals;
use super::fixed::Number;
use super::simd::vectorised;

/// To how many decimals numbers are rounded, and how much of one that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precision {
    decimals: Decimals,
    parts: i64,
}

impl Precision {
    /// The limit for quantities.
    pub const OF_QUANTITIES: Self = Self::of_quantities(Decimals::OF_QUANTITIES);

    /// The limit for quantities of some decimals, such as those of a book.
    #[must_use]
    pub const fn of_quantities(decimals: Decimals) -> Self {
        Self { decimals, parts: 1_000 }
    }

    /// The limit for prices of some decimals.
    #[must_use]
    pub const fn of_prices(decimals: Decimals) -> Self {
        Self { decimals, parts: 1_000_000 }
    }

    /// Decimals to which numbers are rounded.
    #[must_use]
    pub fn decimals(self) -> Decimals {
        self.decimals
    }

    /// Rounding may change a number by one part in this many.
    #[must_use]
    pub fn parts(self) -> i64 {
        self.parts
    }

    /// The largest raw value for which rounding may have changed a number by more: rounding changes a number by at most
    /// half a unit.
    #[must_use]
    pub const fn largest_doubtful(self) -> i64 {
        self.parts / 2
    }

    /// Whether rounding to a raw value changed a number, not below zero, by no more than the limit.
    #[inline]
    #[must_use]
    pub fn holds(self, number: Number, raw: i64) -> bool {
        raw > self.largest_doubtful() || self.holds_of_small(number, raw)
    }

    /// The raw value of a number, not below zero, that fits 64 bits and that rounding changes by no more than the limit.
    #[must_use]
    pub fn to_kept(self, number: Number) -> Option<i64> {
        let raw = number.to_fixed(self.decimals).and_then(|raw| i64::try_from(raw).ok());
        raw.filter(|&raw| self.holds(number, raw))
    }

    /// The fewest decimals, more than these, with which the limit holds for a price.
    #[must_use]
    pub fn finer(self, price: Number) -> Option<Decimals> {
        Decimals::all()
            .find(|&other| other > self.decimals && Self { decimals: other, ..self }.to_kept(price).is_some())
    }

    /// The most decimals, fewer than these, with which it does.
    #[must_use]
    pub fn coarser(self, price: Number) -> Option<Decimals> {
        let mut fewer = Decimals::all().rev().skip_while(|&other| other >= self.decimals);
        fewer.find(|&other| Self { decimals: other, ..self }.to_kept(price).is_some())
    }

    /// [`Precision::holds`] if it must be computed.
    #[inline(never)]
    fn holds_of_small(self, number: Number, raw: i64) -> bool {
        let decimals = self.decimals;
        match number {
            Number::Float(x) => self.holds_of_double(x, decimals.double(raw)),
            Number::Decimal { mantissa, scale } => {
                let (mantissa, raw) = (mantissa.unsigned_abs(), u128::from(raw.unsigned_abs()));
                let unit = 10_u128.checked_pow(scale.saturating_sub(decimals.count()));
                // Without a unit in 128 bits, the number was rounded to nothing.
                let change = unit.map_or(mantissa, |unit| raw.saturating_mul(unit).abs_diff(mantissa));
                scale <= decimals.count() || change <= mantissa / u128::from(self.parts.unsigned_abs())
            }
        }
    }

    /// [`Precision::holds`] for every row; raw values are narrow.
    pub(in crate::core) fn holds_of_all(self, numbers: &[f64], raw: &[i64]) -> bool {
        all_hold(numbers, raw, self)
    }

    #[inline(always)]
    fn holds_of_double(self, number: f64, kept: f64) -> bool {
        (kept - number).abs() <= 1.0 / self.parts as f64 * number
    }
}

vectorised! {
    fn all_hold(numbers: &[f64], raw: &[i64], precision: Precision) -> bool {
        let (mut hold, scale) = (true, precision.decimals.scale());
        for (&number, &raw) in numbers.iter().zip(raw) {
            hold &= precision.holds_of_double(number, raw as f64 / scale);
        }
        hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::words;

    /// The rule with exact integers: so many digits more than the raw value has.
    fn holds(number: u128, raw: u128, digits: u32, parts: u128) -> bool {
        (raw * 10_u128.pow(digits)).abs_diff(number) * parts <= number
    }

    const AT_EIGHT: Precision = Precision::of_prices(Decimals::OF_QUANTITIES);

    #[test]
    fn prop_decimals_hold_where_the_exact_change_is_small_enough() {
        let of_prices = Decimals::all().map(|decimals| (Precision::of_prices(decimals), 500_000));
        for (precision, near) in of_prices.chain([(Precision::OF_QUANTITIES, 500)]) {
            let (mut held, mut broken) = (0, 0);
            for (word, digits) in words(3).zip((0..=12).cycle()).take(10_000) {
                // From zero to twice the largest raw value that is in doubt.
                let unit = 10_i128.pow(digits);
                let mantissa = i128::from(word >> 1) % (2 * near * unit);
                let number = Number::Decimal { mantissa, scale: precision.decimals().count() + digits };
                let raw = number.to_fixed(precision.decimals()).and_then(|raw| i64::try_from(raw).ok()).expect("small");
                let (number_in_digits, raw_value) = (mantissa.unsigned_abs(), raw.unsigned_abs().into());
                let expected = holds(number_in_digits, raw_value, digits, precision.parts().unsigned_abs().into());
                assert_eq!(precision.holds(number, raw), expected, "{number} {raw}");
                assert_eq!(precision.to_kept(number), expected.then_some(raw), "{number}");
                if expected { held += 1 } else { broken += 1 }
            }
            assert!(held > 1_500 && broken > 1_500, "{held} {broken}");
        }
    }

    #[test]
    fn numbers_at_the_edge_and_those_of_which_nothing_is_left() {
        let holds = |precision: Precision, x: f64| {
            let raw = Number::Float(x).to_narrow(precision.decimals()).expect("small");
            let alone = precision.holds(Number::Float(x), raw);
            assert_eq!(precision.holds_of_all(&[1.0, x, 1.0], &[100_000_000, raw, 100_000_000]), alone);
            alone
        };
        for (precision, doubtful) in [(AT_EIGHT, 500_000.0), (Precision::OF_QUANTITIES, 500.0)] {
            assert_eq!(precision.largest_doubtful() as f64, doubtful);
            assert!(!holds(precision, (doubtful - 0.5) / 1e8) && holds(precision, (doubtful + 0.4999) / 1e8));
            assert!(holds(precision, (doubtful + 0.5) / 1e8) && holds(precision, (doubtful + 1.5) / 1e8));
            assert!(holds(precision, 1e-8) && holds(precision, 0.0));
            for nothing_left in [4.9e-9, 1e-300, 5e-324] {
                assert!(!holds(precision, nothing_left), "{nothing_left:?}");
            }
            let digits = Number::Decimal { mantissa: i128::MAX, scale: 60 };
            assert!(!precision.holds(digits, 0) && precision.holds(Number::Decimal { mantissa: 0, scale: 60 }, 0));
        }
        assert!(!holds(AT_EIGHT, 1.5e-8) && !holds(AT_EIGHT, 0.000_001_234_56));
    }
}
