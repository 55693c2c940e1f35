//! Bars as rows of Python: named tuples, which take a tenth of the time of a frame. Each value is that of the frame's
//! `rows`.

use std::ops::Range;

use chrono::{DateTime, Datelike, Timelike};
use polars::prelude::*;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyList, PyString, PyTuple};

use super::cells::{Cell, Scratch};
use super::crossing::series_of_python;
use super::ended::{Ended, Shape};
use crate::core::{CloseReason, ClosedBar};
use crate::frame::FrameError;
use crate::frame::error::instant;
use crate::frame::rules::RuleForm;
use crate::frame::schema::{self, BarColumn};

/// A value of Python.
type Value<'py> = Bound<'py, PyAny>;

/// Days from the first of the calendar of Python to 1970.
const DAYS_BEFORE_1970: i64 = 719_163;

/// The years that a datetime of Python can hold.
const YEARS: Range<i32> = 1..10_000;

/// What rows of some bars are made with.
pub struct RowMaker {
    /// The class of the rows.
    class: Py<PyAny>,
    /// What makes one of a tuple.
    new: Py<PyAny>,
    /// The words for the reasons.
    reasons: Vec<Py<PyString>>,
    /// The names of the rules.
    rules: Vec<Py<PyAny>>,
    clock: Clock,
}

/// What times are.
enum Clock {
    Integers,
    Instants {
        per_second: i64,
        /// The class of instants: its arguments cost a third of what it costs to add to an instant.
        datetime: Py<PyAny>,
        /// The clock by which they are made, where they are of a zone, and the zone, where it is another.
        utc: Option<Py<PyAny>>,
        zone: Option<Py<PyAny>>,
    },
}

impl Ended {
    /// The bars as a list of named tuples.
    ///
    /// # Errors
    ///
    /// Python cannot hold a value: a time beyond its years.
    pub fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let maker = self.shape.rows.get_or_try_init(py, || RowMaker::new(py, &self.keys, &self.shape))?;
        let mut scratch = Scratch::default();
        let mut rows = Vec::with_capacity(self.bars.len());
        for (group, bar) in &self.bars {
            let mut values = Vec::with_capacity(self.keys.width() + self.shape.columns.len());
            for column in self.keys.columns() {
                values.push(key(py, column, *group as usize)?);
            }
            for column in &self.shape.columns {
                values.push(maker.value(py, &self.shape, column, bar, &mut scratch)?);
            }
            rows.push(maker.new.bind(py).call1((maker.class.bind(py), PyTuple::new(py, values)?))?);
        }
        Ok(PyList::new(py, rows)?.into_any())
    }
}

impl RowMaker {
    fn new(py: Python<'_>, keys: &DataFrame, shape: &Shape) -> PyResult<Self> {
        let keys = keys.columns().iter().map(|column| column.name().as_str());
        let names = PyTuple::new(py, keys.chain(shape.columns.iter().map(|column| column.name)).collect::<Vec<_>>())?;
        let of_rule =
            |rule: &RuleForm| match shape.columns.iter().any(|column| matches!(column.value, schema::Value::Rule)) {
                true => rule.to_string().into_py_any(py),
                false => rule.threshold_dbps().into_py_any(py),
            };
        Ok(Self {
            class: py.import("rangebar_polars._bars.rows")?.getattr("row_type")?.call1((names,))?.unbind(),
            new: py.get_type::<PyTuple>().getattr("__new__")?.unbind(),
            reasons: CloseReason::WORDS.iter().map(|word| PyString::intern(py, word).unbind()).collect(),
            rules: shape.means().rules.iter().map(of_rule).collect::<PyResult<_>>()?,
            clock: Clock::new(py, &shape.time)?,
        })
    }

    /// A cell of a column, as the column would hold it.
    fn value<'py>(
        &self,
        py: Python<'py>,
        shape: &Shape,
        column: &'static BarColumn,
        bar: &ClosedBar,
        scratch: &mut Scratch,
    ) -> PyResult<Value<'py>> {
        match Cell::of(column, bar, shape, scratch) {
            Cell::Null => Ok(py.None().into_bound(py)),
            Cell::Float(value) => value.into_bound_py_any(py),
            Cell::Integer(value) => value.into_bound_py_any(py),
            Cell::Count(value) => value.into_bound_py_any(py),
            Cell::Time(time) => self.clock.time(py, time, &shape.time),
            Cell::Other => self.other(py, shape, column, bar),
        }
    }

    /// A cell of a column that is not one of words.
    fn other<'py>(
        &self,
        py: Python<'py>,
        shape: &Shape,
        column: &'static BarColumn,
        bar: &ClosedBar,
    ) -> PyResult<Value<'py>> {
        match column.value {
            schema::Value::Reason | schema::Value::ReasonOrTime => {
                Ok(self.reasons[bar.bar.close_reason as usize].bind(py).clone().into_any())
            }
            schema::Value::Threshold | schema::Value::Rule => Ok(self.rules[bar.rule].bind(py).clone()),
            schema::Value::Session => match shape.date(bar.bar.open_time) {
                Some(date) => date_of_python(py, date),
                None => Ok(py.None().into_bound(py)),
            },
            _ => match shape.series(&mut [bar.clone()], &[column]).pop() {
                Some(alone) => first(py, alone),
                None => Ok(py.None().into_bound(py)),
            },
        }
    }
}

