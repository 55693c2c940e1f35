//! Complexity: order and memory in the sequence of prices.

use crate::core::numbers::simd::vectorised;

/// Fewest triples of prices that have an entropy: those of 60 rows.
const MIN_TRIPLES: u64 = 58;

/// Fewest rows that have a Hurst exponent.
const MIN_ROWS: usize = 64;

/// Rows of the smallest scale.
const MIN_SCALE: usize = 8;

/// How often each order pattern of three successive prices occurs (order 3, delay 1). Of equal prices, the earlier
/// counts as the lower.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patterns {
    /// By the bits of `pattern`; 2 and 5 are contradictory and stay 0.
    counts: [u64; 8],
}

/// Whether the second lies below the first (4), the third below the second (2), the third below the first (1).
fn pattern([a, b, c]: [i64; 3]) -> usize {
    4 * usize::from(b < a) + 2 * usize::from(c < b) + usize::from(c < a)
}

vectorised! {
    /// Counts of all patterns. Five sums give all six: 1.74 -> 0.40 ns per row. Prices are positive, so no difference
    /// overflows, and its sign is a comparison that even SSE2 vectorises.
    fn count_patterns(price: &[i64]) -> [u64; 8] {
        let (Some(second), Some(third)) = (price.get(1..), price.get(2..)) else { return [0; 8] };
        let [mut ab, mut bc, mut ac, mut abc, mut both] = [0; 5];
        for ((&a, &b), &c) in price.iter().zip(second).zip(third) {
            let [b_a, c_b, c_a] = [b.wrapping_sub(a), c.wrapping_sub(b), c.wrapping_sub(a)].map(|d| d as u64);
            ab += b_a >> 63;
            bc += c_b >> 63;
            ac += c_a >> 63;
            abc += (b_a & c_b) >> 63;
            both += (b_a & c_a) >> 63;
        }
        let lower = ac - both; // a <= b, c below both
        [third.len() as u64 + abc - ab - bc, 0, bc - abc - lower, lower, ab - both, both - abc, 0, abc]
    }
}

impl Patterns {
    /// The patterns of successive prices.
    #[must_use]
    pub fn of(price: &[i64]) -> Self {
        Self { counts: count_patterns(price) }
    }

    /// Counts one more triple of successive prices.
    pub fn add(&mut self, triple: [i64; 3]) {
        self.counts[pattern(triple)] += 1;
    }

    /// Forgets a triple that was counted.
    pub fn remove(&mut self, triple: [i64; 3]) {
        self.counts[pattern(triple)] -= 1;
    }

    /// Permutation entropy over ln 6; none for fewer than 58 triples. Bandt and Pompe (2002).
    #[must_use]
    pub fn entropy(&self) -> Option<f64> {
        let total: u64 = self.counts.iter().sum();
        let share = |&count: &u64| count as f64 / total as f64;
        let term = |share: f64| share * share.ln();
        let sum: f64 = self.counts.iter().filter(|count| **count > 0).map(share).map(term).sum();
        (total >= MIN_TRIPLES).then(|| -sum / 6_f64.ln() + 0.0)
    }
}

/// Exponent of the detrended fluctuation (DFA-1) of the log returns; none for fewer than 64 rows or if fewer than two
/// scales fluctuate. Peng (1994).
///
/// The scales are 8 and then always half as much again, up to a quarter of the returns. The profile is the log of the
/// price over the first one: the mean return that the definition subtracts is a straight line in it, and every segment
/// loses its straight line anyway. So a segment of constant price fluctuates by exactly 0.
#[must_use]
pub fn hurst(price: &[i64]) -> Option<f64> {
    if price.len() < MIN_ROWS {
        return None;
    }
    let profile = log_profile(price);
    let mut points = Vec::new();
    let mut scale = MIN_SCALE;
    while scale <= profile.len() / 4 {
        let f = fluctuation(&profile, scale);
        if f > 0.0 {
            points.push(((scale as f64).ln(), f.ln()));
        }
        scale = (3 * scale).div_ceil(2);
    }
    slope(&points)
}

vectorised! {
    /// Root of the mean squared distance from the lines of segments of one length.
    fn fluctuation(profile: &[f64], scale: usize) -> f64 {
        let s = scale as f64;
        // Divided once, not for every segment.
        let (inverse, by_step) = (1.0 / s, 1.0 / (s - 1.0));
        let by_spread = 12.0 / (s * (s * s - 1.0));
        let (mut total, mut segments) = (0.0, 0);
        for segment in profile.chunks_exact(scale) {
            let [sum, squares, products] = moments(segment, by_step);
            total += (squares - sum * sum * inverse - products * products * by_spread).max(0.0);
            segments += 1;
        }
        (total / (scale * segments) as f64).sqrt()
    }
}

