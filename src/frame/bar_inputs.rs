//! Columns of bars on their way in, for what is computed from bars: the check of dtypes and of each value.

use std::collections::HashMap;

use polars::prelude::*;

use super::error::{FrameError, instant};

/// The fields of a Struct of bars, each with the name of its column in the user's frame.
#[derive(Debug)]
pub struct BarFields<'a> {
    fields: Vec<Series>,
    names: &'a HashMap<String, String>,
}

impl<'a> BarFields<'a> {
    /// The fields of a Struct; `names` are the names of the columns by their roles.
    ///
    /// # Errors
    ///
    /// Another dtype than Struct.
    pub fn new(bars: &Series, names: &'a HashMap<String, String>) -> Result<Self, FrameError> {
        Ok(Self { fields: bars.struct_()?.fields_as_series(), names })
    }

    /// The name of a role's column in the user's frame.
    pub fn name<'b>(&'b self, role: &'b str) -> &'b str {
        self.names.get(role).map_or(role, String::as_str)
    }

    /// The column of a role, if there is one.
    pub fn find(&self, role: &str) -> Option<&Series> {
        self.fields.iter().find(|series| series.name() == role)
    }

    /// The column of a role.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn get(&self, role: &str) -> Result<&Series, FrameError> {
        self.find(role).ok_or_else(|| FrameError(format!("the bars have no column `{}`", self.name(role))))
    }

    /// A column of numbers as doubles.
    fn numbers(&self, role: &str) -> Result<Float64Chunked, FrameError> {
        let (name, series) = (self.name(role), self.get(role)?);
        match series.dtype() {
            dtype if dtype.is_primitive_numeric() || dtype.is_decimal() || dtype.is_null() => {
                Ok(series.cast(&DataType::Float64)?.f64()?.clone())
            }
            dtype => Err(FrameError(format!(
                "`{name}` of bars must be Float64, Float32, Decimal or an integer, got {dtype:?}: cast it to Float64"
            ))),
        }
    }

    /// A column of numbers, NaN where one is null.
    ///
    /// # Errors
    ///
    /// Another dtype.
    pub fn values(&self, role: &str) -> Result<Vec<f64>, FrameError> {
        Ok(self.numbers(role)?.iter().map(|number| number.unwrap_or(f64::NAN)).collect())
    }

    /// A column of prices.
    ///
    /// # Errors
    ///
    /// Another dtype, or a value that is no price.
    pub fn prices(&self, role: &str) -> Result<Vec<f64>, FrameError> {
        let prices = self.numbers(role)?;
        let mut values = Vec::with_capacity(prices.len());
        for (row, price) in prices.iter().enumerate() {
            match price {
                Some(price) if price > 0.0 && price.is_finite() => values.push(price),
                _ => {
                    let (name, got) = (self.name(role), shown(price));
                    return Err(FrameError(format!(
                        "`{name}` of bars must be finite and > 0, got {got} at row {row}; filter out such bars"
                    )));
                }
            }
        }
        Ok(values)
    }

    /// A column of distances from an entry, as fractions of its price; NaN where one is null.
    ///
    /// # Errors
    ///
    /// Another dtype, NaN or a value below zero.
    pub fn distances(&self, role: &str) -> Result<Vec<f64>, FrameError> {
        let distances = self.numbers(role)?;
        let mut values = Vec::with_capacity(distances.len());
        for (row, distance) in distances.iter().enumerate() {
            if let Some(got) = distance.filter(|distance| distance.is_nan() || *distance < 0.0) {
                return Err(FrameError(format!(
                    "`{role}` must be at least 0, got {got} at row {row}: it is a distance as a fraction of the price \
                     of the entry; make it null where it is not known"
                )));
            }
            values.push(distance.unwrap_or(f64::NAN));
        }
        Ok(values)
    }

    /// A column of times that do not go back, in the dtype of the clock.
    ///
    /// # Errors
    ///
    /// Another dtype, a null, or a time before that of the row before.
    pub fn ordered_times(&self, role: &str, clock: &DataType) -> Result<Vec<i64>, FrameError> {
        let name = self.name(role);
        let mut values = Vec::<i64>::with_capacity(self.get(role)?.len());
        for (row, time) in self.times(role, clock)?.into_iter().enumerate() {
            let Some(time) = time else {
                return Err(FrameError(format!("`{name}` of bars must not be null, got null at row {row}")));
            };
            if let Some(&before) = values.last().filter(|before| **before > time) {
                let (got, before) = (instant(time, clock), instant(before, clock));
                return Err(FrameError(format!(
                    "`{name}` of bars must not go back, got {got} after {before} at row {row}; sort by time within \
                     each group, and keep groups apart, as with `.over(\"symbol\")`"
                )));
            }
            values.push(time);
        }
        Ok(values)
    }

    /// A column of times in the dtype of the clock.
    ///
    /// # Errors
    ///
    /// Another dtype.
    pub fn times(&self, role: &str, clock: &DataType) -> Result<Vec<Option<i64>>, FrameError> {
        let (name, series) = (self.name(role), self.get(role)?);
        if series.dtype() != clock {
            let got = series.dtype();
            return Err(FrameError(format!(
                "`{name}` of bars must have the dtype of their close times, {clock:?}, got {got:?}: cast it"
            )));
        }
        Ok(series.to_physical_repr().i64()?.iter().collect())
    }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("{value:?}"))
}
