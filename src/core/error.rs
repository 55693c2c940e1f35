//! What can be wrong with the input, as data: the column, the row, the rule and the value.

use std::fmt;

use super::bars::renko::MOST_OF_A_TRADE;
use super::numbers::decimals::Decimals;
use super::numbers::fixed::Number;
use super::numbers::precision::Precision;
use super::rules::Move;

/// The role that a column of the input plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Time of the trade.
    Time,
    /// Price.
    Price,
    /// Quantity.
    Quantity,
    /// Aggressor.
    IsBuyerMaker,
    /// Id of the row.
    AggTradeId,
    /// First individual trade of the row.
    FirstTradeId,
    /// Last individual trade of the row.
    LastTradeId,
}

impl Role {
    /// The default name (`docs/columns.md`, Trades).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "timestamp",
            Self::Price => "price",
            Self::Quantity => "quantity",
            Self::IsBuyerMaker => "is_buyer_maker",
            Self::AggTradeId => "agg_trade_id",
            Self::FirstTradeId => "first_trade_id",
            Self::LastTradeId => "last_trade_id",
        }
    }
}

/// The rule that a row breaks, with the values that break it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// No value may be missing.
    NotNull,
    /// A price is finite and above zero.
    Positive {
        /// The price.
        value: Number,
    },
    /// Rounding hardly changes a number.
    Precision {
        /// The number.
        value: Number,
        /// The raw value to which it was rounded.
        rounded: i64,
        /// The decimals, and how much it may change.
        precision: Precision,
    },
    /// The limits of a bar are at least one unit of the last decimal away from its open.
    LimitsApart {
        /// The open, raw.
        open: i64,
        /// Its decimals.
        decimals: Decimals,
        /// The threshold.
        threshold_dbps: u32,
    },
    /// A Renko brick is at least one unit of the last decimal.
    BrickHasSize {
        /// Where the last brick ended, raw.
        end: i64,
        /// Its decimals.
        decimals: Decimals,
        /// The size, of that price.
        dbps: u32,
    },
    /// One trade completes no more Renko bricks than there may be.
    BricksFit {
        /// The price, raw.
        price: i64,
        /// Where the last brick ended, raw.
        end: i64,
        /// The size of a brick, raw.
        size: i128,
        /// The decimals of all of them.
        decimals: Decimals,
    },
    /// A price fits 64 bits at its decimals.
    PriceFits {
        /// The price.
        value: Number,
        /// The decimals.
        decimals: Decimals,
    },
    /// A quantity is finite and not below zero.
    NotNegative {
        /// The quantity.
        value: Number,
    },
    /// A quantity is at most 1e15.
    QuantityFits {
        /// The quantity.
        value: Number,
    },
    /// Time never goes back.
    TimeOrder {
        /// Time of the row.
        time: i64,
        /// Time of the row before.
        previous: i64,
    },
    /// Time steps forward by no more than the longest step.
    StepTooLong {
        /// Time of the row.
        time: i64,
        /// Time of the row before.
        previous: i64,
    },
    /// What is pushed comes after what was seen.
    Overlap {
        /// Time and, with ids, id of the row.
        first: (i64, Option<i64>),
        /// Time and, with ids, id of the last row seen.
        seen: (i64, Option<i64>),
    },
    /// What lies at or before the last trade was seen, where that is to be skipped.
    Late {
        /// First id that was not seen.
        first: i64,
        /// Last id that was not seen, of those that follow the first.
        last: i64,
        /// Time and id of the last row seen.
        seen: (i64, i64),
        /// Whether they lie so far back that nobody can tell.
        is_forgotten: bool,
    },
    /// What is pushed does not lie before the time to which the stream was advanced.
    Advanced {
        /// Time of the row.
        time: i64,
        /// The time to which the stream was advanced.
        advanced_to: i64,
    },
    /// A bar's duration in microseconds fits 64 bits.
    DurationFits {
        /// Time of the row.
        time: i64,
        /// Time of the first row of the bar.
        open_time: i64,
    },
    /// Ids of one timestamp strictly increase.
    IdOrder {
        /// Id of the row.
        id: i64,
        /// Id of the row before.
        previous: i64,
        /// The time of both.
        time: i64,
    },
    /// An id fits 64 bits.
    IdFits {
        /// The id.
        value: Number,
    },
    /// A row does not hold a negative number of individual trades, or more than 2^52.
    TradeCount {
        /// First individual trade.
        first: i64,
        /// Last individual trade.
        last: i64,
    },
    /// The individual trades of a bar fit 64 bits.
    CountFits {
        /// Those of the row whose addition does not fit.
        trades: u64,
    },
    /// The sums of a bar fit 128 bits.
    SumFits {
        /// The quantity whose addition does not fit.
        value: Number,
    },
}

