//! Batches of trades in, ended bars out, one state per group: the machine behind the lazy path and behind live streams.

mod checkpoint;
mod gaps;
mod groups;
mod keys;
mod machine;
mod options;
mod push;
mod python;
mod threads;
mod trade;
mod worker;

use std::ops::Range;

use polars::prelude::*;

use self::groups::Machines;
use self::keys::GroupIndex;
use self::machine::{Parameters, Pushes};
use self::options::{Overlap, Plan, Rows, StreamOptions};
pub use self::push::PushStream;
pub use self::python::{
    GapStream, TradeStream, bar_columns, check_lookback, check_max_gap, check_threshold, period_bounds,
};
use self::threads::Threads;
use self::worker::Run;
use crate::core::{Arranged, Column as Part, Layout, RowError};
use crate::frame::output::{OutputBar, bar_series};
use crate::frame::parameters::window_options;
use crate::frame::{FrameError, TimeColumn, TradeColumns};

/// Rows that are brought into the order of their groups at once: few enough that they stay within the caches, which
/// made interleaved groups a third faster.
const PIECE_ROWS: usize = 8_192;

/// Rows for each thread where there are several: enough to be worth waking it.
const SHARED_PIECE_ROWS: usize = 32_768;

/// Rows of a piece for each group that there is, so that runs stay long where groups are many.
const PIECE_ROWS_OF_GROUP: usize = 64;

/// Rows of a part of a batch, if it has as many: that is what frames of many short chunks are copied by.
const LEAST_PART_ROWS: usize = 32_768;

/// Rows of a part at most: what is kept for each of them must not grow with the batch.
const MOST_PART_ROWS: usize = 1 << 20;

/// An ended bar on its way out.
struct Emitted {
    group: IdxSize,
    /// The row of the batch that ended it.
    row: usize,
    bar: OutputBar,
}

/// The bars of any number of groups over any number of batches.
pub struct GroupedBars {
    plan: Plan,
    time: TimeColumn,
    groups: GroupIndex,
    machines: Machines,
    arranged: Arranged,
    threads: Threads,
    /// Ended bars that nobody has taken yet, in their order.
    waiting: Vec<Emitted>,
    rows: u64,
}

impl GroupedBars {
    /// A stream that has seen nothing; a frame tells it the dtypes.
    ///
    /// # Errors
    ///
    /// A column that is missing or of the wrong dtype.
    pub fn new(options: &StreamOptions, plan: Plan, schema: &DataFrame) -> Result<Self, FrameError> {
        let mut stream = Self::begin(options, plan, schema)?;
        stream.push(&schema.clear())?;
        Ok(stream)
    }

    /// As [`GroupedBars::new`] from the time and key columns alone; the others are not checked.
    ///
    /// # Errors
    ///
    /// One of them is missing or of the wrong dtype.
    pub fn begin(options: &StreamOptions, plan: Plan, schema: &DataFrame) -> Result<Self, FrameError> {
        let name = plan.names.get(Part::Time);
        let time = schema.column(name).map_err(|_| FrameError(format!("the trades have no column `{name}`")))?;
        let time = TimeColumn::new(name, time.dtype(), plan.time_unit)?;
        let pushes = if plan.rows == Rows::Frames { Pushes::Whole } else { Pushes::Pieces };
        let skip_overlap = plan.overlap == Overlap::Skip;
        let parameters = Parameters {
            rules: plan.rules.clone(),
            breaks: options.bars.breaks(time.unit)?,
            unit: time.unit,
            windows: window_options(&plan.columns, options.lookback.as_ref(), time.unit, plan.has(Part::IsBuyerMaker))?,
        };
        Ok(Self {
            groups: GroupIndex::new(schema.select(plan.by.iter().cloned())?.clear()),
            threads: Threads::new(&parameters, pushes),
            machines: Machines::new(parameters, pushes, skip_overlap),
            arranged: Arranged::default(),
            plan,
            time,
            waiting: Vec::new(),
            rows: 0,
        })
    }

