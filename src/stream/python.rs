//! The Python face of the streams. Polars frames cross without a copy; the GIL is free while we work.

use std::sync::{Mutex, MutexGuard, PoisonError};

use polars::prelude::DataFrame;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyTuple};
use pyo3_polars::{PyDataFrame, PySeries};

use super::GroupedBars;
use super::checkpoint::Header;
use super::gaps::{GapColumns, GroupedGaps};
use super::keys::KeyValue;
use super::options::{Parts, Plan, Rows, StreamOptions};
use super::trade::parts_of;
use crate::core::{Column as Part, Number, RangeRule, ThresholdError, TimeUnit, Trade};
use crate::frame::parameters::{max_gap as parse_gap, reset};
use crate::frame::{FrameError, inputs, schema};

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

/// Refuses what is not a duration string, or a duration that no gap can have.
#[pyfunction]
pub fn check_max_gap(value: &str) -> PyResult<()> {
    parse_gap(value, TimeUnit::Nanoseconds)?;
    Ok(())
}

/// First and last instant of the calendar period that holds an instant.
#[pyfunction]
pub fn period_bounds(time: i64, time_unit: &str, reset_every: &str) -> PyResult<(i64, i64)> {
    let period = reset(reset_every)?.period(time, inputs::time_unit(time_unit)?);
    Ok((period.first, period.last))
}

/// A column's name, whether it is a feature, and the optional input columns that it reads.
type ColumnInfo = (&'static str, bool, Vec<&'static str>);

