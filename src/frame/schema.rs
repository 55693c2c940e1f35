//! The single table of output columns: name, dtype, what each reads, and how it comes out of a bar.

use polars::prelude::*;

use super::error::FrameError;
use crate::core::features::{arrival, flow, impact};
use crate::core::fixed::{from_fixed, from_product};
use crate::core::{CloseReason, Column as Part, RangeBar};

/// How a column comes out of a bar, which also decides its dtype.
#[derive(Clone, Copy)]
pub enum Value {
    /// The input's time dtype.
    Time(fn(&RangeBar) -> i64),
    /// Float64.
    Float(fn(&RangeBar) -> f64),
    /// Int64.
    Integer(fn(&RangeBar) -> i64),
    /// UInt64.
    Count(fn(&RangeBar) -> u64),
    /// Enum(threshold, reset, gap, end).
    Reason,
    /// UInt32: which of several thresholds made the bar.
    Threshold,
}

/// A column of the bars.
pub struct BarColumn {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub value: Value,
    /// The optional parts of the input that it reads; time and price are always read.
    pub reads: &'static [Part],
}

impl BarColumn {
    /// Dtype, given the input's time dtype.
    pub fn dtype(&self, time: &DataType) -> DataType {
        match self.value {
            Value::Time(_) => time.clone(),
            Value::Float(_) => DataType::Float64,
            Value::Integer(_) => DataType::Int64,
            Value::Count(_) => DataType::UInt64,
            Value::Reason => close_reasons(),
            Value::Threshold => DataType::UInt32,
        }
    }

    /// Whether users choose the column by `features`.
    pub fn is_feature(&self) -> bool {
        FEATURES.iter().any(|feature| feature.name == self.name)
    }

    /// Whether the column is null where the side is unknown.
    pub fn needs_side(&self) -> bool {
        self.reads.contains(&Part::IsBuyerMaker)
    }
}

const NOTHING: &[Part] = &[];
const QUANTITY: &[Part] = &[Part::Quantity];
const AGG_ID: &[Part] = &[Part::AggTradeId];
const FIRST_ID: &[Part] = &[Part::AggTradeId, Part::FirstTradeId, Part::LastTradeId];
const COUNT: &[Part] = &[Part::FirstTradeId, Part::LastTradeId];
const SIDE: &[Part] = &[Part::Quantity, Part::IsBuyerMaker];
const SIDE_COUNT: &[Part] = &[Part::FirstTradeId, Part::LastTradeId, Part::IsBuyerMaker];
const COUNT_AND_QUANTITY: &[Part] = &[Part::Quantity, Part::FirstTradeId, Part::LastTradeId];

const fn column(name: &'static str, value: Value, reads: &'static [Part]) -> BarColumn {
    BarColumn { name, value, reads }
}

fn price(raw: i64) -> f64 {
    from_fixed(i128::from(raw))
}

/// The columns of every bar (SPEC 4), in their order.
pub static BASE: [BarColumn; 22] = [
    column("open_time", Value::Time(|b| b.open_time), NOTHING),
    column("close_time", Value::Time(|b| b.close_time), NOTHING),
    column("open", Value::Float(|b| price(b.open)), NOTHING),
    column("high", Value::Float(|b| price(b.high)), NOTHING),
    column("low", Value::Float(|b| price(b.low)), NOTHING),
    column("close", Value::Float(|b| price(b.close)), NOTHING),
    column("volume", Value::Float(|b| from_fixed(b.volume())), QUANTITY),
    column("turnover", Value::Float(|b| from_product(b.turnover())), QUANTITY),
    column("vwap", Value::Float(|b| from_fixed(b.vwap())), QUANTITY),
    column("individual_trade_count", Value::Count(|b| b.individual_trade_count), COUNT),
    column("agg_record_count", Value::Count(|b| b.agg_record_count), NOTHING),
    column("first_trade_id", Value::Integer(|b| b.first_trade_id), FIRST_ID),
    column("last_trade_id", Value::Integer(|b| b.last_trade_id), FIRST_ID),
    column("first_agg_trade_id", Value::Integer(|b| b.first_agg_trade_id), AGG_ID),
    column("last_agg_trade_id", Value::Integer(|b| b.last_agg_trade_id), AGG_ID),
    column("buy_volume", Value::Float(|b| from_fixed(b.buy_volume())), SIDE),
    column("sell_volume", Value::Float(|b| from_fixed(b.sell_volume())), SIDE),
    column("buy_turnover", Value::Float(|b| from_product(b.buy_turnover())), SIDE),
    column("sell_turnover", Value::Float(|b| from_product(b.sell_turnover())), SIDE),
    column("buy_trade_count", Value::Count(RangeBar::buy_trade_count), SIDE_COUNT),
    column("sell_trade_count", Value::Count(|b| b.sell_trade_count), SIDE_COUNT),
    column("close_reason", Value::Reason, NOTHING),
];