    /// Adds a batch and returns how many ended bars wait to be taken.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule, or a column of the wrong dtype. The state of a stream of frames is then that
    /// before the push; any other stream is to be dropped.
    pub fn push(&mut self, batch: &DataFrame) -> Result<usize, FrameError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let known = waiting.len();
        let result = self.drive(batch, &mut |run, layout, plan| {
            let (group, start) = (run.group, run.rows.start);
            waiting.extend(run.closed.iter_mut().filter(|closed| plan.wants(closed)).map(|closed| Emitted {
                group,
                row: layout.row(start + closed.row),
                bar: plan.output(closed),
            }));
        });
        if result.is_err() {
            waiting.truncate(known);
        }
        // Stable: bars that one row ends are of one group and in the order of its rules.
        waiting[known..].sort_by_key(|emitted| emitted.row);
        self.waiting = waiting;
        result.map(|()| self.waiting.len())
    }

    /// Takes the ended bars that wait: keys, then the columns asked for, in the order of the rows that ended them.
    ///
    /// # Errors
    ///
    /// Polars cannot make the frame.
    pub fn take(&mut self) -> Result<DataFrame, FrameError> {
        let (groups, bars): (Vec<_>, Vec<_>) = self.waiting.drain(..).map(|e| (e.group, e.bar)).unzip();
        self.frame(&groups, &bars)
    }

    /// Adds a batch and returns for each of its rows the number of its bar within the group.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::push`].
    pub fn bar_ids(&mut self, batch: &DataFrame) -> Result<Series, FrameError> {
        let mut ids = vec![0; batch.height()];
        self.drive(batch, &mut |run, layout, _| {
            let mut from = run.rows.start;
            let ends = run.closed.iter().map(|closed| run.rows.start + closed.end()).chain([run.rows.end]);
            for (id, end) in (run.first_bar..).zip(ends) {
                (from..end).for_each(|row| ids[layout.row(row)] = id);
                from = end;
            }
        })?;
        Ok(UInt64Chunked::from_vec(PlSmallStr::EMPTY, ids).into_series())
    }

    /// The bars still forming, by first appearance of their groups, then by threshold.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::take`].
    pub fn forming(&self) -> Result<DataFrame, FrameError> {
        let mut groups = Vec::new();
        let mut bars = Vec::new();
        for (group, builder) in self.machines.builders().enumerate() {
            for (rule, bar) in builder.forming() {
                groups.push(group as IdxSize);
                bars.push(OutputBar {
                    threshold_dbps: self.plan.rules[rule].threshold_dbps(),
                    bar: *bar,
                    windows: builder.forming_windows(rule, bar),
                });
            }
        }
        self.frame(&groups, &bars)
    }

    fn frame(&self, groups: &[IdxSize], bars: &[OutputBar]) -> Result<DataFrame, FrameError> {
        let mut columns = self.groups.take(groups)?;
        let series = bar_series(bars, &self.plan.columns, &self.time.dtype, self.plan.has(Part::IsBuyerMaker));
        columns.extend(series.into_iter().map(Column::from));
        Ok(DataFrame::new(bars.len(), columns)?)
    }

    /// Pushes a batch through the machines of its groups, run by run. Undoes it where a row fails.
    fn drive(&mut self, batch: &DataFrame, visit: &mut Visit<'_>) -> Result<(), FrameError> {
        let groups = self.groups.len();
        self.machines.begin();
        let (threads, begun) = self.threads.begin();
        let result = self.try_drive(batch, threads, visit);
        if batch.height() > 0 {
            self.threads.end(begun);
        }
        match result {
            Ok(()) => self.rows += batch.height() as u64,
            Err(_) => self.roll_back(groups)?,
        }
        result
    }

    /// Makes everything as it was when there were so many groups.
    #[cold]
    fn roll_back(&mut self, groups: usize) -> Result<(), FrameError> {
        self.machines.roll_back(groups);
        self.groups.truncate(groups)
    }

    fn try_drive(&mut self, batch: &DataFrame, threads: usize, visit: &mut Visit<'_>) -> Result<(), FrameError> {
        for rows in parts(batch, self.plan.names.get(Part::Time)) {
            self.drive_part(&batch.slice(rows.start as i64, rows.len()), rows.start, threads, visit)?;
        }
        Ok(())
    }

    /// Pushes the part of a batch that begins at a row.
    fn drive_part(
        &mut self,
        part: &DataFrame,
        first: usize,
        threads: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), FrameError> {
        let columns = self.read(part)?;
        let groups = self.groups.assign(part)?;
        self.machines.grow(self.groups.len());
        let unreadable = columns.unreadable();
        let end = unreadable.map_or(columns.len(), |(row, ..)| row);
        let piece = if Layout::is_in_runs(&groups[..end]) {
            end.max(1) // nothing is arranged
        } else {
            let rows = if threads > 1 { threads * SHARED_PIECE_ROWS } else { PIECE_ROWS };
            rows.max(PIECE_ROWS_OF_GROUP * self.groups.len())
        };
        let mut failure = None;
        if let Some(all) = columns.chunks().next() {
            let mut starts = (0..end).step_by(piece);
            while let (None, Some(start)) = (&failure, starts.next()) {
                let rows = start..end.min(start + piece);
                let groups = &groups[rows.clone()];
                let layout = Layout::new(groups, first + start);
                let trades = all.slice(rows);
                let trades = match layout.places() {
                    Some(places) => self.arranged.arrange(&trades, places),
                    None => trades,
                };
                let plan = &self.plan;
                let visit = &mut |run: &mut Run<'_>| visit(run, &layout, plan);
                failure = self.machines.push_runs(&trades, groups, &layout, threads, visit);
            }
        }
        let unreadable = unreadable
            .map(|(row, column, rule)| (first + row, RowError { column, row: self.machines.rows(groups[row]), rule }));
        match failure.or(unreadable) {
            Some((row, error)) => Err(self.error(&error, &self.place(row, groups[row - first], error.row))),
            None => Ok(()),
        }
    }

    /// Columns in one chunk.
    fn read(&self, batch: &DataFrame) -> Result<TradeColumns, FrameError> {
        let names = &self.plan.names;
        TradeColumns::new(names, &self.time, |part: Part| {
            let column = self.plan.has(part).then(|| batch.column(names.get(part)).ok())?;
            column.map(|column| column.as_materialized_series().rechunk())
        })
    }

    fn error(&self, error: &RowError, place: &str) -> FrameError {
        FrameError::of_row(error, self.plan.names.get(error.column), &self.time.dtype, place)
    }

    /// Where a row of the batch is, for a reader.
    fn place(&self, row: usize, group: IdxSize, row_in_group: u64) -> String {
        let of_group = if self.plan.by.is_empty() {
            format!("row {row_in_group}")
        } else {
            format!("row {row_in_group} of {}", self.groups.describe(group))
        };
        match &self.plan.rows {
            Rows::Input if self.plan.by.is_empty() => format!("row {}", self.rows + row as u64),
            Rows::Input => format!("row {} ({of_group})", self.rows + row as u64),
            Rows::Groups => of_group,
            Rows::Since(instant) => format!("{of_group}, counted from {instant}"),
            Rows::Frames if self.plan.by.is_empty() => format!("row {row} of the frame ({of_group} in all)"),
            Rows::Frames => format!("row {row} of the frame ({of_group})"),
        }
    }
}

/// What is done with each run of rows.
type Visit<'a> = dyn FnMut(&mut Run<'_>, &Layout, &Plan) + 'a;

/// Parts of a batch, one at least, together all of it. They end where chunks of a column end, so that few rows are copied,
/// but in chunks that are longer than a part may be.
fn parts(batch: &DataFrame, column: &str) -> Vec<Range<usize>> {
    let chunks = batch.column(column).map(|column| column.as_materialized_series().chunk_lengths());
    let mut parts = Vec::new();
    let (mut start, mut end) = (0, 0);
    for rows in chunks.into_iter().flatten() {
        end += rows;
        if end - start >= LEAST_PART_ROWS {
            parts.extend((start..end).step_by(MOST_PART_ROWS).map(|at| at..end.min(at + MOST_PART_ROWS)));
            start = end;
        }
    }
    if start < end || parts.is_empty() {
        parts.push(start..end);
    }
    parts
}
