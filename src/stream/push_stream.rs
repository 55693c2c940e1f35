//! The Python face of live streams: frames and single trades, from any thread.
//!
//! A stream is new, running or finished. A new one has a request and knows nothing of its input: the first push says
//! what the columns and dtypes are. If that push fails, the stream is new again.
//!
//! [`PushStream`] owns its state behind a lock. Three rules keep threads and signal handlers apart:
//!
//! - Whoever waits for the lock does so without the GIL.
//! - What may take long is done without the GIL, and the lock is given back before the GIL is asked for again.
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
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyInt, PyList, PyTuple};
use pyo3_polars::PyDataFrame;

use super::arguments::{Key, as_integer, integer, key_value, read_number};
use super::checkpoint::Header;
use super::crossing::{bytes_of_python, columns_of_python, drop_apart, frame_of_python};
use super::keys::KeyValue;
use super::live::{Done, Form, Given, Live, Outcome, State};
use super::trade::{Taken, roles_of};
use crate::core::{Number, Role, Trade};
use crate::frame::{FrameError, Request};

/// Bars of frames and trades that are pushed as they come. The base of `BarStream`, which says what its methods are.
#[pyclass(module = "rangebar_polars._internal", subclass, frozen)]
pub struct PushStream(Mutex<Live>);

impl PushStream {
    /// The stream for this thread alone. Waits for other threads without the GIL.
    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Live>> {
        self.0.lock_py_attached(py).map_err(broken)
    }

    /// Does what may take long: without the GIL, and with the lock.
    fn apart<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Live) -> Result<T, FrameError> + Send,
    ) -> PyResult<T> {
        py.detach(|| Ok(work(&mut *self.0.lock().map_err(broken)?)?))
    }

    /// Makes bars a frame of Python, unless a signal came meanwhile and its handler raises: then the push is taken back, so
    /// that one that raises has changed nothing. Done without the lock, since a handler may call the stream.
    fn hand_over<'py>(
        &self,
        py: Python<'py>,
        push: Done,
        bars: Option<Given>,
        form: Form,
    ) -> PyResult<Option<Bars<'py>>> {
        match as_python(py, bars.as_ref(), form) {
            Ok(made) => Ok(made),
            Err(raised) => {
                self.lock(py)?.take_back(push, bars)?;
                Err(raised)
            }
        }
    }

    /// Asks for bars, then for signals, and only then changes the stream; once more if it was changed meanwhile.
    fn end_bars<'py, T: Send>(
        &self,
        py: Python<'py>,
        ask: impl Fn(&mut Live) -> Result<(DataFrame, T), FrameError> + Sync,
        change: impl Fn(&mut Live, T) -> Result<(), FrameError> + Sync,
    ) -> PyResult<Option<Bars<'py>>> {
        loop {
            let (bars, what, asked_at) = self.apart(py, |live| {
                let (bars, what) = ask(live)?;
                Ok((live.behind_owed(bars)?, what, live.done(false)))
            })?;
            let made = as_python(py, Some(&Given::Frame(bars)), Form::Frame)?;
            let is_done = self.apart(py, |live| {
                live.running()?;
                let is_as_asked = live.done(false) == asked_at;
                if is_as_asked {
                    change(live, what)?;
                    live.owed = None;
                }
                Ok(is_as_asked)
            })?;
            if is_done {
                return Ok(made);
            }
        }
    }
}

impl Drop for PushStream {
    fn drop(&mut self) {
        if let Ok(Live { state: State::Running(bars), .. }) = self.0.get_mut() {
            drop_apart(bars.unload());
        }
    }
}

/// Whether there is a time zone of this name: our Polars has no list of them, Python has.
fn knows_zone(py: Python<'_>, zone: &str) -> bool {
    zone == "UTC" || py.import("zoneinfo").and_then(|module| module.getattr("ZoneInfo")?.call1((zone,))).is_ok()
}

