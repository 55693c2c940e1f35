//! Instants: the unit of a clock, calendar periods, lengths of time and windows of them.

pub mod calendar;
pub mod clock;
pub mod every;
