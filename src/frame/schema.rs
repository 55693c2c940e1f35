//! The only table of output columns: their names, dtypes, what each reads, and how it is taken from a bar. The columns
//! of windows follow from the table of statistics in the core.

use std::sync::LazyLock;

use polars::prelude::*;

use super::error::FrameError;
use super::rules::Label;
use super::staged::Staged;
use crate::core::features::statistic::{Kind, Statistic, Statistics};
use crate::core::features::{arrival, flow, impact};
use crate::core::{CloseReason, Decimals, Footprint, RangeBar, Role};

/// Adds a cell of a column for each bar. Each column has a function of its own, so that none is called for each bar.
pub type Fill<T> = fn(&Staged<'_>, &mut Vec<T>);

/// The function that adds what `$get` takes from each bar.
macro_rules! each {
    ($get:expr) => {
        |staged, cells| fill(staged, cells, $get)
    };
}

/// The function that adds a number that several columns take from each bar.
macro_rules! shared {
    ($number:ident) => {
        |staged, cells| cells.extend_from_slice(staged.$number())
    };
}

/// The function that adds what `$get` makes of each bar and of numbers that several columns take from it.
macro_rules! each_with {
    ($($number:ident),+; $get:expr) => {
        |staged, cells| {
            $(let $number = staged.$number();)+
            let get = $get;
            cells.extend(staged.bars.iter().enumerate().map(|(row, of)| get(&of.bar, $($number[row]),+)));
        }
    };
}

#[inline(always)]
fn fill<T>(staged: &Staged<'_>, cells: &mut Vec<T>, get: impl Fn(&RangeBar) -> T) {
    cells.extend(staged.bars.iter().map(|of| get(&of.bar)));
}

/// How a column is taken from bars, which also decides its dtype.
#[derive(Clone, Copy)]
pub enum Value {
    /// The input's time dtype.
    Time(Fill<i64>),
    /// Float64.
    Float(Fill<f64>),
    /// Int64.
    Integer(Fill<i64>),
    /// UInt64.
    Count(Fill<u64>),
    /// Enum(threshold, reset, gap, end).
    Reason,
    /// Enum(threshold, reset, gap, end, time).
    ReasonOrTime,
    /// Date: that of the session.
    Session,
    /// UInt32: which of several thresholds made the bar.
    Threshold,
    /// String: which of several rules made the bar.
    Rule,
    /// A statistic of a window of trades.
    Window(Family, Statistic),
    /// List of Structs: the levels of the footprint.
    Levels,
    /// Float64, of the footprint.
    OfFootprint(fn(&RangeBar, &Footprint) -> f64),
    /// UInt32, of the footprint.
    LevelCount(fn(&Footprint) -> u32),
}

/// The trades that a statistic describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The bar's own.
    Intra,
    /// Those before it opened.
    Lookback,
}

impl Family {
    /// The family's column of a statistic, if it has one.
    fn column(self, statistic: Statistic) -> Option<&'static str> {
        let definition = statistic.definition();
        match self {
            Self::Intra => definition.intra,
            Self::Lookback => definition.lookback,
        }
    }
}

/// A column of the bars.
pub struct BarColumn {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub value: Value,
    /// The optional roles of the input that it reads; time and price are always read.
    pub reads: &'static [Role],
}

impl BarColumn {
    /// Dtype, given the input's time dtype.
    pub fn dtype(&self, time: &DataType) -> DataType {
        match self.value {
            Value::Time(_) => time.clone(),
            Value::Float(_) => DataType::Float64,
            Value::Integer(_) => DataType::Int64,
            Value::Count(_) => DataType::UInt64,
            Value::Reason => close_reasons(REASONS_WITHOUT_TIME),
            Value::ReasonOrTime => close_reasons(CloseReason::WORDS.len()),
            Value::Session => DataType::Date,
            Value::Threshold => DataType::UInt32,
            Value::Rule => DataType::String,
            Value::Window(_, statistic) => match statistic.definition().kind {
                Kind::Count => DataType::UInt64,
                Kind::Microseconds => DataType::Int64,
                Kind::Time => time.clone(),
                Kind::Float => DataType::Float64,
            },
            Value::Levels => DataType::List(Box::new(DataType::Struct(
                LEVEL.map(|name| Field::new(name.into(), DataType::Float64)).into(),
            ))),
            Value::OfFootprint(_) => DataType::Float64,
            Value::LevelCount(_) => DataType::UInt32,
        }
    }