impl Rule {
    /// The column that breaks a rule where a bar opens.
    #[must_use]
    pub fn at_open(&self) -> Role {
        if matches!(self, Self::SumFits { .. }) { Role::Quantity } else { Role::Price }
    }
}

/// A row that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowError {
    /// The column that breaks it.
    pub column: Role,
    /// The row within its group, from 0.
    pub row: u64,
    /// The rule and the value.
    pub rule: Rule,
}

impl RowError {
    /// The sentence for a reader: `name` is the name of the column in the input, `place` says where the row is, `time`
    /// formats an instant.
    pub fn describe(&self, name: &str, place: &str, time: impl Fn(i64) -> String) -> String {
        match self.rule {
            Rule::NotNull if self.column == Role::IsBuyerMaker => format!(
                "`{name}` must not be null, got null at {place}; drop such rows, or fill them; missing_side=\"null\" \
                 gives null for what needs the side"
            ),
            Rule::NotNull => format!("`{name}` must not be null, got null at {place}; drop such rows, or fill them"),
            Rule::Positive { value } => {
                format!("`{name}` must be finite and > 0, got {value} at {place}; filter out such rows")
            }
            Rule::Precision { value, rounded, precision } => format!(
                "`{name}` must not change by more than one part in {} when rounded to {} decimals, \
                 got {value} (rounded: {}) at {place}; {}",
                precision.parts(),
                precision.decimals().count(),
                precision.decimals().number(rounded),
                match self.column {
                    Role::Quantity => "multiply the quantities, such as by 1000000".to_owned(),
                    _ => set(precision.finer(value), "multiply the prices, such as by 1000000"),
                }
            ),
            Rule::LimitsApart { open, decimals, threshold_dbps } => format!(
                "`{name}` must be high enough for the threshold to be at least {} where a bar opens, \
                 got {} with {threshold_dbps} dbps at {place}; {}, or use a larger threshold",
                decimals.number(1),
                decimals.number(open),
                set(Move::Dbps(threshold_dbps).finer(open, decimals), "multiply the prices")
            ),
            Rule::BrickHasSize { end, decimals, dbps } => format!(
                "`{name}` must be high enough for a brick to be at least {} where the last one ended, \
                 got {} with {dbps} dbps at {place}; {}, or use larger bricks",
                decimals.number(1),
                decimals.number(end),
                set(Move::Dbps(dbps).finer(end, decimals), "multiply the prices")
            ),
            Rule::BricksFit { price, end, size, decimals } => format!(
                "`{name}` must not complete more than {MOST_OF_A_TRADE} bricks in one trade, \
                 got {}, with a brick of {} from {} on, at {place}; filter out such rows if the price is wrong, or \
                 use larger bricks",
                decimals.number(price),
                Number::Decimal { mantissa: size, scale: decimals.count() },
                decimals.number(end)
            ),
            Rule::PriceFits { value, decimals } => format!(
                "`{name}` must be at most {} (64-bit fixed point with {} decimals), got {value} at {place}; {}",
                decimals.number(i64::MAX),
                decimals.count(),
                set(Precision::of_prices(decimals).coarser(value), "divide the prices")
            ),
            Rule::NotNegative { value } => {
                format!("`{name}` must be finite and >= 0, got {value} at {place}; filter out such rows")
            }
            Rule::QuantityFits { value } => {
                format!("`{name}` must be at most 1e15, got {value} at {place}; use a larger unit")
            }
            Rule::TimeOrder { time: now, previous } => format!(
                "`{name}` must not go back, got {} after {} at {place}; sort by time within each group, name the \
                 column of the group in `by`, and pass maintain_order=\"left\" to a join before the bars",
                time(now),
                time(previous)
            ),
            Rule::StepTooLong { time: now, previous } => format!(
                "`{name}` must not step forward by more than `max_step` (40 years by default), got {} after {} \
                 at {place}; mostly a wrong or mixed `time_unit`; Binance spot files are in ms until 2024 and in us \
                 since; max_step=None if the step is right",
                time(now),
                time(previous)
            ),
            Rule::Overlap { first, seen } => {
                let position = |(at, id): (i64, Option<i64>)| match id {
                    Some(id) => format!("{} (id {id})", time(at)),
                    None => time(at),
                };
                format!(
                    "`{name}` must come after the trades already seen, got {} where the last one is {} at {place}; \
                     overlap=\"skip\" drops those already seen",
                    position(first),
                    position(seen)
                )
            }
            Rule::Late { first, last, seen: (at, id), is_forgotten } => {
                let (ids, were) = if first == last {
                    (format!("id {first}"), "was")
                } else {
                    (format!("ids {first} to {last}"), "were")
                };
                let why = if is_forgotten {
                    "which may have been seen or not, because the ids have had too many gaps since".to_owned()
                } else {
                    format!("which {were} not seen")
                };
                format!(
                    "`{name}` must not come late, got {ids}, {why}, after {} (id {id}) at {place}; \
                     restore an earlier checkpoint and push the trades in order",
                    time(at)
                )
            }
            Rule::Advanced { time: now, advanced_to } => format!(
                "`{name}` must not be before the time to which the stream was advanced, got {} after advance({}) \
                 at {place}; advance only to a time before which no more trades will come",
                time(now),
                time(advanced_to)
            ),
            Rule::DurationFits { time: now, open_time } => format!(
                "`{name}` must keep the bar's duration in microseconds within 64 bits, got {} in a bar that opened \
                 at {} at {place}; the `time_unit` is probably wrong",
                time(now),
                time(open_time)
            ),
            Rule::IdOrder { id, previous, time: now } => format!(
                "`{name}` must strictly increase within one timestamp, got {id} after {previous} ({}) at {place}; \
                 drop repeated trades, or sort by time and id",
                time(now)
            ),
            Rule::IdFits { value } => {
                format!(
                    "`{name}` must fit a signed 64-bit integer, got {value} at {place}; pass None to ignore the column"
                )
            }
            Rule::TradeCount { first, last } => format!(
                "`{name}` must be at least the row's first id - 1 and below its first id + 2^52, \
                 got {last} with first id {first} at {place}; name the right columns, or pass None to ignore both"
            ),
            Rule::CountFits { trades } => format!(
                "`{name}` must not overflow the 64 bits of the bar's individual trades, got {trades} more at {place}; \
                 name the right columns, or pass None to ignore both"
            ),
            Rule::SumFits { value } => format!(
                "`{name}` must not overflow the 128 bits of the bar's sums, got {value} more at {place}; \
                 use a larger unit"
            ),
        }
    }
}

