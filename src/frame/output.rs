//! The way out: bars become columns.

use polars::prelude::*;

use super::schema::{BarColumn, Value};
use crate::core::RangeBar;

/// One column per [`BarColumn`], one row per bar. Without sides, what needs them is null.
pub fn bar_series(bars: &[RangeBar], columns: &[&BarColumn], time: &DataType, has_side: bool) -> Vec<Series> {
    columns.iter().map(|column| series(bars, column, time, has_side)).collect()
}

fn series(bars: &[RangeBar], column: &BarColumn, time: &DataType, has_side: bool) -> Series {
    let name = PlSmallStr::from_static(column.name);
    let dtype = column.dtype(time);
    if column.needs_side() && !has_side {
        return Series::full_null(name, bars.len(), &dtype);
    }
    match column.value {
        Value::Time(get) => {
            let times = Int64Chunked::from_iter_values(name, bars.iter().map(get));
            match dtype {
                DataType::Datetime(unit, zone) => times.into_datetime(unit, zone).into_series(),
                _ => times.into_series(),
            }
        }
        Value::Float(get) => Float64Chunked::from_iter_values(name, bars.iter().map(get)).into_series(),
        Value::Integer(get) => Int64Chunked::from_iter_values(name, bars.iter().map(get)).into_series(),
        Value::Count(get) => UInt64Chunked::from_iter_values(name, bars.iter().map(get)).into_series(),
        Value::Reason => {
            let codes = bars.iter().map(|bar| bar.close_reason as u8);
            let codes = UInt8Chunked::from_iter_values(name, codes);
            Categorical8Chunked::from_cats_and_dtype(codes, dtype).into_series()
        }
    }
}
