//! Investment time horizon: how often the price gained more than it ever lost (SPEC 7).

use super::EPS;
use crate::core::fixed::from_fixed;

fn price(raw: i64) -> f64 {
    from_fixed(i128::from(raw))
}

/// Largest loss `1 - p / (running max)`; 0 of prices that never fall.
#[must_use]
pub fn max_drawdown(price: &[i64]) -> f64 {
    worst(price, |p, top| p > top, |p, top| 1.0 - p / top)
}

/// Largest rise `1 - (running min) / p`; 0 of prices that never rise.
#[must_use]
pub fn max_runup(price: &[i64]) -> f64 {
    worst(price, |p, bottom| p < bottom, |p, bottom| 1.0 - bottom / p)
}

/// Largest distance of a price from the running extreme before it. A division only where that extreme ends.
fn worst(raw: &[i64], beyond: impl Fn(i64, i64) -> bool, distance: impl Fn(f64, f64) -> f64) -> f64 {
    let Some(&first) = raw.first() else { return 0.0 };
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
    /// `logistic(4 (cv - 0.5))`, cv of the distances between epochs, the first from row 0; 0 without epochs.
    pub cv: f64,
}

/// Epochs of a buyer; the hurdle is the maximal drawdown of the same prices.
#[must_use]
pub fn bull(price: &[i64], max_drawdown: f64) -> Epochs {
    epochs(price, max_drawdown, |p, best| p > best, |p, mark| p / mark - 1.0)
}

/// Epochs of a seller; the hurdle is the maximal run-up of the same prices.
#[must_use]
pub fn bear(price: &[i64], max_runup: f64) -> Epochs {
    epochs(price, max_runup, |p, best| p < best, |p, mark| mark / p - 1.0)
}

/// An epoch ends at the row whose gain over the mark is above the hurdle; its price is the next mark.
///
/// The loss of the definition plays no part: measured from the mark it is never above that from the running extreme,
/// which is never above the hurdle. So only a new best price changes anything.
fn epochs(raw: &[i64], worst: f64, better: impl Fn(i64, i64) -> bool, gain_over: impl Fn(f64, f64) -> f64) -> Epochs {
    let hurdle = worst.max(EPS);
    let first = raw.first().copied().unwrap_or(1);
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
