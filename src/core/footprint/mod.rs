//! The footprint of a bar: what was bought and sold at each level of its prices, and what follows from that.
//!
//! A level holds the prices of one tick: that of a raw price is `floor(price / tick)`. A [`Ladder`] is what is known of
//! the forming bar, a [`Footprint`] what is said of one that ended. Each rule has a ladder of its own; without footprints
//! there is none, and the builder does nothing for them.
//!
//! Sums are exact integers and cannot overflow: every quantity is at least zero, so none exceeds the volume of the bar,
//! which the bar adds up first and refuses where it does not fit. A trade whose side is not known counts as bought; what
//! needs the side then means nothing, and the bar says so.

mod ladder;
mod levels;
#[cfg(test)]
mod tests;
mod tick;
mod values;

pub use ladder::Ladder;
pub use tick::Tick;
pub use values::{Footprint, Level};

/// Which footprints are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FootprintOptions {
    /// The height of a level.
    pub tick: Tick,
    /// Whether the levels themselves are wanted, and not only what follows from them.
    pub keeps_levels: bool,
}
