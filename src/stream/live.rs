//! The state of a live stream, and the bars that it owes or gives.
//!
//! The bars of a push belong to its caller, who may never get them: then the push is taken back, and what was owed before
//! is owed again.

use std::sync::Arc;

use polars::prelude::*;
use pyo3::prelude::*;
use pyo3_polars::PyDataFrame;

use super::checkpoint::Header;
use super::crossing::frame_of_python;
use super::ended::Ended;
use super::grouped::GroupedBars;
use super::keys::KeyValue;
use super::plan::{Plan, Roles, RowNaming};
use super::thin_frame::MOST_BARS;
use super::trade::{Taken, roles_of};
use crate::core::Trade;
use crate::core::checkpoint::Reader;
use crate::frame::{FrameError, Request};

const NOTHING_SEEN: &str =
    "the stream has seen no trades and was given no schema: it does not know the dtypes of its bars";

/// A live stream.
pub struct Live {
    /// What it was told.
    pub request: Arc<Request>,
    /// How far it is.
    pub state: State,
    /// Bars that their caller never got, and that could not be taken back: they come out with the next ones.
    pub owed: Option<DataFrame>,
}

/// A push that is done, which may be taken back while nothing else was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Its number.
    pub number: u64,
    /// Whether the stream knew nothing before.
    pub is_first: bool,
    /// How many of its bars, the first ones, were owed before.
    pub owed: usize,
}

/// How far a stream is.
pub enum State {
    /// Knows nothing of its input.
    New,
    /// Takes trades.
    Running(Box<GroupedBars>),
    /// Takes nothing any more.
    Finished {
        /// Trades that were dropped since they had been seen.
        skipped: u64,
    },
}

impl Live {
    /// The stream, if it has begun.
    ///
    /// # Errors
    ///
    /// It is finished.
    pub fn running(&mut self) -> Result<Option<&mut GroupedBars>, FrameError> {
        match &mut self.state {
            State::New => Ok(None),
            State::Running(bars) => Ok(Some(bars)),
            State::Finished { .. } => {
                Err(FrameError("the stream is finished: nothing can be pushed or asked any more".to_owned()))
            }
        }
    }

    /// The last push, as one that began when the stream knew nothing or not.
    pub fn done(&self, is_first: bool) -> Done {
        let number = if let State::Running(bars) = &self.state { bars.push_number() } else { 0 };
        Done { number, is_first, owed: 0 }
    }

    /// Takes back a push whose caller never got its bars.
    ///
    /// # Errors
    ///
    /// Polars cannot make a frame of the bars.
    pub fn take_back(&mut self, push: Done, lost: Option<Given>) -> Result<(), FrameError> {
        let State::Running(bars) = &mut self.state else { return Ok(()) };
        if bars.push_number() != push.number {
            // Another thread pushed meanwhile, or the signal handler that raised.
            self.owed = lost.map(|lost| self.with_owed(lost.frame()?)).transpose()?;
            return Ok(());
        }
        if push.is_first {
            self.state = State::New; // and what it had learnt is forgotten
            return Ok(());
        }
        bars.roll_back();
        if push.owed > 0 {
            let owed = lost.map(|lost| Ok::<_, FrameError>(lost.frame()?.head(Some(push.owed))));
            self.owed = owed.transpose()?;
        }
        Ok(())
    }

    /// The bars of the last push, which began when the stream knew nothing or not, behind those that are owed and then
    /// are owed no more.
    ///
    /// # Errors
    ///
    /// Polars cannot make a frame of the bars.
    pub fn give(&mut self, bars: Option<Given>, is_first: bool) -> Result<(Done, Option<Given>), FrameError> {
        let owed = self.owed.as_ref().map_or(0, DataFrame::height);
        let bars = match bars {
            Some(bars) if owed > 0 => Some(Given::Frame(self.with_owed(bars.frame()?)?)),
            Some(bars) => Some(bars),
            None => self.owed.take().map(Given::Frame),
        };
        Ok((Done { owed, ..self.done(is_first) }, bars))
    }

