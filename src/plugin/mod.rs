//! Expressions: a Struct of trades in, bars, bar numbers or bricks out; of updates in, books out. Only shells, no arithmetic.

mod book;
mod kwargs;
mod labels;
mod liquidity;
mod renko;
mod statistics;

use polars::prelude::*;
use pyo3_polars::derive::polars_expr;

use crate::core::Buffers;
use crate::core::{BarBuilder, ClosedBar, FootprintOptions, Role, RowError, WindowOptions};
use crate::frame::output::{BarColumns, Means, forming_bar, room_for};
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
    let mut bars = BarColumns::new(&columns, has_side(&fields));
    let footprint = kwargs.footprint_options(&columns)?;
    let (rows, mut ended, mut room) = (inputs[0].len(), 0, 0);
    let builder = build(&fields, &time, &kwargs, windows, footprint, |closed| {
        closed.retain(|closed| kwargs.include_orphans || !closed.bar.close_reason.is_orphan());
        if let Some(last) = closed.last().filter(|_| ended + closed.len() > room) {
            let more = room_for(closed.len(), ended, last.row, rows);
            bars.reserve(more);
            room = ended + more;
        }
        ended += closed.len();
        bars.extend(closed);
        closed.clear();
    })?;
    let forming = builder.forming().filter(|_| kwargs.include_incomplete);
    bars.extend(&mut forming.map(|(rule, bar)| forming_bar(rule, bar, &builder)).collect::<Vec<_>>());
    let (rules, sessions) = (kwargs.rules.as_slice(), kwargs.sessions(time.unit)?);
    let series = bars.take(Means { rules, time: &time.dtype, sessions });
    let count = series.first().map_or(0, |series| series.len());
    Ok(StructChunked::from_series(BARS, count, series.iter())?.into_series())
}

/// For each trade in a Struct, the number of its bar, from 0.
#[polars_expr(output_type_func_with_kwargs=range_bar_id_field)]
fn range_bar_id(inputs: &[Series], kwargs: Request) -> PolarsResult<Series> {
    let fields = fields(&inputs[0])?;
    let time = time_column(&fields, &kwargs)?;
    let mut ids = Vec::with_capacity(inputs[0].len());
    let mut id = 0_u64;
    build(&fields, &time, &kwargs, WindowOptions::default(), None, |closed| {
        for closed in closed.drain(..) {
            ids.resize(closed.end(), id);
            id += 1;
        }
    })?;
    ids.resize(inputs[0].len(), id);
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
    build(&fields, &time, request, WindowOptions::default(), None, Vec::clear)?;
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

/// Rows that are pushed at once: few enough that bars of ten trades go from the cache into their columns.
const STRIDE_ROWS: usize = 16_384;

/// Builds the bars of the trades; `take` gets those that ended, again and again, and must take them all.
fn build(
    fields: &[Series],
    time: &TimeColumn,
    request: &Request,
    windows: WindowOptions,
    footprint: Option<FootprintOptions>,
    mut take: impl FnMut(&mut Vec<ClosedBar>),
) -> Result<BarBuilder, FrameError> {
    let names = request.names()?;
    let decimals = request.price_decimals()?;
    let find = |role: Role| fields.iter().find(|s| s.name() == role.name()).cloned();
    request.check_roles(|role| find(role).is_some(), &names)?;
    let columns = TradeColumns::new(&names, time, decimals, request.missing_side, find)?;
    let builder = BarBuilder::new(&request.rules()?, request.breaks(time.unit)?, time.unit, windows);
    let builder = builder.with_price_decimals(decimals).with_footprint(footprint);
    let mut builder = builder.with_max_step(request.max_step(time.unit)?);
    let (mut buffers, mut closed) = (Buffers::default(), Vec::new());
    let fail = |error: RowError| {
        FrameError::of_row(&error, names.get(error.column), &time.dtype, &format!("row {}", error.row))
    };
    let end = columns.unreadable().map_or(columns.len(), |(row, ..)| row);
    let mut start = 0;
    for trades in columns.chunks() {
        let len = trades.len().min(end - start);
        for from in (0..len).step_by(STRIDE_ROWS) {
            let rows = from..len.min(from + STRIDE_ROWS);
            builder.push(trades.slice(rows), &mut buffers, &mut closed).map_err(fail)?;
            closed.iter_mut().for_each(|closed| closed.row += start + from);
            take(&mut closed);
            debug_assert!(closed.is_empty(), "bars that nobody took");
        }
        start += len;
    }
    match columns.unreadable() {
        Some((row, column, rule)) => Err(fail(RowError { column, row: row as u64, rule })),
        None => Ok(builder),
    }
}
