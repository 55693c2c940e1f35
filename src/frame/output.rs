//! The way out: bars become columns.

use polars::prelude::*;

use super::schema::{BarColumn, Family, Value};
use crate::core::features::statistic::{Statistic, Values};
use crate::core::{RangeBar, WindowValues};

/// A bar on its way out.
#[derive(Debug, Clone)]
pub struct OutputBar {
    /// The threshold that made it.
    pub threshold_dbps: u32,
    /// The bar.
    pub bar: RangeBar,
    /// The statistics of its windows, where some were asked for.
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

/// One column per [`BarColumn`], one row per bar. Without sides, what needs them is null.
pub fn bar_series(bars: &[OutputBar], columns: &[&BarColumn], time: &DataType, has_side: bool) -> Vec<Series> {
    columns.iter().map(|column| series(bars, column, time, has_side)).collect()
}

fn series(rows: &[OutputBar], column: &BarColumn, time: &DataType, has_side: bool) -> Series {
    let name = PlSmallStr::from_static(column.name);
    let dtype = column.dtype(time);
    if column.needs_side() && !has_side {
        return Series::full_null(name, rows.len(), &dtype);
    }
    let bars = rows.iter().map(|row| &row.bar);
    match column.value {
        Value::Time(get) => times(name, bars.map(get).collect(), time),
        Value::Float(get) => Float64Chunked::from_iter_values(name, bars.map(get)).into_series(),
        Value::Integer(get) => Int64Chunked::from_iter_values(name, bars.map(get)).into_series(),
        Value::Count(get) => UInt64Chunked::from_iter_values(name, bars.map(get)).into_series(),
        Value::Threshold => {
            UInt32Chunked::from_iter_values(name, rows.iter().map(|row| row.threshold_dbps)).into_series()
        }
        Value::Window(family, statistic) => window_series(name, rows, family, statistic, time),
        Value::Reason => {
            let codes = UInt8Chunked::from_iter_values(name, bars.map(|bar| bar.close_reason as u8));
            Categorical8Chunked::from_cats_and_dtype(codes, dtype).into_series()
        }
    }
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
    match statistic {
        Statistic::TradeCount => {
            UInt64Chunked::from_iter_options(name, integers().map(|count| Some(count? as u64))).into_series()
        }
        Statistic::DurationUs => Int64Chunked::from_iter_options(name, integers()).into_series(),
        Statistic::HighTime | Statistic::LowTime => in_time(Int64Chunked::from_iter_options(name, integers()), time),
        _ => Float64Chunked::from_iter_options(name, floats).into_series(),
    }
}

/// Integers of the input's clock as the input's time dtype.
pub fn times(name: PlSmallStr, times: Vec<i64>, dtype: &DataType) -> Series {
    in_time(Int64Chunked::from_vec(name, times), dtype)
}

fn in_time(times: Int64Chunked, dtype: &DataType) -> Series {
    match dtype {
        DataType::Datetime(unit, zone) => times.into_datetime(*unit, zone.clone()).into_series(),
        _ => times.into_series(),
    }
}
