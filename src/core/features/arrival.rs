//! Arrival: how fast and in what portions trades came.

use super::EPS;
use crate::core::bar::RangeBar;
use crate::core::fixed::from_fixed;

/// Individual trades per second; their number in a bar of no duration.
#[must_use]
pub fn trade_intensity(bar: &RangeBar) -> f64 {
    intensity(bar.individual_trade_count, bar.duration_us)
}

/// Trades per second; their number where there is no duration.
#[must_use]
pub fn intensity(trades: u64, duration_us: i64) -> f64 {
    let (trades, seconds) = (trades as f64, duration_us as f64 / 1e6);
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

/// Burstiness `(s - m) / (s + m)` of the times between rows, s their population deviation, m their mean; none of fewer
/// than 3 rows or where all times are equal. Goh and Barabasi (2008).
#[must_use]
pub fn burstiness(time: &[i64]) -> Option<f64> {
    /// Setting these bits in an integer below 2^52 gives the double 2^52 plus the integer.
    const MAGIC: f64 = (1_u64 << 52) as f64;
    let (first, last) = (time.first()?, time.last()?);
    let (span, gaps) = (last.abs_diff(*first), (time.len() - 1) as f64);
    if time.len() < 3 || span == 0 {
        return None;
    }
    let mean = span as f64 / gaps;
    let squares = if span < MAGIC as u64 {
        squares(time, |gap| f64::from_bits(gap | MAGIC.to_bits()) - MAGIC - mean)
    } else {
        squares(time, |gap| gap as f64 - mean)
    };
    let deviation = (squares / gaps).sqrt();
    Some((deviation - mean) / (deviation + mean))
}

/// Sum of the squared deviations of the gaps, in eight lanes that depend on the row number alone.
fn squares(time: &[i64], deviation: impl Fn(u64) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let mut add = |lane: usize, from: i64, to: i64| {
        let d = deviation(to.wrapping_sub(from) as u64);
        lanes[lane] += d * d;
    };
    let (from, from_rest) = time[..time.len() - 1].as_chunks::<8>();
    let (to, to_rest) = time[1..].as_chunks::<8>();
    for (from, to) in from.iter().zip(to) {
        for lane in 0..8 {
            add(lane, from[lane], to[lane]);
        }
    }
    for (lane, (from, to)) in from_rest.iter().zip(to_rest).enumerate() {
        add(lane, *from, *to);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
