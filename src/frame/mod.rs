//! Polars columns in, Polars columns out: what the expressions and the streams share. No arithmetic.

pub mod error;
pub mod inputs;
pub mod output;
pub mod parameters;
pub mod schema;

pub use error::FrameError;
pub use inputs::{ColumnNames, TimeColumn, TradeColumns};
pub use parameters::{BarParameters, Reach};
