//! Instants: the unit of a clock, calendar periods and sessions, lengths of time and windows of them.

pub mod calendar;
pub mod clock;
pub mod every;
pub mod sessions;
pub mod zone;