/// Least-squares slope; none for fewer than two points.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / n;
    let (mx, my) = (mean(|point| point.0), mean(|point| point.1));
    let sxy: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    let sxx: f64 = points.iter().map(|(x, _)| (x - mx) * (x - mx)).sum();
    (points.len() >= 2).then(|| sxy / sxx)
}

/// `ln(p / first)` of every price but the first.
fn log_profile(price: &[i64]) -> Vec<f64> {
    /// Prices 3 % away from the first. Up to here the sixth term of the series is below 2^-63 of the first.
    const NEAR: f64 = 1.0 / 64.0;
    let first = price[0] as f64;
    let mut far = false;
    // ln(p / first) = 2 artanh((p - first) / (p + first)): 21.8 -> 15.4 ns per row of `hurst`, and small moves keep the
    // digits that the quotient p / first rounds away.
    let mut profile: Vec<f64> = price[1..]
        .iter()
        .map(|&raw| {
            let p = raw as f64;
            let z = (p - first) / (p + first);
            let w = z * z;
            far |= z.abs() > NEAR;
            2.0 * z * (1.0 + w * (1.0 / 3.0 + w * (1.0 / 5.0 + w * (1.0 / 7.0 + w / 9.0))))
        })
        .collect();
    if far {
        for (log, &raw) in profile.iter_mut().zip(&price[1..]) {
            let p = raw as f64;
            if ((p - first) / (p + first)).abs() > NEAR {
                *log = (p / first).ln();
            }
        }
    }
    profile
}