    /// Whether users choose the column by `features`.
    pub fn is_feature(&self) -> bool {
        features().any(|feature| feature.name == self.name)
    }

    /// Whether the column describes a window.
    pub fn is_window(&self) -> bool {
        matches!(self.value, Value::Window(..))
    }

    /// Whether the column describes windows before the bars.
    pub fn is_lookback(&self) -> bool {
        matches!(self.value, Value::Window(Family::Lookback, _))
    }

    /// Whether the column is taken from a footprint.
    pub fn is_of_footprint(&self) -> bool {
        matches!(self.value, Value::Levels | Value::OfFootprint(_) | Value::LevelCount(_))
    }

    /// Whether the column has the levels of footprints.
    pub fn is_levels(&self) -> bool {
        matches!(self.value, Value::Levels)
    }

    /// Whether the column is null if the side is unknown.
    pub fn needs_side(&self) -> bool {
        self.reads.contains(&Role::IsBuyerMaker)
    }
}

const NOTHING: &[Role] = &[];
const QUANTITY: &[Role] = &[Role::Quantity];
const AGG_ID: &[Role] = &[Role::AggTradeId];
const FIRST_ID: &[Role] = &[Role::AggTradeId, Role::FirstTradeId, Role::LastTradeId];
const COUNT: &[Role] = &[Role::FirstTradeId, Role::LastTradeId];
const SIDE: &[Role] = &[Role::Quantity, Role::IsBuyerMaker];
const SIDE_COUNT: &[Role] = &[Role::FirstTradeId, Role::LastTradeId, Role::IsBuyerMaker];
const COUNT_AND_QUANTITY: &[Role] = &[Role::Quantity, Role::FirstTradeId, Role::LastTradeId];

const fn column(name: &'static str, value: Value, reads: &'static [Role]) -> BarColumn {
    BarColumn { name, value, reads }
}

fn quantity(raw: i128) -> f64 {
    Decimals::OF_QUANTITIES.double(raw)
}

fn turnover(bar: &RangeBar, raw: i128) -> f64 {
    bar.price_decimals.double_of_product(raw)
}

/// The columns of every bar, in their order.
pub static BASE: [BarColumn; 22] = [
    column("open_time", Value::Time(each!(|b| b.open_time)), NOTHING),
    column("close_time", Value::Time(each!(|b| b.close_time)), NOTHING),
    column("open", Value::Float(shared!(open)), NOTHING),
    column("high", Value::Float(shared!(high)), NOTHING),
    column("low", Value::Float(shared!(low)), NOTHING),
    column("close", Value::Float(shared!(close)), NOTHING),
    column("volume", Value::Float(shared!(volume)), QUANTITY),
    column("turnover", Value::Float(each!(|b| turnover(b, b.turnover()))), QUANTITY),
    column("vwap", Value::Float(shared!(vwap)), QUANTITY),
    column("individual_trade_count", Value::Count(each!(|b| b.individual_trade_count)), COUNT),
    column("agg_record_count", Value::Count(each!(|b| b.agg_record_count)), NOTHING),
    column("first_trade_id", Value::Integer(each!(|b| b.first_trade_id)), FIRST_ID),
    column("last_trade_id", Value::Integer(each!(|b| b.last_trade_id)), FIRST_ID),
    column("first_agg_trade_id", Value::Integer(each!(|b| b.first_agg_trade_id)), AGG_ID),
    column("last_agg_trade_id", Value::Integer(each!(|b| b.last_agg_trade_id)), AGG_ID),
    column("buy_volume", Value::Float(shared!(buy_volume)), SIDE),
    column("sell_volume", Value::Float(shared!(sell_volume)), SIDE),
    column("buy_turnover", Value::Float(each!(|b| turnover(b, b.buy_turnover()))), SIDE),
    column("sell_turnover", Value::Float(each!(|b| turnover(b, b.sell_turnover()))), SIDE),
    column("buy_trade_count", Value::Count(each!(RangeBar::buy_trade_count)), SIDE_COUNT),
    column("sell_trade_count", Value::Count(each!(|b| b.sell_trade_count)), SIDE_COUNT),
    column("close_reason", Value::Reason, NOTHING),
];

/// Stands for the column of that name if a rule ends bars with windows of time. Bars of other rules keep the dtype that they
/// always had.
pub static REASON_OR_TIME: BarColumn = column("close_reason", Value::ReasonOrTime, NOTHING);

