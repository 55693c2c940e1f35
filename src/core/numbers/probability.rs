//! Distribution functions: the normal distribution, and Student's t with any degrees of freedom.
//!
//! Series and continued fractions of Abramowitz and Stegun (1964), *Handbook of Mathematical Functions*, 7.1.6, 7.1.14,
//! 6.1.41 and 26.5.8, until another term changes nothing.

use std::f64::consts::{PI, SQRT_2};

/// Terms after which every fraction has long settled, for the arguments that are allowed.
const TERMS: u32 = 10_000;

/// Probability that a standard normal variable is at most z.
#[must_use]
pub fn normal(z: f64) -> f64 {
    let x = z.abs() / SQRT_2;
    // Beyond 2 the fraction settles quickly; below, no term of the series is negative.
    let beyond = if x < 2.0 { 0.5 - 0.5 * erf(x) } else { 0.5 * erfc(x) };
    if z > 0.0 { 1.0 - beyond } else { beyond }
}

/// The error function by its series, of a number from 0 to about 3.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 0.5);
    while term > sum * f64::EPSILON / 4.0 {
        n += 1.0;
        term *= x * x / n;
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// One less the error function by its continued fraction, of a number of at least 2.
fn erfc(x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    let part = |n: u32| f64::from(n) / 2.0;
    let fraction = continued(x, part, |_| x);
    (-x * x).exp() / PI.sqrt() / fraction
}

/// `first + part(1) / (whole(1) + part(2) / (whole(2) + ...))`, by the method of Lentz (1976).
fn continued(first: f64, part: impl Fn(u32) -> f64, whole: impl Fn(u32) -> f64) -> f64 {
    const TINY: f64 = 1e-300;
    let or_tiny = |x: f64| if x.abs() < TINY { TINY } else { x };
    let mut value = or_tiny(first);
    let (mut up, mut down) = (value, 0.0);
    for n in 1..TERMS {
        down = 1.0 / or_tiny(whole(n) + part(n) * down);
        up = or_tiny(whole(n) + part(n) / up);
        let change = up * down;
        value *= change;
        if (change - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value
}

/// Student's t distribution.
#[derive(Debug, Clone, Copy)]
pub struct StudentT {
    degrees: f64,
    /// Logarithm of the beta function of half the degrees and of a half.
    log_beta: f64,
}

impl StudentT {
    /// The most degrees of freedom: beyond, the logarithms of factorials lose digits, and the normal distribution is near.
    pub const MOST_DEGREES: f64 = 1_000.0;

    /// Of so many degrees of freedom, above zero and at most [`StudentT::MOST_DEGREES`].
    #[must_use]
    pub fn new(degrees: f64) -> Self {
        let half = degrees / 2.0;
        Self { degrees, log_beta: log_gamma(half) + log_gamma(0.5) - log_gamma(half + 0.5) }
    }

    /// Probability that a variable of this distribution is at most t.
    #[must_use]
    pub fn at_most(&self, t: f64) -> f64 {
        let square = t * t / self.degrees;
        let (x, rest) = if square.is_infinite() { (0.0, 1.0) } else { (1.0 / (1.0 + square), square / (1.0 + square)) };
        let half = self.degrees / 2.0;
        // The fraction settles quickly on one side of the mean of the beta distribution.
        let beyond = if x < (half + 1.0) / (half + 2.5) {
            0.5 * self.beta(x, rest, half, 0.5)
        } else {
            0.5 - 0.5 * self.beta(rest, x, 0.5, half)
        };
        if t > 0.0 { 1.0 - beyond } else { beyond }
    }

    /// The regularised incomplete beta function.
    fn beta(&self, x: f64, rest: f64, a: f64, b: f64) -> f64 {
        if x <= 0.0 {
            return 0.0;
        }
        let part = |n: u32| {
            let m = f64::from((n - 1) / 2);
            if n == 1 {
                1.0
            } else if n.is_multiple_of(2) {
                -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
            } else {
                m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
            }
        };
        let fraction = continued(0.0, part, |_| 1.0);
        (a * x.ln() + b * rest.ln() - self.log_beta).exp() / a * fraction
    }
}

/// Logarithm of the gamma function of a number above zero: Stirling's series beyond 10, and the recurrence below.
fn log_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    // B(2k) / (2k (2k - 1)), of the numbers of Bernoulli.
    let coefficients = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1_260.0, -1.0 / 1_680.0, 1.0 / 1_188.0, -691.0 / 360_360.0];
    let inverse = 1.0 / (x * x);
    let series = coefficients.iter().rev().fold(0.0, |sum, c| sum * inverse + c) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-13 * expected.abs().max(1e-3), "{found} {expected}");
    }

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        near(normal(0.0), 0.5);
        near(normal(1.0), 0.841_344_746_068_542_9);
        near(normal(-1.959_963_984_540_054), 0.025);
        near(normal(3.5), 0.999_767_370_920_964_5);
        near(normal(-6.0) * 1e9, 0.986_587_645_037_698_1);
        assert_eq!((normal(f64::INFINITY), normal(f64::NEG_INFINITY), normal(40.0)), (1.0, 0.0, 1.0));
        let grid = (-4_000..4_000).map(|n| f64::from(n) / 500.0);
        grid.clone().zip(grid.skip(1)).for_each(|(a, b)| assert!(normal(a) <= normal(b)));
    }

    #[test]
    fn one_and_two_degrees_have_closed_forms() {
        let (one, two) = (StudentT::new(1.0), StudentT::new(2.0));
        for n in -400..=400 {
            let t = f64::from(n).powi(3) / 1e4;
            near(one.at_most(t), 0.5 + t.atan() / PI);
            near(two.at_most(t), 0.5 + t / (2.0 * (2.0 + t * t).sqrt()));
        }
        assert_eq!((one.at_most(f64::INFINITY), one.at_most(f64::NEG_INFINITY)), (1.0, 0.0));
    }

    #[test]
    fn many_degrees_are_nearly_normal_and_few_have_heavy_tails() {
        let many = StudentT::new(StudentT::MOST_DEGREES);
        assert!((-30..30).all(|n| (many.at_most(f64::from(n) / 10.0) - normal(f64::from(n) / 10.0)).abs() < 4e-4));
        assert!(StudentT::new(0.25).at_most(-1e4) > 0.03);
    }

    #[test]
    fn the_gamma_function_of_halves_is_exact() {
        near(log_gamma(0.5), PI.sqrt().ln());
        near(log_gamma(5.0), 24.0_f64.ln());
        near(log_gamma(11.0), 3_628_800.0_f64.ln());
    }
}
