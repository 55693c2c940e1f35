//! The Python face of live streams: frames and single trades, from any thread.
//!
//! A stream is new, running or finished. A new one has a request and knows nothing of its input: the first push says
//! what the columns and dtypes are. If that push fails, the stream is new again.
//!
//! [`PushStream`] owns its state behind a lock. Two rules keep threads and signal handlers apart:
//!
//! - Whoever waits for the lock does so without the GIL.
//! - Nothing of Python runs under the lock, because it may run a signal handler, and a handler may call the stream. So
//!   whatever Python is asked for (a frame, a key, whether a signal came) is asked for before or after, and a change
//!   that depends on the answer is made only if nothing else changed the stream meanwhile.
//!
//! The caller owns the bars once it has them. If it never gets them, because a handler raised, the push is taken back. If
//! another push came in between, that is impossible, and the bars are `owed`: they come out before the next ones.
//!
//! A push that fails changes nothing, whether a row was bad or a handler raised. A panic under the lock poisons it: from
//! then on every call says that the last checkpoint must be restored.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polars::prelude::*;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};
use pyo3_polars::{PyDataFrame, PySeries};

use super::checkpoint::Header;
use super::group_index::KeyValue;
use super::grouped::GroupedBars;
use super::plan::{Plan, Roles, RowNaming};
use super::trade::roles_of;
use crate::core::{Number, Role, Trade};
use crate::frame::{FrameError, Request};

/// Bars of frames and trades that are pushed as they come. The base of `BarStream`, which says what its methods are.
#[pyclass(module = "rangebar_polars._internal", subclass, frozen)]
pub struct PushStream(Mutex<Live>);

struct Live {
    request: Arc<Request>,
    state: State,
    /// Bars that their caller never got, and that could not be taken back: they come out with the next ones.
    owed: Option<DataFrame>,
}

/// A push that is done, which may be taken back while nothing else was pushed: its number, and whether the stream knew
/// nothing before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    number: u64,
    is_first: bool,
}

enum State {
    /// Knows nothing of its input.
    New,
    Running(Box<GroupedBars>),
    Finished {
        /// Trades that were dropped since they had been seen.
        skipped: u64,
    },
}

impl Live {
    /// The stream, if it has begun.
    fn running(&mut self) -> Result<Option<&mut GroupedBars>, FrameError> {
        match &mut self.state {
            State::New => Ok(None),
            State::Running(bars) => Ok(Some(bars)),
            State::Finished { .. } => {
                Err(FrameError("the stream is finished: nothing can be pushed or asked any more".to_owned()))
            }
        }
    }

    /// The last push, as one that began when the stream knew nothing or not.
    fn done(&self, is_first: bool) -> Done {
        let number = if let State::Running(bars) = &self.state { bars.push_number() } else { 0 };
        Done { number, is_first }
    }

    /// Takes back a push whose caller never got its bars.
    fn take_back(&mut self, push: Done, lost: Option<DataFrame>) -> Result<(), FrameError> {
        let State::Running(bars) = &mut self.state else { return Ok(()) };
        if bars.push_number() != push.number {
            // Another thread pushed meanwhile, or the signal handler that raised.
            self.owed = lost.map(|lost| self.with_owed(lost)).transpose()?;
            return Ok(());
        }
        if push.is_first {
            self.state = State::New; // and what it had learnt is forgotten
            return Ok(());
        }
        bars.roll_back();
        Ok(())
    }

    /// Bars behind those that are owed, which are then owed no more.
    fn with_owed(&mut self, bars: DataFrame) -> Result<DataFrame, FrameError> {
        let bars = self.behind_owed(bars)?;
        self.owed = None;
        Ok(bars)
    }

    /// Bars behind those that are owed.
    fn behind_owed(&self, bars: DataFrame) -> Result<DataFrame, FrameError> {
        Ok(match &self.owed {
            Some(owed) => owed.vstack(&bars)?,
            None => bars,
        })
    }