/// Behind the columns of every bar where several thresholds were asked for.
pub static THRESHOLD: BarColumn = column("threshold_dbps", Value::Threshold, NOTHING);

/// The ten bar features (SPEC 5), in their order.
pub static FEATURES: [BarColumn; 10] = [
    column("duration_us", Value::Integer(|b| b.duration_us), NOTHING),
    column("ofi", Value::Float(flow::ofi), SIDE),
    column("vwap_close_deviation", Value::Float(impact::vwap_close_deviation), QUANTITY),
    column("price_impact", Value::Float(impact::price_impact), QUANTITY),
    column("kyle_lambda_proxy", Value::Float(impact::kyle_lambda_proxy), SIDE),
    column("trade_intensity", Value::Float(arrival::trade_intensity), COUNT),
    column("volume_per_trade", Value::Float(arrival::volume_per_trade), COUNT_AND_QUANTITY),
    column("aggression_ratio", Value::Float(flow::aggression_ratio), SIDE_COUNT),
    column("aggregation_density", Value::Float(arrival::aggregation_density), COUNT),
    column("turnover_imbalance", Value::Float(flow::turnover_imbalance), SIDE),
];

/// Columns by name, in the order of the names.
///
/// # Errors
///
/// A name that no column has; the message lists the features.
pub fn columns(names: &[String]) -> Result<Vec<&'static BarColumn>, FrameError> {
    names.iter().map(|name| find(name)).collect()
}

fn find(name: &str) -> Result<&'static BarColumn, FrameError> {
    BASE.iter().chain([&THRESHOLD]).chain(&FEATURES).find(|column| column.name == name).ok_or_else(|| {
        let known: Vec<_> = FEATURES.iter().map(|column| column.name).collect();
        FrameError(format!("there is no feature `{name}`; the features are {}", known.join(", ")))
    })
}

/// The base columns, the threshold where there are several, and the named features; all features where none are named.
///
/// # Errors
///
/// A feature that does not exist or is named twice.
pub fn bar_columns(features: Option<&[String]>, several: bool) -> Result<Vec<&'static BarColumn>, FrameError> {
    let mut out: Vec<_> = BASE.iter().chain(several.then_some(&THRESHOLD)).collect();
    let Some(names) = features else {
        out.extend(&FEATURES);
        return Ok(out);
    };
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(FrameError(format!("the feature `{name}` is asked for twice")));
        }
        let column = find(name)?;
        if !column.is_feature() {
            return Err(FrameError(format!("`{name}` is not a feature: every bar has it, leave it out of `features`")));
        }
        out.push(column);
    }
    Ok(out)
}

/// Dtype of `close_reason`.
pub fn close_reasons() -> DataType {
    #[expect(clippy::expect_used, reason = "four distinct words always make an Enum")]
    let words = FrozenCategories::new(CloseReason::WORDS).expect("distinct words");
    DataType::from_frozen_categories(words)
}