/// Bars of Python: a frame, or a list of rows.
type Bars<'py> = Bound<'py, PyAny>;

/// Bars of Python, unless a signal came whose handler raises: in what makes them, which runs Python, or before.
fn as_python<'py>(py: Python<'py>, bars: Option<&Given>, form: Form) -> PyResult<Option<Bars<'py>>> {
    let made = bars.map(|bars| bars.of_python(py, form)).transpose()?;
    py.check_signals().map(|()| made)
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
            (None, Some(data)) => {
                let (header, state) = py.detach(|| Header::load(data))?;
                if let Some(zone) = header.zones().find(|zone| !knows_zone(py, zone)) {
                    return Err(FrameError(format!("the checkpoint has times of an unknown zone, {zone:?}")).into());
                }
                py.detach(|| Live::restore(header, state))?
            }
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

    /// Adds columns of a frame, which play some parts; returns the bars that it ended. `may_be_none` saves the frame where
    /// there are none: thirty columns cross into Python no faster without rows. `done` gets what [`PushStream::_take_back`]
    /// takes.
    fn _push<'py>(
        &self,
        py: Python<'py>,
        parts: Vec<String>,
        frame: &Bound<'py, PyAny>,
        columns: &Bound<'py, PyList>,
        may_be_none: bool,
        done: &Bound<'_, PyList>,
    ) -> PyResult<Option<Bars<'py>>> {
        let columns = columns_of_python(frame, columns)?;
        let (push, bars) = py.detach(|| {
            let frame = DataFrame::new_infer_height(columns).map_err(FrameError::from)?;
            let mut live = self.0.lock().map_err(broken)?;
            let is_first = matches!(live.state, State::New);
            let bars = live.with(&parts, &frame, |bars| {
                let ended = bars.push(&frame)?;
                if ended == 0 && may_be_none {
                    return Ok(None);
                }
                bars.take_few().map_or_else(|| bars.take().map(Given::Frame), |few| Ok(Given::Ended(few))).map(Some)
            })?;
            Ok::<_, PyErr>(live.give(bars, is_first)?)
        })?;
        let bars = self.hand_over(py, push, bars, Form::Frame)?;
        done.append((push.number, push.is_first, push.owed, bars.clone()))?;
        Ok(bars)
    }

    /// Takes back a push whose caller never got its bars.
    fn _take_back(
        &self,
        py: Python<'_>,
        number: u64,
        is_first: bool,
        owed: usize,
        bars: Option<PyDataFrame>,
    ) -> PyResult<()> {
        Ok(self.lock(py)?.take_back(Done { number, is_first, owed }, bars.map(|bars| Given::Frame(bars.0)))?)
    }

    /// Ends the bars that a reset or a gap has ended by a time.
    fn _advance<'py>(&self, py: Python<'py>, time: i64) -> PyResult<Option<Bars<'py>>> {
        let (push, bars) = self.apart(py, |live| {
            let bars = live.begun()?.advance(time)?;
            live.give(Some(Given::Frame(bars)), false)
        })?;
        self.hand_over(py, push, bars, Form::Frame)
    }

    /// Forgets groups, of which the keys are in a frame, and returns their forming bars.
    fn _forget<'py>(&self, py: Python<'py>, keys: PyDataFrame) -> PyResult<Option<Bars<'py>>> {
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
    /// as_rows
    ///     Whether bars come as rows, which takes a tenth of the time of a frame.
    ///
    /// Returns
    /// -------
    /// DataFrame or list of BarRow or None
    ///     As :meth:`push`, if a bar ended. With `as_rows`, a list of named tuples with a field for each column and the
    ///     values that the frame's `rows` would give: times as datetimes, nulls as None. A column whose name is no
    ///     identifier has a field that is named by its place, such as `_0`.
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
    /// >>> stream.push_trade(1_700_000_000_500, 101.0, 1.0, key="BTCUSDT")
    /// >>> [bar] = stream.push_trade(1_700_000_000_750, 102.01, 1.0, key="BTCUSDT", as_rows=True)
    /// >>> bar.symbol, bar.open, bar.close, bar.close_reason
    /// ('BTCUSDT', 101.0, 102.01, 'threshold')
    #[pyo3(signature = (
        timestamp, price, quantity, is_buyer_maker=None, agg_trade_id=None, first_trade_id=None, last_trade_id=None,
        key=Key::Missing, *, as_rows=false
    ), text_signature = "($self, timestamp, price, quantity, is_buyer_maker=None, agg_trade_id=None, first_trade_id=None, last_trade_id=None, key=..., *, as_rows=False)")]
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
        as_rows: bool,
    ) -> PyResult<Option<Bars<'py>>> {
        let form = if as_rows { Form::Rows } else { Form::Frame };
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
                    Taken::In(None) => return Ok(None),
                    Taken::In(ended) => {
                        let (push, bars) = live.give(ended.map(Given::Ended), false)?;
                        drop(live);
                        return slf.get().hand_over(slf.py(), push, bars, form);
                    }
                    Taken::NeedsKey => {}
                }
            }
        }
        push_with_python(slf, &mut trade, timestamp, time, &key, key_values, form)
    }

    /// The forming bars.
    fn pending<'py>(&self, py: Python<'py>) -> PyResult<Bars<'py>> {
        frame_of_python(py, &self.apart(py, Live::forming)?)
    }

    /// The forming bars, and the end of the stream.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Option<Bars<'py>>> {
        let finish = |live: &mut Live, ()| {
            live.state = State::Finished { skipped: live.begun()?.skipped() };
            Ok(())
        };
        self.end_bars(py, |live| Ok((live.forming()?, ())), finish)
    }

    /// The state, as bytes.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.apart(py, |live| {
            let request = Arc::clone(&live.request);
            Header::save(&request, live.running()?.map(|bars| &*bars))
        })?;
        bytes_of_python(py, bytes)
    }
}