/// The key of a group.
fn key<'py>(py: Python<'py>, column: &Column, group: usize) -> PyResult<Value<'py>> {
    if let Ok(text) = column.str() {
        return text.get(group).into_bound_py_any(py);
    }
    match (column.dtype(), column.get(group)) {
        (_, Ok(AnyValue::Null)) => Ok(py.None().into_bound(py)),
        (_, Ok(AnyValue::Categorical(category, words) | AnyValue::Enum(category, words))) => {
            words.cat_to_str(category).into_bound_py_any(py)
        }
        (DataType::Int64 | DataType::Int32 | DataType::Int16 | DataType::Int8, Ok(value)) => {
            value.extract::<i64>().into_bound_py_any(py)
        }
        (DataType::UInt64 | DataType::UInt32 | DataType::UInt16 | DataType::UInt8, Ok(value)) => {
            value.extract::<u64>().into_bound_py_any(py)
        }
        _ => first(py, column.as_materialized_series().slice(group as i64, 1)),
    }
}

/// The first value of a column, as Polars makes it one of Python.
fn first<'py>(py: Python<'py>, column: Series) -> PyResult<Value<'py>> {
    series_of_python(py, column)?.call_method0("to_list")?.get_item(0)
}

/// A date, counted in days from 1970.
fn date_of_python<'py>(py: Python<'py>, days: i32) -> PyResult<Value<'py>> {
    py.get_type::<PyDate>().call_method1("fromordinal", (i64::from(days) + DAYS_BEFORE_1970,))
}

impl Clock {
    fn new(py: Python<'_>, dtype: &DataType) -> PyResult<Self> {
        let DataType::Datetime(unit, zone) = dtype else { return Ok(Self::Integers) };
        let per_second = match unit {
            TimeUnit::Milliseconds => 1_000,
            TimeUnit::Microseconds => 1_000_000,
            TimeUnit::Nanoseconds => 1_000_000_000,
        };
        let zone_info = py.import("zoneinfo")?.getattr("ZoneInfo")?;
        let zones =
            zone.as_ref().map(|zone| PyResult::Ok((zone_info.call1(("UTC",))?, zone_info.call1((zone.as_str(),))?)));
        let (utc, zone) = zones.transpose()?.unzip();
        let zone = zone.filter(|zone| !utc.as_ref().is_some_and(|utc: &Bound<'_, PyAny>| utc.is(zone)));
        let datetime = py.import("datetime")?.getattr("datetime")?.unbind();
        Ok(Self::Instants { per_second, datetime, utc: utc.map(Bound::unbind), zone: zone.map(Bound::unbind) })
    }

    /// A time of a dtype.
    fn time<'py>(&self, py: Python<'py>, time: i64, dtype: &DataType) -> PyResult<Value<'py>> {
        let Self::Instants { per_second, datetime, utc, zone } = self else { return time.into_bound_py_any(py) };
        let (seconds, rest) = (time.div_euclid(*per_second), time.rem_euclid(*per_second));
        let Some(at) = DateTime::from_timestamp(seconds, 0).filter(|at| YEARS.contains(&at.year())) else {
            let what = format!(
                "`as_rows` gives times as datetimes, which end with the year 9999, got {}: take the bars as a frame",
                instant(time, dtype)
            );
            return Err(FrameError(what).into());
        };
        let microsecond = match *per_second {
            1_000 => rest * 1_000,
            1_000_000 => rest,
            _ => rest / 1_000,
        };
        let utc = utc.as_ref().map(|utc| utc.bind(py));
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        let parts = (at.year(), at.month(), at.day(), hour, minute, second, microsecond, utc);
        let time = datetime.bind(py).call1(parts)?;
        match zone {
            Some(zone) => time.call_method1("astimezone", (zone.bind(py),)),
            None => Ok(time),
        }
    }
}
