//! The Python face of live streams: frames and single trades, from any thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use polars::prelude::DataFrame;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyTuple};
use pyo3_polars::PyDataFrame;

use super::GroupedBars;
use super::checkpoint::Header;
use super::keys::KeyValue;
use super::options::{Parts, Plan, Rows, StreamOptions};
use super::trade::parts_of;
use crate::core::{Column as Part, Number, Trade};
use crate::frame::FrameError;

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

    fn forming(&mut self) -> Result<DataFrame, FrameError> {
        self.running()?.ok_or_else(|| FrameError(NOTHING_SEEN.to_owned()))?.forming()
    }

    /// Pushes a trade, if all is there that it needs.
    fn push_trade(
        &mut self,
        trade: &mut Trade,
        time: Option<i64>,
        key: &[KeyValue<'_>],
        begin: Option<&(Vec<String>, PyDataFrame)>,
        frame: Option<&PyDataFrame>,
    ) -> Result<Outcome, FrameError> {
        let mut push = |bars: &mut GroupedBars| {
            bars.same_parts(parts_of(trade))?;
            let Some(time) = time else { return Ok(Outcome::NeedsTime(bars.time_unit())) };
            trade.time = time;
            Ok(match bars.push_trade(trade, key, frame.map(|frame| &frame.0))? {
                None => Outcome::NeedsKey(bars.empty_keys()),
                Some(0) => Outcome::Pushed(None),
                Some(_) => Outcome::Pushed(Some(bars.take()?)),
            })
        };
        match (self.running()?, begin) {
            (Some(bars), _) => push(bars),
            (None, None) => Ok(Outcome::NeedsSchema),
            (None, Some((parts, schema))) => self.with(parts, &schema.0, push),
        }
    }

    fn restore(data: &[u8], knows_zone: impl Fn(&str) -> bool) -> Result<Self, FrameError> {
        let (header, state) = Header::load(data)?;
        if let Some(zone) = header.zones().find(|zone| !knows_zone(zone)) {
            return Err(FrameError(format!("the checkpoint has times of an unknown zone, {zone:?}")));
        }
        let options = header.options.clone();
        let Some(input) = &header.input else { return Ok(Self { options, state: State::New }) };
        let plan = Plan::new(&options, &input.parts, options.columns()?, Rows::Frames)?;
        let mut bars = GroupedBars::begin(&options, plan, &input.empty(&options)?)?;
        bars.restore(&header, state)?;
        Ok(Self { options, state: State::Running(Box::new(bars)) })
    }
}