    /// Learns the input, unless it is known, and does something; a beginning that fails has not been.
    fn with<T>(
        &mut self,
        roles: &[String],
        schema: &DataFrame,
        work: impl FnOnce(&mut GroupedBars) -> Result<T, FrameError>,
    ) -> Result<T, FrameError> {
        if let Some(bars) = self.running()? {
            bars.same_roles(Roles::named(roles))?;
            return work(bars);
        }
        let plan = Plan::new(&self.request, roles, self.request.columns()?, RowNaming::Frames, true)?;
        let mut bars = GroupedBars::new(plan, schema)?;
        let result = work(&mut bars)?;
        self.state = State::Running(Box::new(bars));
        Ok(result)
    }

    /// The stream, which has begun.
    fn begun(&mut self) -> Result<&mut GroupedBars, FrameError> {
        self.running()?.ok_or_else(|| FrameError(NOTHING_SEEN.to_owned()))
    }

    fn forming(&mut self) -> Result<DataFrame, FrameError> {
        self.begun()?.forming()
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
            bars.same_roles(roles_of(trade))?;
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
            (None, Some((roles, schema))) => self.with(roles, &schema.0, push),
        }
    }

    fn restore(data: &[u8], knows_zone: impl Fn(&str) -> bool) -> Result<Self, FrameError> {
        let (header, state) = Header::load(data)?;
        if let Some(zone) = header.zones().find(|zone| !knows_zone(zone)) {
            return Err(FrameError(format!("the checkpoint has times of an unknown zone, {zone:?}")));
        }
        let Header { request, input, .. } = header;
        let request = Arc::new(request);
        let columns = request.columns()?;
        let Some(input) = input else { return Ok(Self { request, state: State::New, owed: None }) };
        let plan = Plan::new(&request, &input.roles, columns, RowNaming::Frames, true)?;
        let mut bars = GroupedBars::begin(plan, &input.empty(&request)?)?;
        bars.restore(&input, state)?;
        Ok(Self { request, state: State::Running(Box::new(bars)), owed: None })
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

    /// Makes bars a frame of Python, unless a signal came meanwhile and its handler raises: then the push is taken back, so
    /// that one that raises has changed nothing. Done without the lock, since a handler may call the stream.
    fn hand_over<'py>(&self, py: Python<'py>, push: Done, bars: Option<DataFrame>) -> PyResult<Option<Frame<'py>>> {
        match as_python(py, bars.clone()) {
            Ok(frame) => Ok(frame),
            Err(raised) => {
                self.lock(py)?.take_back(push, bars)?;
                Err(raised)
            }
        }
    }

    /// Asks for bars, then for signals, and only then changes the stream; once more if it was changed meanwhile.
    fn end_bars<'py, T>(
        &self,
        py: Python<'py>,
        ask: impl Fn(&mut Live) -> Result<(DataFrame, T), FrameError>,
        change: impl Fn(&mut Live, T) -> Result<(), FrameError>,
    ) -> PyResult<Option<Frame<'py>>> {
        loop {
            let mut live = self.lock(py)?;
            let (bars, what) = ask(&mut live)?;
            let bars = live.behind_owed(bars)?;
            let asked_at = live.done(false);
            drop(live);
            let frame = as_python(py, Some(bars))?;
            let mut live = self.lock(py)?;
            live.running()?;
            if live.done(false) == asked_at {
                change(&mut live, what)?;
                live.owed = None;
                return Ok(frame);
            }
        }
    }
}

/// Whether there is a time zone of this name: our Polars has no list of them, Python has.
fn knows_zone(py: Python<'_>, zone: &str) -> bool {
    zone == "UTC" || py.import("zoneinfo").and_then(|module| module.getattr("ZoneInfo")?.call1((zone,))).is_ok()
}

/// A frame of Python.
type Frame<'py> = Bound<'py, PyAny>;

/// A frame of Python, unless a signal came whose handler raises: in what makes the frame, which runs Python, or before.
fn as_python(py: Python<'_>, bars: Option<DataFrame>) -> PyResult<Option<Frame<'_>>> {
    let frame = bars.map(|bars| frame_of_python(py, &bars)).transpose()?;
    py.check_signals().map(|()| frame)
}

/// A frame that crosses as one column of structs: thirty columns, one by one, took five times as long.
fn frame_of_python<'py>(py: Python<'py>, bars: &DataFrame) -> PyResult<Frame<'py>> {
    let bars = bars.clone().into_struct(PlSmallStr::EMPTY).into_series();
    PySeries(bars).into_pyobject(py)?.getattr(intern!(py, "struct"))?.call_method0(intern!(py, "unnest"))
}

