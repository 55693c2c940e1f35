//! Bars that ended, before they are a frame or rows.

use std::sync::{Arc, OnceLock};

use polars::prelude::*;
use pyo3::sync::PyOnceLock;

use super::keys::keys_of;
use super::plan::Plan;
use super::rows::RowMaker;
use super::thin_frame::Schemas;
use crate::core::{ClosedBar, Reset, Role, TimeUnit};
use crate::frame::output::{Means, bar_series};
use crate::frame::schema::BarColumn;
use crate::frame::{FrameError, Request};

/// What the bars of a stream look like.
pub struct Shape {
    /// Their columns, behind those of the keys.
    pub columns: Vec<&'static BarColumn>,
    /// Whether the input has sides.
    pub has_side: bool,
    request: Arc<Request>,
    /// The dtype of times.
    pub time: DataType,
    /// What the dates of sessions are told by, on the clock of the input.
    sessions: Option<(Reset, TimeUnit)>,
    /// What says their names and dtypes to Python, once a frame was asked for.
    pub schemas: OnceLock<Schemas>,
    /// What makes rows of Python of them, once one was asked for.
    pub rows: PyOnceLock<RowMaker>,
}

impl Shape {
    /// The shape of the bars of a plan.
    pub fn new(plan: &Plan, time: &DataType, sessions: Option<(Reset, TimeUnit)>) -> Self {
        Self {
            columns: plan.columns.clone(),
            has_side: plan.has(Role::IsBuyerMaker),
            request: Arc::clone(&plan.request),
            time: time.clone(),
            sessions,
            schemas: OnceLock::new(),
            rows: PyOnceLock::new(),
        }
    }

    /// What the integers of bars mean.
    pub fn means(&self) -> Means<'_> {
        Means { rules: self.request.rules.as_slice(), time: &self.time, sessions: self.sessions }
    }

    /// The date of the session of an instant, if it has one that a Date can hold.
    pub fn date(&self, time: i64) -> Option<i32> {
        let (reset, unit) = self.sessions?;
        i32::try_from(reset.session(time, unit).date).ok()
    }

    /// Some columns of bars.
    pub fn series(&self, bars: &mut [ClosedBar], columns: &[&'static BarColumn]) -> Vec<Series> {
        bar_series(bars, columns, self.has_side, self.means())
    }
}

/// Bars that a trade ended. Whatever happens to the stream meanwhile, they stay what they are.
#[derive(Clone)]
pub struct Ended {
    /// What they look like.
    pub shape: Arc<Shape>,
    /// The keys of all groups, which are shared with the stream.
    pub keys: DataFrame,
    /// The number of the group of each, and the bar.
    pub bars: Vec<(IdxSize, ClosedBar)>,
}

impl Ended {
    /// The keys, then the columns asked for.
    ///
    /// # Errors
    ///
    /// Polars cannot make the frame.
    pub fn frame(self) -> Result<DataFrame, FrameError> {
        let (groups, mut bars): (Vec<_>, Vec<_>) = self.bars.into_iter().unzip();
        let mut columns = keys_of(&self.keys, &groups)?;
        columns.extend(self.shape.series(&mut bars, &self.shape.columns).into_iter().map(Column::from));
        Ok(DataFrame::new(groups.len(), columns)?)
    }
}
