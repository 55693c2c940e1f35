//! What is asked of a book, and what it shows.

use super::activity::Activity;
use super::sides::Book;
use crate::core::numbers::decimals::Decimals;
use crate::core::time::clock::TimeUnit;
use crate::core::time::every::Every;
use crate::core::trades::steps::Steps;

/// When a row comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// After every event.
    Event,
    /// After an event that changed one of the levels that are looked at, or whether the book is known.
    Change,
    /// At instants that follow each other at equal distances, with the state that the events before them left.
    Every(Every),
}

/// What becomes of a book whose best bid is at its best ask or above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossed {
    /// It stays so.
    Keep,
    /// The levels of the side that is older are dropped, as far as they are crossed.
    Repair,
    /// It is an error.
    Error,
}

/// What becomes of a book when a message is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holes {
    /// It is unknown until the next snapshot.
    Invalid,
    /// It goes on as if nothing was missing.
    Keep,
    /// It is an error.
    Error,
}

/// What is asked of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookOptions {
    /// The levels of each side that are looked at.
    pub depth: usize,
    /// The levels of each side that are kept at most.
    pub max_levels: Option<usize>,
    /// The levels whose order flow is wanted.
    pub flow_levels: usize,
    /// Whether it is wanted what updates do, and which best levels come back.
    pub has_activity: bool,
    /// When a row comes out.
    pub sampling: Sampling,
    /// What becomes of a crossed book.
    pub crossed: Crossed,
    /// What becomes of a book when a message is missing.
    pub holes: Holes,
    /// Whether the book is unknown until the first snapshot.
    pub needs_snapshot: bool,
    /// Unit of the clock.
    pub unit: TimeUnit,
    /// How far time may step forward.
    pub steps: Steps,
    /// Decimals of prices, for what is told.
    pub price_decimals: Decimals,
}

/// A book at an instant, and what has become of it since the row before.
#[derive(Debug, Clone, Copy)]
pub struct BookSample<'a> {
    /// The time of the last event or, with rows at equal distances, the instant before which it was.
    pub time: i64,
    /// The book; empty if it is not known.
    pub book: &'a Book,
    /// The levels of each side that are looked at.
    pub depth: usize,
    /// Whether it is known.
    pub is_valid: bool,
    /// Whether it is crossed, or an event since the row before has crossed it.
    pub is_crossed: bool,
    /// Updates since the row before.
    pub updates: u64,
    /// Holes in the ids since the row before.
    pub holes: u64,
    /// Levels that were dropped since the row before, because there were too many.
    pub dropped: u64,
    /// Order flows of the best levels since the row before, raw; none if the book was unknown meanwhile.
    pub flows: Option<&'a [i128]>,
    /// What has been done since the row before; nothing, if it is not wanted.
    pub activity: &'a Activity,
}
