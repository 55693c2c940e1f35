//! Volatility: how far the price went and how straight.

use crate::core::fixed::from_fixed;

fn price(raw: i64) -> f64 {
    from_fixed(i128::from(raw))
}

/// Sum of the absolute price changes, raw and exact.
#[must_use]
pub fn path_length(price: &[i64]) -> u128 {
    price.windows(2).map(|step| u128::from(step[1].abs_diff(step[0]))).sum()
}

/// Efficiency ratio `|last - first| / path`, at most 1; none without movement. Kaufman (1995).
#[must_use]
pub fn kaufman_er(first: i64, last: i64, path: u128) -> Option<f64> {
    (path > 0).then(|| last.abs_diff(first) as f64 / path as f64)
}

/// `(high - low) / first`.
#[must_use]
pub fn price_range(high: i64, low: i64, first: i64) -> f64 {
    (price(high) - price(low)) / price(first)
}

/// `sqrt(0.5 ln(high / low)^2 - (2 ln 2 - 1) ln(last / first)^2)`, at least 0. Garman and Klass (1980).
#[must_use]
pub fn garman_klass_vol(high: i64, low: i64, first: i64, last: i64) -> f64 {
    const CLOSE: f64 = 2.0 * std::f64::consts::LN_2 - 1.0;
    let (range, change) = ((price(high) / price(low)).ln(), (price(last) / price(first)).ln());
    (0.5 * (range * range) - CLOSE * (change * change)).max(0.0).sqrt()
}

/// First row of the highest price and first row of the lowest.
///
/// # Panics
///
/// Without prices.
#[must_use]
pub fn first_extremes(price: &[i64]) -> (usize, usize) {
    let (mut high, mut low) = ((price[0], 0), (price[0], 0));
    for (row, &p) in price.iter().enumerate() {
        if p > high.0 {
            high = (p, row);
        } else if p < low.0 {
            low = (p, row);
        }
    }
    (high.1, low.1)
}