/// The remedy: other decimals, if there are any that help.
fn set(decimals: Option<Decimals>, otherwise: &str) -> String {
    decimals.map_or_else(|| otherwise.to_owned(), |decimals| format!("set price_decimals={}", decimals.count()))
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe(self.column.name(), &format!("row {}", self.row), |t| t.to_string()))
    }
}

impl std::error::Error for RowError {}

/// A threshold outside 1..100000, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThresholdError(pub String);

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`threshold_dbps` must be an integer in 1..100000 (1 dbps = 0.001 %, so 250 is 0.25 %), got {}",
            self.0
        )
    }
}

impl std::error::Error for ThresholdError {}

/// A distance of prices that no bar can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointsError {
    /// The parameter that was given.
    pub parameter: &'static str,
    /// The distance as it was written.
    pub points: Number,
    /// Decimals of the prices.
    pub decimals: Decimals,
    /// The nearest decimals with which it is one, if there are any.
    pub remedy: Option<Decimals>,
}

impl fmt::Display for PointsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, points, decimals, remedy } = self;
        let (least, most) = (decimals.number(1), decimals.number(i64::MAX));
        write!(f, "`{parameter}` must be a price distance from {least} to {most}, got {points}")?;
        write!(f, ": {}", set(*remedy, "it is in units of the price"))
    }
}

