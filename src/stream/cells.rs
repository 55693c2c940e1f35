//! What a bar says in one column, without the column.

use super::ended::Shape;
use crate::core::ClosedBar;
use crate::core::features::statistic::Kind;
use crate::frame::schema::{BarColumn, Family, Value};
use crate::frame::staged::Staged;

/// A value of a bar.
pub enum Cell {
    /// None.
    Null,
    /// A float.
    Float(f64),
    /// An integer.
    Integer(i64),
    /// A count.
    Count(u64),
    /// A time, on the clock of the input.
    Time(i64),
    /// Of a column that is not one of words.
    Other,
}

/// Memory for the cells of one bar.
#[derive(Default)]
pub struct Scratch {
    floats: Vec<f64>,
    integers: Vec<i64>,
    counts: Vec<u64>,
}

/// Whether each value of a column is one word of 64 bits.
pub fn has_words(column: &BarColumn) -> bool {
    match column.value {
        Value::Time(_) | Value::Float(_) | Value::Integer(_) | Value::Count(_) | Value::Window(..) => true,
        Value::OfFootprint(_) => true,
        Value::Reason | Value::ReasonOrTime | Value::Session | Value::Threshold | Value::Rule => false,
        Value::Levels | Value::LevelCount(_) => false,
    }
}

impl Cell {
    /// What the column of the bar alone would hold.
    pub fn of(column: &BarColumn, bar: &ClosedBar, shape: &Shape, scratch: &mut Scratch) -> Self {
        let one = &Staged::new(std::slice::from_ref(bar));
        // Statistics of windows that lack a side are undefined already.
        let lacks_side = !shape.has_side || bar.bar.lacks_side && !column.is_window();
        match column.value {
            _ if lacks_side && column.needs_side() => Self::Null,
            Value::Float(fill) => only(&mut scratch.floats, |cells| fill(one, cells), Self::Float),
            Value::Integer(fill) => only(&mut scratch.integers, |cells| fill(one, cells), Self::Integer),
            Value::Count(fill) => only(&mut scratch.counts, |cells| fill(one, cells), Self::Count),
            Value::Time(fill) => only(&mut scratch.integers, |cells| fill(one, cells), Self::Time),
            Value::Window(family, statistic) => {
                let values = bar.windows.as_ref().map(|windows| match family {
                    Family::Intra => &windows.intra,
                    Family::Lookback => &windows.lookback,
                });
                let integer = || values.and_then(|values| values.get_integer(statistic));
                match statistic.definition().kind {
                    Kind::Float => values.and_then(|values| values.get(statistic)).map_or(Self::Null, Self::Float),
                    Kind::Count => integer().map_or(Self::Null, |count| Self::Count(count as u64)),
                    Kind::Microseconds => integer().map_or(Self::Null, Self::Integer),
                    Kind::Time => integer().map_or(Self::Null, Self::Time),
                }
            }
            Value::OfFootprint(get) => {
                bar.footprint.as_deref().map_or(Self::Null, |footprint| Self::Float(get(&bar.bar, footprint)))
            }
            _ => Self::Other,
        }
    }

    /// Its bits; none where it is null.
    pub fn word(&self) -> Option<u64> {
        match *self {
            Self::Null | Self::Other => None,
            Self::Float(value) => Some(value.to_bits()),
            Self::Integer(value) | Self::Time(value) => Some(value as u64),
            Self::Count(value) => Some(value),
        }
    }
}

/// The only cell that is added.
fn only<T: Copy>(cells: &mut Vec<T>, add: impl FnOnce(&mut Vec<T>), cell: fn(T) -> Cell) -> Cell {
    cells.clear();
    add(cells);
    cells.first().map_or(Cell::Null, |&value| cell(value))
}
