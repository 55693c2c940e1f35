//! Bars, and the state machine that builds them.

pub mod bar;
pub mod builder;
pub mod renko;
