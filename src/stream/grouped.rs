//! Batches of trades in, ended bars out, one state per group: the stream behind lazy queries and behind live ones.
//!
//! A batch is read in slices, which end where its chunks end, and a slice in strides, which fit into the caches. The
//! rows of a stride are brought into the order of their groups, unless groups come in long runs anyway. Each run is
//! then pushed into the machine of its group.
//!
//! What always holds between two pushes:
//!
//! - Every group has a number, given by its keys, and a machine at the place of that number.
//! - `outbox` has the ended bars that nobody took, in the order of the rows that ended them. It is not part of the state:
//!   a checkpoint does not have it.
//! - `before` and the copies of the machines lead back to the state before the last push, until the next one begins.
//!
//! The stream owns the keys, the machines and the memory for a stride. A batch is borrowed for the time of its push.
//!
//! A row that fails stops the push. A stream of frames then undoes it: the machines touched, the groups that are new, the
//! counts of rows and the bars in the outbox are as before. The stream of a query is to be dropped instead, since its
//! input is over.

use std::ops::Range;
use std::sync::Arc;

use polars::prelude::*;

use super::coded_keys::CodedKey;
use super::ended::{Ended, Shape};
use super::group_index::{GroupIndex, Mark};
use super::machine::{Parameters, Pushes};
use super::machines::{Machines, Sink};
use super::outbox::Outbox;
use super::plan::{Plan, RowNaming};
use super::strides::{Slice, for_strides, slices};
use super::threads::Threads;
use super::worker::Run;
use crate::core::{Arranged, Layout, Role, RowError};
use crate::frame::error::instant;
use crate::frame::output::forming_bar;
use crate::frame::parameters::window_options;
use crate::frame::request::Overlap;
use crate::frame::{FrameError, TimeColumn, TradeColumns};

/// Rows that several threads share at once, about: some milliseconds of work for each, so that the slower ones are hardly
/// waited for.
const SHARED_ROWS: usize = 1 << 22;

/// So many groups take a millisecond to be freed.
const MANY_GROUPS: usize = 10_000;

/// The bars of any number of groups over any number of batches.
pub struct GroupedBars {
    pub(super) plan: Plan,
    pub(super) time: TimeColumn,
    pub(super) groups: GroupIndex,
    pub(super) machines: Machines,
    arranged: Vec<Arranged>,
    threads: Threads,
    /// What bars look like.
    pub(super) shape: Arc<Shape>,
    pub(super) outbox: Outbox,
    pub(super) rows: u64,
    /// Trades that were dropped since they had been seen.
    skipped: u64,
    /// What there was before the last push.
    before: Before,
}

/// What there was before a push, beside the machines, which keep copies of their own.
#[derive(Default)]
struct Before {
    groups: Mark,
    rows: u64,
    skipped: u64,
    advanced_to: i64,
}

impl GroupedBars {
    /// A stream that has seen nothing; a frame tells it the dtypes.
    ///
    /// # Errors
    ///
    /// A column that is missing or of the wrong dtype.
    pub fn new(plan: Plan, schema: &DataFrame) -> Result<Self, FrameError> {
        let mut stream = Self::begin(plan, schema)?;
        stream.push(&schema.clear())?;
        Ok(stream)
    }

    /// As [`GroupedBars::new`] from the time and key columns alone; the others are not checked.
    ///
    /// # Errors
    ///
    /// One of them is missing or of the wrong dtype.
    pub fn begin(plan: Plan, schema: &DataFrame) -> Result<Self, FrameError> {
        let name = plan.names.get(Role::Time);
        let time = schema.column(name).map_err(|_| FrameError(format!("the trades have no column `{name}`")))?;
        let time = TimeColumn::new(name, time.dtype(), plan.time_unit)?;
        let pushes = if plan.row_naming == RowNaming::Frames { Pushes::Atomic } else { Pushes::Continued };
        let request = &plan.request;
        let skip_overlap = request.overlap == Overlap::Skip;
        let shape = Shape::new(&plan, &time.dtype, request.sessions(time.unit)?);
        let parameters = Parameters {
            rules: plan.rules.clone(),
            breaks: request.breaks(time.unit)?,
            max_step: request.max_step(time.unit)?,
            price_decimals: request.price_decimals()?,
            unit: time.unit,
            windows: window_options(&plan.columns, request.lookback.as_ref(), time.unit, plan.has(Role::IsBuyerMaker))?,
            footprint: request.footprint_options(&plan.columns)?,
            may_lack_side: plan.may_lack_side(),
            max_bar_trades: request.max_bar_trades.unwrap_or(u64::MAX),
            remembers_ids: (plan.keeps_state && plan.has(Role::AggTradeId)).then_some(skip_overlap),
        };
        Ok(Self {
            groups: GroupIndex::new(schema.select(plan.by.iter().cloned())?.clear()),
            threads: Threads::new(pushes),
            machines: Machines::new(parameters, pushes, skip_overlap),
            arranged: Vec::new(),
            outbox: Outbox::new(&plan),
            plan,
            time,
            shape: Arc::new(shape),
            rows: 0,
            skipped: 0,
            before: Before::default(),
        })
    }

