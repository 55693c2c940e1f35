//! The arguments of `push_trade`: what Python gives for the values of a trade.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use super::keys::KeyValue;
use crate::core::Number;
use crate::frame::FrameError;

/// Decimals of a Decimal that is taken as it is.
const MOST_DECIMALS: u32 = 1_000;

/// The key of a trade: None is one, if it is given.
pub enum Key<'a, 'py> {
    /// There is none.
    Missing,
    /// There is one.
    Given(Borrowed<'a, 'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Key<'a, 'py> {
    type Error = std::convert::Infallible;

    fn extract(key: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self::Given(key))
    }
}

/// A value of a key column, without its column.
pub fn key_value<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<KeyValue<'a>> {
    Ok(if let Ok(text) = value.cast::<PyString>() {
        KeyValue::Text(text.to_str()?)
    } else if value.is_none() {
        KeyValue::Null
    } else if value.is_instance_of::<PyInt>() {
        value.extract().map_or(KeyValue::Other, KeyValue::Integer)
    } else {
        let integer = as_integer(value).and_then(|integer| integer.extract().ok());
        integer.map_or(KeyValue::Other, KeyValue::Integer)
    })
}

/// An integer argument.
#[inline]
pub fn integer(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<i64>> {
    let Some(value) = value else { return Ok(None) };
    if value.is_exact_instance_of::<PyInt>()
        && let Ok(integer) = value.extract()
    {
        return Ok(Some(integer));
    }
    other_integer(value, name).map(Some)
}

#[cold]
fn other_integer(value: &Bound<'_, PyAny>, name: &str) -> PyResult<i64> {
    let Some(integer) = as_integer(value) else {
        return Err(PyTypeError::new_err(format!("`{name}` must be an int, got {value:?}")));
    };
    let too_large = |_| FrameError(format!("`{name}` must fit a signed 64-bit integer, got {value:?}"));
    Ok(integer.extract().map_err(too_large)?)
}

/// What is an integer, of whatever library, as one of Python; a bool is none.
pub fn as_integer<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    if value.is_instance_of::<PyBool>() { None } else { value.call_method0("__index__").ok() }
}

/// A price or a quantity as it is written. Written in place: moving a number of 128 bits right after a double was
/// stored in it stalls for longer than the rest takes.
#[inline]
pub fn read_number(value: &Bound<'_, PyAny>, name: &str, out: &mut Number) -> PyResult<()> {
    *out = if value.is_instance_of::<PyFloat>() { Number::Float(value.extract()?) } else { other_number(value, name)? };
    Ok(())
}

#[cold]
fn other_number(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Number> {
    let refuse = || PyTypeError::new_err(format!("`{name}` must be a float, an int or a Decimal, got {value:?}"));
    if value.is_instance_of::<PyBool>() {
        return Err(refuse());
    }
    if value.is_instance_of::<PyInt>() {
        // Beyond 128 bits it is refused as what it is nearly: a double, or infinite.
        let nearly = || value.extract().unwrap_or(f64::INFINITY);
        return Ok(value
            .extract()
            .map_or_else(|_| Number::Float(nearly()), |mantissa| Number::Decimal { mantissa, scale: 0 }));
    }
    if let Ok(parts) = value.call_method0("as_tuple") {
        // What is nearer to 0 than a double can tell is refused as the least that it can.
        let least = |float: f64, is_zero: bool| if float == 0.0 && !is_zero { f64::from_bits(1) } else { float };
        let nearly = || Ok(Number::Float(least(value.extract()?, !value.is_truthy()?)));
        return decimal(&parts).map_or_else(nearly, Ok);
    }
    value.extract().map(Number::Float).map_err(|_| refuse())
}

/// A Decimal from its sign, digits and exponent; none where 128 bits do not hold the digits, or it has more decimals than
/// make a difference.
fn decimal(parts: &Bound<'_, PyAny>) -> Option<Number> {
    let (negative, digits, exponent): (u8, Vec<u8>, i32) = parts.extract().ok()?;
    let digits = digits.into_iter().chain(std::iter::repeat_n(0, exponent.clamp(0, 39) as usize));
    let mantissa = digits.into_iter().try_fold(0_i128, |m, digit| m.checked_mul(10)?.checked_add(digit.into()))?;
    let scale = u32::try_from(-exponent.min(0)).ok().filter(|&scale| scale <= MOST_DECIMALS)?;
    Some(Number::Decimal { mantissa: if negative == 1 { -mantissa } else { mantissa }, scale })
}