/// Every column of the bars: the base columns, the threshold where there are several, then the named features, or all.
#[pyfunction]
#[pyo3(signature = (features=None, several=false))]
pub fn bar_columns(features: Option<Vec<String>>, several: bool) -> PyResult<Vec<ColumnInfo>> {
    let columns = schema::bar_columns(features.as_deref(), several)?;
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

/// Bars of frames and trades that are pushed as they come. The base of `BarStream`, which says what its methods are.
#[pyclass(module = "rangebar_polars._internal", subclass, frozen)]
pub struct PushStream(Mutex<Live>);

struct Live {
    options: StreamOptions,
    state: State,
}

enum State {
    /// Knows nothing of its input.
    New,
    Running(Box<GroupedBars>),
    Finished,
}

impl Live {
    /// The stream, if it has begun.
    fn running(&mut self) -> Result<Option<&mut GroupedBars>, FrameError> {
        match &mut self.state {
            State::New => Ok(None),
            State::Running(bars) => Ok(Some(bars)),
            State::Finished => {
                Err(FrameError("the stream is finished: nothing can be pushed or asked any more".to_owned()))
            }
        }
    }

    /// Learns the input, unless it is known, and does something; a beginning that fails has not been.
    fn with<T>(
        &mut self,
        parts: &[String],
        schema: &DataFrame,
        work: impl FnOnce(&mut GroupedBars) -> Result<T, FrameError>,
    ) -> Result<T, FrameError> {
        if let Some(bars) = self.running()? {
            bars.same_parts(Parts::named(parts))?;
            return work(bars);
        }
        let plan = Plan::new(&self.options, parts, self.options.columns()?, Rows::Frames)?;
        let mut bars = GroupedBars::new(&self.options, plan, schema)?;
        let result = work(&mut bars)?;
        self.state = State::Running(Box::new(bars));
        Ok(result)
    }

    fn restore(data: &[u8]) -> Result<Self, FrameError> {
        let (header, state) = Header::load(data)?;
        let options = header.options.clone();
        let Some(input) = &header.input else { return Ok(Self { options, state: State::New }) };
        let plan = Plan::new(&options, &input.parts, options.columns()?, Rows::Frames)?;
        let mut bars = GroupedBars::begin(&options, plan, &input.empty(&options)?)?;
        bars.restore(&header, state)?;
        Ok(Self { options, state: State::Running(Box::new(bars)) })
    }
}

impl PushStream {
    /// The stream for this thread alone. Waits for other threads without the GIL.
    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Live>> {
        self.0.lock_py_attached(py).map_err(broken)
    }
}

fn broken<T>(_: PoisonError<T>) -> PyErr {
    PyRuntimeError::new_err("a panic left the stream half-way: restore the last checkpoint")
}

#[pymethods]
impl PushStream {
    /// A stream that is told `options`, or that goes on from a `checkpoint`.
    #[new]
    #[pyo3(signature = (options=None, checkpoint=None))]
    fn new(options: Option<&str>, checkpoint: Option<&[u8]>) -> PyResult<Self> {
        let live = match (options, checkpoint) {
            (Some(options), None) => Live { options: StreamOptions::from_json(options)?, state: State::New },
            (None, Some(data)) => Live::restore(data)?,
            _ => return Err(PyTypeError::new_err("a stream begins with options or with a checkpoint")),
        };
        live.options.columns()?;
        Ok(Self(Mutex::new(live)))
    }

    /// What the stream was told, as JSON.
    fn _options(&self, py: Python<'_>) -> PyResult<String> {
        let options = &self.lock(py)?.options;
        Ok(serde_json::to_string(options).map_err(|error| FrameError(error.to_string()))?)
    }

    /// Unit of the time column, once it is known.
    fn _time_unit(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        Ok(self.lock(py)?.running()?.map(|bars| bars.time_unit()))
    }

    /// Learns the input from a frame.
    fn _begin(&self, py: Python<'_>, parts: Vec<String>, schema: PyDataFrame) -> PyResult<()> {
        Ok(self.lock(py)?.with(&parts, &schema.0, |_| Ok(()))?)
    }

    /// Adds a frame whose columns play some parts; returns the bars that it ended. `may_be_none` saves the frame where
    /// there are none: thirty columns cross into Python no faster without rows.
    fn _push(
        &self,
        py: Python<'_>,
        parts: Vec<String>,
        frame: PyDataFrame,
        may_be_none: bool,
    ) -> PyResult<Option<PyDataFrame>> {
        py.detach(|| {
            let mut live = self.0.lock().map_err(broken)?;
            let bars = live.with(&parts, &frame.0, |bars| {
                let ended = bars.push(&frame.0)?;
                if ended == 0 && may_be_none { Ok(None) } else { bars.take().map(Some) }
            })?;
            Ok(bars.map(PyDataFrame))
        })
    }

    /// Adds one trade and returns the bars that it ended, or None.
    ///
    /// Parameters
    /// ----------
    /// timestamp
    ///     An integer in the unit of the time column, or a datetime: an aware one is converted to UTC, a naive one is
    ///     taken as UTC.
    /// price, quantity
    ///     float, int or Decimal.
    /// is_buyer_maker
    ///     True where the seller was the aggressor.
    /// agg_trade_id, first_trade_id, last_trade_id
    ///     Ids; what the first trade has, every trade has.
    /// key
    ///     The value of the key column, or a tuple with one for each; None is a key like any other.
    ///
    /// Returns
    /// -------
    /// DataFrame or None
    ///     As :meth:`push`, if a bar ended.
    ///
    /// Raises
    /// ------
    /// RangeBarError
    ///     If the trade breaks a rule; the stream is then as it was before.
    /// TypeError
    ///     If an argument is of the wrong type.
    ///
    /// Notes
    /// -----
    /// The same bars as with :meth:`push`, without the cost of a frame. If the first trade of a stream comes this way and
    /// no `schema` was given, an integer time needs `time_unit` and gives Int64 times, a naive datetime gives
    /// Datetime("us"), an aware one Datetime("us", "UTC"); a str key gives String, an int key Int64.
    ///
    /// Examples
    /// --------
    /// >>> import rangebar_polars as rb
    /// >>> stream = rb.BarStream(threshold_dbps=1_000, by="symbol", time_unit="ms")
    /// >>> stream.push_trade(1_700_000_000_000, 100.0, 2.0, key="BTCUSDT")
    /// >>> stream.push_trade(1_700_000_000_250, 101.0, 1.0, key="BTCUSDT").select("open", "close", "volume").row(0)
    /// (100.0, 101.0, 3.0)
    #[pyo3(signature = (
        timestamp, price, quantity, is_buyer_maker=None, agg_trade_id=None, first_trade_id=None, last_trade_id=None,
        key=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "a trade has as many values")]
    fn push_trade(
        slf: &Bound<'_, Self>,
        timestamp: &Bound<'_, PyAny>,
        price: &Bound<'_, PyAny>,
        quantity: &Bound<'_, PyAny>,
        is_buyer_maker: Option<bool>,
        agg_trade_id: Option<i64>,
        first_trade_id: Option<i64>,
        last_trade_id: Option<i64>,
        key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<PyDataFrame>> {
        let individual_ids = match (first_trade_id, last_trade_id) {
            (Some(first), Some(last)) => Some((first, last)),
            (None, None) => None,
            _ => return Err(PyTypeError::new_err("`first_trade_id` and `last_trade_id` come together")),
        };
        let nothing = Number::Float(0.0);
        let mut trade =
            Trade { time: 0, price: nothing, quantity: nothing, is_buyer_maker, agg_trade_id, individual_ids };
        read_number(price, "price", &mut trade.price)?;
        read_number(quantity, "quantity", &mut trade.quantity)?;
        let mut live = slf.get().lock(slf.py())?;
        let begins = live.running()?.is_none();
        if begins {
            drop(live);
            let parts: Vec<_> = parts_of(&trade).iter().map(Part::name).collect();
            let (parts, schema) = slf.call_method1("_schema_of_trade", (timestamp, parts, key))?.extract()?;
            slf.get()._begin(slf.py(), parts, schema)?;
            live = slf.get().lock(slf.py())?;
        }
        let result = push_one(slf, &mut live, &mut trade, timestamp, key);
        if begins && result.is_err() {
            live.state = State::New;
        }
        result
    }

    /// The forming bars.
    fn pending(&self, py: Python<'_>) -> PyResult<PyDataFrame> {
        let mut live = self.lock(py)?;
        let bars = live.running()?.ok_or_else(|| FrameError(NOTHING_SEEN.to_owned()))?;
        Ok(PyDataFrame(bars.forming()?))
    }

    /// The forming bars, and the end of the stream.
    fn finish(&self, py: Python<'_>) -> PyResult<PyDataFrame> {
        let bars = self.pending(py)?;
        self.lock(py)?.state = State::Finished;
        Ok(bars)
    }

    /// The state, as bytes.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut live = self.lock(py)?;
        live.running()?;
        let running = if let State::Running(bars) = &live.state { Some(&**bars) } else { None };
        Ok(PyBytes::new(py, &Header::save(&live.options, running)?))
    }
}

