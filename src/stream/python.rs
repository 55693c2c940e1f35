//! The Python face of lazy queries. Polars frames cross without a copy; the GIL is free while we work.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_polars::{PyDataFrame, PySeries};

use super::checkpoint::Header;
use super::coded_keys::CodedKey;
use super::crossing::{bytes_of_python, drop_apart, frame_of_python};
use super::gaps::{GapColumns, GroupedGaps};
use super::grouped::GroupedBars;
use super::plan::{Plan, RowNaming};
use super::renko::GroupedBricks;
use crate::frame::{FrameError, Request, inputs, schema};

/// The name of a key column, codes, and what they stand for.
type Coded = (String, PySeries, PySeries);

fn coded_keys(coded: Vec<Coded>) -> Result<Vec<CodedKey>, FrameError> {
    coded.into_iter().map(|(name, codes, values)| CodedKey::new(&name, &codes.0, values.0)).collect()
}

/// Bars of batches of one input, one state per group.
#[pyclass(module = "rangebar_polars._internal")]
pub struct TradeStream {
    request: Arc<Request>,
    bars: GroupedBars,
}

impl Drop for TradeStream {
    fn drop(&mut self) {
        drop_apart(self.bars.unload());
    }
}

#[pymethods]
impl TradeStream {
    /// `schema` is a frame without rows, `parts` say what its columns are; only `columns` of the bars are made.
    /// `since` is the instant before which nothing is read, for the place in an error; `keeps_state` tells that a checkpoint
    /// is to follow.
    #[new]
    #[pyo3(signature = (request, *, parts, columns, schema, rows_are_of_input=true, since=None, keeps_state=false))]
    fn new(
        request: &str,
        parts: Vec<String>,
        columns: Vec<String>,
        schema: PyDataFrame,
        rows_are_of_input: bool,
        since: Option<String>,
        keeps_state: bool,
    ) -> PyResult<Self> {
        // Whether a query also shows its forming bars is no part of its state.
        let request = Arc::new(Request { include_incomplete: false, ..Request::from_json(request)? });
        let rows = match since {
            Some(instant) => RowNaming::Since(instant),
            None if rows_are_of_input => RowNaming::Input,
            None => RowNaming::Groups,
        };
        let plan =
            Plan::new(&request, &parts, schema::columns(&columns, request.rules.have_time())?, rows, keeps_state)?;
        let bars = GroupedBars::new(plan, &schema.0)?;
        Ok(Self { request, bars })
    }

    /// Adds a batch; returns how many ended bars wait to be taken. The rows of some key columns may be codes: then their
    /// names come with codes and what these stand for.
    #[pyo3(signature = (batch, coded=Vec::new()))]
    fn push(&mut self, py: Python<'_>, batch: PyDataFrame, coded: Vec<Coded>) -> PyResult<usize> {
        Ok(py.detach(|| self.bars.push_coded(&batch.0, &coded_keys(coded)?))?)
    }

    /// Takes the ended bars that wait.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame_of_python(py, &py.detach(|| self.bars.take())?)
    }

    /// Adds a batch, likewise; returns for each row the number of its bar within its group.
    #[pyo3(signature = (batch, coded=Vec::new()))]
    fn bar_ids(&mut self, py: Python<'_>, batch: PyDataFrame, coded: Vec<Coded>) -> PyResult<PySeries> {
        Ok(PySeries(py.detach(|| self.bars.bar_ids(&batch.0, &coded_keys(coded)?))?))
    }

    /// The bars still forming.
    fn forming<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame_of_python(py, &py.detach(|| self.bars.forming())?)
    }

    /// Trades that were dropped since they had been seen.
    #[getter]
    fn skipped(&self) -> u64 {
        self.bars.skipped()
    }

    /// The state, as bytes.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| Header::save(&self.request, Some(&self.bars)))?;
        bytes_of_python(py, bytes)
    }

    /// Takes a state, which must be of the same parameters and of the same input.
    fn restore(&mut self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        let Self { request, bars } = self;
        Ok(py.detach(|| {
            let (header, state) = Header::load(data)?;
            bars.accept(request, &header)?;
            header.input.as_ref().map_or(Ok(()), |input| bars.restore(input, state))
        })?)
    }
}

/// The request of a checkpoint, as JSON; its state is not read.
#[pyfunction]
pub fn checkpoint_request(py: Python<'_>, data: &[u8]) -> PyResult<String> {
    let request = py.detach(|| {
        let (header, _) = Header::load(data)?;
        serde_json::to_string(&header.request).map_err(|error| FrameError(error.to_string()))
    });
    Ok(request?)
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

/// The Renko bricks of batches of one input.
#[pyclass(module = "rangebar_polars._internal")]
pub struct RenkoStream(GroupedBricks);

#[pymethods]
impl RenkoStream {
    /// The request names a range as its rule, which is the size of a brick; `schema` is a frame without rows.
    #[new]
    #[pyo3(signature = (request, *, schema, rows_are_of_input=true))]
    fn new(request: &str, schema: PyDataFrame, rows_are_of_input: bool) -> PyResult<Self> {
        Ok(Self(GroupedBricks::new(Request::from_json(request)?, rows_are_of_input, &schema.0)?))
    }

    /// Adds the first rows of a batch; returns how many bricks wait to be taken, and how many rows were added.
    fn push(&mut self, py: Python<'_>, batch: PyDataFrame) -> PyResult<(usize, usize)> {
        Ok(py.detach(|| self.0.push(&batch.0))?)
    }

    /// Takes the bricks that wait.
    fn take(&mut self, py: Python<'_>) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(py.detach(|| self.0.take())?))
    }
}
