//! Range bars over slices: fixed point, the bar rule, the accumulation, the bar features.
//!
//! Standard library only. Slices and scalars come in, values go out; every route into Polars drives
//! [`BarBuilder`] and nothing else, so all of them agree bit for bit. Read in this order:
//! [`fixed`], [`trades`], [`seen`], [`load`], [`block`], [`bar`], [`range`], [`period`], [`builder`]; then
//! [`features`], [`windows`].

pub mod arranged;
pub mod bar;
pub mod block;
pub mod builder;
pub mod checkpoint;
pub mod error;
pub mod features;
pub mod fixed;
pub mod gaps;
pub mod layout;
pub mod load;
pub mod period;
pub mod piece;
pub mod range;
pub mod seen;
mod simd;
pub mod trade;
pub mod trades;
pub mod whole;
pub mod windows;

#[cfg(test)]
mod testing;

pub use arranged::Arranged;
pub use bar::{CloseReason, RangeBar};
pub use block::Block;
pub use builder::{BarBuilder, CloseRule, ClosedBar};
pub use checkpoint::CheckpointError;
pub use error::{Column, RowError, Rule, ThresholdError};
pub use fixed::{Number, Numbers};
pub use gaps::{Gap, GapFinder, Span};
pub use layout::{GroupRun, Layout, shares};
pub use load::Buffers;
pub use period::{Breaks, Length, Reset};
pub use range::RangeRule;
pub use seen::Seen;
pub use trade::Trade;
pub use trades::{Bits, TimeUnit, Trades};
pub use whole::WholeRule;
pub use windows::{Job, Lookback, RunAll, WindowOptions, WindowValues};
