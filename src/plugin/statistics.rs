//! Statistics of the trades of a group, however it was formed: those of the single bar that all of its trades form.

use polars::prelude::*;
use pyo3_polars::derive::polars_expr;

use super::fields;
use super::kwargs::StatisticsKwargs;
use crate::core::Buffers;
use crate::core::{BarBuilder, Breaks, ClosedBar, NeverRule, Role, RowError, TimeUnit as CoreUnit};
use crate::frame::output::{Means, bar_series, forming_bar};
use crate::frame::parameters::window_options;
use crate::frame::schema::BarColumn;
use crate::frame::{FrameError, TimeColumn, TradeColumns};

/// Name of several statistics together.
const STATISTICS: PlSmallStr = PlSmallStr::from_static("statistics");

/// Statistics of the trades in a Struct: one value, or a Struct of several.
#[polars_expr(output_type_func_with_kwargs=trade_statistics_field)]
fn trade_statistics(inputs: &[Series], kwargs: StatisticsKwargs) -> PolarsResult<Series> {
    let fields = fields(&inputs[0])?;
    let (names, columns): (Vec<_>, Vec<_>) = kwargs.columns()?.into_iter().unzip();
    let time = time_column(&fields, &kwargs)?;
    let mut bar = bar_of(&fields, &kwargs, &columns, &time)?;
    let is_empty = bar.is_none();
    let has_side = find(&fields, Role::IsBuyerMaker).is_some();
    let mut series =
        bar_series(bar.as_mut_slice(), &columns, has_side, Means { rules: &[], time: &time.dtype, sessions: None });
    for (series, name) in series.iter_mut().zip(names) {
        if is_empty {
            *series = Series::full_null(PlSmallStr::EMPTY, 1, series.dtype());
        }
        series.rename(name.into());
    }
    match series.pop() {
        Some(one) if !kwargs.as_struct => Ok(one),
        last => {
            series.extend(last);
            Ok(StructChunked::from_series(STATISTICS, 1, series.iter())?.into_series())
        }
    }
}

fn trade_statistics_field(inputs: &[Field], kwargs: StatisticsKwargs) -> PolarsResult<Field> {
    let empty = inputs.first().map(|field| Series::new_empty(field.name.clone(), &field.dtype));
    let series = fields(&empty.unwrap_or_default())?;
    let (names, columns): (Vec<_>, Vec<_>) = kwargs.columns()?.into_iter().unzip();
    let time = time_column(&series, &kwargs)?;
    bar_of(&series, &kwargs, &columns, &time)?;
    let mut out: Vec<_> =
        names.iter().zip(&columns).map(|(name, c)| Field::new((*name).into(), c.dtype(&time.dtype))).collect();
    match out.pop() {
        Some(one) if !kwargs.as_struct => Ok(one),
        last => {
            out.extend(last);
            Ok(Field::new(STATISTICS, DataType::Struct(out)))
        }
    }
}

fn find(fields: &[Series], role: Role) -> Option<&Series> {
    fields.iter().find(|series| series.name() == role.name())
}

/// The clock; without times, the clock of the constant in their place.
fn time_column(fields: &[Series], kwargs: &StatisticsKwargs) -> Result<TimeColumn, FrameError> {
    match find(fields, Role::Time) {
        Some(time) => TimeColumn::new(kwargs.names()?.get(Role::Time), time.dtype(), kwargs.time_unit()?),
        None => TimeColumn::new(Role::Time.name(), &DataType::Int64, Some(CoreUnit::Microseconds)),
    }
}

/// The bar that all trades form, if there are any.
fn bar_of(
    fields: &[Series],
    kwargs: &StatisticsKwargs,
    columns: &[&BarColumn],
    time: &TimeColumn,
) -> Result<Option<ClosedBar>, FrameError> {
    let names = kwargs.names()?;
    let rows = fields.first().map_or(0, |field| field.len());
    // A statistic that does not use time or price is not given it: any constant works.
    let constant = |role: Role| match role {
        Role::Time => Some(Int64Chunked::full(PlSmallStr::EMPTY, 0, rows).into_series()),
        Role::Price => Some(Int64Chunked::full(PlSmallStr::EMPTY, 1, rows).into_series()),
        _ => None,
    };
    let decimals = kwargs.price_decimals()?;
    let find_or = |role| find(fields, role).cloned().or_else(|| constant(role));
    let trades = TradeColumns::new(&names, time, decimals, kwargs.missing_side, find_or)?;
    let fail = |error: RowError| {
        FrameError::of_row(&error, names.get(error.column), &time.dtype, &format!("row {}", error.row))
    };
    let windows = window_options(columns, None, time.unit, find(fields, Role::IsBuyerMaker).is_some())?;
    let builder = BarBuilder::new(&[NeverRule], Breaks::default(), time.unit, windows);
    let builder = builder.with_price_decimals(decimals);
    let mut builder = builder.with_max_step(kwargs.max_step(time.unit)?);
    let mut buffers = Buffers::default();
    let mut left = trades.unreadable().map_or(trades.len(), |(row, ..)| row);
    for chunk in trades.chunks() {
        let len = chunk.len().min(left);
        builder.push(chunk.slice(0..len), &mut buffers, &mut Vec::new()).map_err(fail)?;
        left -= len;
    }
    if let Some((row, column, rule)) = trades.unreadable() {
        return Err(fail(RowError { column, row: row as u64, rule }));
    }
    let bar = builder.forming().next();
    Ok(bar.map(|(rule, bar)| forming_bar(rule, bar, &builder)))
}
