//! The rule of range bars: a bar closes when price has moved a set fraction from its open.

use std::ops::Range;

use super::block::Block;
use super::builder::CloseRule;
use super::error::ThresholdError;
use super::simd::vectorised;

/// Decimal basis points in 100 %: 1 dbps = 0.001 %.
pub const DBPS: u32 = 100_000;

/// Closes a bar on the first trade that touches `open ± trunc(open * threshold_dbps / 100000)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeRule {
    threshold_dbps: u32,
    same_timestamp_gate: bool,
}

impl RangeRule {
    /// The threshold in decimal basis points.
    #[must_use]
    pub fn threshold_dbps(&self) -> u32 {
        self.threshold_dbps
    }

    /// A rule; with the gate, no trade at a bar's open time closes it.
    ///
    /// # Errors
    ///
    /// A threshold outside 1..=100000.
    pub fn new(threshold_dbps: u32, same_timestamp_gate: bool) -> Result<Self, ThresholdError> {
        if (1..=DBPS).contains(&threshold_dbps) {
            Ok(Self { threshold_dbps, same_timestamp_gate })
        } else {
            Err(ThresholdError(threshold_dbps.to_string()))
        }
    }
}

/// The prices that leave a bar open, `lowest..=highest`; no price does where they cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    lowest: i64,
    highest: i64,
    open_time: i64,
}

impl CloseRule for RangeRule {
    type Limits = Limits;

    fn limits(&self, open: i64, open_time: i64) -> Limits {
        let open = i128::from(open);
        let delta = open * i128::from(self.threshold_dbps) / i128::from(DBPS);
        // A limit beyond 64 bits is one that no price touches.
        let inside = |limit: i128| limit.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Limits { lowest: inside(open - delta + 1), highest: inside(open + delta - 1), open_time }
    }

    fn closes(&self, limits: &mut Limits, price: i64, time: i64) -> bool {
        let is_outside = price < limits.lowest || price > limits.highest;
        is_outside && !(self.same_timestamp_gate && time == limits.open_time)
    }

    fn closing_row(&self, limits: &mut Limits, block: &Block<'_>, rows: Range<usize>) -> Option<usize> {
        if block.whole.is_some_and(|whole| whole.low >= limits.lowest && whole.high <= limits.highest) {
            return None; // as in most blocks: nothing to search
        }
        let gated = if self.same_timestamp_gate {
            block.trades.time[rows.clone()].iter().take_while(|&&time| time == limits.open_time).count()
        } else {
            0
        };
        let from = rows.start + gated;
        first_outside(&block.price[from..rows.end], limits.lowest, limits.highest).map(|row| from + row)
    }
}

vectorised! {
/// First price outside `lowest..=highest`. Eight at a time: one branch for eight prices.
fn first_outside(price: &[i64], lowest: i64, highest: i64) -> Option<usize> {
    let outside = |price: i64| (price < lowest) | (price > highest);
    let (eights, _) = price.as_chunks::<8>();
    let skip = eights.iter().position(|eight| eight.iter().fold(false, |any, &price| any | outside(price)));
    let from = skip.unwrap_or(eights.len()) * 8;
    price[from..].iter().position(|&price| outside(price)).map(|row| from + row)
}
}
