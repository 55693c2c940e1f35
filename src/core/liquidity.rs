//! Liquidity and order flow of bars: what each measure adds up of the last bars.
//!
//! A measure is a pair of numbers for each bar, mostly of the bar and of the one before it, and what is made of the pairs
//! of a window ([`crate::core::rolling`]). A value that is missing, or that a formula does not allow, is NaN, and makes
//! all windows missing that hold it.

use crate::core::numbers::probability::{StudentT, normal};
use crate::core::rolling::{Moments, Sums, Total, of_all, rolling};

/// The columns that a measure reads, of one length.
#[derive(Debug, Clone, Copy)]
pub enum Liquidity<'a> {
    /// Imbalance of two volumes.
    Vpin {
        /// Volume whose aggressor bought.
        buy: &'a [f64],
        /// Volume whose aggressor sold.
        sell: &'a [f64],
    },
    /// Spread by the covariance of successive changes.
    RollSpread {
        /// Prices.
        price: &'a [f64],
    },
    /// Spread by the ranges of two bars and of both together.
    CorwinSchultz {
        /// Highs and lows.
        range: Range<'a>,
        /// Closes, if jumps between bars are taken out.
        close: Option<&'a [f64]>,
        /// What becomes of negative spreads.
        negative: Negative,
    },
    /// Spread by closes and the middles of ranges.
    AbdiRanaldo {
        /// Highs and lows.
        range: Range<'a>,
        /// Closes.
        close: &'a [f64],
        /// Whether squares are averaged, and not spreads.
        squares: bool,
        /// What becomes of negative squares.
        negative: Negative,
    },
    /// Return per turnover.
    Amihud {
        /// Prices.
        price: &'a [f64],
        /// Turnovers.
        turnover: &'a [f64],
    },
    /// Slope of the change of the price on the flow of volume.
    KyleRegression {
        /// Prices.
        price: &'a [f64],
        /// Volume whose aggressor bought.
        buy: &'a [f64],
        /// Volume whose aggressor sold.
        sell: &'a [f64],
        /// Whether the line may miss the origin.
        intercept: bool,
    },
    /// Slope of the log return on the flow of roots of turnover.
    HasbrouckLambda {
        /// Prices.
        price: &'a [f64],
        /// The flow.
        flow: Flow<'a>,
        /// Whether the line may miss the origin.
        intercept: bool,
    },
}

/// Highs and lows of bars.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Highest prices.
    pub high: &'a [f64],
    /// Lowest prices.
    pub low: &'a [f64],
}

/// A flow of roots of turnover.
#[derive(Debug, Clone, Copy)]
pub enum Flow<'a> {
    /// As it is.
    Given(&'a [f64]),
    /// Of a bar that is taken for one order.
    Net {
        /// Turnover whose aggressor bought.
        buy: &'a [f64],
        /// Turnover whose aggressor sold.
        sell: &'a [f64],
    },
}

/// What becomes of an estimate below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negative {
    /// It is zero.
    Zero,
    /// It is left out.
    Null,
    /// It stays.
    Keep,
}

/// Bars of which a measure is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last n, for each bar.
    Last(usize),
    /// All, for one value.
    All,
}

