//! The way in: the check of dtypes, nulls, and the iteration over aligned chunks as [`Trades`].

use polars::prelude::*;

use super::error::FrameError;
use super::request::MissingSide;
use crate::core::{Bits, Decimals, Number, Numbers, Role, Rule, Sides, TimeUnit as CoreUnit, Trades};

/// Every role that a column can play, in the order of the discriminants of [`Role`].
pub const ROLES: [Role; 7] = [
    Role::Time,
    Role::Price,
    Role::Quantity,
    Role::IsBuyerMaker,
    Role::AggTradeId,
    Role::FirstTradeId,
    Role::LastTradeId,
];

/// Names of the columns in the user's frame: the default names unless others are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNames([String; 7]);

impl Default for ColumnNames {
    fn default() -> Self {
        Self(ROLES.map(|role| role.name().to_owned()))
    }
}

impl ColumnNames {
    /// Gives a role, identified by its default name, another name.
    ///
    /// # Errors
    ///
    /// A role that does not exist.
    pub fn rename(&mut self, default: &str, name: String) -> Result<(), FrameError> {
        let role = ROLES.iter().find(|role| role.name() == default);
        let role = role.ok_or_else(|| FrameError(format!("there is no column role `{default}`")))?;
        self.0[*role as usize] = name;
        Ok(())
    }

    /// Name of a role's column.
    pub fn get(&self, role: Role) -> &str {
        &self.0[role as usize]
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
    /// Checks the time column: any Datetime, or Int64 with a unit.
    ///
    /// # Errors
    ///
    /// Another dtype, Int64 without a unit, or a Datetime with one.
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
                    "`time_unit` is only for Int64 times, but `{name}` is {dtype:?}, which has a unit already: \
                     leave `time_unit` out"
                )));
            }
            (DataType::Int64, None) => {
                return Err(FrameError(format!(
                    "`{name}` is Int64: give its unit with `time_unit=\"ms\"`, `\"us\"` or `\"ns\"`"
                )));
            }
            _ => {
                let remedy = match dtype {
                    DataType::String => "str.to_datetime()",
                    DataType::Date => "cast(pl.Datetime)",
                    _ => "cast(pl.Int64)",
                };
                return Err(FrameError(format!(
                    "`{name}` must be Datetime, or Int64 with a `time_unit`, got {dtype:?}; \
                     convert it, for example with pl.col({name:?}).{remedy}"
                )));
            }
        };
        Ok(Self { dtype: dtype.clone(), unit })
    }
}

/// Prices or quantities in one of the forms that the core reads.
#[derive(Debug, Clone)]
pub(super) enum NumberColumn {
    F64(Float64Chunked),
    F32(Float32Chunked),
    I64(Int64Chunked),
    Decimal(Int128Chunked, u32),
}

impl NumberColumn {
    pub(super) fn new(name: &str, s: &Series) -> Result<Self, FrameError> {
        Ok(match s.dtype() {
            DataType::Float64 => Self::F64(s.f64()?.clone()),
            DataType::Float32 => Self::F32(s.f32()?.clone()),
            DataType::Decimal(_, scale) => Self::Decimal(s.decimal()?.physical().clone(), *scale as u32),
            DataType::Int128 => Self::Decimal(s.i128()?.clone(), 0),
            DataType::Int64 => Self::I64(s.i64()?.clone()),
            dtype => {
                return Err(FrameError(format!(
                    "`{name}` must be Float64, Float32, Decimal or an integer, got {dtype:?}; \
                     cast it, for example with pl.col({name:?}).cast(pl.Decimal(38, 8))"
                )));
            }
        })
    }

    pub(super) fn chunk(&self, index: usize) -> Option<Numbers<'_>> {
        Some(match self {
            Self::F64(ca) => Numbers::F64(ca.downcast_get(index)?.values()),
            Self::F32(ca) => Numbers::F32(ca.downcast_get(index)?.values()),
            Self::I64(ca) => Numbers::I64(ca.downcast_get(index)?.values()),
            Self::Decimal(ca, scale) => Numbers::Decimal { mantissa: ca.downcast_get(index)?.values(), scale: *scale },
        })
    }
}

/// A column in the form in which it is held: integers with 64 bits, or 128 if prices and quantities need them. Null if
/// a value does not fit, which [`first_unreadable`] finds.
pub(super) fn hold(role: Role, s: &Series) -> PolarsResult<Series> {
    let dtype = match s.dtype() {
        DataType::UInt64 | DataType::Int128 | DataType::UInt128 if is_number(role) => DataType::Int128,
        dtype if dtype.is_integer() && !matches!(role, Role::Time | Role::IsBuyerMaker) => DataType::Int64,
        _ => return Ok(s.clone()),
    };
    if *s.dtype() == dtype { Ok(s.clone()) } else { s.cast(&dtype) }
}

/// The first value of a column that cannot be read: a null, or an integer that is too wide.
pub(super) fn first_unreadable(
    role: Role,
    decimals: Decimals,
    s: &Series,
    held: &Series,
) -> PolarsResult<Option<(usize, Role, Rule)>> {
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
        _ => return Ok(Some((row, role, Rule::NotNull))),
    };
    let rule = match role {
        Role::Price => Rule::PriceFits { value, decimals },
        Role::Quantity => Rule::QuantityFits { value },
        _ => Rule::IdFits { value },
    };
    Ok(Some((row, role, rule)))
}

fn is_number(role: Role) -> bool {
    matches!(role, Role::Price | Role::Quantity)
}

