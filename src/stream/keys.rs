//! Key columns, a row for each group, and values that come by themselves.

use polars::prelude::*;

/// A value of a key column that comes by itself.
#[derive(Debug, Clone, Copy)]
pub enum KeyValue<'a> {
    /// Null.
    Null,
    /// An integer, or what is one underneath.
    Integer(i64),
    /// A string, or a category.
    Text(&'a str),
    /// Anything else, which only a frame can hold.
    Other,
}

/// The key columns of some groups, of those of all groups.
///
/// # Errors
///
/// A group that does not exist.
pub fn keys_of(keys: &DataFrame, groups: &[IdxSize]) -> PolarsResult<Vec<Column>> {
    let rows = IdxCa::from_slice(PlSmallStr::EMPTY, groups);
    let of_column = |column: &Column| match (column.str(), groups) {
        // What most bars that come one by one have: a sixth of a frame was saved.
        (Ok(text), &[group]) => {
            let alone = [text.get(group as usize)];
            Ok(StringChunked::from_slice_options(column.name().clone(), &alone).into_column())
        }
        _ => column.take(&rows),
    };
    keys.columns().iter().map(of_column).collect()
}

/// A value as a column like a key column, if it is surely one of its values.
pub fn alone(column: &Column, value: &KeyValue<'_>) -> Option<Column> {
    let name = column.name().clone();
    match (column.dtype(), *value) {
        (DataType::String, KeyValue::Text(text)) => Some(StringChunked::from_slice(name, &[text]).into_column()),
        (dtype, KeyValue::Integer(value)) if dtype.is_integer() => {
            Int64Chunked::from_slice(name, &[value]).into_series().strict_cast(dtype).ok().map(Series::into_column)
        }
        (dtype @ DataType::String, KeyValue::Null) => Some(Column::full_null(name, 1, dtype)),
        (dtype, KeyValue::Null) if dtype.is_integer() => Some(Column::full_null(name, 1, dtype)),
        _ => None,
    }
}

/// Values behind those that are known. The last chunks are joined where they are of like length, so that there are never
/// many, and a value is copied but a few times however many come one by one.
///
/// # Errors
///
/// They are of another dtype.
pub fn appended(known: &Series, new: &Series) -> PolarsResult<Series> {
    let (mut joined, mut from) = (new.len(), known.len());
    for chunk in known.chunk_lengths().rev() {
        if chunk > 2 * joined {
            break;
        }
        joined += chunk;
        from -= chunk;
    }
    let mut last = known.slice(from as i64, known.len() - from);
    last.append(new)?;
    let mut all = known.slice(0, from);
    all.append(&last.rechunk())?;
    Ok(all)
}
