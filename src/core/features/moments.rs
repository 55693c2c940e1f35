//! Moments: the shape of the sizes.

use crate::core::block::Quantities;
use crate::core::fixed::from_fixed;

/// Adding this to an integer in -2^51..2^51 gives the bits of the double 1.5 * 2^52 plus the integer.
const MAGIC: f64 = (3_u64 << 51) as f64;

/// Rows that one 64-bit sum of raw quantities below 2^51 holds.
const ROWS: usize = 1 << 12;

/// Skewness and excess kurtosis of the quantities, population moments. Neither where all quantities are equal; no
/// skewness of fewer than 3 rows, no kurtosis of fewer than 4.
#[must_use]
pub fn skew_and_kurt(quantity: Quantities<'_>) -> (Option<f64>, Option<f64>) {
    match quantity {
        Quantities::Absent => (None, None),
        Quantities::Narrow(raw) => narrow(raw),
        Quantities::Wide(raw) => wide(raw),
    }
}

fn narrow(raw: &[i64]) -> (Option<f64>, Option<f64>) {
    let Some(first) = raw.first() else { return (None, None) };
    let (mut sum, mut differ) = (0, 0);
    for block in raw.chunks(ROWS) {
        let mut volume = 0;
        for quantity in block {
            volume += quantity;
            differ |= quantity ^ first;
        }
        sum += i128::from(volume);
    }
    if differ == 0 {
        return (None, None);
    }
    let middle = middle(sum, raw.len()) as i64;
    // The conversion of doubles that SSE2 has works row by row; this one vectorises: 1.6 -> 0.9 ns a row.
    let base = MAGIC.to_bits().wrapping_sub(middle as u64);
    let powers = powers(raw, |quantity| f64::from_bits(base.wrapping_add(quantity as u64)) - MAGIC);
    shape(powers, sum - i128::from(middle) * raw.len() as i128, raw.len())
}

fn wide(raw: &[i128]) -> (Option<f64>, Option<f64>) {
    let (Some(&low), Some(&high)) = (raw.iter().min(), raw.iter().max()) else { return (None, None) };
    if from_fixed(low) >= from_fixed(high) {
        return (None, None); // the same double is the same quantity
    }
    let sum = raw.iter().sum();
    let middle = middle(sum, raw.len());
    shape(powers(raw, |quantity| (quantity - middle) as f64), sum - middle * raw.len() as i128, raw.len())
}

/// The integer at the mean or just below: deviations from it are exact.
fn middle(sum: i128, rows: usize) -> i128 {
    sum / rows as i128
}

/// Sums of the second, third and fourth powers of the deviations, in four lanes that depend on the row number alone.
fn powers<T: Copy>(raw: &[T], deviation: impl Fn(T) -> f64) -> [f64; 3] {
    let [mut s2, mut s3, mut s4] = [[0.0; 4]; 3];
    let mut add = |lane: usize, quantity| {
        let d = deviation(quantity);
        let square = d * d;
        let cube = square * d;
        s2[lane] += square;
        s3[lane] += cube;
        s4[lane] += cube * d;
    };
    let (chunks, rest) = raw.as_chunks::<4>();
    for chunk in chunks {
        for (lane, &quantity) in chunk.iter().enumerate() {
            add(lane, quantity);
        }
    }
    for (lane, &quantity) in rest.iter().enumerate() {
        add(lane, quantity);
    }
    [s2, s3, s4].map(|[a, b, c, d]| (a + b) + (c + d))
}

/// The statistics from sums of powers about an integer; `excess` is the sum of the deviations.
fn shape(powers: [f64; 3], excess: i128, rows: usize) -> (Option<f64>, Option<f64>) {
    let n = rows as f64;
    let [s2, s3, s4] = powers.map(|sum| sum / n);
    let d = excess as f64 / n;
    let m2 = s2 - d * d;
    let m3 = s3 - d * (3.0 * s2 - 2.0 * d * d);
    let m4 = s4 - d * (4.0 * s3 - d * (6.0 * s2 - 3.0 * d * d));
    ((rows >= 3).then(|| m3 / (m2 * m2.sqrt())), (rows >= 4).then(|| m4 / (m2 * m2) - 3.0))
}