/// Columns of trades that passed the checks, with aligned chunks.
#[derive(Debug, Clone)]
pub struct TradeColumns {
    time: Int64Chunked,
    price: NumberColumn,
    quantity: Option<NumberColumn>,
    is_buyer_maker: Option<BooleanChunked>,
    agg_trade_id: Option<Int64Chunked>,
    individual_ids: Option<(Int64Chunked, Int64Chunked)>,
    unreadable: Option<(usize, Role, Rule)>,
}

impl TradeColumns {
    /// The columns of a frame, each found by the role that it plays; roles may be absent. The decimals are for messages.
    /// Nulls cannot be read, but for sides that may be missing.
    ///
    /// # Errors
    ///
    /// A required column that is missing, or a dtype that cannot be read.
    pub fn new(
        names: &ColumnNames,
        time: &TimeColumn,
        price_decimals: Decimals,
        missing_side: MissingSide,
        find: impl Fn(Role) -> Option<Series>,
    ) -> Result<Self, FrameError> {
        let mut columns: Vec<(Role, Series)> = ROLES.iter().filter_map(|&p| Some((p, find(p)?))).collect();
        align_chunks(&mut columns);
        let mut unreadable: Option<(usize, Role, Rule)> = None;
        for (role, s) in &mut columns {
            let held = hold(*role, s)?;
            let may_be_null = *role == Role::IsBuyerMaker && missing_side == MissingSide::Null;
            let found = if may_be_null { None } else { first_unreadable(*role, price_decimals, s, &held)? };
            if found.is_some_and(|(row, ..)| unreadable.is_none_or(|(first, ..)| row < first)) {
                unreadable = found;
            }
            *s = held;
        }
        let get = |role: Role| columns.iter().find(|(p, _)| *p == role).map(|(_, s)| s);
        let required = |role: Role| {
            get(role).ok_or_else(|| FrameError(format!("the trades have no column `{}`", names.get(role))))
        };
        let integer = |role: Role| get(role).map(|s| integers(names.get(role), s)).transpose();
        together(names, get(Role::FirstTradeId).is_some(), get(Role::LastTradeId).is_some())?;
        let time_series = required(Role::Time)?;
        if *time_series.dtype() != time.dtype {
            let name = names.get(Role::Time);
            let (expected, got) = (&time.dtype, time_series.dtype());
            return Err(FrameError(format!(
                "`{name}` must stay {expected:?} throughout the input, got {got:?}; cast the column to one dtype first"
            )));
        }
        let side = |s| booleans(names.get(Role::IsBuyerMaker), s, missing_side);
        let side = get(Role::IsBuyerMaker).map(side).transpose()?;
        let quantity = get(Role::Quantity).map(|s| NumberColumn::new(names.get(Role::Quantity), s)).transpose()?;
        Ok(Self {
            time: time_series.to_physical_repr().i64()?.clone(),
            price: NumberColumn::new(names.get(Role::Price), required(Role::Price)?)?,
            quantity,
            is_buyer_maker: side,
            agg_trade_id: integer(Role::AggTradeId)?,
            individual_ids: integer(Role::FirstTradeId)?.zip(integer(Role::LastTradeId)?),
            unreadable,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// The first row with a value that cannot be read, if any: push the rows before it, then this is the error.
    pub fn unreadable(&self) -> Option<(usize, Role, Rule)> {
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
                    let side = side.downcast_get(index)?;
                    let sold = bits(side.values().as_slice())?;
                    match side.validity().filter(|known| known.unset_bits() > 0) {
                        Some(known) => Some(Sides::partly(sold, bits(known.as_slice())?)),
                        None => Some(sold.into()),
                    }
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
        (true, false) => (Role::FirstTradeId, Role::LastTradeId),
        (false, true) => (Role::LastTradeId, Role::FirstTradeId),
        _ => return Ok(()),
    };
    Err(FrameError(format!(
        "`first_trade_id` and `last_trade_id` come together: the trades have `{}` but no `{}`; \
         name it, or pass {}=None to ignore the other",
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
        return Err(FrameError(format!(
            "`{name}` must be an integer, got {:?}; cast it to Int64, or pass None to ignore it",
            s.dtype()
        )));
    }
    Ok(s.i64()?.clone())
}

fn bits((bytes, offset, len): (&[u8], usize, usize)) -> Option<Bits<'_>> {
    Bits::new(bytes, offset, len)
}

fn booleans(name: &str, s: &Series, missing_side: MissingSide) -> Result<BooleanChunked, FrameError> {
    let sale = match s.dtype() {
        DataType::Boolean => return Ok(s.bool()?.clone()),
        DataType::Null if missing_side == MissingSide::Null => {
            return Ok(BooleanChunked::full_null(PlSmallStr::EMPTY, s.len()));
        }
        DataType::Null => {
            return Err(FrameError(format!(
                "`{name}` must be Boolean, true where the seller was the aggressor, got Null: it has no values; \
                 pass None to ignore it; missing_side=\"null\" gives null for what needs the side"
            )));
        }
        dtype if dtype.is_primitive_numeric() => "1",
        _ => "\"sell\"",
    };
    Err(FrameError(format!(
        "`{name}` must be Boolean, true where the seller was the aggressor, got {:?}; \
         compare it with its value for a sale, as in pl.col({name:?}) == {sale}",
        s.dtype()
    )))
}

/// Makes chunk boundaries equal in all columns; copies only if they are not.
fn align_chunks(columns: &mut [(Role, Series)]) {
    let same = columns.windows(2).all(|pair| pair[0].1.chunk_lengths().eq(pair[1].1.chunk_lengths()));
    if !same {
        for (_, s) in columns {
            *s = s.rechunk();
        }
    }
}