/// The columns of every bar, of rules of which one may end bars with windows of time.
fn base(has_time: bool) -> impl Iterator<Item = &'static BarColumn> {
    let of_time = move |column: &'static BarColumn| match column.value {
        Value::Reason if has_time => &REASON_OR_TIME,
        _ => column,
    };
    BASE.iter().map(of_time)
}

/// Follows the columns of every bar if several thresholds are given.
pub static THRESHOLD: BarColumn = column("threshold_dbps", Value::Threshold, NOTHING);

/// Follows the columns of every bar if several rules are given that are not all thresholds.
pub static RULE: BarColumn = column("rule", Value::Rule, NOTHING);

/// Follows these if it is asked for.
pub static SESSION: BarColumn = column("session", Value::Session, NOTHING);

/// The ten bar features, in their order.
pub static FEATURES: [BarColumn; 10] = [
    column("duration_us", Value::Integer(each!(|b| b.duration_us)), NOTHING),
    column("ofi", Value::Float(shared!(ofi)), SIDE),
    column(
        "vwap_close_deviation",
        Value::Float(
            each_with!(close, vwap, high, low; |_: &_, close, vwap, high, low| impact::vwap_close_deviation(close, vwap, high, low)),
        ),
        QUANTITY,
    ),
    column(
        "price_impact",
        Value::Float(
            each_with!(open, close, volume; |_: &_, open, close, volume| impact::price_impact(open, close, volume)),
        ),
        QUANTITY,
    ),
    column(
        "kyle_lambda_proxy",
        Value::Float(
            each_with!(open, close, ofi; |_: &_, open, close, ofi| impact::kyle_lambda_proxy(open, close, ofi)),
        ),
        SIDE,
    ),
    column("trade_intensity", Value::Float(each!(arrival::trade_intensity)), COUNT),
    column(
        "volume_per_trade",
        Value::Float(
            each_with!(volume; |bar: &RangeBar, volume| arrival::volume_per_trade(volume, bar.individual_trade_count)),
        ),
        COUNT_AND_QUANTITY,
    ),
    column("aggression_ratio", Value::Float(each!(flow::aggression_ratio)), SIDE_COUNT),
    column("aggregation_density", Value::Float(each!(arrival::aggregation_density)), COUNT),
    column("turnover_imbalance", Value::Float(each!(flow::turnover_imbalance)), SIDE),
];

/// The fields of a level of a footprint, in their order.
pub const LEVEL: [&str; 3] = ["price", "buy_volume", "sell_volume"];

/// The columns of footprints, in their order; they follow all others.
pub static FOOTPRINT: [BarColumn; 11] = [
    column("footprint", Value::Levels, SIDE),
    column("poc", Value::OfFootprint(|b, f| b.price(f.poc)), QUANTITY),
    column("value_area_low", Value::OfFootprint(|b, f| b.price(f.value_area_low)), QUANTITY),
    column("value_area_high", Value::OfFootprint(|b, f| b.price(f.value_area_high)), QUANTITY),
    column("delta", Value::Float(each!(|b| quantity(b.buy_volume() - b.sell_volume()))), SIDE),
    column("min_delta", Value::OfFootprint(|_, f| quantity(f.min_delta)), SIDE),
    column("max_delta", Value::OfFootprint(|_, f| quantity(f.max_delta)), SIDE),
    column("imbalances_up", Value::LevelCount(|f| f.imbalances_up), SIDE),
    column("imbalances_down", Value::LevelCount(|f| f.imbalances_down), SIDE),
    column("stacked_up", Value::LevelCount(|f| f.stacked_up), SIDE),
    column("stacked_down", Value::LevelCount(|f| f.stacked_down), SIDE),
];

/// The columns of a family, in the order of the table of statistics.
fn windows(family: Family) -> Vec<BarColumn> {
    let of = |statistic: Statistic| family.column(statistic).map(|name| window(name, family, statistic));
    Statistic::ALL.into_iter().filter_map(of).collect()
}

fn window(name: &'static str, family: Family, statistic: Statistic) -> BarColumn {
    column(name, Value::Window(family, statistic), statistic.definition().reads)
}

/// Statistics of the bar's own trades, in their order.
pub static INTRA: LazyLock<Vec<BarColumn>> = LazyLock::new(|| windows(Family::Intra));

/// Statistics of the trades before the bar opened, in their order.
pub static LOOKBACK: LazyLock<Vec<BarColumn>> = LazyLock::new(|| windows(Family::Lookback));

fn features() -> impl Iterator<Item = &'static BarColumn> {
    FEATURES.iter().chain(INTRA.iter()).chain(LOOKBACK.iter())
}

