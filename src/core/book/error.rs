//! What can be wrong with updates of a book, as data.

use std::fmt;

use crate::core::error::{Role, RowError, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::Number;
use crate::core::numbers::precision::Precision;

/// The role that a column of updates plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookRole {
    /// Time of the update.
    Time,
    /// Whether the level is a bid.
    Side,
    /// Price of the level.
    Price,
    /// What is offered there from now on; 0 deletes the level.
    Quantity,
    /// First id of the message.
    FirstUpdateId,
    /// Last id of the message.
    LastUpdateId,
    /// Last id of the message before.
    PreviousUpdateId,
    /// Whether the row is of a snapshot.
    IsSnapshot,
    /// What rows of one event have in common.
    Batch,
}

impl BookRole {
    /// Every role.
    pub const ALL: [Self; 9] = [
        Self::Time,
        Self::Side,
        Self::Price,
        Self::Quantity,
        Self::FirstUpdateId,
        Self::LastUpdateId,
        Self::PreviousUpdateId,
        Self::IsSnapshot,
        Self::Batch,
    ];

    /// The default name, which is also the parameter that gives another.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "timestamp",
            Self::Side => "is_bid",
            Self::Price => "price",
            Self::Quantity => "quantity",
            Self::FirstUpdateId => "first_update_id",
            Self::LastUpdateId => "last_update_id",
            Self::PreviousUpdateId => "previous_update_id",
            Self::IsSnapshot => "is_snapshot",
            Self::Batch => "batch",
        }
    }
}

/// The rule that a row breaks, with the values that break it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum BookRule {
    /// One that trades have too.
    OfTrades(Rule),
    /// Rounding hardly changes a quantity.
    QuantityPrecision {
        /// The quantity.
        value: Number,
        /// The raw value to which it was rounded.
        rounded: i64,
        /// The decimals, and how much it may change.
        precision: Precision,
    },
    /// A quantity fits 64 bits at its decimals.
    QuantityFits {
        /// The quantity.
        value: Number,
        /// The decimals.
        decimals: Decimals,
    },
    /// A side is one of two.
    KnownSide {
        /// The word.
        value: String,
    },
    /// Time never goes back.
    TimeOrder {
        /// Time of the row.
        time: i64,
        /// Time of the row before.
        previous: i64,
    },
    /// The rows of an event have one time.
    OneTime {
        /// Time of the row.
        time: i64,
        /// Time of the row before, of the same event.
        previous: i64,
    },
    /// The last id of a message is not below its first.
    IdSpan {
        /// First id.
        first: i64,
        /// Last id.
        last: i64,
    },
    /// Ids rise from message to message.
    IdOrder {
        /// Last id of the message.
        id: i64,
        /// Last id of the message before.
        previous: i64,
    },
    /// No message is missing.
    NoHole {
        /// The id that should be the last of the message before.
        id: i64,
        /// The last id of the message before.
        previous: i64,
    },
    /// The best bid is below the best ask.
    NotCrossed {
        /// The best bid, raw.
        bid: i64,
        /// The best ask, raw.
        ask: i64,
        /// The decimals of both.
        decimals: Decimals,
        /// The time of the event.
        time: i64,
    },
}

impl From<Rule> for BookRule {
    fn from(rule: Rule) -> Self {
        Self::OfTrades(rule)
    }
}

/// A row of updates that breaks a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct BookError {
    /// The column that breaks it.
    pub column: BookRole,
    /// The row within its group, from 0.
    pub row: u64,
    /// The rule and the value.
    pub rule: BookRule,
}

impl BookError {
    /// The sentence for a reader: `name` is the name of the column in the input, `place` says where the row is, `time`
    /// formats an instant.
    pub fn describe(&self, name: &str, place: &str, time: impl Fn(i64) -> String) -> String {
        match &self.rule {
            &BookRule::OfTrades(rule) => {
                let column = match self.column {
                    BookRole::Time => Role::Time,
                    BookRole::Quantity => Role::Quantity,
                    BookRole::Price => Role::Price,
                    // All that is said of the others is the same for any.
                    _ => Role::AggTradeId,
                };
                RowError { column, row: self.row, rule }.describe(name, place, time)
            }
            BookRule::QuantityPrecision { value, rounded, precision } => format!(
                "`{name}` must not change by more than one part in {} when rounded to {} decimals, \
                 got {value} (rounded: {}) at {place}; {}",
                precision.parts(),
                precision.decimals().count(),
                precision.decimals().number(*rounded),
                set(precision.finer(*value), "multiply the quantities, such as by 1000000")
            ),
            BookRule::QuantityFits { value, decimals } => format!(
                "`{name}` must be at most {} (64-bit fixed point with {} decimals), got {value} at {place}; {}",
                decimals.number(i64::MAX),
                decimals.count(),
                set(Precision::of_quantities(*decimals).coarser(*value), "divide the quantities")
            ),
            BookRule::KnownSide { value } => format!(
                "`{name}` must be \"bid\" or \"ask\" (or b, a, buy, sell), got {value:?} at {place}; make it Boolean, \
                 true for bids, as in pl.col({name:?}) == \"bid\""
            ),
            BookRule::TimeOrder { time: now, previous } => format!(
                "`{name}` must not go back, got {} after {} at {place}; sort by time within each group, and name the \
                 column of the group in `by`",
                time(*now),
                time(*previous)
            ),
            BookRule::OneTime { time: now, previous } => format!(
                "`{name}` must be the same for all rows of an event, got {} after {} at {place}; name a column in \
                 `batch` that changes with every message, or take the time at which the message came",
                time(*now),
                time(*previous)
            ),
            BookRule::IdSpan { first, last } => format!(
                "`{name}` must be at least the first id of its message, got {last} with first id {first} at {place}; \
                 name the right columns, or pass None to ignore them"
            ),
            BookRule::IdOrder { id, previous } => format!(
                "`{name}` must rise from message to message, got {id} after {previous} at {place}; drop repeated \
                 messages, or pass None to ignore the ids"
            ),
            BookRule::NoHole { id, previous } => format!(
                "`{name}` must follow the message before, got {id} where the last id was {previous} at {place}: \
                 messages are missing; begin anew from a snapshot, or holes=\"invalid\" makes the book null until \
                 the next one"
            ),
            BookRule::NotCrossed { bid, ask, decimals, time: at } => format!(
                "`{name}` must leave the best bid below the best ask, got {} and {} ({}) at {place}; \
                 crossed=\"repair\" drops the older levels, crossed=\"keep\" tells in `is_crossed`",
                decimals.number(*bid),
                decimals.number(*ask),
                time(*at)
            ),
        }
    }
}

/// The remedy: other decimals, if there are any that help.
fn set(decimals: Option<Decimals>, otherwise: &str) -> String {
    decimals.map_or_else(|| otherwise.to_owned(), |decimals| format!("set quantity_decimals={}", decimals.count()))
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe(self.column.name(), &format!("row {}", self.row), |t| t.to_string()))
    }
}

impl std::error::Error for BookError {}
