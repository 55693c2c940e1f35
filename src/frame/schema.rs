//! The single table of output columns: name, dtype, what each reads, and how it comes out of a bar.

use polars::prelude::*;

use super::error::FrameError;
use crate::core::features::statistic::{Statistic, Statistics};
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
    /// A statistic of a window of trades.
    Window(Family, Statistic),
}

/// Which trades a statistic is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The bar's own.
    Intra,
    /// Those before it opened.
    Lookback,
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
            Value::Window(_, Statistic::TradeCount) => DataType::UInt64,
            Value::Window(_, Statistic::DurationUs) => DataType::Int64,
            Value::Window(_, Statistic::HighTime | Statistic::LowTime) => time.clone(),
            Value::Window(..) => DataType::Float64,
        }
    }

    /// Whether users choose the column by `features`.
    pub fn is_feature(&self) -> bool {
        features().any(|feature| feature.name == self.name)
    }

    /// Whether the column is of a window.
    pub fn is_window(&self) -> bool {
        matches!(self.value, Value::Window(..))
    }

    /// Whether the column is of windows before the bars.
    pub fn is_lookback(&self) -> bool {
        matches!(self.value, Value::Window(Family::Lookback, _))
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
const SIDE_ONLY: &[Part] = &[Part::IsBuyerMaker];
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

const fn intra(name: &'static str, statistic: Statistic, reads: &'static [Part]) -> BarColumn {
    column(name, Value::Window(Family::Intra, statistic), reads)
}

const fn lookback(name: &'static str, statistic: Statistic, reads: &'static [Part]) -> BarColumn {
    column(name, Value::Window(Family::Lookback, statistic), reads)
}

/// Statistics of the bar's own trades (SPEC 6 and 7), in their order.
pub static INTRA: [BarColumn; 24] = [
    intra("intra_trade_count", Statistic::TradeCount, NOTHING),
    intra("intra_ofi", Statistic::Ofi, SIDE),
    intra("intra_duration_us", Statistic::DurationUs, NOTHING),
    intra("intra_intensity", Statistic::Intensity, NOTHING),
    intra("intra_vwap_position", Statistic::VwapPosition, QUANTITY),
    intra("intra_count_imbalance", Statistic::CountImbalance, SIDE_ONLY),
    intra("intra_kyle_lambda", Statistic::KyleLambda, SIDE),
    intra("intra_burstiness", Statistic::Burstiness, NOTHING),
    intra("intra_volume_skew", Statistic::VolumeSkew, QUANTITY),
    intra("intra_volume_kurt", Statistic::VolumeKurt, QUANTITY),
    intra("intra_garman_klass_vol", Statistic::GarmanKlassVol, NOTHING),
    intra("intra_kaufman_er", Statistic::KaufmanEr, NOTHING),
    intra("intra_hurst", Statistic::Hurst, NOTHING),
    intra("intra_permutation_entropy", Statistic::PermutationEntropy, NOTHING),
    intra("intra_bull_epoch_density", Statistic::BullEpochDensity, NOTHING),
    intra("intra_bear_epoch_density", Statistic::BearEpochDensity, NOTHING),
    intra("intra_bull_excess_gain", Statistic::BullExcessGain, NOTHING),
    intra("intra_bear_excess_gain", Statistic::BearExcessGain, NOTHING),
    intra("intra_bull_cv", Statistic::BullCv, NOTHING),
    intra("intra_bear_cv", Statistic::BearCv, NOTHING),
    intra("intra_max_drawdown", Statistic::MaxDrawdown, NOTHING),
    intra("intra_max_runup", Statistic::MaxRunup, NOTHING),
    intra("high_time", Statistic::HighTime, NOTHING),
    intra("low_time", Statistic::LowTime, NOTHING),
];

/// Statistics of the trades before the bar opened (SPEC 6), in their order.
pub static LOOKBACK: [BarColumn; 16] = [
    lookback("lookback_trade_count", Statistic::TradeCount, NOTHING),
    lookback("lookback_ofi", Statistic::Ofi, SIDE),
    lookback("lookback_duration_us", Statistic::DurationUs, NOTHING),
    lookback("lookback_intensity", Statistic::Intensity, NOTHING),
    lookback("lookback_vwap", Statistic::Vwap, QUANTITY),
    lookback("lookback_vwap_position", Statistic::VwapPosition, QUANTITY),
    lookback("lookback_count_imbalance", Statistic::CountImbalance, SIDE_ONLY),
    lookback("lookback_kyle_lambda", Statistic::KyleLambda, SIDE),
    lookback("lookback_burstiness", Statistic::Burstiness, NOTHING),
    lookback("lookback_volume_skew", Statistic::VolumeSkew, QUANTITY),
    lookback("lookback_volume_kurt", Statistic::VolumeKurt, QUANTITY),
    lookback("lookback_price_range", Statistic::PriceRange, NOTHING),
    lookback("lookback_garman_klass_vol", Statistic::GarmanKlassVol, NOTHING),
    lookback("lookback_kaufman_er", Statistic::KaufmanEr, NOTHING),
    lookback("lookback_hurst", Statistic::Hurst, NOTHING),
    lookback("lookback_permutation_entropy", Statistic::PermutationEntropy, NOTHING),
];

fn features() -> impl Iterator<Item = &'static BarColumn> {
    FEATURES.iter().chain(&INTRA).chain(&LOOKBACK)
}

