//! Investment time horizon: how often the price gained more than it ever lost. `rangebar_polars.horizon` has the
//! definition.

use super::EPS;
use crate::core::numbers::decimals::Decimals;

/// Largest loss `1 - p / (running max)` of raw prices; 0 of those that never fall.
#[must_use]
pub fn max_drawdown(price: &[i64], decimals: Decimals) -> f64 {
    worst(price, decimals, |p, top| p > top, |p, top| 1.0 - p / top)
}

/// Largest rise `1 - (running min) / p` of raw prices; 0 of those that never rise.
#[must_use]
pub fn max_runup(price: &[i64], decimals: Decimals) -> f64 {
    worst(price, decimals, |p, bottom| p < bottom, |p, bottom| 1.0 - bottom / p)
}

/// Largest distance of a price from the running extreme before it.
///
/// Of the prices under one extreme the farthest decides, rounding included: it alone is divided, 2.97 -> 0.83 ns a row.
fn worst(
    raw: &[i64],
    decimals: Decimals,
    beyond: impl Fn(i64, i64) -> bool,
    distance: impl Fn(f64, f64) -> f64,
) -> f64 {
    let price = |raw: i64| decimals.double(raw);
    let first = raw[0];
    let (mut extreme, mut far, mut worst) = (first, first, 0.0_f64);
    for &p in raw {
        if beyond(p, extreme) {
            if far != extreme {
                worst = worst.max(distance(price(far), price(extreme)));
            }
            (extreme, far) = (p, p);
        } else if beyond(far, p) {
            far = p;
        }
    }
    worst.max(distance(price(far), price(extreme)))
}

/// What a run of prices offered to one side of the market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epochs {
    /// `logistic(10 (epochs / rows - 0.5))`.
    pub density: f64,
    /// `tanh(5 |total gain|)`, the total of the gain at every row.
    pub excess_gain: f64,
    /// `logistic(4 (cv - 0.5))` with the cv of the distances between epochs, the first from row 0; cv is 0 without
    /// epochs.
    pub cv: f64,
}

/// Epochs of a buyer; the hurdle is the maximal drawdown of the same prices.
#[must_use]
pub fn bull(price: &[i64], decimals: Decimals, max_drawdown: f64) -> Epochs {
    epochs(price, decimals, max_drawdown, |p, best| p > best, |p, mark| p / mark - 1.0)
}

/// Epochs of a seller; the hurdle is the maximal run-up of the same prices.
#[must_use]
pub fn bear(price: &[i64], decimals: Decimals, max_runup: f64) -> Epochs {
    epochs(price, decimals, max_runup, |p, best| p < best, |p, mark| mark / p - 1.0)
}

