//! Wide integers as doubles, and their division where the quotient is narrow.

/// Quotients below this are guessed by doubles with an error of less than one.
const NARROW: f64 = (1_u64 << 50) as f64;

/// `dividend / divisor`, truncated; none if the divisor is zero. Where neither is negative and the quotient is narrow, as
/// an average price is, it is guessed in doubles and then put right: 60 -> 10 ns.
#[inline]
#[must_use]
pub fn quotient(dividend: i128, divisor: i128) -> Option<i128> {
    // Sixteen times as much fits, too, so nothing below overflows.
    if dividend < 0 || divisor <= 0 || (dividend | divisor) >> 123 != 0 {
        return dividend.checked_div(divisor);
    }
    let guess = double(dividend) / double(divisor);
    if guess >= NARROW {
        return dividend.checked_div(divisor);
    }
    let guess = i128::from(guess as i64);
    let rest = dividend - guess * divisor;
    Some(guess + i128::from(rest >= divisor) - i128::from(rest < 0))
}

/// The double nearest to an integer, as `raw as f64` is. Processors only convert 64 bits; the function that the compiler
/// calls for more takes twice as long.
#[inline]
#[must_use]
pub fn double(raw: i128) -> f64 {
    let magnitude = raw.unsigned_abs();
    let value = match i64::try_from(magnitude) {
        Ok(narrow) => narrow as f64,
        Err(_) => {
            // The first 63 bits, the last of which also says whether there is anything below it, round as all bits do.
            let below = (u128::BITS - (i64::BITS - 1)).saturating_sub(magnitude.leading_zeros());
            let rest = magnitude & ((1 << below) - 1);
            let first = (magnitude >> below) as i64 | i64::from(rest != 0);
            first as f64 * f64::from_bits((f64::MAX_EXP as u64 - 1 + u64::from(below)) << (f64::MANTISSA_DIGITS - 1))
        }
    };
    if raw < 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::{double, quotient};
    use crate::core::testing::words;

    #[test]
    fn prop_doubles_are_the_nearest() {
        let wide = words(51).zip(words(52)).map(|(high, low)| i128::from(high) << 64 | i128::from(low));
        let drawn = wide.enumerate().take(200_000).map(|(number, raw)| raw >> (number % 127));
        let edges = (0..127).map(|power| 1_i128 << power).chain([0, i128::MAX, i128::MIN]);
        // Just at the middle of two doubles, or beside it, of any size.
        let middles = (54..127).map(|power| (1_i128 << power) + (1 << (power - 53)));
        for raw in drawn.chain(edges).chain(middles) {
            for raw in [raw.saturating_sub(1), raw, raw.saturating_add(1)] {
                for raw in [raw, raw.saturating_neg()] {
                    assert_eq!(double(raw).to_bits(), (raw as f64).to_bits(), "{raw}");
                }
            }
        }
    }

    #[test]
    fn prop_quotients_are_those_of_division() {
        let wide = |seed| {
            words(seed)
                .zip(words(seed + 1))
                .map(|(high, low)| (i128::from(high) << 64 | i128::from(low)) >> (high % 128))
        };
        let mut narrow = 0;
        for (dividend, divisor) in wide(31).zip(wide(41)).take(200_000) {
            let near = [dividend, (dividend >> 60).wrapping_mul(divisor >> 60)]
                .map(|x| [x.wrapping_sub(1), x, x.wrapping_add(1)]);
            for dividend in near.into_iter().flatten() {
                for divisor in [divisor, divisor >> 60, divisor.wrapping_neg(), 0, 1] {
                    assert_eq!(quotient(dividend, divisor), dividend.checked_div(divisor), "{dividend} / {divisor}");
                    narrow += u32::from(divisor > 0 && dividend / divisor < 1 << 50 && dividend > 1 << 64);
                }
            }
        }
        assert!(narrow > 100_000, "the quick way was hardly taken: {narrow}");
    }
}
