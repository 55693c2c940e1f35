//! Sums, covariances and slopes of pairs of numbers over the last n rows, in linear time and without cancellation.
//!
//! Nothing is ever taken away from a sum: rows are cut into blocks of n, and a window is the end of one block together
//! with the beginning of the next. Moments of two parts are put together as Chan, Golub and LeVeque (1983) do, so a
//! large mean costs no digits.

/// What rows add up to.
pub trait Total: Copy + Default {
    /// Adds a row.
    fn add(&mut self, x: f64, y: f64);

    /// The total of this and of another part.
    #[must_use]
    fn with(self, other: Self) -> Self;

    /// How many rows were added.
    fn count(&self) -> usize;
}

/// Sums of both numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    count: usize,
    x: f64,
    y: f64,
}

impl Sums {
    /// The sum of x over the sum of y, if the latter is not zero.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.y != 0.0).then(|| self.x / self.y)
    }
}

impl Total for Sums {
    fn add(&mut self, x: f64, y: f64) {
        *self = Self { count: self.count + 1, x: self.x + x, y: self.y + y };
    }

    fn with(self, other: Self) -> Self {
        Self { count: self.count + other.count, x: self.x + other.x, y: self.y + other.y }
    }

    fn count(&self) -> usize {
        self.count
    }
}

/// Means of both numbers, and sums of products of the distances from them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    count: usize,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    xy: f64,
}

impl Moments {
    /// The sample covariance, of at least two rows.
    #[must_use]
    pub fn covariance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.xy / (self.count - 1) as f64)
    }

    /// The sample deviation of x, of at least two rows.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.xx / (self.count - 1) as f64).sqrt())
    }

    /// The slope of y on x with a constant, if x is not the same in all rows.
    #[must_use]
    pub fn slope(&self) -> Option<f64> {
        (self.xx > 0.0).then(|| self.xy / self.xx)
    }
}

impl Total for Moments {
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1;
        let (from_x, from_y) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += from_x / self.count as f64;
        self.mean_y += from_y / self.count as f64;
        self.xx += from_x * (x - self.mean_x);
        self.xy += from_x * (y - self.mean_y);
    }

    fn with(self, other: Self) -> Self {
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let count = self.count + other.count;
        let (apart_x, apart_y) = (other.mean_x - self.mean_x, other.mean_y - self.mean_y);
        let share = other.count as f64 / count as f64;
        let weight = self.count as f64 * share;
        Self {
            count,
            mean_x: self.mean_x + apart_x * share,
            mean_y: self.mean_y + apart_y * share,
            xx: self.xx + other.xx + apart_x * apart_x * weight,
            xy: self.xy + other.xy + apart_x * apart_y * weight,
        }
    }

    fn count(&self) -> usize {
        self.count
    }
}

/// Something of the last `n` rows for each row; `None` before there are so many, where one of them is missing (not
/// finite), and where the value is not a finite number.
///
/// Takes memory for `n` rows.
pub fn rolling<T: Total>(x: &[f64], y: &[f64], n: usize, value: impl Fn(&T) -> Option<f64>) -> Vec<Option<f64>> {
    let rows = x.len();
    if n == 0 || n > rows {
        return vec![None; rows];
    }
    let mut values = Vec::with_capacity(rows);
    // The totals of the ends of the block before, by where they begin.
    let mut ends = vec![T::default(); n + 1];
    for block in (0..rows).step_by(n) {
        let end = (block + n).min(rows);
        let mut beginning = T::default();
        for row in block..end {
            add(&mut beginning, x[row], y[row]);
            values.push(whole(&ends[row - block + 1].with(beginning), n, &value));
        }
        let mut rest = T::default();
        for row in (block..end).rev() {
            add(&mut rest, x[row], y[row]);
            ends[row - block] = rest;
        }
    }
    values
}