fn broken<T>(_: PoisonError<T>) -> PyErr {
    PyRuntimeError::new_err("a panic left the stream half-way: restore the last checkpoint")
}

#[pymethods]
impl PushStream {
    /// A stream for a `request`, or that goes on from a `checkpoint`.
    #[new]
    #[pyo3(signature = (request=None, checkpoint=None))]
    fn new(py: Python<'_>, request: Option<&str>, checkpoint: Option<&[u8]>) -> PyResult<Self> {
        let live = match (request, checkpoint) {
            (Some(request), None) => {
                let request = Arc::new(Request::from_json(request)?);
                request.columns()?;
                Live { request, state: State::New, owed: None }
            }
            (None, Some(data)) => Live::restore(data, |zone| knows_zone(py, zone))?,
            _ => return Err(PyTypeError::new_err("a stream begins with a request or with a checkpoint")),
        };
        Ok(Self(Mutex::new(live)))
    }

    /// The request, as JSON.
    fn _request(&self, py: Python<'_>) -> PyResult<String> {
        let request = &self.lock(py)?.request;
        Ok(serde_json::to_string(request.as_ref()).map_err(|error| FrameError(error.to_string()))?)
    }

    /// Learns the input from a frame.
    fn _begin(&self, py: Python<'_>, parts: Vec<String>, schema: PyDataFrame) -> PyResult<()> {
        Ok(self.lock(py)?.with(&parts, &schema.0, |_| Ok(()))?)
    }

