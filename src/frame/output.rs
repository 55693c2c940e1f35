//! The way out: bars become columns.

use polars::prelude::*;

use super::rules::RuleForm;
use super::schema::{BarColumn, Family, Value};
use crate::core::features::statistic::{Kind, Statistic, Values};
use crate::core::{RangeBar, WindowValues};

/// A bar on its way out.
#[derive(Debug, Clone)]
pub struct OutputBar {
    /// The number of the rule that made it.
    pub rule: usize,
    /// The bar.
    pub bar: RangeBar,
    /// The statistics of its windows, if any are wanted.
    pub windows: Option<Box<WindowValues>>,
}

impl OutputBar {
    fn window(&self, family: Family) -> Option<&Values> {
        self.windows.as_ref().map(|windows| match family {
            Family::Intra => &windows.intra,
            Family::Lookback => &windows.lookback,
        })
    }
}

/// One column per [`BarColumn`], one row per bar. What needs the side is null if the input has none, and where a bar lacks
/// one.
///
/// `rules` are the rules by their numbers.
pub fn bar_series(
    bars: &[OutputBar],
    columns: &[&BarColumn],
    rules: &[RuleForm],
    time: &DataType,
    has_side: bool,
) -> Vec<Series> {
    columns.iter().map(|column| series(bars, column, rules, time, has_side)).collect()
}

fn series(rows: &[OutputBar], column: &BarColumn, rules: &[RuleForm], time: &DataType, has_side: bool) -> Series {
    let name = PlSmallStr::from_static(column.name);
    let dtype = column.dtype(time);
    if column.needs_side() && !has_side {
        return Series::full_null(name, rows.len(), &dtype);
    }
    let bars = rows.iter().map(|row| &row.bar);
    let lacks_side = column.needs_side() && bars.clone().any(|bar| bar.lacks_side);
    match column.value {
        Value::Time(get) => times(name, bars.map(get).collect(), time),
        // Statistics of windows that lack a side are undefined already.
        Value::Float(get) if lacks_side => Float64Chunked::from_iter_options(name, with_sides(bars, get)).into_series(),
        Value::Count(get) if lacks_side => UInt64Chunked::from_iter_options(name, with_sides(bars, get)).into_series(),
        Value::Float(get) => Float64Chunked::from_iter_values(name, bars.map(get)).into_series(),
        Value::Integer(get) => Int64Chunked::from_iter_values(name, bars.map(get)).into_series(),
        Value::Count(get) => UInt64Chunked::from_iter_values(name, bars.map(get)).into_series(),
        Value::Threshold => {
            let thresholds: Vec<_> = rules.iter().map(RuleForm::threshold_dbps).collect();
            let of_row = |row: &OutputBar| thresholds.get(row.rule).copied().flatten();
            UInt32Chunked::from_iter_options(name, rows.iter().map(of_row)).into_series()
        }
        Value::Rule => {
            let written: Vec<_> = rules.iter().map(RuleForm::to_string).collect();
            let of_row = |row: &OutputBar| written.get(row.rule).map(String::as_str);
            StringChunked::from_iter_options(name, rows.iter().map(of_row)).into_series()
        }
        Value::Window(family, statistic) => window_series(name, rows, family, statistic, time),
        Value::Reason | Value::ReasonOrTime => {
            let codes = UInt8Chunked::from_iter_values(name, bars.map(|bar| bar.close_reason as u8));
            Categorical8Chunked::from_cats_and_dtype(codes, dtype).into_series()
        }
    }
}

/// What is taken from bars, but for those that lack a side.
fn with_sides<'a, T>(
    bars: impl Iterator<Item = &'a RangeBar>,
    get: fn(&RangeBar) -> T,
) -> impl Iterator<Item = Option<T>> {
    bars.map(move |bar| (!bar.lacks_side).then(|| get(bar)))
}

fn window_series(
    name: PlSmallStr,
    rows: &[OutputBar],
    family: Family,
    statistic: Statistic,
    time: &DataType,
) -> Series {
    let floats = rows.iter().map(|row| row.window(family)?.get(statistic));
    let integers = || rows.iter().map(|row| row.window(family)?.get_integer(statistic));
    match statistic.definition().kind {
        Kind::Count => {
            UInt64Chunked::from_iter_options(name, integers().map(|count| Some(count? as u64))).into_series()
        }
        Kind::Microseconds => Int64Chunked::from_iter_options(name, integers()).into_series(),
        Kind::Time => in_time(Int64Chunked::from_iter_options(name, integers()), time),
        Kind::Float => Float64Chunked::from_iter_options(name, floats).into_series(),
    }
}

/// Integers of the clock of the input, in the time dtype of the input.
pub fn times(name: PlSmallStr, times: Vec<i64>, dtype: &DataType) -> Series {
    in_time(Int64Chunked::from_vec(name, times), dtype)
}

fn in_time(times: Int64Chunked, dtype: &DataType) -> Series {
    match dtype {
        DataType::Datetime(unit, zone) => times.into_datetime(*unit, zone.clone()).into_series(),
        _ => times.into_series(),
    }
}
