//! The way in: dtype gate, nulls, and the walk over aligned chunks as [`Trades`].

use polars::prelude::*;

use super::error::FrameError;
use crate::core::{Bits, Column as Part, Number, Numbers, Rule, TimeUnit as CoreUnit, Trades};

/// Every part a column can play, in the order of [`Part`]'s discriminants.
pub const PARTS: [Part; 7] = [
    Part::Time,
    Part::Price,
    Part::Quantity,
    Part::IsBuyerMaker,
    Part::AggTradeId,
    Part::FirstTradeId,
    Part::LastTradeId,
];

/// What the columns are called in the user's frame: the default names unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNames([String; 7]);

impl Default for ColumnNames {
    fn default() -> Self {
        Self(PARTS.map(|part| part.name().to_owned()))
    }
}

impl ColumnNames {
    /// Names a part, given by its default name, otherwise.
    ///
    /// # Errors
    ///
    /// A part that does not exist.
    pub fn rename(&mut self, default: &str, name: String) -> Result<(), FrameError> {
        let part = PARTS.iter().find(|part| part.name() == default);
        let part = part.ok_or_else(|| FrameError(format!("no column plays the part `{default}`")))?;
        self.0[*part as usize] = name;
        Ok(())
    }

    /// Name of a part's column.
    pub fn get(&self, part: Part) -> &str {
        &self.0[part as usize]
    }
}

/// A time unit by its name.
///
/// # Errors
///
/// Another name.
pub fn time_unit(name: &str) -> Result<CoreUnit, FrameError> {
    match name {
        "ms" => Ok(CoreUnit::Milliseconds),
        "us" => Ok(CoreUnit::Microseconds),
        "ns" => Ok(CoreUnit::Nanoseconds),
        _ => Err(FrameError(format!("`time_unit` must be \"ms\", \"us\" or \"ns\", got {name:?}"))),
    }
}

/// Dtype of the time column and the unit of its integers.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeColumn {
    /// The input's dtype, which the bars keep.
    pub dtype: DataType,
    /// Unit of the integers.
    pub unit: CoreUnit,
}

impl TimeColumn {
    /// The gate of the time column: any Datetime, or Int64 whose unit is given.
    ///
    /// # Errors
    ///
    /// Another dtype, Int64 without a unit, a unit for a Datetime.
    pub fn new(name: &str, dtype: &DataType, time_unit: Option<CoreUnit>) -> Result<Self, FrameError> {
        let unit = match (dtype, time_unit) {
            (DataType::Datetime(unit, _), None) => match unit {
                TimeUnit::Milliseconds => CoreUnit::Milliseconds,
                TimeUnit::Microseconds => CoreUnit::Microseconds,
                TimeUnit::Nanoseconds => CoreUnit::Nanoseconds,
            },
            (DataType::Int64, Some(unit)) => unit,
            (DataType::Datetime(..), Some(_)) => {
                return Err(FrameError(format!(
                    "`time_unit` is for Int64 times, and `{name}` is {dtype:?}, which carries its unit: leave `time_unit` out"
                )));
            }
            (DataType::Int64, None) => {
                return Err(FrameError(format!(
                    "`{name}` is Int64: say its unit with `time_unit=\"ms\"`, `\"us\"` or `\"ns\"`"
                )));
            }
            _ => {
                return Err(FrameError(format!(
                    "`{name}` must be Datetime, or Int64 with a `time_unit`, got {dtype:?}"
                )));
            }
        };
        Ok(Self { dtype: dtype.clone(), unit })
    }
}

/// Prices or quantities in one of the forms that the core reads.
#[derive(Debug, Clone)]
enum NumberColumn {
    F64(Float64Chunked),
    F32(Float32Chunked),
    I64(Int64Chunked),
    Decimal(Int128Chunked, u32),
}

impl NumberColumn {
    fn new(name: &str, s: &Series) -> Result<Self, FrameError> {
        Ok(match s.dtype() {
            DataType::Float64 => Self::F64(s.f64()?.clone()),
            DataType::Float32 => Self::F32(s.f32()?.clone()),
            DataType::Decimal(_, scale) => Self::Decimal(s.decimal()?.physical().clone(), *scale as u32),
            DataType::Int128 => Self::Decimal(s.i128()?.clone(), 0),
            DataType::Int64 => Self::I64(s.i64()?.clone()),
            dtype => {
                return Err(FrameError(format!(
                    "`{name}` must be Float64, Float32, Decimal or an integer, got {dtype:?}"
                )));
            }
        })
    }