/// Pushes a trade that cannot do without Python: the first one, a new key, a time that is no integer.
#[cold]
fn push_with_python<'py>(
    slf: &Bound<'py, PushStream>,
    trade: &mut Trade,
    timestamp: &Bound<'_, PyAny>,
    mut time: Option<i64>,
    key: &Key<'_, '_>,
    key_values: &[KeyValue<'_>],
    form: Form,
) -> PyResult<Option<Bars<'py>>> {
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
        let mut live = slf.get().lock(slf.py())?;
        let is_first = matches!(live.state, State::New);
        let outcome = live.push_trade(trade, time, key_values, begin.as_ref(), frame.as_ref())?;
        // Python is asked without the lock: it may run anything, a signal handler that calls this stream among it.
        match outcome {
            // Most trades leave no copy to go back to, and no bars that could be lost: only the beginning can be undone.
            Outcome::Pushed(None) if !is_first => return Ok(None),
            Outcome::Pushed(ended) => {
                let (push, bars) = live.give(ended.map(Given::Ended), is_first)?;
                drop(live);
                return slf.get().hand_over(slf.py(), push, bars, form);
            }
            Outcome::NeedsTime(unit) => {
                drop(live);
                time = Some(slf.call_method1("_instant", (timestamp, unit))?.extract()?);
            }
            Outcome::NeedsKey(keys) => {
                drop(live);
                frame = Some(slf.call_method1("_key_frame", (key, PyDataFrame(keys)))?.extract()?);
            }
            Outcome::NeedsSchema => {
                drop(live);
                let roles: Vec<_> = roles_of(trade).iter().map(Role::name).collect();
                let said = slf.call_method1("_schema_of_trade", (timestamp, roles, key))?;
                let (roles, schema, instant, keys) = said.extract::<(_, PyDataFrame, i64, PyDataFrame)>()?;
                (begin, time, frame) = (Some((roles, schema)), Some(instant), Some(keys));
            }
        }
    }
}