/// An epoch ends at the row whose gain over the mark exceeds the hurdle; its price is the next mark.
///
/// The loss of the definition does not matter: measured from the mark it is never above that from the running extreme,
/// which is never above the hurdle. So only a new best price changes anything: 4.5 -> 0.8 ns per row.
fn epochs(
    raw: &[i64],
    decimals: Decimals,
    worst: f64,
    better: impl Fn(i64, i64) -> bool,
    gain_over: impl Fn(f64, f64) -> f64,
) -> Epochs {
    let price = |raw: i64| decimals.double(raw);
    let hurdle = worst.max(EPS);
    let first = raw[0];
    let (mut best, mut mark) = (first, price(first));
    let (mut total, mut gain, mut since) = (0.0, 0.0, 0);
    let (mut count, mut last, mut squares) = (0_u64, 0, 0_u128);
    for (row, &p) in raw.iter().enumerate() {
        if better(p, best) {
            total += gain * (row - since) as f64;
            best = p;
            gain = gain_over(price(p), mark);
            since = row;
            if gain > hurdle {
                let distance = (row - last) as u128;
                squares += distance * distance;
                (count, last) = (count + 1, row);
                total += gain;
                (mark, gain) = (price(p), 0.0);
            }
        }
    }
    total += gain * (raw.len() - since) as f64;
    let cv = if count > 0 {
        let (n, mean) = (count as f64, last as f64 / count as f64);
        (squares as f64 / n - mean * mean).max(0.0).sqrt() / mean
    } else {
        0.0
    };
    Epochs {
        density: logistic(10.0 * (count as f64 / raw.len() as f64 - 0.5)),
        excess_gain: (5.0 * total.abs()).tanh(),
        cv: logistic(4.0 * (cv - 0.5)),
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::walk;

    const EIGHT: Decimals = Decimals::OF_QUANTITIES;

    fn price(raw: i64) -> f64 {
        EIGHT.double(raw)
    }

    /// The definition, step by step: rows of epochs and the total gain.
    fn slow_epochs(raw: &[i64], hurdle: f64, bear: bool) -> (Vec<usize>, f64) {
        let x: Vec<f64> = raw.iter().map(|&p| price(p)).collect();
        let ratio = |a: f64, b: f64| if bear { b / a } else { a / b };
        let better = |a: f64, b: f64| if bear { a < b } else { a > b };
        let (mut mark, mut best, mut worst) = (x[0], x[0], x[0]);
        let (mut gain, mut loss, mut total, mut epochs) = (0.0, 0.0_f64, 0.0, vec![]);
        for row in 1..x.len() {
            let a = x[row];
            if better(a, best) {
                (gain, best) = (ratio(a, mark) - 1.0, a);
            }
            if better(worst, a) {
                (loss, worst) = (1.0 - ratio(a, mark), a);
            }
            total += gain;
            if gain > loss && gain > hurdle {
                epochs.push(row);
            }
            if gain > loss.abs() && gain > hurdle && !better(mark, best) {
                (mark, worst, gain, loss) = (best, x[row - 1], 0.0, 0.0);
            }
        }
        (epochs, total)
    }

    fn slow(raw: &[i64], worst: f64, bear: bool) -> Epochs {
        let (epochs, total) = slow_epochs(raw, worst.max(EPS), bear);
        let n = epochs.len() as f64;
        let starts = std::iter::once(0).chain(epochs.iter().copied());
        let distances: Vec<f64> = starts.zip(&epochs).map(|(from, to)| (to - from) as f64).collect();
        let mean = distances.iter().sum::<f64>() / n;
        let variance = distances.iter().map(|d| d * d).sum::<f64>() / n - mean * mean;
        let cv = if epochs.is_empty() { 0.0 } else { variance.max(0.0).sqrt() / mean };
        Epochs {
            density: 1.0 / (1.0 + (-10.0 * (n / raw.len() as f64 - 0.5)).exp()),
            excess_gain: (5.0 * total.abs()).tanh(),
            cv: 1.0 / (1.0 + (-4.0 * (cv - 0.5)).exp()),
        }
    }

    /// Maximal drawdown and run-up with one division per row.
    fn slow_worst(raw: &[i64]) -> (f64, f64) {
        let (mut top, mut bottom, mut drawdown, mut runup) = (price(raw[0]), price(raw[0]), 0.0_f64, 0.0_f64);
        for p in raw.iter().map(|&p| price(p)) {
            (top, bottom) = (top.max(p), bottom.min(p));
            (drawdown, runup) = (drawdown.max(1.0 - p / top), runup.max(1.0 - bottom / p));
        }
        (drawdown, runup)
    }

    /// Compares everything with the slow way; returns the number of epochs.
    fn check(raw: &[i64]) -> usize {
        let (drawdown, runup) = slow_worst(raw);
        assert_eq!((max_drawdown(raw, EIGHT), max_runup(raw, EIGHT)), (drawdown, runup));
        let (slow_bull, slow_bear) = (slow(raw, drawdown, false), slow(raw, runup, true));
        for (fast, slow) in [(bull(raw, EIGHT, drawdown), slow_bull), (bear(raw, EIGHT, runup), slow_bear)] {
            assert_eq!((fast.density, fast.cv), (slow.density, slow.cv));
            assert!((fast.excess_gain - slow.excess_gain).abs() < 1e-12);
        }
        slow_epochs(raw, drawdown.max(EPS), false).0.len() + slow_epochs(raw, runup.max(EPS), true).0.len()
    }

    #[test]
    fn prop_the_block_is_that_of_the_slow_way() {
        let mut epochs = 0;
        for rows in (1..200).chain([1_300, 5_000]) {
            for (start, tick) in [(3, 1), (10_000_000_000, 1_000_000), (4_200_000_000_000, 1_000_000)] {
                let still = walk(rows as u64, rows, start, tick);
                let trend =
                    |step: i64| still.iter().zip(0..).map(|(p, row)| (p + row * step).max(1)).collect::<Vec<_>>();
                // Prices that are the same only as doubles.
                let high: Vec<i64> =
                    still.iter().map(|p| i64::MAX - 10_000 + (p - start) / tick * 300 % 10_000).collect();
                epochs += check(&still) + check(&trend(tick)) + check(&trend(-tick)) + check(&high);
            }
        }
        assert!(epochs > 10_000, "hardly an epoch was tested: {epochs}");
    }

    #[test]
    fn a_block_worked_out_by_hand() {
        // 10 falls by 2/10; 11 gains 1/10 over 10, which is not above that, 13 gains 3/10: one epoch in 5 rows.
        let price = [10, 8, 11, 13, 13].map(|p| p * 100_000_000);
        assert_eq!((max_drawdown(&price, EIGHT), max_runup(&price, EIGHT)), (1.0 - 0.8, 1.0 - 8.0 / 13.0));
        let bull = bull(&price, EIGHT, max_drawdown(&price, EIGHT));
        assert_eq!(bull.density, logistic(10.0 * (0.2 - 0.5)));
        assert_eq!(bull.cv, logistic(-2.0));
        assert!((bull.excess_gain - 2_f64.tanh()).abs() < 1e-15);
    }

    #[test]
    fn one_price_and_prices_that_stand_still() {
        for price in [&[5][..], &[5; 10]] {
            assert_eq!((max_drawdown(price, EIGHT), max_runup(price, EIGHT)), (0.0, 0.0));
            let none = Epochs { density: logistic(-5.0), excess_gain: 0.0, cv: logistic(-2.0) };
            assert_eq!((bull(price, EIGHT, 0.0), bear(price, EIGHT, 0.0)), (none, none));
        }
    }
}
