//! The order book of a Struct of updates.

use polars::prelude::*;
use pyo3_polars::derive::polars_expr;

use super::fields;
use crate::core::{BOOK_ROWS, BookBuilder, BookError, BookRole, BookSample, UpdateBuffers};
use crate::frame::book::columns::book_fields;
use crate::frame::book::{BookColumns, BookRequest, UpdateColumns};
use crate::frame::{FrameError, TimeColumn};

/// Name of what `book` returns.
const BOOK: PlSmallStr = PlSmallStr::from_static("book");

/// Rows that an expression returns, which holds all of them at once.
const MOST_ROWS: usize = 1 << 23;

/// The book after the updates in a Struct: a Struct, a row for each state that comes out.
#[polars_expr(output_type_func_with_kwargs=book_field)]
fn book(inputs: &[Series], kwargs: BookRequest) -> PolarsResult<Series> {
    let fields = fields(&inputs[0])?;
    let time = time_column(&fields, &kwargs)?;
    let mut rows = build(&fields, &time, &kwargs)?;
    let (count, series) = (rows.len(), rows.take(&time.dtype));
    Ok(StructChunked::from_series(BOOK, count, series.iter())?.into_series())
}

fn book_field(inputs: &[Field], kwargs: BookRequest) -> PolarsResult<Field> {
    let empty = inputs.first().map(|field| Series::new_empty(field.name.clone(), &field.dtype));
    let fields = fields(&empty.unwrap_or_default())?;
    let time = time_column(&fields, &kwargs)?;
    build(&fields, &time, &kwargs)?;
    Ok(Field::new(BOOK, DataType::Struct(book_fields(&kwargs.columns()?, &time.dtype))))
}

fn find(fields: &[Series], role: BookRole) -> Option<Series> {
    fields.iter().find(|series| series.name() == role.name()).cloned()
}

/// The time column among the fields of the updates.
fn time_column(fields: &[Series], request: &BookRequest) -> Result<TimeColumn, FrameError> {
    let name = request.names()?.get(BookRole::Time).to_owned();
    let series = find(fields, BookRole::Time);
    let series = series.ok_or_else(|| FrameError(format!("the updates have no column `{name}`")))?;
    request.time(series.dtype())
}

fn build(fields: &[Series], time: &TimeColumn, request: &BookRequest) -> Result<BookColumns, FrameError> {
    let (names, decimals) = (request.names()?, [request.price_decimals()?, request.quantity_decimals()?]);
    let columns = UpdateColumns::new(&names, time, decimals, |role| find(fields, role))?;
    let wanted = request.columns()?;
    let mut builder = BookBuilder::new(request.options(time, &wanted, columns.has_snapshots())?);
    let (mut rows, mut buffers) = (BookColumns::new(wanted, decimals, time.unit), UpdateBuffers::default());
    let fail = |error: &BookError| {
        FrameError::of_update(error, names.get(error.column), &time.dtype, &format!("row {}", error.row))
    };
    let end = columns.unreadable().map_or(columns.len(), |(row, ..)| *row);
    let Some(updates) = columns.updates() else { return Ok(rows) };
    for start in (0..end).step_by(BOOK_ROWS) {
        let block = updates.slice(start..end.min(start + BOOK_ROWS));
        let (raw, broken) = buffers.convert(block, decimals[0], decimals[1]);
        let sound = broken.as_ref().map_or(block.len(), |(row, ..)| *row);
        let room = MOST_ROWS - rows.len();
        let added = builder.push(&raw, 0..sound, room, &mut |sample: BookSample<'_>| rows.push(&sample));
        if added.map_err(|error| fail(&error))? < sound {
            return Err(FrameError(format!(
                "`book` must not give more than {MOST_ROWS} rows in an expression, which holds all of them: let fewer \
                 rows come out with `sample`, or use `lf.rangebar.book`, which streams them"
            )));
        }
        if let Some((row, column, rule)) = broken {
            return Err(fail(&BookError { column, row: (start + row) as u64, rule }));
        }
    }
    if let Some((row, column, rule)) = columns.unreadable().cloned() {
        return Err(fail(&BookError { column, row: row as u64, rule }));
    }
    builder.finish(&mut |sample| rows.push(&sample)).map_err(|error| fail(&error))?;
    Ok(rows)
}