/// What became of a trade.
enum Outcome {
    /// It is in; the bars that it ended, if any.
    Pushed(Option<DataFrame>),
    /// It is the first, and has to say what the input is.
    NeedsSchema,
    /// Its time has to be an integer of this unit.
    NeedsTime(&'static str),
    /// Its key has to be in a frame like this one.
    NeedsKey(DataFrame),
}

impl PushStream {
    /// The stream for this thread alone. Waits for other threads without the GIL.
    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Live>> {
        self.0.lock_py_attached(py).map_err(broken)
    }
}

/// Whether there is a time zone of this name: our Polars has no list of them, Python has.
fn knows_zone(py: Python<'_>, zone: &str) -> bool {
    zone == "UTC" || py.import("zoneinfo").and_then(|module| module.getattr("ZoneInfo")?.call1((zone,))).is_ok()
}

fn broken<T>(_: PoisonError<T>) -> PyErr {
    PyRuntimeError::new_err("a panic left the stream half-way: restore the last checkpoint")
}

#[pymethods]
impl PushStream {
    /// A stream that is told `options`, or that goes on from a `checkpoint`.
    #[new]
    #[pyo3(signature = (options=None, checkpoint=None))]
    fn new(py: Python<'_>, options: Option<&str>, checkpoint: Option<&[u8]>) -> PyResult<Self> {
        let live = match (options, checkpoint) {
            (Some(options), None) => Live { options: StreamOptions::from_json(options)?, state: State::New },
            (None, Some(data)) => Live::restore(data, |zone| knows_zone(py, zone))?,
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
        agg_trade_id: Option<&Bound<'_, PyAny>>,
        first_trade_id: Option<&Bound<'_, PyAny>>,
        last_trade_id: Option<&Bound<'_, PyAny>>,
        key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<PyDataFrame>> {
        let individual_ids =
            match (integer(first_trade_id, "first_trade_id")?, integer(last_trade_id, "last_trade_id")?) {
                (Some(first), Some(last)) => Some((first, last)),
                (None, None) => None,
                _ => return Err(PyTypeError::new_err("`first_trade_id` and `last_trade_id` come together")),
            };
        let agg_trade_id = integer(agg_trade_id, "agg_trade_id")?;
        let nothing = Number::Float(0.0);
        let mut trade =
            Trade { time: 0, price: nothing, quantity: nothing, is_buyer_maker, agg_trade_id, individual_ids };
        read_number(price, "price", &mut trade.price)?;
        read_number(quantity, "quantity", &mut trade.quantity)?;
        let time = if timestamp.is_instance_of::<PyInt>() { integer(Some(timestamp), "timestamp")? } else { None };
        let tuple: Vec<_> = match key {
            Some(key) if key.is_instance_of::<PyTuple>() => key.try_iter()?.collect::<PyResult<_>>()?,
            _ => Vec::new(),
        };
        let several = tuple.iter().map(|key| key_value(Some(key))).collect::<PyResult<Vec<_>>>()?;
        let one = if tuple.is_empty() { [key_value(key)?] } else { [KeyValue::Other] };
        let key_values = if tuple.is_empty() { &one[..] } else { &several[..] };
        if let (Some(time), State::Running(bars)) = (time, &mut slf.get().lock(slf.py())?.state) {
            bars.same_parts(parts_of(&trade))?;
            trade.time = time;
            match bars.push_trade(&trade, key_values, None)? {
                Some(0) => return Ok(None),
                Some(_) => return Ok(Some(PyDataFrame(bars.take()?))),
                None => {} // a new key
            }
        }
        push_with_python(slf, &mut trade, timestamp, time, key, key_values)
    }

    /// The forming bars.
    fn pending(&self, py: Python<'_>) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(self.lock(py)?.forming()?))
    }

    /// The forming bars, and the end of the stream.
    fn finish(&self, py: Python<'_>) -> PyResult<PyDataFrame> {
        let mut live = self.lock(py)?;
        let bars = live.forming()?;
        live.state = State::Finished;
        Ok(PyDataFrame(bars))
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

/// Pushes a trade that cannot do without Python: the first one, a new key, a time that is no integer.
#[cold]
fn push_with_python(
    slf: &Bound<'_, PushStream>,
    trade: &mut Trade,
    timestamp: &Bound<'_, PyAny>,
    mut time: Option<i64>,
    key: Option<&Bound<'_, PyAny>>,
    key_values: &[KeyValue<'_>],
) -> PyResult<Option<PyDataFrame>> {
    let (mut begin, mut frame) = (None, None);
    loop {
        let outcome = slf.get().lock(slf.py())?.push_trade(trade, time, key_values, begin.as_ref(), frame.as_ref())?;
        // Python is asked without the lock: it may run anything, a signal handler that calls this stream among it.
        match outcome {
            Outcome::Pushed(bars) => return Ok(bars.map(PyDataFrame)),
            Outcome::NeedsTime(unit) => time = Some(slf.call_method1("_instant", (timestamp, unit))?.extract()?),
            Outcome::NeedsKey(keys) => {
                frame = Some(slf.call_method1("_key_frame", (key, PyDataFrame(keys)))?.extract()?);
            }
            Outcome::NeedsSchema => {
                let parts: Vec<_> = parts_of(trade).iter().map(Part::name).collect();
                let said = slf.call_method1("_schema_of_trade", (timestamp, parts, key))?;
                let (parts, schema, instant, keys) = said.extract::<(_, PyDataFrame, i64, PyDataFrame)>()?;
                (begin, time, frame) = (Some((parts, schema)), Some(instant), Some(keys));
            }
        }
    }
}

/// Decimals of a Decimal that is taken as it is.
const MOST_DECIMALS: u32 = 1_000;

/// A value of a key column, without its column.
fn key_value<'a>(value: Option<&'a Bound<'_, PyAny>>) -> PyResult<KeyValue<'a>> {
    let Some(value) = value else { return Ok(KeyValue::Null) };
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

/// An integer argument.
#[inline]
fn integer(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<i64>> {
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
    if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
        return Err(PyTypeError::new_err(format!("`{name}` must be an int, got {value:?}")));
    }
    let too_large = |_| FrameError(format!("`{name}` must fit a signed 64-bit integer, got {value:?}"));
    Ok(value.extract().map_err(too_large)?)
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
        // Beyond 128 bits it is refused as what it is nearly: a double, or infinite.
        let nearly = || value.extract().unwrap_or(f64::INFINITY);
        return Ok(value
            .extract()
            .map_or_else(|_| Number::Float(nearly()), |mantissa| Number::Decimal { mantissa, scale: 0 }));
    }
    if let Ok(parts) = value.call_method0("as_tuple") {
        return decimal(&parts).map_or_else(|| value.extract().map(Number::Float), Ok);
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
