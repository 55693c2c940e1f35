//! The rule of range bars: a bar closes when the price has moved a set distance away from its open.

use std::ops::Range;

use super::{CloseRule, Gate};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::error::{PointsError, Rule, ThresholdError};
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::Number;
use crate::core::numbers::simd::vectorised;
use crate::core::trades::trade::PlainTrade;

/// Decimal basis points in 100 %: 1 dbps = 0.001 %.
pub const DBPS: u32 = 100_000;

/// How far a price moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// By `trunc(open * dbps / 100000)`.
    Dbps(u32),
    /// By a raw difference of prices.
    Points(i64),
}

impl Move {
    /// A fraction of the open, in decimal basis points.
    ///
    /// # Errors
    ///
    /// A number outside 1..=100000.
    pub fn dbps(dbps: u32) -> Result<Self, ThresholdError> {
        if (1..=DBPS).contains(&dbps) { Ok(Self::Dbps(dbps)) } else { Err(ThresholdError(dbps.to_string())) }
    }

    /// A difference of prices, rounded to their decimals.
    ///
    /// # Errors
    ///
    /// A number that is not above zero, is zero once it is rounded, or does not fit 64 bits.
    pub fn points(points: Number, decimals: Decimals) -> Result<Self, PointsError> {
        raw_distance("points", points, decimals).map(Self::Points)
    }

    /// The raw distance from an open, whose price has some decimals.
    ///
    /// # Errors
    ///
    /// It is less than the last decimal: a bar would close without any move.
    pub fn from_open(self, open: i64, decimals: Decimals) -> Result<i128, Rule> {
        match self {
            Self::Points(points) => Ok(points.into()),
            Self::Dbps(threshold_dbps) => {
                // A bar opens with it, and 128 bits divide ten times as slowly.
                let distance = match open.checked_mul(threshold_dbps.into()) {
                    Some(product) => i128::from(product / i64::from(DBPS)),
                    None => i128::from(open) * i128::from(threshold_dbps) / i128::from(DBPS),
                };
                if distance > 0 { Ok(distance) } else { Err(Rule::LimitsApart { open, decimals, threshold_dbps }) }
            }
        }
    }
}

impl Move {
    /// The fewest decimals, more than those of an open, with which there is a distance from it.
    #[must_use]
    pub fn finer(self, open: i64, decimals: Decimals) -> Option<Decimals> {
        let raw = |other| decimals.number(open).to_fixed(other).and_then(|raw| i64::try_from(raw).ok());
        let is_apart = |other: &Decimals| raw(*other).is_some_and(|open| self.from_open(open, *other).is_ok());
        Decimals::all().filter(|&other| other > decimals).find(is_apart)
    }
}

/// A difference of prices, rounded to their decimals, which a parameter gives.
///
/// # Errors
///
/// A number that is not above zero, is zero once it is rounded, or does not fit 64 bits.
pub fn raw_distance(parameter: &'static str, points: Number, decimals: Decimals) -> Result<i64, PointsError> {
    raw_points(points, decimals).ok_or_else(|| PointsError {
        parameter,
        points,
        decimals,
        remedy: Decimals::all()
            .filter(|&other| raw_points(points, other).is_some())
            .min_by_key(|other| other.count().abs_diff(decimals.count())),
    })
}

/// A difference of prices above zero as a raw value, if it is one.
fn raw_points(points: Number, decimals: Decimals) -> Option<i64> {
    points.to_fixed(decimals).and_then(|raw| i64::try_from(raw).ok()).filter(|&raw| raw > 0)
}

/// Closes a bar on the first trade that lies at least a set distance from the open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeRule {
    distance: Move,
    gate: Gate,
    /// The prices that leave the forming bar open, `lowest..=highest`.
    lowest: i64,
    highest: i64,
}

impl RangeRule {
    /// A rule; with the gate, no trade at a bar's open time closes it.
    #[must_use]
    pub fn new(distance: Move, same_timestamp_gate: bool) -> Self {
        Self { distance, gate: Gate::new(same_timestamp_gate), lowest: 0, highest: 0 }
    }

    /// A rule by a threshold in decimal basis points.
    ///
    /// # Errors
    ///
    /// As [`Move::dbps`].
    pub fn dbps(threshold_dbps: u32, same_timestamp_gate: bool) -> Result<Self, ThresholdError> {
        Ok(Self::new(Move::dbps(threshold_dbps)?, same_timestamp_gate))
    }

    /// How far the price moves.
    #[must_use]
    pub fn distance(&self) -> Move {
        self.distance
    }

    fn is_outside(&self, price: i64) -> bool {
        price < self.lowest || price > self.highest
    }
}

impl CloseRule for RangeRule {
    fn open(&mut self, open: i64, decimals: Decimals, open_time: i64) -> Result<(), Rule> {
        let distance = self.distance.from_open(open, decimals)?;
        // A limit beyond 64 bits is one that no price touches.
        let inside = |limit: i128| limit.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        self.lowest = inside(i128::from(open) - distance + 1);
        self.highest = inside(i128::from(open) + distance - 1);
        self.gate.open(open_time);
        Ok(())
    }

    fn stays_open(&self, _bar: &RangeBar, trade: &PlainTrade) -> bool {
        !self.is_outside(trade.price) || self.gate.holds(trade.time)
    }

    fn closing_row(&mut self, _bar: &RangeBar, block: &Block<'_>, rows: Range<usize>) -> Option<usize> {
        if block.total.is_some_and(|total| total.low >= self.lowest && total.high <= self.highest) {
            return None; // as in most blocks: nothing to search
        }
        let from = rows.start + self.gate.held(&block.trades.time[rows.clone()]);
        first_outside(&block.price[from..rows.end], self.lowest, self.highest).map(|row| from + row)
    }
}

vectorised! {
/// The first price outside `lowest..=highest`, eight at a time: one branch for eight prices.
pub(in crate::core) fn first_outside(price: &[i64], lowest: i64, highest: i64) -> Option<usize> {
    let outside = |price: i64| (price < lowest) | (price > highest);
    let (eights, _) = price.as_chunks::<8>();
    let skip = eights.iter().position(|eight| eight.iter().fold(false, |any, &price| any | outside(price)));
    let from = skip.unwrap_or(eights.len()) * 8;
    price[from..].iter().position(|&price| outside(price)).map(|row| from + row)
}
}
