//! Expressions: a Struct of trades in, bars or bar numbers out. Only shells, no arithmetic.

mod kwargs;
mod statistics;

use polars::prelude::*;
use pyo3_polars::derive::polars_expr;

use crate::core::Buffers;
use crate::core::{BarBuilder, ClosedBar, Role, RowError, WindowOptions};
use crate::frame::output::{OutputBar, bar_series};
use crate::frame::parameters::window_options;
use crate::frame::{FrameError, Request, TimeColumn, TradeColumns};

/// Name of what `range_bars` returns.
const BARS: PlSmallStr = PlSmallStr::from_static("bars");

/// Name of what `range_bar_id` returns.
const BAR_ID: PlSmallStr = PlSmallStr::from_static("bar_id");

/// Range bars of the trades in a Struct: a Struct, one row per bar.
#[polars_expr(output_type_func_with_kwargs=range_bars_field)]
fn range_bars(inputs: &[Series], kwargs: Request) -> PolarsResult<Series> {
    let fields = fields(&inputs[0])?;
    let time = time_column(&fields, &kwargs)?;
    let columns = kwargs.columns()?;
    let windows = window_options(&columns, kwargs.lookback.as_ref(), time.unit, has_side(&fields))?;
    let (closed, builder) = build(&fields, &time, &kwargs, windows)?;
    let wanted = |closed: &ClosedBar| kwargs.include_orphans || !closed.bar.close_reason.is_orphan();
    let ended = closed.into_iter().filter(wanted).map(|closed| (closed.rule, closed.bar, closed.windows));
    let forming = builder.forming().filter(|_| kwargs.include_incomplete);
    let forming = forming.map(|(rule, bar)| (rule, *bar, builder.forming_windows(rule, bar)));
    let output = |(rule, bar, windows)| OutputBar { rule, bar, windows };
    let bars: Vec<_> = ended.chain(forming).map(output).collect();
    let has_side = has_side(&fields);
    let series = bar_series(&bars, &columns, kwargs.rules.as_slice(), &time.dtype, has_side);
    Ok(StructChunked::from_series(BARS, bars.len(), series.iter())?.into_series())
}

/// For each trade in a Struct, the number of its bar, from 0.
#[polars_expr(output_type_func_with_kwargs=range_bar_id_field)]
fn range_bar_id(inputs: &[Series], kwargs: Request) -> PolarsResult<Series> {
    let fields = fields(&inputs[0])?;
    let time = time_column(&fields, &kwargs)?;
    let (closed, _) = build(&fields, &time, &kwargs, WindowOptions::default())?;
    let mut ids = Vec::with_capacity(inputs[0].len());
    for (id, closed) in (0_u64..).zip(&closed) {
        ids.resize(closed.end(), id);
    }
    ids.resize(inputs[0].len(), closed.len() as u64);
    Ok(UInt64Chunked::from_vec(BAR_ID, ids).into_series())
}

fn range_bars_field(inputs: &[Field], kwargs: Request) -> PolarsResult<Field> {
    let time = gate(inputs, &kwargs)?;
    let columns = kwargs.columns()?;
    window_options(&columns, kwargs.lookback.as_ref(), time.unit, true)?;
    let fields = columns.iter().map(|c| Field::new(c.name.into(), c.dtype(&time.dtype))).collect();
    Ok(Field::new(BARS, DataType::Struct(fields)))
}

fn range_bar_id_field(inputs: &[Field], kwargs: Request) -> PolarsResult<Field> {
    gate(inputs, &kwargs)?;
    Ok(Field::new(BAR_ID, DataType::UInt64))
}

/// Refuses at planning time what the columns would refuse at run time.
fn gate(inputs: &[Field], request: &Request) -> Result<TimeColumn, FrameError> {
    let empty = inputs.first().map(|field| Series::new_empty(field.name.clone(), &field.dtype));
    let fields = fields(&empty.unwrap_or_default())?;
    let time = time_column(&fields, request)?;
    build(&fields, &time, request, WindowOptions::default())?;
    Ok(time)
}

fn fields(trades: &Series) -> Result<Vec<Series>, FrameError> {
    Ok(trades.struct_()?.fields_as_series())
}

/// The time column among the fields of the trades.
fn time_column(fields: &[Series], request: &Request) -> Result<TimeColumn, FrameError> {
    let names = request.names()?;
    let name = names.get(Role::Time);
    let series = fields.iter().find(|s| s.name() == Role::Time.name());
    let series = series.ok_or_else(|| FrameError(format!("the trades have no column `{name}`")))?;
    TimeColumn::new(name, series.dtype(), request.time_unit()?)
}

fn has_side(fields: &[Series]) -> bool {
    fields.iter().any(|series| series.name() == Role::IsBuyerMaker.name())
}

/// All bars of the trades, with the rows that closed them.
fn build(
    fields: &[Series],
    time: &TimeColumn,
    request: &Request,
    windows: WindowOptions,
) -> Result<(Vec<ClosedBar>, BarBuilder), FrameError> {
    let names = request.names()?;
    let decimals = request.price_decimals()?;
    let find = |role: Role| fields.iter().find(|s| s.name() == role.name()).cloned();
    request.check_roles(|role| find(role).is_some(), &names)?;
    let columns = TradeColumns::new(&names, time, decimals, request.missing_side, find)?;
    let builder = BarBuilder::new(&request.rules()?, request.breaks(time.unit)?, time.unit, windows);
    let builder = builder.with_price_decimals(decimals);
    let mut builder = builder.with_max_step(request.max_step(time.unit)?);
    let (mut buffers, mut closed) = (Buffers::default(), Vec::new());
    let fail = |error: RowError| {
        FrameError::of_row(&error, names.get(error.column), &time.dtype, &format!("row {}", error.row))
    };
    let end = columns.unreadable().map_or(columns.len(), |(row, ..)| row);
    let mut start = 0;
    for trades in columns.chunks() {
        let len = trades.len().min(end - start);
        let known = closed.len();
        builder.push(trades.slice(0..len), &mut buffers, &mut closed).map_err(fail)?;
        closed[known..].iter_mut().for_each(|closed| closed.row += start);
        start += len;
    }
    match columns.unreadable() {
        Some((row, column, rule)) => Err(fail(RowError { column, row: row as u64, rule })),
        None => Ok((closed, builder)),
    }
}