/// Something of all rows but the first few, if none of them is missing.
pub fn of_all<T: Total>(x: &[f64], y: &[f64], but: usize, value: impl Fn(&T) -> Option<f64>) -> Option<f64> {
    let mut total = T::default();
    (but..x.len()).for_each(|row| add(&mut total, x[row], y[row]));
    whole(&total, x.len().saturating_sub(but).max(1), &value)
}

fn add<T: Total>(total: &mut T, x: f64, y: f64) {
    if x.is_finite() && y.is_finite() {
        total.add(x, y);
    }
}

fn whole<T: Total>(total: &T, n: usize, value: &impl Fn(&T) -> Option<f64>) -> Option<f64> {
    if total.count() == n { value(total).filter(|value| value.is_finite()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::words;

    fn numbers(seed: u64, rows: usize, offset: f64) -> Vec<f64> {
        let number = |word: u64| if word.is_multiple_of(29) { f64::NAN } else { offset + (word % 1_000) as f64 / 8.0 };
        words(seed).map(number).take(rows).collect()
    }

    fn by_hand(x: &[f64], y: &[f64]) -> Option<(f64, f64, f64)> {
        let n = x.len() as f64;
        let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
        let sum = |a: &[f64], b: &[f64], mean_a: f64, mean_b: f64| {
            a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>()
        };
        let all = x.iter().chain(y).all(|number| number.is_finite());
        all.then(|| {
            (x.iter().sum::<f64>() / y.iter().sum::<f64>(), sum(x, y, mean_x, mean_y), sum(x, x, mean_x, mean_x))
        })
    }

    #[test]
    fn windows_are_what_each_is_by_itself() {
        for (seed, offset) in [(1, 0.0), (2, 1e9), (3, -1e6)] {
            let (x, y) = (numbers(seed, 97, offset), numbers(seed + 10, 97, 3.0));
            for n in [1, 2, 3, 7, 20, 96, 97, 98, usize::MAX] {
                let ratios = rolling(&x, &y, n, Sums::ratio);
                let slopes = rolling(&x, &y, n, Moments::slope);
                let covariances = rolling(&x, &y, n, Moments::covariance);
                for row in 0..97_usize {
                    let first = (row + 1).checked_sub(n);
                    let expected = first.and_then(|first| by_hand(&x[first..=row], &y[first..=row]));
                    let Some((ratio, xy, xx)) = expected else {
                        assert_eq!((ratios[row], slopes[row], covariances[row]), (None, None, None));
                        continue;
                    };
                    assert!((ratios[row].unwrap() - ratio).abs() <= 1e-12 * ratio.abs());
                    assert_eq!(covariances[row].is_some(), n > 1);
                    if n > 1 {
                        // A mean of 1e9 has its own last digit, whoever subtracts it.
                        let most = 1e-9 * (xy.abs() + xx) + 1e-13 * n as f64 * (1.0 + offset.abs());
                        assert!((covariances[row].unwrap() * (n - 1) as f64 - xy).abs() <= most);
                        assert_eq!(slopes[row].is_some(), xx > 0.0);
                    }
                }
            }
        }
    }

    #[test]
    fn equal_numbers_have_no_deviation_at_all() {
        let x = vec![0.1; 50];
        assert!(rolling(&x, &x, 7, Moments::deviation).into_iter().skip(6).all(|value| value == Some(0.0)));
        assert!(rolling(&x, &x, 7, Moments::slope).into_iter().all(|value| value.is_none()));
    }

    #[test]
    fn of_all_is_the_last_window() {
        let (x, y) = (words(1).take(9).map(|w| (w % 99) as f64).collect::<Vec<_>>(), vec![1.0; 9]);
        for but in 0..9 {
            let last = rolling(&x, &y, 9 - but, Sums::ratio)[8];
            assert_eq!(of_all(&x, &y, but, Sums::ratio), last);
        }
        assert_eq!(of_all(&x, &y, 9, Sums::ratio), None);
        assert_eq!(of_all(&[], &[], 2, Sums::ratio), None);
    }
}