    /// Adds columns of one frame, which play some parts; returns the bars that it ended. `may_be_none` saves the frame where
    /// there are none: thirty columns cross into Python no faster without rows. `done` gets what [`PushStream::_take_back`]
    /// takes.
    fn _push<'py>(
        &self,
        py: Python<'py>,
        parts: Vec<String>,
        columns: Vec<PySeries>,
        may_be_none: bool,
        done: &Bound<'_, PyList>,
    ) -> PyResult<Option<Frame<'py>>> {
        let columns = columns.into_iter().map(|column| column.0.into_column()).collect();
        let (push, bars) = py.detach(|| {
            let frame = DataFrame::new_infer_height(columns).map_err(FrameError::from)?;
            let mut live = self.0.lock().map_err(broken)?;
            let is_first = matches!(live.state, State::New);
            let bars = live.with(&parts, &frame, |bars| {
                let ended = bars.push(&frame)?;
                if ended == 0 && may_be_none { Ok(None) } else { bars.take().map(Some) }
            })?;
            let bars = bars.or_else(|| live.owed.as_ref().map(DataFrame::clear));
            let bars = bars.map(|bars| live.with_owed(bars)).transpose()?;
            Ok::<_, PyErr>((live.done(is_first), bars))
        })?;
        let bars = self.hand_over(py, push, bars)?;
        done.append((push.number, push.is_first, bars.clone()))?;
        Ok(bars)
    }

    /// Takes back a push whose caller never got its bars.
    fn _take_back(&self, py: Python<'_>, number: u64, is_first: bool, bars: Option<PyDataFrame>) -> PyResult<()> {
        Ok(self.lock(py)?.take_back(Done { number, is_first }, bars.map(|bars| bars.0))?)
    }

    /// Ends the bars that a reset or a gap has ended by a time.
    fn _advance<'py>(&self, py: Python<'py>, time: i64) -> PyResult<Option<Frame<'py>>> {
        let (push, bars) = {
            let mut live = self.lock(py)?;
            let bars = live.begun()?.advance(time)?;
            (live.done(false), live.with_owed(bars)?)
        };
        self.hand_over(py, push, Some(bars))
    }

    /// Forgets groups, of which the keys are in a frame, and returns their forming bars.
    fn _forget<'py>(&self, py: Python<'py>, keys: PyDataFrame) -> PyResult<Option<Frame<'py>>> {
        self.end_bars(py, |live| live.begun()?.forming_to_forget(&keys.0), |live, kept| live.begun()?.keep(&kept))
    }

    /// Unit of the time column; none while it is not known.
    fn _time_unit(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        Ok(self.lock(py)?.running()?.map(|bars| bars.time_unit()))
    }

    /// The key columns without rows; none while they are not known.
    fn _empty_keys(&self, py: Python<'_>) -> PyResult<Option<PyDataFrame>> {
        Ok(self.lock(py)?.running()?.map(|bars| PyDataFrame(bars.empty_keys())))
    }

    /// Trades that were dropped since they had been seen.
    #[getter]
    fn skipped(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(match &self.lock(py)?.state {
            State::New => 0,
            State::Running(bars) => bars.skipped(),
            State::Finished { skipped } => *skipped,
        })
    }

    /// Adds one trade and returns the bars that it ended, or None.
    ///
    /// Parameters
    /// ----------
    /// timestamp
    ///     An integer in the unit of the time column, or a datetime, also one of pandas or numpy: an aware one is converted
    ///     to UTC, a naive one is taken as UTC. What the unit cannot hold is an error, not rounded.
    /// price, quantity
    ///     float, int or Decimal.
    /// is_buyer_maker
    ///     True where the seller was the aggressor; None without a side. If the first trade has one, every trade has, unless
    ///     the stream has `missing_side="null"`.
    /// agg_trade_id, first_trade_id, last_trade_id
    ///     Ids; what the first trade has, every trade has.
    /// key
    ///     The value of the key column, or a tuple with one for each. A stream with `by` needs it; None is a key like any
    ///     other, if it is given.
    ///
    /// Returns
    /// -------
    /// DataFrame or None
    ///     As :meth:`push`, if a bar ended.
    ///
    /// Raises
    /// ------
    /// RangeBarError
    ///     If the trade breaks a rule, or has no key where the stream has `by`; the stream is then as it was before.
    /// TypeError
    ///     If an argument is of the wrong type.
    ///
    /// Notes
    /// -----
    /// The same bars as with :meth:`push`, without the cost of a frame. If the first trade of a stream comes this way and
    /// no `schema` was given, an integer time needs `time_unit` and gives Int64 times, a naive datetime gives
    /// Datetime("us"), an aware one Datetime("us", "UTC"), one of pandas or numpy the same in "ns"; a str key gives String,
    /// an int key Int64.
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
        key=Key::Missing
    ), text_signature = "($self, timestamp, price, quantity, is_buyer_maker=None, agg_trade_id=None, first_trade_id=None, last_trade_id=None, key=...)")]
    #[expect(clippy::too_many_arguments, reason = "a trade has as many values")]
    fn push_trade<'py>(
        slf: &Bound<'py, Self>,
        timestamp: &Bound<'_, PyAny>,
        price: &Bound<'_, PyAny>,
        quantity: &Bound<'_, PyAny>,
        is_buyer_maker: Option<bool>,
        agg_trade_id: Option<&Bound<'_, PyAny>>,
        first_trade_id: Option<&Bound<'_, PyAny>>,
        last_trade_id: Option<&Bound<'_, PyAny>>,
        key: Key<'_, '_>,
    ) -> PyResult<Option<Frame<'py>>> {
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
        let is_integer = timestamp.is_instance_of::<PyInt>() || as_integer(timestamp).is_some();
        let time = if is_integer { integer(Some(timestamp), "timestamp")? } else { None };
        let tuple: Vec<_> = match &key {
            Key::Given(key) if key.is_instance_of::<PyTuple>() => key.try_iter()?.collect::<PyResult<_>>()?,
            _ => Vec::new(),
        };
        let several = tuple.iter().map(key_value).collect::<PyResult<Vec<_>>>()?;
        let one = match &key {
            Key::Given(key) if tuple.is_empty() => Some(key_value(key)?),
            _ => None,
        };
        let key_values = one.as_ref().map_or(&several[..], std::slice::from_ref);
        if let Some(time) = time {
            let mut live = slf.get().lock(slf.py())?;
            if let State::Running(bars) = &mut live.state {
                bars.same_roles(roles_of(&trade))?;
                trade.time = time;
                match bars.push_trade(&trade, key_values, None)? {
                    Some(0) => return Ok(None),
                    Some(_) => {
                        let bars = bars.take()?;
                        let (push, bars) = (live.done(false), live.with_owed(bars)?);
                        drop(live);
                        return slf.get().hand_over(slf.py(), push, Some(bars));
                    }
                    None => {} // a new key
                }
            }
        }
        push_with_python(slf, &mut trade, timestamp, time, &key, key_values)
    }

    /// The forming bars.
    fn pending(&self, py: Python<'_>) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(self.lock(py)?.forming()?))
    }

    /// The forming bars, and the end of the stream.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Option<Frame<'py>>> {
        let finish = |live: &mut Live, ()| {
            live.state = State::Finished { skipped: live.begun()?.skipped() };
            Ok(())
        };
        self.end_bars(py, |live| Ok((live.forming()?, ())), finish)
    }

    /// The state, as bytes.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut live = self.lock(py)?;
        live.running()?;
        let running = if let State::Running(bars) = &live.state { Some(&**bars) } else { None };
        Ok(PyBytes::new(py, &Header::save(&live.request, running)?))
    }
}