    /// What takes long to be freed, if it does: the state of many groups. The stream is not to be used any more.
    pub fn unload(&mut self) -> Option<impl Send + use<>> {
        let is_large = self.machines.len() > MANY_GROUPS;
        is_large.then(|| {
            let none = GroupIndex::new(DataFrame::default());
            (self.machines.unload(), std::mem::replace(&mut self.groups, none))
        })
    }

    /// Adds a batch and returns how many ended bars wait to be taken.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule, or a column of the wrong dtype. The state of a stream of frames is then that
    /// before the push; any other stream is to be dropped.
    pub fn push(&mut self, batch: &DataFrame) -> Result<usize, FrameError> {
        self.push_coded(batch, &[])
    }

    /// The same for a batch in which the rows of some key columns are codes.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::push`].
    pub fn push_coded(&mut self, batch: &DataFrame, coded: &[CodedKey]) -> Result<usize, FrameError> {
        let mut outbox = std::mem::take(&mut self.outbox);
        let known = outbox.len();
        outbox.begin(batch.height());
        let result = self.drive(batch, coded, &mut Sink::Bars(&mut outbox));
        if result.is_err() {
            outbox.truncate(known);
        }
        outbox.sort(known);
        self.outbox = outbox;
        result.map(|()| self.outbox.len())
    }

    /// Takes the ended bars that wait: keys, then the columns asked for, in the order of the rows that ended them.
    ///
    /// # Errors
    ///
    /// Polars cannot make the frame.
    pub fn take(&mut self) -> Result<DataFrame, FrameError> {
        let (groups, columns) = self.outbox.take(self.shape.means());
        self.frame(&groups, columns)
    }

    /// Takes the ended bars that wait as they are, if they are few and in their order.
    pub fn take_few(&mut self) -> Option<Box<Ended>> {
        let bars = self.outbox.take_few()?;
        Some(Box::new(Ended { shape: Arc::clone(&self.shape), keys: self.groups.keys().clone(), bars }))
    }

