//! Price impact: what the flow did to the price.

use super::EPS;

/// `(close - vwap) / (high - low)`; 0 for a bar without range.
#[must_use]
pub fn vwap_close_deviation(close: f64, vwap: f64, high: f64, low: f64) -> f64 {
    let range = high - low;
    // Not above `EPS`: prices of many decimals may differ by less. Those of eight differ by more, or not at all.
    if range > 0.0 { (close - vwap) / range } else { 0.0 }
}

/// `|close - open| / volume`; 0 without volume. Amihud (2002).
#[must_use]
pub fn price_impact(open: f64, close: f64, volume: f64) -> f64 {
    if volume > EPS { (close - open).abs() / volume } else { 0.0 }
}

/// `((close - open) / open) / ofi`; 0 in balanced flow. After Kyle (1985).
#[must_use]
pub fn kyle_lambda_proxy(open: f64, close: f64, ofi: f64) -> f64 {
    if ofi.abs() > EPS { ((close - open) / open) / ofi } else { 0.0 }
}

/// `((last - first) / first) / ofi` of a window; none for one row or in balanced flow. After Kyle (1985).
#[must_use]
pub fn kyle_lambda(rows: u64, first: f64, last: f64, ofi: f64) -> Option<f64> {
    (rows >= 2 && ofi.abs() > EPS).then(|| ((last - first) / first) / ofi)
}

/// The position of an average price between low and high, `(vwap - low) / (high - low)`; 0.5 without range.
#[must_use]
pub fn position(vwap: f64, high: f64, low: f64) -> f64 {
    if high > low { (vwap - low) / (high - low) } else { 0.5 }
}
