//! Price impact: what the flow did to the price.

use super::EPS;
use super::flow::ofi;
use crate::core::bar::RangeBar;
use crate::core::fixed::from_fixed;

fn price(raw: i64) -> f64 {
    from_fixed(i128::from(raw))
}

/// `(close - vwap) / (high - low)`; 0 in a bar without range.
#[must_use]
pub fn vwap_close_deviation(bar: &RangeBar) -> f64 {
    let range = price(bar.high) - price(bar.low);
    if range > EPS { (price(bar.close) - from_fixed(bar.vwap())) / range } else { 0.0 }
}

/// `|close - open| / volume`; 0 without volume. Amihud (2002).
#[must_use]
pub fn price_impact(bar: &RangeBar) -> f64 {
    let volume = from_fixed(bar.volume());
    if volume > EPS { (price(bar.close) - price(bar.open)).abs() / volume } else { 0.0 }
}

/// `((close - open) / open) / ofi`; 0 in balanced flow. After Kyle (1985).
#[must_use]
pub fn kyle_lambda_proxy(bar: &RangeBar) -> f64 {
    let (open, ofi) = (price(bar.open), ofi(bar));
    if ofi.abs() > EPS { ((price(bar.close) - open) / open) / ofi } else { 0.0 }
}

/// `((last - first) / first) / ofi` of a window; none of one row, and none in balanced flow. After Kyle (1985).
#[must_use]
pub fn kyle_lambda(rows: u64, first: i64, last: i64, ofi: f64) -> Option<f64> {
    (rows >= 2 && ofi.abs() > EPS).then(|| ((price(last) - price(first)) / price(first)) / ofi)
}

/// Where a raw average price lies between low and high, `(vwap - low) / (high - low)`; 0.5 without range.
#[must_use]
pub fn position(vwap: i128, high: i64, low: i64) -> f64 {
    let (high, low) = (price(high), price(low));
    if high > low { (from_fixed(vwap) - low) / (high - low) } else { 0.5 }
}