impl Liquidity<'_> {
    /// The measure of each window; `None` where it is not defined.
    #[must_use]
    pub fn values(&self, window: Window) -> Vec<Option<f64>> {
        match *self {
            Self::Vpin { buy, sell } => {
                let pair = |row: usize| {
                    let (buy, sell) = (amount(buy[row]), amount(sell[row]));
                    ((buy - sell).abs(), buy + sell)
                };
                of_pairs(buy.len(), 0, pair, window, Sums::ratio)
            }
            Self::RollSpread { price } => {
                let pair = |row: usize| (price[row] - price[row - 1], price[row - 1] - price[row - 2]);
                let spread = |moments: &Moments| {
                    let covariance = moments.covariance()?;
                    (covariance <= 0.0).then(|| 2.0 * covariance.abs().sqrt())
                };
                of_pairs(price.len(), 2, pair, window, spread)
            }
            Self::CorwinSchultz { range, close, negative } => {
                let pair = |row: usize| negative.counted(corwin_schultz(range, close, row));
                of_pairs(range.high.len(), 1, pair, window, Sums::ratio)
            }
            Self::AbdiRanaldo { range, close, squares: false, negative } => {
                let root = |square: f64| if square < 0.0 { -1.0 } else { square.sqrt() };
                let pair = |row: usize| negative.counted(root(abdi_ranaldo(range, close, row)));
                of_pairs(close.len(), 1, pair, window, Sums::ratio)
            }
            Self::AbdiRanaldo { range, close, squares: true, negative } => {
                let pair = |row: usize| (abdi_ranaldo(range, close, row), 1.0);
                let root = |sums: &Sums| {
                    let mean = sums.ratio()?;
                    (mean >= 0.0 || negative != Negative::Null).then(|| mean.max(0.0).sqrt())
                };
                of_pairs(close.len(), 1, pair, window, root)
            }
            Self::Amihud { price, turnover } => {
                let pair = |row: usize| {
                    let change = (positive(price[row]) / positive(price[row - 1]) - 1.0).abs();
                    match amount(turnover[row]) {
                        0.0 => (0.0 * change, 0.0),
                        turnover => (change / turnover, 1.0),
                    }
                };
                of_pairs(price.len(), 1, pair, window, Sums::ratio)
            }
            Self::KyleRegression { price, buy, sell, intercept } => {
                let pair = |row: usize| (amount(buy[row]) - amount(sell[row]), price[row] - price[row - 1]);
                slope(price.len(), pair, window, intercept)
            }
            Self::HasbrouckLambda { price, flow, intercept } => {
                let pair = |row: usize| {
                    let change = positive(price[row]).ln() - positive(price[row - 1]).ln();
                    (flow.at(row), change)
                };
                slope(price.len(), pair, window, intercept)
            }
        }
    }
}

impl Flow<'_> {
    fn at(&self, row: usize) -> f64 {
        match self {
            Self::Given(flow) => flow[row],
            Self::Net { buy, sell } => {
                let net = amount(buy[row]) - amount(sell[row]);
                net.abs().sqrt().copysign(net)
            }
        }
    }
}

impl Negative {
    /// An estimate, and how often it counts in a mean.
    fn counted(self, estimate: f64) -> (f64, f64) {
        match self {
            Self::Zero if estimate < 0.0 => (0.0, 1.0),
            Self::Null if estimate < 0.0 => (0.0, 0.0),
            _ => (estimate, 1.0),
        }
    }
}

impl Range<'_> {
    fn at(&self, row: usize) -> (f64, f64) {
        let (high, low) = (positive(self.high[row]), positive(self.low[row]));
        if low <= high { (high, low) } else { (f64::NAN, f64::NAN) }
    }
}

/// The spread of the pair that ends with a row. With k = 3 - 2 sqrt(2), whose root is sqrt(2) - 1, the formula of the
/// paper is (1 + sqrt(2)) (sqrt(beta) - sqrt(gamma)), and the last step a hyperbolic tangent.
fn corwin_schultz(range: Range<'_>, close: Option<&[f64]>, row: usize) -> f64 {
    let ((first_high, first_low), (mut high, mut low)) = (range.at(row - 1), range.at(row));
    if let Some(close) = close {
        let close = positive(close[row - 1]);
        if low > close {
            (high, low) = (high - (low - close), close);
        } else if high < close {
            (high, low) = (close, low + (close - high));
        } else if close.is_nan() {
            return f64::NAN;
        }
    }
    let (first, second) = ((first_high / first_low).ln(), (high / low).ln());
    let beta = first * first + second * second;
    let gamma = (first_high.max(high) / first_low.min(low)).ln();
    let alpha = (1.0 + 2.0_f64.sqrt()) * (beta.sqrt() - gamma);
    2.0 * (alpha / 2.0).tanh()
}

/// The square of the spread of the pair that ends with a row.
fn abdi_ranaldo(range: Range<'_>, close: &[f64], row: usize) -> f64 {
    let middle = |row: usize| {
        let (high, low) = range.at(row);
        (high.ln() + low.ln()) / 2.0
    };
    let close = positive(close[row - 1]).ln();
    4.0 * (close - middle(row - 1)) * (close - middle(row))
}

