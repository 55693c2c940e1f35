//! Range bars over slices: fixed-point numbers, the bar rule, the accumulation, the bar features.
//!
//! Uses only the standard library. Slices and scalars go in, values come out; every route into Polars uses only
//! [`BarBuilder`], so all of them agree bit for bit. Read the folders in this order:
//!
//! - [`numbers`]: prices and quantities as integers, and the loops that are compiled for each CPU.
//! - [`time`]: the unit of a clock, calendar periods, lengths of time.
//! - [`trades`]: the input, and the position that the next trade must come after.
//! - [`block`]: up to 1,024 trades, converted and checked, and what they add to a bar.
//! - [`rules`]: which trade closes a bar, and what ends bars besides.
//! - [`bars`]: the bar, and the machine of one group that builds bars; the same for Renko bricks.
//! - [`features`]: the statistics, one file for each family.
//! - [`windows`]: which rows a statistic looks at.
//! - [`footprint`]: what was bought and sold at each level of a bar's prices.
//! - [`labels`]: what came of an entry at each bar.
//! - [`rolling`]: sums and slopes over the last rows.
//! - [`liquidity`]: liquidity and order flow of bars, which are such sums.
//! - [`book`]: updates of an order book, its state and its features.
//! - [`batch`]: rows of many groups in the order of their groups.
//! - [`checkpoint`]: the state of a group as bytes.
//! - [`error`]: what is refused, and the sentence that says so.

pub mod bars;
pub mod batch;
pub mod block;
pub mod book;
pub mod checkpoint;
pub mod error;
pub mod features;
pub mod footprint;
pub mod labels;
pub mod liquidity;
pub mod numbers;
pub mod rolling;
pub mod rules;
pub mod time;
pub mod trades;
pub mod windows;

#[cfg(test)]
mod testing;

pub use bars::bar::{CloseReason, RangeBar};
pub use bars::builder::{BarBuilder, ClosedBar};
pub use bars::renko::{Brick, BrickBuilder};
pub use batch::arranged::Arranged;
pub use batch::layout::{GroupRun, Layout, shares};
pub use block::Block;
pub use block::convert::Buffers;
pub use book::activity::{Activity, Change, Returns};
pub use book::builder::BookBuilder;
pub use book::error::{BookError, BookRole, BookRule};
pub use book::levels::Level;
pub use book::options::{BookOptions, BookSample, Crossed, Holes, Sampling};
pub use book::sides::{Book, BookSide};
pub use book::updates::{BOOK_ROWS, RawUpdates, UpdateBuffers, UpdateIds, Updates};
pub use checkpoint::CheckpointError;
pub use error::{PointsError, Role, RowError, Rule, ThresholdError};
pub use footprint::{Footprint, FootprintOptions, Tick};
pub use labels::triple_barrier::{Barriers, Distance, Entry, Exit, Path, Touched, triple_barrier};
pub use liquidity::{Flow, Liquidity, Negative, Range, Window, bulk_buy_volume};
pub use numbers::decimals::Decimals;
pub use numbers::fixed::{Number, Numbers};
pub use numbers::probability::StudentT;
pub use rules::{
    AdaptiveRule, Amount, AnyRule, Breaks, CloseRule, CusumRule, HighLowRule, ImbalanceRule, Measure, Move, NeverRule,
    RangeRule, TimeRule, TotalRule,
};
pub use time::calendar::{Length, Period, Reset};
pub use time::clock::TimeUnit;
pub use time::every::Every;
pub use time::sessions::{Session, Sessions};
pub use time::zone::Zone;
pub use trades::bits::Bits;
pub use trades::columns::Trades;
pub use trades::gaps::{Gap, GapFinder, Span};
pub use trades::seen::Seen;
pub use trades::seen_ids::SeenIds;
pub use trades::sides::{Side, Sides};
pub use trades::steps::Steps;
pub use trades::trade::Trade;
pub use windows::{Job, Lookback, RunAll, WindowOptions, WindowValues};