    fn chunk(&self, index: usize) -> Option<Numbers<'_>> {
        Some(match self {
            Self::F64(ca) => Numbers::F64(ca.downcast_get(index)?.values()),
            Self::F32(ca) => Numbers::F32(ca.downcast_get(index)?.values()),
            Self::I64(ca) => Numbers::I64(ca.downcast_get(index)?.values()),
            Self::Decimal(ca, scale) => Numbers::Decimal { mantissa: ca.downcast_get(index)?.values(), scale: *scale },
        })
    }
}

/// A column as it is held: integers in 64 bits, or 128 where prices and quantities need them. Null where a
/// value does not fit, which [`first_unreadable`] finds.
fn hold(part: Part, s: &Series) -> PolarsResult<Series> {
    let dtype = match s.dtype() {
        DataType::UInt64 | DataType::Int128 | DataType::UInt128 if is_number(part) => DataType::Int128,
        dtype if dtype.is_integer() && part != Part::Time => DataType::Int64,
        _ => return Ok(s.clone()),
    };
    if *s.dtype() == dtype { Ok(s.clone()) } else { s.cast(&dtype) }
}

/// The first value of a column that cannot be read: null, or an integer wider than we hold.
fn first_unreadable(part: Part, s: &Series, held: &Series) -> PolarsResult<Option<(usize, Part, Rule)>> {
    if held.null_count() == 0 {
        return Ok(None);
    }
    let Some(row) = held.is_null().iter().position(|null| null == Some(true)) else { return Ok(None) };
    let value = match s.get(row)? {
        AnyValue::UInt64(x) => Number::Decimal { mantissa: x.into(), scale: 0 },
        AnyValue::Int128(x) => Number::Decimal { mantissa: x, scale: 0 },
        AnyValue::UInt128(x) => match i128::try_from(x) {
            Ok(mantissa) => Number::Decimal { mantissa, scale: 0 },
            Err(_) => Number::Float(x as f64),
        },
        _ => return Ok(Some((row, part, Rule::NotNull))),
    };
    let rule = match part {
        Part::Price => Rule::PriceFits { value },
        Part::Quantity => Rule::QuantityFits { value },
        _ => Rule::IdFits { value },
    };
    Ok(Some((row, part, rule)))
}

fn is_number(part: Part) -> bool {
    matches!(part, Part::Price | Part::Quantity)
}

/// Columns of trades that passed the gate, with aligned chunks.
#[derive(Debug, Clone)]
pub struct TradeColumns {
    time: Int64Chunked,
    price: NumberColumn,
    quantity: Option<NumberColumn>,
    is_buyer_maker: Option<BooleanChunked>,
    agg_trade_id: Option<Int64Chunked>,
    individual_ids: Option<(Int64Chunked, Int64Chunked)>,
    unreadable: Option<(usize, Part, Rule)>,
}