    /// Adds a batch and returns for each of its rows the number of its bar within the group.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::push`].
    pub fn bar_ids(&mut self, batch: &DataFrame, coded: &[CodedKey]) -> Result<Series, FrameError> {
        let mut ids = vec![0; batch.height()];
        let mut number = |run: &mut Run<'_>, layout: &Layout| {
            let mut from = run.rows.start;
            let ends = run.closed.iter().map(|closed| run.rows.start + closed.end()).chain([run.rows.end]);
            for (id, end) in (run.first_bar..).zip(ends) {
                (from..end).for_each(|row| ids[layout.row(row)] = id);
                from = end;
            }
        };
        self.drive(batch, coded, &mut Sink::Runs(&mut number))?;
        Ok(UInt64Chunked::from_vec(PlSmallStr::EMPTY, ids).into_series())
    }

    /// The bars still forming, by first appearance of their groups, then by threshold.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::take`].
    pub fn forming(&self) -> Result<DataFrame, FrameError> {
        self.forming_of(|_| true)
    }

    /// Time went on, and no trade comes before `time` any more: the bars that a reset or a gap has ended by then, by
    /// first appearance of their groups. A time before that of an earlier call says nothing new.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::take`].
    pub fn advance(&mut self, time: i64) -> Result<DataFrame, FrameError> {
        let mut builders = self.machines.builders();
        if self.machines.len() > 0 && !builders.any(|builder| builder.allows(time)) {
            return Err(FrameError(format!(
                "`time` must not be ahead of the last trade by more than `max_step` (40 years by default), got {}; the \
                 `time_unit` is probably wrong",
                instant(time, &self.time.dtype)
            )));
        }
        drop(builders);
        self.begin_push();
        let Self { machines, outbox, plan, .. } = self;
        machines.set_advanced_to(time.max(machines.advanced_to()));
        machines.advance(time, |group, closed| outbox.add(plan, group, closed, |row| row));
        self.take()
    }

    /// The bars still forming of groups that are to be forgotten, of which the keys are in a frame, and for each group
    /// whether it is kept. Changes nothing.
    ///
    /// # Errors
    ///
    /// There are no keys, a key column is missing or of another dtype, or there is no such group.
    pub fn forming_to_forget(&mut self, keys: &DataFrame) -> Result<(DataFrame, Vec<bool>), FrameError> {
        if self.plan.by.is_empty() {
            return Err(FrameError("the stream has no `by`: it has no keys to forget; `finish` ends it".to_owned()));
        }
        let (known, mark) = (self.groups.len(), self.groups.mark());
        let groups = self.groups.assign(keys).inspect_err(|_| self.groups.back_to(&mark))?;
        if self.groups.len() > known {
            let unknown = self.groups.describe(known as IdxSize);
            self.groups.back_to(&mark);
            return Err(FrameError(format!("the stream has no trades of {unknown}: nothing was forgotten")));
        }
        let mut kept = vec![true; known];
        groups.iter().for_each(|&group| kept[group as usize] = false);
        Ok((self.forming_of(|group| !kept[group])?, kept))
    }

    /// Forgets the groups that are not kept.
    ///
    /// # Errors
    ///
    /// The keys left cannot be numbered anew.
    pub fn keep(&mut self, kept: &[bool]) -> Result<(), FrameError> {
        self.begin_push(); // nothing before this can be undone any more
        self.machines.keep(kept);
        self.groups.keep(kept)
    }

    /// The bars still forming of some groups.
    fn forming_of(&self, is_wanted: impl Fn(usize) -> bool) -> Result<DataFrame, FrameError> {
        let mut groups = Vec::new();
        let mut bars = Vec::new();
        for (group, builder) in self.machines.builders().enumerate().filter(|(group, _)| is_wanted(*group)) {
            for (rule, bar) in builder.forming() {
                groups.push(group as IdxSize);
                bars.push(forming_bar(rule, bar, builder));
            }
        }
        self.frame(&groups, self.shape.series(&mut bars, &self.plan.columns))
    }

    /// The keys of groups, then columns of their bars.
    fn frame(&self, groups: &[IdxSize], bars: Vec<Series>) -> Result<DataFrame, FrameError> {
        let mut columns = self.groups.take(groups)?;
        columns.extend(bars.into_iter().map(Column::from));
        Ok(DataFrame::new(groups.len(), columns)?)
    }

    /// Pushes a batch through the machines of its groups, run by run. Undoes it where a row fails.
    fn drive(&mut self, batch: &DataFrame, coded: &[CodedKey], sink: &mut Sink<'_>) -> Result<(), FrameError> {
        self.begin_push();
        let (threads, begun) = self.threads.begin();
        let result = self.try_drive(batch, coded, threads, sink);
        if batch.height() > 0 {
            self.threads.end(begun);
        }
        self.end_push(result.map(|()| batch.height()))
    }

    /// Begins a push.
    pub(super) fn begin_push(&mut self) {
        self.machines.begin();
        self.groups.begin();
        let (groups, rows, skipped) = (self.groups.mark(), self.rows, self.skipped);
        self.before = Before { groups, rows, skipped, advanced_to: self.machines.advanced_to() };
    }

    /// Ends a push of so many rows, or undoes it.
    pub(super) fn end_push(&mut self, pushed: Result<usize, FrameError>) -> Result<(), FrameError> {
        match pushed {
            Ok(rows) => {
                self.rows += rows as u64;
                self.skipped += self.machines.skipped();
                Ok(())
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Makes everything as it was before the last push, whose bars were taken.
    #[cold]
    pub fn roll_back(&mut self) {
        let Before { groups, rows, skipped, advanced_to } = &self.before;
        (self.rows, self.skipped) = (*rows, *skipped);
        self.machines.set_advanced_to(*advanced_to);
        self.groups.back_to(groups);
        self.machines.roll_back(self.groups.len());
    }

    /// Number of the last push, in which nothing else was changed since.
    pub fn push_number(&self) -> u64 {
        self.machines.push_number()
    }

    /// Trades that were dropped since they had been seen.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// There may be so many groups, and no more.
    pub(super) fn check_groups(&self) -> Result<(), FrameError> {
        match self.plan.request.max_groups {
            Some(most) if self.groups.len() as u64 > most => Err(self.too_many_groups(most)),
            _ => Ok(()),
        }
    }

    #[cold]
    fn too_many_groups(&self, most: u64) -> FrameError {
        let next = usize::try_from(most).map_or_else(|_| "?".to_owned(), |next| self.groups.describe(next as IdxSize));
        FrameError(format!(
            "there are more than max_groups={most} groups, the next one is {next}: is an id among the keys of `by`? \
             Otherwise give a larger `max_groups`, or `forget` groups that trade no more"
        ))
    }

    /// What is said of the bar that has more trades than may be.
    #[cold]
    pub(super) fn bar_too_long(&self) -> FrameError {
        let most = self.plan.request.max_bar_trades.unwrap_or(u64::MAX);
        let (group, opened) = self.machines.too_long().map_or((0, 0), |long| (long.group, long.opened));
        let of = if self.plan.by.is_empty() { String::new() } else { format!(" of {}", self.groups.describe(group)) };
        let opened = instant(opened, &self.time.dtype);
        FrameError(format!(
            "the bar{of} that opened at {opened} has more than max_bar_trades={most} trades: is its threshold too large? \
             Otherwise give a larger `max_bar_trades`, end such bars with `reset` or `max_gap`, or take them out with \
             `forget` or `finish`"
        ))
    }

    fn try_drive(
        &mut self,
        batch: &DataFrame,
        coded: &[CodedKey],
        threads: usize,
        sink: &mut Sink<'_>,
    ) -> Result<(), FrameError> {
        let mut rest = slices(batch, self.plan.names.get(Role::Time)).into_iter().peekable();
        let most = if threads > 1 { SHARED_ROWS } else { 1 };
        while rest.peek().is_some() {
            let (mut slices, mut rows, mut refused) = (Vec::new(), 0, None);
            while rows < most
                && refused.is_none()
                && let Some(next) = rest.next()
            {
                rows += next.len();
                match self.slice(batch, coded, next) {
                    Ok(slice) => {
                        rows = if slice.unreadable().is_some() { usize::MAX } else { rows };
                        slices.push(slice);
                    }
                    Err(error) => refused = Some(error),
                }
            }
            self.push_slices(&slices, threads, sink)?;
            if let Some(error) = refused {
                return Err(error);
            }
        }
        Ok(())
    }

    /// A slice of a batch.
    fn slice(&mut self, batch: &DataFrame, coded: &[CodedKey], rows: Range<usize>) -> Result<Slice, FrameError> {
        let slice = batch.slice(rows.start as i64, rows.len());
        let columns = self.read(&slice)?;
        let groups = self.groups.assign_coded(&slice, coded)?;
        self.check_groups()?;
        Ok(Slice { first: rows.start, columns, groups })
    }

    /// Pushes slices of a batch, of which only the last may have a row that cannot be read.
    fn push_slices(&mut self, slices: &[Slice], threads: usize, sink: &mut Sink<'_>) -> Result<(), FrameError> {
        self.machines.grow(self.groups.len());
        let Self { machines, plan, arranged, groups, .. } = self;
        let failure = for_strides(slices, groups.len(), threads, arranged, |strides| {
            let failed = machines.push_strides(plan, strides, threads, sink);
            match machines.too_long() {
                Some(long) if failed.is_none_or(|(row, _)| long.row < row) => Some(None),
                _ => failed.map(Some),
            }
        });
        let group_of = |row: usize| slices.iter().find_map(|slice| slice.group(row)).unwrap_or_default();
        let unreadable = || {
            let (row, column, rule) = slices.last()?.unreadable()?;
            Some((row, RowError { column, row: self.machines.rows(group_of(row)), rule }))
        };
        match failure.or_else(|| unreadable().map(Some)) {
            Some(Some((row, error))) => Err(self.error(&error, &self.place(row, group_of(row), error.row))),
            Some(None) => Err(self.bar_too_long()),
            None => Ok(()),
        }
    }

    /// Columns in one chunk.
    fn read(&self, batch: &DataFrame) -> Result<TradeColumns, FrameError> {
        let names = &self.plan.names;
        let decimals = self.plan.request.price_decimals()?;
        TradeColumns::new(names, &self.time, decimals, self.plan.request.missing_side, |role: Role| {
            let is_read = self.plan.has(role) && !self.plan.request.ignores(role);
            let column = is_read.then(|| batch.column(names.get(role)).ok())?;
            column.map(|column| column.as_materialized_series().rechunk())
        })
    }

    pub(super) fn error(&self, error: &RowError, place: &str) -> FrameError {
        FrameError::of_row(error, self.plan.names.get(error.column), &self.time.dtype, place)
    }

    /// Where a row of the batch is, for a reader.
    fn place(&self, row: usize, group: IdxSize, row_in_group: u64) -> String {
        let of_group = || self.groups.place(None, group, row_in_group);
        match &self.plan.row_naming {
            RowNaming::Input => self.groups.place(Some(self.rows + row as u64), group, row_in_group),
            RowNaming::Groups => of_group(),
            RowNaming::Since(instant) => format!("{}, counted from {instant}", of_group()),
            RowNaming::Frames if self.plan.by.is_empty() => format!("row {row} of the frame ({} in all)", of_group()),
            RowNaming::Frames => format!("row {row} of the frame ({})", of_group()),
        }
    }
}
