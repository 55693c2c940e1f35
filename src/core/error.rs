//! What can be wrong with the input, as data: which column, which row, which rule, which value.

use std::fmt;

use super::fixed::Number;

/// A column of the input, by the part it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
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

impl Column {
    /// The default name (SPEC 1).
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
    /// A price that is above zero stays so at eight decimals.
    AtLeastOneUnit {
        /// The price.
        value: Number,
    },
    /// A price fits 64 bits at eight decimals.
    PriceFits {
        /// The price.
        value: Number,
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
    /// What is pushed begins behind what was seen.
    Overlap {
        /// Time and, with ids, id of the row.
        first: (i64, Option<i64>),
        /// Time and, with ids, id of the last row seen.
        seen: (i64, Option<i64>),
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
    /// A row holds no negative number of individual trades, and no more than 2^52.
    TradeCount {
        /// First individual trade.
        first: i64,
        /// Last individual trade.
        last: i64,
    },
    /// The sums of a bar fit 128 bits.
    SumFits {
        /// The quantity whose addition does not fit.
        value: Number,
    },
}

/// A row that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowError {
    /// The column at fault.
    pub column: Column,
    /// The row within its group, from 0.
    pub row: u64,
    /// The rule and the value.
    pub rule: Rule,
}

impl RowError {
    /// The sentence for a reader: `name` is the column's name in the input, `place` says where the row
    /// is, `time` writes an instant.
    pub fn describe(&self, name: &str, place: &str, time: impl Fn(i64) -> String) -> String {
        match self.rule {
            Rule::NotNull => format!("`{name}` must not be null, got null at {place}"),
            Rule::Positive { value } => format!("`{name}` must be finite and > 0, got {value} at {place}"),
            Rule::AtLeastOneUnit { value } => {
                format!("`{name}` must be at least 0.00000001 when rounded to 8 decimals, got {value} at {place}")
            }
            Rule::PriceFits { value } => format!(
                "`{name}` must be at most 92233720368.54775807 (64-bit fixed point with 8 decimals), got {value} at {place}"
            ),
            Rule::NotNegative { value } => format!("`{name}` must be finite and >= 0, got {value} at {place}"),
            Rule::QuantityFits { value } => format!("`{name}` must be at most 1e15, got {value} at {place}"),
            Rule::TimeOrder { time: now, previous } => {
                format!("`{name}` must not go back, got {} after {} at {place}", time(now), time(previous))
            }
            Rule::Overlap { first, seen } => {
                let position = |(at, id): (i64, Option<i64>)| match id {
                    Some(id) => format!("{} (id {id})", time(at)),
                    None => time(at),
                };
                format!(
                    "`{name}` must begin behind the trades already seen, got {} where the last one is {} at {place}; \
                     overlap=\"skip\" drops those already seen",
                    position(first),
                    position(seen)
                )
            }
            Rule::DurationFits { time: now, open_time } => format!(
                "`{name}` must stay within 64 bits of microseconds of the bar's open, got {} in a bar opened at {} at {place}",
                time(now),
                time(open_time)
            ),
            Rule::IdOrder { id, previous, time: now } => format!(
                "`{name}` must strictly increase within one timestamp, got {id} after {previous} ({}) at {place}",
                time(now)
            ),
            Rule::IdFits { value } => {
                format!("`{name}` must fit a signed 64-bit integer, got {value} at {place}")
            }
            Rule::TradeCount { first, last } => format!(
                "`{name}` must not lie below the row's first id by more than one, nor above it by 2^52, \
                 got {last} with first id {first} at {place}"
            ),
            Rule::SumFits { value } => {
                format!("`{name}` must keep the sums of the bar within 128 bits, got {value} on top of them at {place}")
            }
        }
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe(self.column.name(), &format!("row {}", self.row), |t| t.to_string()))
    }
}

impl std::error::Error for RowError {}

/// A threshold outside 1..100000; holds it as written.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_column_value_and_row() {
        let value = Number::Float(1.5);
        let said = [
            (Column::Price, Rule::NotNull, "`price` must not be null, got null at row 3"),
            (Column::Price, Rule::Positive { value }, "`price` must be finite and > 0, got 1.5 at row 3"),
            (
                Column::Price,
                Rule::AtLeastOneUnit { value },
                "`price` must be at least 0.00000001 when rounded to 8 decimals, got 1.5 at row 3",
            ),
            (
                Column::Price,
                Rule::PriceFits { value },
                "`price` must be at most 92233720368.54775807 (64-bit fixed point with 8 decimals), got 1.5 at row 3",
            ),
            (Column::Quantity, Rule::NotNegative { value }, "`quantity` must be finite and >= 0, got 1.5 at row 3"),
            (Column::Quantity, Rule::QuantityFits { value }, "`quantity` must be at most 1e15, got 1.5 at row 3"),
            (
                Column::Time,
                Rule::TimeOrder { time: 4, previous: 5 },
                "`timestamp` must not go back, got 4 after 5 at row 3",
            ),
            (
                Column::Time,
                Rule::Overlap { first: (4, None), seen: (5, Some(6)) },
                "`timestamp` must begin behind the trades already seen, got 4 where the last one is 5 (id 6) at row 3; \
                 overlap=\"skip\" drops those already seen",
            ),
            (
                Column::Time,
                Rule::DurationFits { time: 4, open_time: 1 },
                "`timestamp` must stay within 64 bits of microseconds of the bar's open, got 4 in a bar opened at 1 at row 3",
            ),
            (
                Column::AggTradeId,
                Rule::IdOrder { id: 7, previous: 8, time: 4 },
                "`agg_trade_id` must strictly increase within one timestamp, got 7 after 8 (4) at row 3",
            ),
            (
                Column::FirstTradeId,
                Rule::IdFits { value },
                "`first_trade_id` must fit a signed 64-bit integer, got 1.5 at row 3",
            ),
            (
                Column::LastTradeId,
                Rule::TradeCount { first: 9, last: 7 },
                "`last_trade_id` must not lie below the row's first id by more than one, nor above it by 2^52, \
                 got 7 with first id 9 at row 3",
            ),
            (
                Column::Quantity,
                Rule::SumFits { value },
                "`quantity` must keep the sums of the bar within 128 bits, got 1.5 on top of them at row 3",
            ),
        ];
        for (column, rule, text) in said {
            assert_eq!(RowError { column, row: 3, rule }.to_string(), text);
        }
        assert_eq!(Column::IsBuyerMaker.name(), "is_buyer_maker");
    }
}