/// Statistics of any trades that bars have only of the trades before them.
static OTHERS: [BarColumn; 2] =
    [intra("vwap", Statistic::Vwap, QUANTITY), intra("price_range", Statistic::PriceRange, NOTHING)];

/// The column that gives a statistic of the bar's own trades, by the statistic's name.
///
/// # Errors
///
/// There is none.
pub fn statistic(name: &str) -> Result<&'static BarColumn, FrameError> {
    let of_bar = FEATURES.iter().chain(&OTHERS).find(|column| column.name == name);
    let of_window = || INTRA.iter().find(|column| column.name.strip_prefix("intra_") == Some(name));
    of_bar.or_else(of_window).ok_or_else(|| FrameError(format!("there is no statistic `{name}`")))
}

/// Columns by name, in the order of the names.
///
/// # Errors
///
/// A name that no column has; the message lists the features.
pub fn columns(names: &[String]) -> Result<Vec<&'static BarColumn>, FrameError> {
    names.iter().map(|name| find(name)).collect()
}

fn find(name: &str) -> Result<&'static BarColumn, FrameError> {
    BASE.iter().chain([&THRESHOLD]).chain(features()).find(|column| column.name == name).ok_or_else(|| {
        let known: Vec<_> = features().map(|column| column.name).collect();
        FrameError(format!("there is no feature `{name}`; the features are {}", known.join(", ")))
    })
}

/// Which columns the bars of a query have.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The features by name; where none are named, the ten and the families asked for.
    pub features: Option<&'a [String]>,
    /// Whether there are several thresholds.
    pub several: bool,
    /// Whether the statistics of the bars' own trades are asked for.
    pub intra: bool,
    /// Whether there are windows before the bars.
    pub lookback: bool,
}

/// The base columns, the threshold where there are several, and the features.
///
/// # Errors
///
/// A feature that does not exist, is named twice, or is of windows that nobody asked for.
pub fn bar_columns(choice: Choice<'_>) -> Result<Vec<&'static BarColumn>, FrameError> {
    let mut out: Vec<_> = BASE.iter().chain(choice.several.then_some(&THRESHOLD)).collect();
    let Some(names) = choice.features else {
        out.extend(&FEATURES);
        out.extend(INTRA.iter().filter(|_| choice.intra));
        out.extend(LOOKBACK.iter().filter(|_| choice.lookback));
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
        if column.is_lookback() && !choice.lookback {
            return Err(FrameError(format!(
                "the feature `{name}` is of the trades before a bar: say how many with `lookback`, such as 200 or \"5m\""
            )));
        }
        out.push(column);
    }
    Ok(out)
}

/// The statistics of a family among some columns.
pub fn statistics(columns: &[&BarColumn], family: Family) -> Statistics {
    columns.iter().fold(Statistics::default(), |set, column| match column.value {
        Value::Window(of, statistic) if of == family => set.with(statistic),
        _ => set,
    })
}

/// Dtype of `close_reason`.
pub fn close_reasons() -> DataType {
    #[expect(clippy::expect_used, reason = "four distinct words always make an Enum")]
    let words = FrozenCategories::new(CloseReason::WORDS).expect("distinct words");
    DataType::from_frozen_categories(words)
}