const NOTHING_SEEN: &str =
    "the stream has seen no trades and was given no schema: it does not know the dtypes of its bars";

/// Pushes a trade that cannot do without Python: the first one, a new key, a time that is no integer.
#[cold]
fn push_with_python<'py>(
    slf: &Bound<'py, PushStream>,
    trade: &mut Trade,
    timestamp: &Bound<'_, PyAny>,
    mut time: Option<i64>,
    key: &Key<'_, '_>,
    key_values: &[KeyValue<'_>],
) -> PyResult<Option<Frame<'py>>> {
    let key = match key {
        Key::Given(key) => Some(key),
        Key::Missing => {
            let by = slf.get().lock(slf.py())?.request.by.join("`, `");
            if !by.is_empty() {
                let what =
                    format!("the stream has by=`{by}`, so a trade needs `key`; say key=None where its key is null");
                return Err(FrameError(what).into());
            }
            None
        }
    };
    let (mut begin, mut frame) = (None, None);
    loop {
        let (push, outcome) = {
            let mut live = slf.get().lock(slf.py())?;
            let is_first = matches!(live.state, State::New);
            let outcome = live.push_trade(trade, time, key_values, begin.as_ref(), frame.as_ref())?;
            (live.done(is_first), outcome)
        };
        // Python is asked without the lock: it may run anything, a signal handler that calls this stream among it.
        match outcome {
            // Most trades leave no copy to go back to, and no bars that could be lost: only the beginning can be undone.
            Outcome::Pushed(None) if !push.is_first => return Ok(None),
            Outcome::Pushed(bars) => return slf.get().hand_over(slf.py(), push, bars),
            Outcome::NeedsTime(unit) => time = Some(slf.call_method1("_instant", (timestamp, unit))?.extract()?),
            Outcome::NeedsKey(keys) => {
                frame = Some(slf.call_method1("_key_frame", (key, PyDataFrame(keys)))?.extract()?);
            }
            Outcome::NeedsSchema => {
                let roles: Vec<_> = roles_of(trade).iter().map(Role::name).collect();
                let said = slf.call_method1("_schema_of_trade", (timestamp, roles, key))?;
                let (roles, schema, instant, keys) = said.extract::<(_, PyDataFrame, i64, PyDataFrame)>()?;
                (begin, time, frame) = (Some((roles, schema)), Some(instant), Some(keys));
            }
        }
    }
}

/// Decimals of a Decimal that is taken as it is.
const MOST_DECIMALS: u32 = 1_000;

/// The key of a trade: None is one, if it is given.
enum Key<'a, 'py> {
    Missing,
    Given(Borrowed<'a, 'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Key<'a, 'py> {
    type Error = std::convert::Infallible;

    fn extract(key: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self::Given(key))
    }
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
        let integer = as_integer(value).and_then(|integer| integer.extract().ok());
        integer.map_or(KeyValue::Other, KeyValue::Integer)
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
    let Some(integer) = as_integer(value) else {
        return Err(PyTypeError::new_err(format!("`{name}` must be an int, got {value:?}")));
    };
    let too_large = |_| FrameError(format!("`{name}` must fit a signed 64-bit integer, got {value:?}"));
    Ok(integer.extract().map_err(too_large)?)
}

/// What is an integer, of whatever library, as one of Python; a bool is none.
fn as_integer<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    if value.is_instance_of::<PyBool>() { None } else { value.call_method0("__index__").ok() }
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