impl std::error::Error for PointsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_column_value_and_row() {
        let value = Number::Float(1.5);
        let said = [
            (Role::Price, Rule::NotNull, "`price` must not be null, got null at row 3; drop such rows, or fill them"),
            (
                Role::IsBuyerMaker,
                Rule::NotNull,
                "`is_buyer_maker` must not be null, got null at row 3; drop such rows, or fill them; \
                 missing_side=\"null\" gives null for what needs the side",
            ),
            (
                Role::Price,
                Rule::Positive { value },
                "`price` must be finite and > 0, got 1.5 at row 3; filter out such rows",
            ),
            (
                Role::Quantity,
                Rule::Precision { value, rounded: 1, precision: Precision::OF_QUANTITIES },
                "`quantity` must not change by more than one part in 1000 when rounded to 8 decimals, \
                 got 1.5 (rounded: 0.00000001) at row 3; multiply the quantities, such as by 1000000",
            ),
            (
                Role::Price,
                Rule::LimitsApart { open: 812, decimals: Decimals::default(), threshold_dbps: 100 },
                "`price` must be high enough for the threshold to be at least 0.00000001 where a bar opens, \
                 got 0.00000812 with 100 dbps at row 3; set price_decimals=9, or use a larger threshold",
            ),
            (
                Role::Price,
                Rule::BrickHasSize { end: 812, decimals: Decimals::default(), dbps: 100 },
                "`price` must be high enough for a brick to be at least 0.00000001 where the last one ended, \
                 got 0.00000812 with 100 dbps at row 3; set price_decimals=9, or use larger bricks",
            ),
            (
                Role::Price,
                Rule::BricksFit { price: 123_456_789, end: 200_000, size: 1_000, decimals: Decimals::default() },
                "`price` must not complete more than 100000 bricks in one trade, got 1.23456789, with a brick of \
                 0.00001000 from 0.00200000 on, at row 3; filter out such rows if the price is wrong, or use larger \
                 bricks",
            ),
            (
                Role::Price,
                Rule::PriceFits { value: Number::Float(1e11), decimals: Decimals::default() },
                "`price` must be at most 92233720368.54775807 (64-bit fixed point with 8 decimals), \
                 got 100000000000.0 at row 3; set price_decimals=7",
            ),
            (
                Role::Quantity,
                Rule::NotNegative { value },
                "`quantity` must be finite and >= 0, got 1.5 at row 3; filter out such rows",
            ),
            (
                Role::Quantity,
                Rule::QuantityFits { value },
                "`quantity` must be at most 1e15, got 1.5 at row 3; use a larger unit",
            ),
            (
                Role::Time,
                Rule::TimeOrder { time: 4, previous: 5 },
                "`timestamp` must not go back, got 4 after 5 at row 3; sort by time within each group, name the column \
                 of the group in `by`, and pass maintain_order=\"left\" to a join before the bars",
            ),
            (
                Role::Time,
                Rule::StepTooLong { time: 9, previous: 5 },
                "`timestamp` must not step forward by more than `max_step` (40 years by default), got 9 after 5 \
                 at row 3; mostly a wrong or mixed `time_unit`; Binance spot files are in ms until 2024 and in us \
                 since; max_step=None if the step is right",
            ),
            (
                Role::Time,
                Rule::Overlap { first: (4, None), seen: (5, Some(6)) },
                "`timestamp` must come after the trades already seen, got 4 where the last one is 5 (id 6) at row 3; \
                 overlap=\"skip\" drops those already seen",
            ),
            (
                Role::AggTradeId,
                Rule::Late { first: 7, last: 9, seen: (5, 12), is_forgotten: false },
                "`agg_trade_id` must not come late, got ids 7 to 9, which were not seen, after 5 (id 12) at row 3; \
                 restore an earlier checkpoint and push the trades in order",
            ),
            (
                Role::AggTradeId,
                Rule::Late { first: 7, last: 7, seen: (5, 12), is_forgotten: true },
                "`agg_trade_id` must not come late, got id 7, which may have been seen or not, because the ids have \
                 had too many gaps since, after 5 (id 12) at row 3; restore an earlier checkpoint and push the trades \
                 in order",
            ),
            (
                Role::Time,
                Rule::Advanced { time: 4, advanced_to: 5 },
                "`timestamp` must not be before the time to which the stream was advanced, got 4 after advance(5) \
                 at row 3; advance only to a time before which no more trades will come",
            ),
            (
                Role::Time,
                Rule::DurationFits { time: 4, open_time: 1 },
                "`timestamp` must keep the bar's duration in microseconds within 64 bits, got 4 in a bar that opened \
                 at 1 at row 3; the `time_unit` is probably wrong",
            ),
            (
                Role::AggTradeId,
                Rule::IdOrder { id: 7, previous: 8, time: 4 },
                "`agg_trade_id` must strictly increase within one timestamp, got 7 after 8 (4) at row 3; \
                 drop repeated trades, or sort by time and id",
            ),
            (
                Role::FirstTradeId,
                Rule::IdFits { value },
                "`first_trade_id` must fit a signed 64-bit integer, got 1.5 at row 3; pass None to ignore the column",
            ),
            (
                Role::LastTradeId,
                Rule::TradeCount { first: 9, last: 7 },
                "`last_trade_id` must be at least the row's first id - 1 and below its first id + 2^52, \
                 got 7 with first id 9 at row 3; name the right columns, or pass None to ignore both",
            ),
            (
                Role::LastTradeId,
                Rule::CountFits { trades: 7 },
                "`last_trade_id` must not overflow the 64 bits of the bar's individual trades, got 7 more at row 3; \
                 name the right columns, or pass None to ignore both",
            ),
            (
                Role::Quantity,
                Rule::SumFits { value },
                "`quantity` must not overflow the 128 bits of the bar's sums, got 1.5 more at row 3; use a larger unit",
            ),
        ];
        for (column, rule, text) in said {
            assert_eq!(RowError { column, row: 3, rule }.to_string(), text);
        }
        assert_eq!(Role::IsBuyerMaker.name(), "is_buyer_maker");
    }
}
