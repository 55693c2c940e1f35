//! The Python face of the lazy path. Polars frames cross without a copy; the GIL is free while we work.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt};
use pyo3_polars::{PyDataFrame, PySeries};

use super::GroupedBars;
use super::checkpoint::Header;
use super::gaps::{GapColumns, GroupedGaps};
use super::options::{Plan, Rows, StreamOptions};
use crate::core::{Lookback, RangeRule, ThresholdError, TimeUnit};
use crate::frame::parameters::{max_gap as parse_gap, reset};
use crate::frame::schema::Choice;
use crate::frame::{FrameError, Reach, inputs, schema};

pyo3::import_exception!(rangebar_polars.exceptions, RangeBarError);

impl From<FrameError> for PyErr {
    fn from(error: FrameError) -> Self {
        RangeBarError::new_err(error.0)
    }
}

/// The threshold as an integer in 1..100000; a `RangeBarError` for everything else.
#[pyfunction]
pub fn check_threshold(value: &Bound<'_, PyAny>) -> PyResult<u32> {
    let refuse = || FrameError::from(ThresholdError(value.repr().map_or_else(|_| "?".into(), |r| r.to_string())));
    let index = value.call_method0("__index__");
    let integer = index.ok().filter(|_| !value.is_instance_of::<PyBool>());
    let threshold = integer.filter(|i| i.is_instance_of::<PyInt>()).and_then(|i| i.extract::<u32>().ok());
    let threshold = threshold.ok_or_else(refuse)?;
    RangeRule::new(threshold, true).map_err(|_| refuse())?;
    Ok(threshold)
}

/// Calendar months and nanoseconds of a duration string; refuses what is none, or what no gap can be.
#[pyfunction]
pub fn check_max_gap(value: &str) -> PyResult<(u32, i64)> {
    let gap = parse_gap(value, TimeUnit::Nanoseconds)?;
    Ok((gap.months(), gap.span()))
}

/// Calendar months and nanoseconds of a duration string; refuses one over which no window can reach back.
#[pyfunction]
pub fn check_lookback(value: &str) -> PyResult<(u32, i64)> {
    match (Reach::Time { time: value.to_owned() }).lookback(TimeUnit::Nanoseconds)? {
        Lookback::Time(length) if (length.months(), length.span()) != (0, 0) => Ok((length.months(), length.span())),
        _ => Err(FrameError(format!("`lookback` must reach back longer than no time, got {value:?}")).into()),
    }
}

/// First and last instant of the calendar period that holds an instant.
#[pyfunction]
pub fn period_bounds(time: i64, time_unit: &str, reset_every: &str) -> PyResult<(i64, i64)> {
    let period = reset(reset_every)?.period(time, inputs::time_unit(time_unit)?);
    Ok((period.first, period.last))
}

/// A column's name, whether it is a feature, and the optional input columns that it reads.
type ColumnInfo = (&'static str, bool, Vec<&'static str>);

/// Every column of the bars: the base columns, the threshold where there are several, then the named features, or the ten
/// and the families asked for.
#[pyfunction]
#[pyo3(signature = (features=None, *, several=false, intra=false, lookback=false))]
pub fn bar_columns(
    features: Option<Vec<String>>,
    several: bool,
    intra: bool,
    lookback: bool,
) -> PyResult<Vec<ColumnInfo>> {
    let columns = schema::bar_columns(Choice { features: features.as_deref(), several, intra, lookback })?;
    let info = |column: &&'static schema::BarColumn| {
        (column.name, column.is_feature(), column.reads.iter().map(|part| part.name()).collect())
    };
    Ok(columns.iter().map(info).collect())
}

/// Bars of batches of one input, one state per group.
#[pyclass(module = "rangebar_polars._internal")]
pub struct TradeStream {
    options: StreamOptions,
    bars: GroupedBars,
}

#[pymethods]
impl TradeStream {
    /// `schema` is a frame without rows, `parts` say what its columns are; only `columns` of the bars are made.
    /// `since` is the instant before which nothing is read, for the place in an error.
    #[new]
    #[pyo3(signature = (options, *, parts, columns, schema, rows_are_of_input=true, since=None))]
    fn new(
        options: &str,
        parts: Vec<String>,
        columns: Vec<String>,
        schema: PyDataFrame,
        rows_are_of_input: bool,
        since: Option<String>,
    ) -> PyResult<Self> {
        let options = StreamOptions::from_json(options)?;
        let rows = match since {
            Some(instant) => Rows::Since(instant),
            None if rows_are_of_input => Rows::Input,
            None => Rows::Groups,
        };
        let plan = Plan::new(&options, &parts, schema::columns(&columns)?, rows)?;
        let bars = GroupedBars::new(&options, plan, &schema.0)?;
        Ok(Self { options, bars })
    }

    /// Adds a batch; returns how many ended bars wait to be taken.
    fn push(&mut self, py: Python<'_>, batch: PyDataFrame) -> PyResult<usize> {
        Ok(py.detach(|| self.bars.push(&batch.0))?)
    }

    /// Takes the ended bars that wait.
    fn take(&mut self, py: Python<'_>) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(py.detach(|| self.bars.take())?))
    }

    /// Adds a batch; returns for each row the number of its bar within its group.
    fn bar_ids(&mut self, py: Python<'_>, batch: PyDataFrame) -> PyResult<PySeries> {
        Ok(PySeries(py.detach(|| self.bars.bar_ids(&batch.0))?))
    }

    /// The bars still forming.
    fn forming(&self, py: Python<'_>) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(py.detach(|| self.bars.forming())?))
    }

    /// The state, as bytes.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &Header::save(&self.options, Some(&self.bars))?))
    }

    /// Takes a state, which must be of the same parameters and of the same input.
    fn restore(&mut self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        let Self { options, bars } = self;
        Ok(py.detach(|| {
            let (header, state) = Header::load(data)?;
            bars.accept(options, &header)?;
            bars.restore(&header, state)
        })?)
    }
}

/// What is missing between rows of one input.
#[pyclass(module = "rangebar_polars._internal")]
pub struct GapStream(GroupedGaps);

#[pymethods]
impl GapStream {
    /// `times` and `ids` name the columns of a row's first and last trade; `schema` is a frame without rows.
    #[new]
    #[pyo3(signature = (*, times, ids, by, max_gap, time_unit, schema))]
    fn new(
        times: (String, String),
        ids: Option<(String, String)>,
        by: Vec<String>,
        max_gap: Option<&str>,
        time_unit: Option<&str>,
        schema: PyDataFrame,
    ) -> PyResult<Self> {
        let time_unit = time_unit.map(inputs::time_unit).transpose()?;
        Ok(Self(GroupedGaps::new(GapColumns { times, ids }, &by, max_gap, time_unit, &schema.0)?))
    }

    /// Adds a batch; returns its gaps.
    fn push(&mut self, py: Python<'_>, batch: PyDataFrame) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(py.detach(|| self.0.push(&batch.0))?))
    }
}