impl TradeColumns {
    /// The columns of a frame, each found by the part that it plays; parts that are absent are absent.
    ///
    /// # Errors
    ///
    /// A required column that is missing, or a dtype that cannot be read.
    pub fn new(
        names: &ColumnNames,
        time: &TimeColumn,
        find: impl Fn(Part) -> Option<Series>,
    ) -> Result<Self, FrameError> {
        let mut columns: Vec<(Part, Series)> = PARTS.iter().filter_map(|&p| Some((p, find(p)?))).collect();
        align_chunks(&mut columns);
        let mut unreadable: Option<(usize, Part, Rule)> = None;
        for (part, s) in &mut columns {
            let held = hold(*part, s)?;
            let found = first_unreadable(*part, s, &held)?;
            if found.is_some_and(|(row, ..)| unreadable.is_none_or(|(first, ..)| row < first)) {
                unreadable = found;
            }
            *s = held;
        }
        let get = |part: Part| columns.iter().find(|(p, _)| *p == part).map(|(_, s)| s);
        let required = |part: Part| {
            get(part).ok_or_else(|| FrameError(format!("the trades have no column `{}`", names.get(part))))
        };
        let integer = |part: Part| get(part).map(|s| integers(names.get(part), s)).transpose();
        together(names, get(Part::FirstTradeId).is_some(), get(Part::LastTradeId).is_some())?;
        let time_series = required(Part::Time)?;
        if *time_series.dtype() != time.dtype {
            let name = names.get(Part::Time);
            let (expected, got) = (&time.dtype, time_series.dtype());
            return Err(FrameError(format!("`{name}` must stay {expected:?} throughout the input, got {got:?}")));
        }
        let side = get(Part::IsBuyerMaker).map(|s| booleans(names.get(Part::IsBuyerMaker), s)).transpose()?;
        let quantity = get(Part::Quantity).map(|s| NumberColumn::new(names.get(Part::Quantity), s)).transpose()?;
        Ok(Self {
            time: time_series.to_physical_repr().i64()?.clone(),
            price: NumberColumn::new(names.get(Part::Price), required(Part::Price)?)?,
            quantity,
            is_buyer_maker: side,
            agg_trade_id: integer(Part::AggTradeId)?,
            individual_ids: integer(Part::FirstTradeId)?.zip(integer(Part::LastTradeId)?),
            unreadable,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// The first row with a value that cannot be read, if any: the rows before it are to be pushed, then
    /// this is the error.
    pub fn unreadable(&self) -> Option<(usize, Part, Rule)> {
        self.unreadable
    }

    /// The trades chunk by chunk. Values from the unreadable row on are arbitrary.
    pub fn chunks(&self) -> impl Iterator<Item = Trades<'_>> {
        (0..self.time.chunks().len()).filter_map(|index| {
            Some(Trades {
                time: int64_chunk(&self.time, index)?,
                price: self.price.chunk(index)?,
                quantity: self.quantity.as_ref().and_then(|q| q.chunk(index)),
                is_buyer_maker: self.is_buyer_maker.as_ref().and_then(|side| {
                    let (bytes, offset, len) = side.downcast_get(index)?.values().as_slice();
                    Bits::new(bytes, offset, len)
                }),
                agg_trade_id: self.agg_trade_id.as_ref().and_then(|ca| int64_chunk(ca, index)),
                individual_ids: self
                    .individual_ids
                    .as_ref()
                    .and_then(|(first, last)| Some((int64_chunk(first, index)?, int64_chunk(last, index)?))),
            })
        })
    }
}

fn together(names: &ColumnNames, first: bool, last: bool) -> Result<(), FrameError> {
    let (there, absent) = match (first, last) {
        (true, false) => (Part::FirstTradeId, Part::LastTradeId),
        (false, true) => (Part::LastTradeId, Part::FirstTradeId),
        _ => return Ok(()),
    };
    Err(FrameError(format!(
        "`first_trade_id` and `last_trade_id` come together: the trades have `{}` but no `{}`; name it, or ignore the other with {}=None",
        names.get(there),
        names.get(absent),
        there.name()
    )))
}

fn int64_chunk(ca: &Int64Chunked, index: usize) -> Option<&[i64]> {
    ca.downcast_get(index).map(|array| array.values().as_slice())
}

fn integers(name: &str, s: &Series) -> Result<Int64Chunked, FrameError> {
    if !s.dtype().is_integer() {
        return Err(FrameError(format!("`{name}` must be an integer, got {:?}", s.dtype())));
    }
    Ok(s.i64()?.clone())
}

fn booleans(name: &str, s: &Series) -> Result<BooleanChunked, FrameError> {
    match s.bool() {
        Ok(side) => Ok(side.clone()),
        Err(_) => Err(FrameError(format!("`{name}` must be Boolean, got {:?}", s.dtype()))),
    }
}

/// Makes chunk boundaries the same in all columns; copies only where they are not.
fn align_chunks(columns: &mut [(Part, Series)]) {
    let same = columns.windows(2).all(|pair| pair[0].1.chunk_lengths().eq(pair[1].1.chunk_lengths()));
    if !same {
        for (_, s) in columns {
            *s = s.rechunk();
        }
    }
}