const NOTHING_SEEN: &str =
    "the stream has seen no trades and was given no schema: it does not know the dtypes of its bars";

/// Pushes a trade into a stream that has begun.
fn push_one(
    slf: &Bound<'_, PushStream>,
    live: &mut Live,
    trade: &mut Trade,
    timestamp: &Bound<'_, PyAny>,
    key: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<PyDataFrame>> {
    let bars = live.running()?.ok_or_else(|| FrameError(NOTHING_SEEN.to_owned()))?;
    bars.same_parts(parts_of(trade))?;
    trade.time = match timestamp.cast::<PyInt>() {
        Ok(time) => time.extract()?,
        Err(_) => slf.call_method1("_instant", (timestamp, bars.time_unit()))?.extract()?,
    };
    let frame = |keys: DataFrame| -> Result<DataFrame, FrameError> {
        let frame = slf.call_method1("_key_frame", (key, PyDataFrame(keys)));
        let frame = frame.and_then(|frame| Ok(frame.extract::<PyDataFrame>()?));
        Ok(frame.map_err(|error| FrameError(error.value(slf.py()).to_string()))?.0)
    };
    let ended = match key {
        None if bars.key_count() == 0 => bars.push_trade(trade, &[], frame)?,
        None => bars.push_trade(trade, &[KeyValue::Null], frame)?,
        Some(key) if !key.is_instance_of::<PyTuple>() => bars.push_trade(trade, &[key_value(key)?], frame)?,
        Some(key) => {
            let keys: Vec<_> = key.try_iter()?.collect::<PyResult<_>>()?;
            let keys = keys.iter().map(key_value).collect::<PyResult<Vec<_>>>()?;
            bars.push_trade(trade, &keys, frame)?
        }
    };
    Ok(if ended { Some(PyDataFrame(bars.take()?)) } else { None })
}

/// A value of a key column, without its column.
fn key_value<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<KeyValue<'a>> {
    Ok(if let Ok(text) = value.cast::<PyString>() {
        KeyValue::Text(text.to_str()?)
    } else if value.is_none() {
        KeyValue::Null
    } else if value.is_instance_of::<PyInt>() {
        value.extract().map_or(KeyValue::Other, KeyValue::Integer)
    } else {
        KeyValue::Other
    })
}

/// A price or a quantity as it is written. Written in place: moving a number of 128 bits right after a double was
/// stored in it stalls for longer than the rest takes.
#[inline]
fn read_number(value: &Bound<'_, PyAny>, name: &str, out: &mut Number) -> PyResult<()> {
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
        // Beyond 128 bits no rule holds it: as a double it is refused with the number that it is.
        return match value.extract() {
            Ok(mantissa) => Ok(Number::Decimal { mantissa, scale: 0 }),
            Err(_) => Ok(Number::Float(value.call_method0("__float__")?.extract()?)),
        };
    }
    if let Ok(parts) = value.call_method0("as_tuple") {
        return decimal(&parts).map_or_else(|| value.extract().map(Number::Float), Ok);
    }
    value.extract().map(Number::Float).map_err(|_| refuse())
}

/// A Decimal from its sign, digits and exponent; none where 128 bits do not hold the digits.
fn decimal(parts: &Bound<'_, PyAny>) -> Option<Number> {
    let (negative, digits, exponent): (u8, Vec<u8>, i32) = parts.extract().ok()?;
    let digits = digits.into_iter().chain(std::iter::repeat_n(0, exponent.clamp(0, 39) as usize));
    let mantissa = digits.into_iter().try_fold(0_i128, |m, digit| m.checked_mul(10)?.checked_add(digit.into()))?;
    let scale = u32::try_from(-exponent.min(0)).ok()?;
    Some(Number::Decimal { mantissa: if negative == 1 { -mantissa } else { mantissa }, scale })
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
