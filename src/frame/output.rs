//! The way out: bars become columns.

use polars::prelude::*;

use super::schema::{BarColumn, Value};
use crate::core::RangeBar;

/// A bar on its way out.
#[derive(Debug, Clone, Copy)]
pub struct OutputBar {
    /// The threshold that made it.
    pub threshold_dbps: u32,
    /// The bar.
    pub bar: RangeBar,
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
        Value::Reason => {
            let codes = UInt8Chunked::from_iter_values(name, bars.map(|bar| bar.close_reason as u8));
            Categorical8Chunked::from_cats_and_dtype(codes, dtype).into_series()
        }
    }
}

/// Integers of the input's clock as the input's time dtype.
pub fn times(name: PlSmallStr, times: Vec<i64>, dtype: &DataType) -> Series {
    let times = Int64Chunked::from_vec(name, times);
    match dtype {
        DataType::Datetime(unit, zone) => times.into_datetime(*unit, zone.clone()).into_series(),
        _ => times.into_series(),
    }
}
