//! The ten bar features (SPEC 5), one small file a family: bar in, value out.
//!
//! Every ratio is one division of doubles. What needs the side is only asked of bars that have it.

pub mod arrival;
pub mod flow;
pub mod impact;

/// Below this a denominator counts as zero: the gap between 1 and the next double.
pub const EPS: f64 = f64::EPSILON;