/// The volume of each bar that buyers began, by the distribution of the changes within the last n bars; normal, or
/// Student's t.
#[must_use]
pub fn bulk_buy_volume(price: &[f64], volume: &[f64], n: usize, student: Option<StudentT>) -> Vec<Option<f64>> {
    let change = |row: usize| price[row] - price[row - 1];
    let deviations = of_pairs(price.len(), 1, |row| (change(row), 0.0), Window::Last(n), Moments::deviation);
    let share = |row: usize, deviation: f64| {
        let change = change(row);
        let score = if change == 0.0 { 0.0 } else { change / deviation };
        student.map_or_else(|| normal(score), |student| student.at_most(score))
    };
    let bought = |row: usize| {
        let bought = amount(volume[row]) * share(row, deviations[row]?);
        bought.is_finite().then_some(bought)
    };
    (0..price.len()).map(bought).collect()
}

fn slope(rows: usize, pair: impl Fn(usize) -> (f64, f64), window: Window, intercept: bool) -> Vec<Option<f64>> {
    if intercept {
        return of_pairs(rows, 1, pair, window, Moments::slope);
    }
    let products = |row: usize| {
        let (x, y) = pair(row);
        (x * y, x * x)
    };
    of_pairs(rows, 1, products, window, Sums::ratio)
}

/// What is made of the pairs of a window. The pairs of its first few bars would reach back beyond it, and do not count.
fn of_pairs<T: Total>(
    rows: usize,
    first: usize,
    pair: impl Fn(usize) -> (f64, f64),
    window: Window,
    value: impl Fn(&T) -> Option<f64>,
) -> Vec<Option<f64>> {
    let missing = (0..first.min(rows)).map(|_| (f64::NAN, f64::NAN));
    let (x, y): (Vec<_>, Vec<_>) = missing.chain((first..rows).map(pair)).unzip();
    match window {
        Window::Last(n) => rolling(&x, &y, n.saturating_sub(first), value),
        Window::All => vec![of_all(&x, &y, first, value)],
    }
}

/// A price, or NaN.
fn positive(price: f64) -> f64 {
    if price > 0.0 && price.is_finite() { price } else { f64::NAN }
}

/// A volume or a turnover, or NaN.
fn amount(amount: f64) -> f64 {
    if amount >= 0.0 && amount.is_finite() { amount } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ranges_are_all_spread() {
        let range = Range { high: &[100.5; 6], low: &[99.5; 6] };
        let measure = Liquidity::CorwinSchultz { range, close: Some(&[100.0; 6]), negative: Negative::Zero };
        let spread = measure.values(Window::All)[0].unwrap();
        assert!((spread - 0.01).abs() < 1e-6);
        let last = measure.values(Window::Last(6));
        assert_eq!((last[4], last[5].map(|last| (last - spread).abs() < 1e-15)), (None, Some(true)));
    }

    #[test]
    fn a_bounce_of_one_has_a_spread_and_a_trend_has_none() {
        let bounce = Liquidity::RollSpread { price: &[1.0, 2.0, 1.0, 2.0, 1.0] };
        let expected = 2.0 * (4.0_f64 / 3.0).sqrt();
        assert!((bounce.values(Window::All)[0].unwrap() - expected).abs() < 1e-12);
        let trend = Liquidity::RollSpread { price: &[1.0, 2.0, 4.0, 8.0, 16.0] };
        assert_eq!(trend.values(Window::All), [None]);
    }

    #[test]
    fn what_is_missing_makes_its_windows_missing() {
        let buy = [1.0, f64::NAN, 1.0, 3.0, -1.0];
        let measure = Liquidity::Vpin { buy: &buy, sell: &[1.0; 5] };
        assert_eq!(measure.values(Window::Last(2)), [None, None, None, Some(2.0 / 6.0), None]);
        assert_eq!(Liquidity::Vpin { buy: &[], sell: &[] }.values(Window::All), [None]);
    }

    #[test]
    fn changes_that_are_all_equal_say_which_side() {
        let bought = |price: &[f64]| bulk_buy_volume(price, &[8.0; 3], 3, None)[2];
        assert_eq!(bought(&[1.0, 1.0, 1.0]), Some(4.0));
        assert_eq!(bought(&[1.0, 2.0, 3.0]), Some(8.0));
        assert_eq!(bought(&[3.0, 2.0, 1.0]), Some(0.0));
    }
}