/// Sum, sum of squares and sum of products with the centred row number of a segment, all measured from its chord, the
/// line from the first value to the last, so no sum is much larger than the result. Four lanes by row number: 20 ->
/// 15 ns per row of `hurst`.
#[inline(always)]
fn moments(segment: &[f64], by_step: f64) -> [f64; 3] {
    let last = segment.len() - 1;
    let middle = last as f64 / 2.0;
    let base = segment[0];
    let rise = (segment[last] - base) * by_step;
    let (mut sum, mut squares, mut products) = ([0.0; 4], [0.0; 4], [0.0; 4]);
    let mut row = [0.0, 1.0, 2.0, 3.0];
    let (chunks, rest) = segment.as_chunks::<4>();
    for chunk in chunks {
        for lane in 0..4 {
            let y = (chunk[lane] - base) - rise * row[lane];
            sum[lane] += y;
            squares[lane] += y * y;
            products[lane] += (row[lane] - middle) * y;
            row[lane] += 4.0;
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        let y = (value - base) - rise * row[lane];
        sum[lane] += y;
        squares[lane] += y * y;
        products[lane] += (row[lane] - middle) * y;
    }
    [sum, squares, products].map(|[a, b, c, d]| (a + b) + (c + d))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::walk;
    use std::collections::BTreeMap;

    /// Bandt and Pompe by sorting.
    fn slow_entropy(price: &[i64]) -> f64 {
        let mut counts = BTreeMap::new();
        for triple in price.windows(3) {
            let mut order = [0, 1, 2];
            order.sort_by_key(|&k| (triple[k], k));
            *counts.entry(order).or_insert(0) += 1;
        }
        let total = (price.len() - 2) as f64;
        let shares = counts.values().map(|&count| f64::from(count) / total);
        -shares.map(|share| share * share.ln()).sum::<f64>() / 6_f64.ln()
    }

    /// The definition step by step: profile of the returns, lines through centred segments.
    fn slow_hurst(price: &[i64]) -> f64 {
        let returns: Vec<f64> =
            price.windows(2).map(|pair| ((pair[1] - pair[0]) as f64 / pair[0] as f64).ln_1p()).collect();
        let mean = returns.iter().sum::<f64>() / returns.len() as f64;
        let mut sum = 0.0;
        let profile: Vec<f64> = returns
            .iter()
            .map(|x| {
                sum += x - mean;
                sum
            })
            .collect();
        let (mut points, mut scale) = (vec![], 8);
        while scale <= returns.len() / 4 {
            let mut total = 0.0;
            for segment in profile.chunks_exact(scale) {
                let centre = (scale - 1) as f64 / 2.0;
                let mean = segment.iter().sum::<f64>() / scale as f64;
                let sxy: f64 = segment.iter().enumerate().map(|(i, y)| (i as f64 - centre) * (y - mean)).sum();
                let sxx: f64 = (0..scale).map(|i| (i as f64 - centre).powi(2)).sum();
                let line = |i: usize| mean + sxy / sxx * (i as f64 - centre);
                total += segment.iter().enumerate().map(|(i, y)| (y - line(i)).powi(2)).sum::<f64>() / scale as f64;
            }
            points.push(((scale as f64).ln(), (total / (returns.len() / scale) as f64).sqrt().ln()));
            scale = (scale as f64 * 1.5).ceil() as usize;
        }
        let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / points.len() as f64;
        let (mx, my) = (mean(|point| point.0), mean(|point| point.1));
        points.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
            / points.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
    }

    #[test]
    fn prop_patterns_are_those_of_sorting_and_of_single_triples() {
        for rows in 0..150 {
            for (start, tick) in [(3, 1), (4_200_000_000_000, 1_000_000), (i64::MAX / 2, i64::MAX / 2000)] {
                let price = walk(rows as u64, rows, start, tick);
                let patterns = Patterns::of(&price);
                let mut single = Patterns::default();
                price.windows(3).for_each(|w| single.add([w[0], w[1], w[2]]));
                assert_eq!(patterns, single);
                assert_eq!(patterns.entropy().is_some(), rows >= 60);
                if let Some(entropy) = patterns.entropy() {
                    assert!((entropy - slow_entropy(&price)).abs() < 1e-14);
                }
                let kept = rows / 3;
                price.windows(3).take(kept).for_each(|w| single.remove([w[0], w[1], w[2]]));
                assert_eq!(single, Patterns::of(&price[kept.min(rows)..]), "{rows}");
            }
        }
    }

    #[test]
    fn entropy_of_order_and_of_all_orders() {
        assert_eq!(Patterns::of(&[7; 60]).entropy(), Some(0.0));
        assert_eq!(Patterns::of(&(1..=60).rev().collect::<Vec<_>>()).entropy(), Some(0.0));
        let mut all = Patterns::default();
        for _ in 0..10 {
            for triple in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
                all.add(triple);
            }
        }
        assert!((all.entropy().expect("60 triples") - 1.0).abs() < 1e-15);
    }

    #[test]
    fn prop_hurst_is_that_of_the_slow_way() {
        // Far from the first price as well as near it: the log is computed in two ways.
        for (start, tick) in [(4_200_000_000_000, 1_000_000), (1_000, 1), (40, 1), (i64::MAX / 2, i64::MAX / 2000)] {
            for rows in (64..200).chain([1_300, 5_000]) {
                let price = walk(rows as u64, rows, start, tick);
                let (fast, slow) = (hurst(&price).expect("prices move"), slow_hurst(&price));
                assert!((fast - slow).abs() < 1e-8, "{rows} rows from {start}: {fast} {slow}");
            }
        }
    }

    #[test]
    fn hurst_needs_rows_and_two_scales_that_fluctuate() {
        assert_eq!(hurst(&walk(1, 63, 1_000, 1)), None);
        assert!(hurst(&walk(1, 64, 1_000, 1)).is_some());
        assert_eq!(hurst(&[1_000; 500]), None);
        // Scales 8 and 12 of 63 returns cover 56 and 60 of them: a move at the last trade is in neither.
        let mut price = [1_000; 64];
        price[63] = 1_001;
        assert_eq!(hurst(&price), None);
        price[40] = 1_001;
        assert!(hurst(&price).is_some());
    }

    #[test]
    fn logs_are_good_to_the_last_bits_on_both_sides_of_the_switch() {
        let first = 1_000_000_i64;
        for price in (first - 60_000..first + 60_000).step_by(37) {
            let expected = ((price - first) as f64 / first as f64).ln_1p();
            let log = log_profile(&[first, price])[0];
            let last_bits = if expected.abs() < 0.03 { 5e-16 * expected.abs() } else { 2e-16 };
            assert!((log - expected).abs() <= last_bits, "{price}: {log:e} {expected:e}");
        }
        // The effect of a missing term shows in the mean, where roundings cancel.
        let error =
            |price: i64| log_profile(&[first, price])[0] / ((price - first) as f64 / first as f64).ln_1p() - 1.0;
        let mean = (1_030_000..1_031_000).map(error).sum::<f64>() / 1_000.0;
        assert!(mean.abs() < 1e-16, "{mean:e}");
    }

    #[test]
    fn a_straight_line_leaves_nothing_and_never_less() {
        for slope in 1..500 {
            let line: Vec<f64> = (0..41).map(|x| f64::from(x) * f64::from(slope) / 7e9).collect();
            let rest = fluctuation(&line, line.len());
            assert!((0.0..1e-15 * line[40]).contains(&rest), "{slope}: {rest:e}");
        }
        assert_eq!(fluctuation(&[0.3; 18], 18), 0.0);
    }
}
