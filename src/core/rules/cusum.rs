//! The rule of the symmetric CUSUM filter: a bar closes when the price has risen far enough from its low, or fallen far
//! enough from its high.
//!
//! The filter adds up log returns, and starts anew from zero whenever the sum would change its sign: upwards
//! `s = max(0, s + ln(p / previous p))`. That sum is the logarithm of the price over the lowest price since the bar's open,
//! so it reaches h exactly if the price reaches the low times e^h; likewise downwards. So the rule compares integers, and
//! no rounding of a sum of logarithms decides a bar, however long it is.

use std::ops::Range;

use super::high_low::{Extremes, first_closing};
use super::range::DBPS;
use super::{CloseRule, Gate};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::error::{Rule, ThresholdError};
use crate::core::numbers::decimals::Decimals;
use crate::core::trades::trade::PlainTrade;

/// Bits behind the point of e^h: with a price of 63 bits, what is compared fits 128.
const BITS: u32 = 60;

/// Closes a bar on the trade whose price is a set distance, as a logarithm, above the bar's low or below its high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CusumRule {
    gate: Gate,
    /// The least ratio of a price and the low, or of the high and a price, that closes the bar: e^h.
    ratio: i128,
}

impl CusumRule {
    /// A rule by h in decimal basis points; with the gate, no trade at a bar's open time closes it.
    ///
    /// # Errors
    ///
    /// A number outside 1..=100000.
    pub fn dbps(threshold_dbps: u32, same_timestamp_gate: bool) -> Result<Self, ThresholdError> {
        if !(1..=DBPS).contains(&threshold_dbps) {
            return Err(ThresholdError(threshold_dbps.to_string()));
        }
        Ok(Self { gate: Gate::new(same_timestamp_gate), ratio: exp_dbps(threshold_dbps) })
    }

    fn is_far(&self, price: i64, extremes: Extremes) -> bool {
        let is_far_above = |above: i64, below: i64| i128::from(above) << BITS >= i128::from(below) * self.ratio;
        is_far_above(price, extremes.low) || is_far_above(extremes.high, price)
    }
}

/// e^h for h in decimal basis points, at most 1: the sum of h^k / k!, rounded up to `BITS` bits behind the point. No price
/// hits it by chance: e^h is not a ratio of integers.
fn exp_dbps(dbps: u32) -> i128 {
    const MORE: u32 = 100; // bits behind the point of the terms: their errors add up to less than 2^-94
    let (mut term, mut sum, mut k) = (1_i128 << MORE, 0, 0);
    while term > 0 {
        sum += term;
        k += 1;
        term = term * i128::from(dbps) / (i128::from(DBPS) * k);
    }
    (sum >> (MORE - BITS)) + 1
}

impl CloseRule for CusumRule {
    fn open(&mut self, _open: i64, _decimals: Decimals, open_time: i64) -> Result<(), Rule> {
        self.gate.open(open_time);
        Ok(())
    }

    fn closing_row(&mut self, bar: &RangeBar, block: &Block<'_>, rows: Range<usize>) -> Option<usize> {
        let may_close = |some: Extremes, all: Extremes| self.is_far(some.high, all) || self.is_far(some.low, all);
        let before = Extremes::of_bar(bar);
        first_closing(block, rows, &self.gate, before, may_close, |price, all| self.is_far(price, all))
    }

    fn stays_open(&self, bar: &RangeBar, trade: &PlainTrade) -> bool {
        !self.is_far(trade.price, Extremes::of_bar(bar).with(trade.price)) || self.gate.holds(trade.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_e_are_those_of_doubles() {
        for dbps in 1..=DBPS {
            let exact = exp_dbps(dbps) as f64 / (1_i128 << BITS) as f64;
            let double = (f64::from(dbps) / f64::from(DBPS)).exp();
            assert!((exact - double).abs() <= 2.0 * f64::EPSILON * double, "{dbps}: {exact} {double}");
        }
        // Computed with 60 digits.
        let known =
            [(1, 1_152_933_033_879_539_312), (250, 1_155_807_414_252_343_180), (DBPS, 3_133_965_575_612_453_543)];
        assert!(known.iter().all(|&(dbps, ratio)| exp_dbps(dbps) == ratio));
        assert!(CusumRule::dbps(0, true).is_err() && CusumRule::dbps(DBPS + 1, true).is_err());
    }
}