    fn with_owed(&mut self, bars: DataFrame) -> Result<DataFrame, FrameError> {
        let bars = self.behind_owed(bars)?;
        self.owed = None;
        Ok(bars)
    }

    /// Bars behind those that are owed.
    ///
    /// # Errors
    ///
    /// Polars cannot join them.
    pub fn behind_owed(&self, bars: DataFrame) -> Result<DataFrame, FrameError> {
        Ok(match &self.owed {
            Some(owed) => owed.vstack(&bars)?,
            None => bars,
        })
    }

    /// Learns the input, unless it is known, and does something; a beginning that fails has not been.
    ///
    /// # Errors
    ///
    /// What is done fails, the input is another than before, or the stream is finished.
    pub fn with<T>(
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
    ///
    /// # Errors
    ///
    /// It has not, or is finished.
    pub fn begun(&mut self) -> Result<&mut GroupedBars, FrameError> {
        self.running()?.ok_or_else(|| FrameError(NOTHING_SEEN.to_owned()))
    }

    /// The forming bars.
    ///
    /// # Errors
    ///
    /// As [`Live::begun`].
    pub fn forming(&mut self) -> Result<DataFrame, FrameError> {
        self.begun()?.forming()
    }

    /// Pushes a trade, if all is there that it needs.
    ///
    /// # Errors
    ///
    /// What is wrong with the trade, or the stream is finished.
    pub fn push_trade(
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
                Taken::NeedsKey => Outcome::NeedsKey(bars.empty_keys()),
                Taken::In(ended) => Outcome::Pushed(ended),
            })
        };
        match (self.running()?, begin) {
            (Some(bars), _) => push(bars),
            (None, None) => Ok(Outcome::NeedsSchema),
            (None, Some((roles, schema))) => self.with(roles, &schema.0, push),
        }
    }

    /// A stream that goes on from a checkpoint.
    ///
    /// # Errors
    ///
    /// A state that cannot be.
    pub fn restore(header: Header, state: Reader<'_>) -> Result<Self, FrameError> {
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

/// Bars for the caller.
pub enum Given {
    /// As a frame.
    Frame(DataFrame),
    /// Of a trade.
    Ended(Box<Ended>),
}

/// What a caller gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A frame.
    Frame,
    /// A list of rows.
    Rows,
}

impl Given {
    /// As a frame.
    ///
    /// # Errors
    ///
    /// Polars cannot make it.
    pub fn frame(self) -> Result<DataFrame, FrameError> {
        match self {
            Self::Frame(frame) => Ok(frame),
            Self::Ended(ended) => ended.frame(),
        }
    }

    /// The same for Python.
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub fn of_python<'py>(&self, py: Python<'py>, form: Form) -> PyResult<Bound<'py, PyAny>> {
        match (self, form) {
            (Self::Frame(frame), Form::Frame) => frame_of_python(py, frame),
            (Self::Ended(ended), Form::Frame) if ended.bars.len() <= MOST_BARS => ended.thin_frame(py),
            (Self::Ended(ended), Form::Frame) => frame_of_python(py, &Ended::clone(ended).frame()?),
            (Self::Ended(ended), Form::Rows) => ended.rows(py),
            (Self::Frame(frame), Form::Rows) => {
                let rows_of = py.import("rangebar_polars._bars.rows")?.getattr("rows_of")?;
                rows_of.call1((frame_of_python(py, frame)?,))
            }
        }
    }
}

/// What became of a trade.
pub enum Outcome {
    /// It is in; the bars that it ended, if any.
    Pushed(Option<Box<Ended>>),
    /// It is the first, and has to say what the input is.
    NeedsSchema,
    /// Its time has to be an integer of this unit.
    NeedsTime(&'static str),
    /// Its key has to be in a frame like this one.
    NeedsKey(DataFrame),
}
