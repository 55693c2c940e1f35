//! The Python face of the streams. Polars frames cross without a copy; the GIL is free while we work.

use polars::prelude::*;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};
use pyo3_polars::{PyDataFrame, PySeries};

use super::{GroupedBars, Parameters};
use crate::core::{Column as Part, RangeRule, ThresholdError};
use crate::frame::inputs::{PARTS, time_unit as parse_unit};
use crate::frame::{ColumnNames, FrameError, schema};

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

/// A column's name, whether it is a feature, and the optional input columns that it reads.
type ColumnInfo = (&'static str, bool, Vec<&'static str>);

/// Every column of the bars: the base columns, then the named features, or all of them.
#[pyfunction]
#[pyo3(signature = (features=None))]
pub fn bar_columns(features: Option<Vec<String>>) -> PyResult<Vec<ColumnInfo>> {
    let columns = schema::bar_columns(features.as_deref())?;
    let base = schema::BASE.len();
    let info = |(index, column): (usize, &&'static schema::BarColumn)| {
        (column.name, index >= base, column.reads.iter().map(|part| part.name()).collect())
    };
    Ok(columns.iter().enumerate().map(info).collect())
}

/// Bars of batches of trades, one state per group.
#[pyclass(module = "rangebar_polars._internal")]
pub struct TradeStream(GroupedBars);

#[pymethods]
impl TradeStream {
    /// `names` maps the parts that the input has to the names of their columns.
    #[new]
    #[pyo3(signature = (*, threshold_dbps, same_timestamp_gate, time_unit, names, by, columns, rows_are_of_input))]
    fn new(
        threshold_dbps: u32,
        same_timestamp_gate: bool,
        time_unit: Option<&str>,
        names: Vec<(String, String)>,
        by: Vec<String>,
        columns: Vec<String>,
        rows_are_of_input: bool,
    ) -> PyResult<Self> {
        let mut column_names = ColumnNames::default();
        let mut parts: Vec<Part> = Vec::new();
        for (part, name) in names {
            column_names.rename(&part, name)?;
            parts.extend(PARTS.iter().filter(|p| p.name() == part));
        }
        Ok(Self(GroupedBars::new(Parameters {
            rule: RangeRule::new(threshold_dbps, same_timestamp_gate).map_err(FrameError::from)?,
            time_unit: time_unit.map(parse_unit).transpose()?,
            parts,
            names: column_names,
            by: by.into_iter().map(PlSmallStr::from).collect(),
            columns: schema::columns(&columns)?,
            rows_are_of_input,
        })))
    }

    /// Adds a batch; returns how many closed bars wait to be taken.
    fn push(&mut self, py: Python<'_>, batch: PyDataFrame) -> PyResult<usize> {
        Ok(py.detach(|| self.0.push(&batch.0))?)
    }

    /// Takes the closed bars that wait.
    fn take(&mut self, py: Python<'_>) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(py.detach(|| self.0.take())?))
    }

    /// Adds a batch; returns for each row the number of its bar within its group.
    fn bar_ids(&mut self, py: Python<'_>, batch: PyDataFrame) -> PyResult<PySeries> {
        Ok(PySeries(py.detach(|| self.0.bar_ids(&batch.0))?))
    }

    /// The bars still forming.
    fn forming(&self, py: Python<'_>) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(py.detach(|| self.0.forming())?))
    }
}
