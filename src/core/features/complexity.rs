//! Complexity: order and memory in the sequence of prices.

/// Fewest triples of prices that have an entropy: those of 60 rows.
const MIN_TRIPLES: u64 = 58;

/// Fewest rows that have a Hurst exponent, and the smallest scale.
const MIN_ROWS: usize = 64;
const MIN_SCALE: usize = 8;

/// How often each order pattern of three successive prices occurs (order 3, delay 1). Of equal prices the earlier
/// counts as the lower.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patterns {
    /// By the bits of [`pattern`]; 2 and 5 contradict themselves and stay 0.
    counts: [u64; 8],
}

/// Whether the second lies below the first (4), the third below the second (2), the third below the first (1).
fn pattern([a, b, c]: [i64; 3]) -> usize {
    4 * usize::from(b < a) + 2 * usize::from(c < b) + usize::from(c < a)
}

impl Patterns {
    /// The patterns of successive prices.
    #[must_use]
    pub fn of(price: &[i64]) -> Self {
        let mut patterns = Self::default();
        let (Some(second), Some(third)) = (price.get(1..), price.get(2..)) else { return patterns };
        // Prices are positive, so a difference has the sign of the comparison, which SSE2 has for 64 bits only that way.
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
        patterns.counts =
            [third.len() as u64 + abc - ab - bc, 0, bc - abc - lower, lower, ab - both, both - abc, 0, abc];
        patterns
    }

    /// Counts one more triple of successive prices.
    pub fn add(&mut self, triple: [i64; 3]) {
        self.counts[pattern(triple)] += 1;
    }

    /// Forgets a triple that was counted.
    pub fn remove(&mut self, triple: [i64; 3]) {
        self.counts[pattern(triple)] -= 1;
    }

    /// Permutation entropy over ln 6; none of fewer than 58 triples. Bandt and Pompe (2002).
    #[must_use]
    pub fn entropy(&self) -> Option<f64> {
        let total: u64 = self.counts.iter().sum();
        let share = |&count: &u64| count as f64 / total as f64;
        let term = |share: f64| share * share.ln();
        let sum: f64 = self.counts.iter().filter(|count| **count > 0).map(share).map(term).sum();
        (total >= MIN_TRIPLES).then(|| -sum / 6_f64.ln() + 0.0)
    }
}

/// Exponent of the detrended fluctuation (DFA-1) of the log returns; none of fewer than 64 rows or where fewer than
/// two scales fluctuate. Peng (1994).
///
/// The scales are 8 and always half as much again, up to a quarter of the returns. The profile is the log of the price
/// over the first one: the mean return that the definition takes off is a straight line in it, and every segment loses
/// its straight line anyway. So a segment of one price fluctuates by exactly 0.
#[must_use]
pub fn hurst(price: &[i64]) -> Option<f64> {
    if price.len() < MIN_ROWS {
        return None;
    }
    let profile = log_profile(price);
    let mut points = Vec::new();
    let mut scale = MIN_SCALE;
    while scale <= profile.len() / 4 {
        let segments = profile.chunks_exact(scale);
        let count = segments.len();
        let f = (segments.map(residual).sum::<f64>() / (scale * count) as f64).sqrt();
        if f > 0.0 {
            points.push(((scale as f64).ln(), f.ln()));
        }
        scale = (3 * scale).div_ceil(2);
    }
    slope(&points)
}

/// Least-squares slope; none of fewer than two points.
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
    /// Up to here (prices 3 % from the first) five terms of the series are exact to the last bits.
    const NEAR: f64 = 1.0 / 64.0;
    let first = price[0] as f64;
    let mut far = false;
    // ln(p / first) = 2 artanh((p - first) / (p + first)).
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

/// Sum of the squared distances from the least-squares line.
///
/// Everything is taken from the first value, so that no sum is much larger than what it stands for.
fn residual(profile: &[f64]) -> f64 {
    let s = profile.len() as f64;
    let middle = (s - 1.0) / 2.0;
    let base = profile[0];
    let (mut sum, mut squares, mut products) = ([0.0; 4], [0.0; 4], [0.0; 4]);
    let mut x = [0.0, 1.0, 2.0, 3.0].map(|lane| lane - middle);
    let (chunks, rest) = profile.as_chunks::<4>();
    for chunk in chunks {
        for lane in 0..4 {
            let y = chunk[lane] - base;
            sum[lane] += y;
            squares[lane] += y * y;
            products[lane] += x[lane] * y;
            x[lane] += 4.0;
        }
    }
    for (lane, y) in rest.iter().enumerate() {
        let y = y - base;
        sum[lane] += y;
        squares[lane] += y * y;
        products[lane] += x[lane] * y;
    }
    let [sy, syy, sxy] = [sum, squares, products].map(|[a, b, c, d]| (a + b) + (c + d));
    let sxx = s * (s * s - 1.0) / 12.0;
    (syy - sy * sy / s - sxy * sxy / sxx).max(0.0)
}
