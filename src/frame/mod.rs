//! Polars columns in, Polars columns out: the code that expressions and streams share. No arithmetic.

pub mod bar_inputs;
pub mod book;
pub mod bricks;
pub mod checks;
pub mod digest;
pub mod error;
pub mod inputs;
pub mod output;
pub mod parameters;
pub mod polars_internals;
pub mod request;
pub mod resets;
pub mod rules;
pub mod schema;
pub mod staged;
pub mod text;
pub mod zones;

pub use error::FrameError;
pub use inputs::{ColumnNames, TimeColumn, TradeColumns};
pub use parameters::Reach;
pub use request::Request;
