//! Arrival: how fast and in what portions trades came.

use super::EPS;
use crate::core::bar::RangeBar;
use crate::core::fixed::from_fixed;

/// Individual trades per second; their number in a bar of no duration.
#[must_use]
pub fn trade_intensity(bar: &RangeBar) -> f64 {
    let (trades, seconds) = (bar.individual_trade_count as f64, bar.duration_us as f64 / 1e6);
    if seconds > EPS { trades / seconds } else { trades }
}

/// Volume per individual trade; 0 without trades.
#[must_use]
pub fn volume_per_trade(bar: &RangeBar) -> f64 {
    let trades = bar.individual_trade_count as f64;
    if trades > 0.0 { from_fixed(bar.volume()) / trades } else { 0.0 }
}

/// Individual trades per input row.
#[must_use]
pub fn aggregation_density(bar: &RangeBar) -> f64 {
    bar.individual_trade_count as f64 / bar.agg_record_count as f64
}