/// Every statistic of windows under its own name, as a column of the bar's own trades.
static STATISTICS: LazyLock<Vec<BarColumn>> = LazyLock::new(|| {
    Statistic::ALL.map(|statistic| window(statistic.definition().name, Family::Intra, statistic)).into()
});

/// The column that gives a statistic of any trades, which are taken as those of one bar: a feature of bars, or a
/// statistic of windows.
///
/// # Errors
///
/// There is no such statistic.
pub fn statistic(name: &str) -> Result<&'static BarColumn, FrameError> {
    let mut all = FEATURES.iter().chain(STATISTICS.iter());
    all.find(|column| column.name == name).ok_or_else(|| FrameError(format!("there is no statistic `{name}`")))
}

/// Columns by name, in the order of the names, of bars of rules of which one may end bars with windows of time.
///
/// # Errors
///
/// A name that no column has; the message lists the features.
pub fn columns(names: &[String], has_time: bool) -> Result<Vec<&'static BarColumn>, FrameError> {
    let of_footprint = |name: &str| FOOTPRINT.iter().find(|column| column.name == name);
    names.iter().map(|name| of_footprint(name).map_or_else(|| find(name, has_time), Ok)).collect()
}

fn find(name: &str, has_time: bool) -> Result<&'static BarColumn, FrameError> {
    base(has_time).chain([&THRESHOLD, &RULE, &SESSION]).chain(features()).find(|column| column.name == name).ok_or_else(
        || {
            let known: Vec<_> = features().map(|column| column.name).collect();
            FrameError(format!("there is no feature `{name}`; the features are {}", known.join(", ")))
        },
    )
}

/// Which columns the bars of a query have.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The features by name; if none are named, the ten and the wanted families.
    pub features: Option<&'a [String]>,
    /// The column that tells the bars of several rules apart.
    pub label: Option<Label>,
    /// Whether a rule ends bars with windows of time.
    pub has_time: bool,
    /// Whether the date of the session is wanted.
    pub session: bool,
    /// Whether the statistics of the bars' own trades are wanted.
    pub intra: bool,
    /// Whether there are windows before the bars.
    pub lookback: bool,
    /// Whether the bars have footprints.
    pub footprint: bool,
}

/// The base columns, the one that tells several rules apart, the date of the session, the features, and those of
/// footprints.
///
/// # Errors
///
/// A feature that does not exist, is named twice, or describes windows that are not wanted.
pub fn bar_columns(choice: Choice<'_>) -> Result<Vec<&'static BarColumn>, FrameError> {
    let label = choice.label.map(|label| match label {
        Label::Threshold => &THRESHOLD,
        Label::Rule => &RULE,
    });
    let mut out: Vec<_> = base(choice.has_time).chain(label).chain(choice.session.then_some(&SESSION)).collect();
    let of_footprint = FOOTPRINT.iter().filter(|_| choice.footprint);
    let Some(names) = choice.features else {
        out.extend(&FEATURES);
        out.extend(INTRA.iter().filter(|_| choice.intra));
        out.extend(LOOKBACK.iter().filter(|_| choice.lookback));
        out.extend(of_footprint);
        return Ok(out);
    };
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(FrameError(format!("the feature `{name}` is named twice: name it once")));
        }
        let column = find(name, choice.has_time)?;
        if !column.is_feature() {
            return Err(FrameError(format!(
                "`{name}` is not a feature: every bar has this column, so leave it out of `features`"
            )));
        }
        if column.is_lookback() && !choice.lookback {
            return Err(FrameError(format!(
                "the feature `{name}` describes the trades before a bar: set how many with `lookback`, \
                 such as 200 or \"5m\""
            )));
        }
        out.push(column);
    }
    out.extend(of_footprint);
    Ok(out)
}

/// The statistics of a family among some columns.
pub fn statistics(columns: &[&BarColumn], family: Family) -> Statistics {
    columns.iter().fold(Statistics::default(), |set, column| match column.value {
        Value::Window(of, statistic) if of == family => set.with(statistic),
        _ => set,
    })
}

/// The first words for reasons are those of all rules, but for windows of time.
const REASONS_WITHOUT_TIME: usize = 4;

/// Dtype of `close_reason`, with the first words for reasons.
fn close_reasons(count: usize) -> DataType {
    #[expect(clippy::expect_used, reason = "distinct words always make an Enum")]
    let words = FrozenCategories::new(CloseReason::WORDS.into_iter().take(count)).expect("distinct words");
    DataType::from_frozen_categories(words)
}
