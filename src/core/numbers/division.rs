//! Division of wide integers whose quotient is narrow.

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
    let guess = dividend as f64 / divisor as f64;
    if guess >= NARROW {
        return dividend.checked_div(divisor);
    }
    let guess = i128::from(guess as i64);
    let rest = dividend - guess * divisor;
    Some(guess + i128::from(rest >= divisor) - i128::from(rest < 0))
}

#[cfg(test)]
mod tests {
    use super::quotient;
    use crate::core::testing::words;

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
