//! Numbers: decimals as integers, and which doubles are such decimals.

pub mod decimals;
pub mod division;
pub mod fixed;
pub mod precision;
pub mod probability;
pub(in crate::core) mod simd;
