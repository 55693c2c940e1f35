//! Renko bricks of a Struct of trades.

use polars::prelude::*;
use pyo3_polars::derive::polars_expr;

use super::{fields, time_column};
use crate::core::{Brick, Buffers, Role, RowError};
use crate::frame::bricks::{brick_builder, brick_fields, brick_series};
use crate::frame::{FrameError, Request, TimeColumn, TradeColumns};

/// Name of what `renko` returns.
const BRICKS: PlSmallStr = PlSmallStr::from_static("bricks");

/// Bricks that an expression returns, which holds all of them at once.
const MOST_BRICKS: usize = 1 << 23;

/// Renko bricks of the trades in a Struct: a Struct, one row per brick.
#[polars_expr(output_type_func_with_kwargs=renko_field)]
fn renko(inputs: &[Series], kwargs: Request) -> PolarsResult<Series> {
    let fields = fields(&inputs[0])?;
    let time = time_column(&fields, &kwargs)?;
    let bricks = build(&fields, &time, &kwargs)?;
    let series = brick_series(&bricks, kwargs.price_decimals()?, &time.dtype);
    Ok(StructChunked::from_series(BRICKS, bricks.len(), series.iter())?.into_series())
}

fn renko_field(inputs: &[Field], kwargs: Request) -> PolarsResult<Field> {
    let empty = inputs.first().map(|field| Series::new_empty(field.name.clone(), &field.dtype));
    let fields = fields(&empty.unwrap_or_default())?;
    let time = time_column(&fields, &kwargs)?;
    build(&fields, &time, &kwargs)?;
    Ok(Field::new(BRICKS, DataType::Struct(brick_fields(&time.dtype))))
}

fn build(fields: &[Series], time: &TimeColumn, request: &Request) -> Result<Vec<Brick>, FrameError> {
    let names = request.names()?;
    let is_read = |role| matches!(role, Role::Time | Role::Price);
    let find = |role: Role| fields.iter().find(|series| is_read(role) && series.name() == role.name()).cloned();
    let columns = TradeColumns::new(&names, time, request.price_decimals()?, request.missing_side, find)?;
    let (mut builder, mut buffers) = (brick_builder(request, time)?, Buffers::default());
    let fail = |error: RowError| {
        FrameError::of_row(&error, names.get(error.column), &time.dtype, &format!("row {}", error.row))
    };
    let (mut bricks, mut left) = (Vec::new(), columns.unreadable().map_or(columns.len(), |(row, ..)| row));
    for trades in columns.chunks() {
        let len = trades.len().min(left);
        if !builder.push(trades.slice(0..len), &mut buffers, &mut bricks, MOST_BRICKS).map_err(fail)? {
            return Err(FrameError(format!(
                "`renko` must not complete more than {MOST_BRICKS} bricks in an expression, which holds all of them: \
                 use larger bricks, or `lf.rangebar.renko`, which streams them"
            )));
        }
        left -= len;
    }
    match columns.unreadable() {
        Some((row, column, rule)) => Err(fail(RowError { column, row: row as u64, rule })),
        None => Ok(bricks),
    }
}
