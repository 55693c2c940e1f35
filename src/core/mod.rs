//! Range bars over slices: fixed point, the bar rule, the accumulation, the bar features.
//!
//! Standard library only. Slices and scalars come in, values go out; every route into Polars drives
//! [`BarBuilder`] and nothing else, so all of them agree bit for bit. Read in this order:
//! [`fixed`], [`trades`], [`block`], [`bar`], [`range`], [`builder`].

pub mod bar;
pub mod block;
pub mod builder;
pub mod error;
pub mod features;
pub mod fixed;
pub mod gather;
pub mod layout;
pub mod range;
pub mod trades;

#[cfg(test)]
mod testing;

pub use bar::{CloseReason, RangeBar};
pub use block::Block;
pub use builder::{BarBuilder, CloseRule, ClosedBar};
pub use error::{Column, RowError, Rule, ThresholdError};
pub use fixed::{Number, Numbers};
pub use gather::Gathered;
pub use layout::Layout;
pub use range::RangeRule;
pub use trades::{Bits, TimeUnit, Trades};
