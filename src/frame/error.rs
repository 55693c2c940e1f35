//! Errors with their place in the frame, as the sentences that users read.

use std::fmt;

use chrono::DateTime;
use polars::prelude::{DataType, PolarsError, TimeUnit};
use pyo3::PyErr;

use crate::core::{BookError, PointsError, RowError, ThresholdError};

pyo3::import_exception!(rangebar_polars.exceptions, RangeBarError);

/// Something is wrong with the input or a parameter; holds the complete sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameError(pub String);

impl FrameError {
    /// The error of a row, with the name of the column in the frame, the time as an instant, the number of the row and,
    /// with groups, its group.
    pub fn of_row(error: &RowError, name: &str, time: &DataType, place: &str) -> Self {
        Self(error.describe(name, place, |t| instant(t, time)))
    }

    /// The error of a row of updates of a book, likewise.
    pub fn of_update(error: &BookError, name: &str, time: &DataType, place: &str) -> Self {
        Self(error.describe(name, place, |t| instant(t, time)))
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FrameError {}

impl From<FrameError> for PolarsError {
    fn from(error: FrameError) -> Self {
        // Polars passes the messages of plugins on as C strings.
        Self::ComputeError(error.0.replace('\0', "\\0").into())
    }
}

impl From<FrameError> for PyErr {
    fn from(error: FrameError) -> Self {
        RangeBarError::new_err(error.0)
    }
}

impl From<PolarsError> for FrameError {
    fn from(error: PolarsError) -> Self {
        Self(error.to_string())
    }
}

impl From<PointsError> for FrameError {
    fn from(error: PointsError) -> Self {
        Self(error.to_string())
    }
}

impl From<ThresholdError> for FrameError {
    fn from(error: ThresholdError) -> Self {
        Self(error.to_string())
    }
}

/// An instant as text: in UTC if the column is a Datetime, otherwise the integer itself.
pub fn instant(time: i64, dtype: &DataType) -> String {
    let DataType::Datetime(unit, zone) = dtype else {
        return time.to_string();
    };
    let instant = match unit {
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(time),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(time),
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(time)),
    };
    let suffix = if zone.is_some() { " UTC" } else { "" };
    instant.map_or_else(|| time.to_string(), |t| format!("{}{suffix}", t.format("%Y-%m-%d %H:%M:%S%.f")))
}
