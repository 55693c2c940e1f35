//! Batches of trades in, closed bars out, one state per group: the machine behind the lazy path.

mod keys;
mod python;

use std::ops::Range;

use polars::prelude::*;

use self::keys::GroupIndex;
pub use self::python::{TradeStream, bar_columns, check_threshold};
use crate::core::block::Buffers;
use crate::core::{
    BarBuilder, ClosedBar, Column as Part, Gathered, Layout, RangeBar, RangeRule, RowError, TimeUnit as CoreUnit,
    Trades,
};
use crate::frame::output::bar_series;
use crate::frame::schema::BarColumn;
use crate::frame::{ColumnNames, FrameError, TimeColumn, TradeColumns};

/// What a stream is told once.
pub struct Parameters {
    /// The rule that closes bars.
    pub rule: RangeRule,
    /// Unit of Int64 times.
    pub time_unit: Option<CoreUnit>,
    /// Which columns play which part, and what they are called; other parts are absent.
    pub parts: Vec<Part>,
    /// Names of the columns.
    pub names: ColumnNames,
    /// Columns whose values form the groups.
    pub by: Vec<PlSmallStr>,
    /// Columns of the bars to compute.
    pub columns: Vec<&'static BarColumn>,
    /// Whether rows of the stream are rows of the user's input, so that an error may number them.
    pub rows_are_of_input: bool,
}

/// Rows that are brought into the order of their groups at once: few enough that gathering them stays
/// within the caches, which made interleaved groups a third faster.
const PIECE_ROWS: usize = 8_192;

/// Rows of a piece for each group that there is, so that runs stay long where groups are many.
const PIECE_ROWS_OF_GROUP: usize = 64;

/// A closed bar on its way out.
struct Emitted {
    group: IdxSize,
    /// The closing row in the batch.
    row: usize,
    bar: RangeBar,
}

/// Rows of one group that follow each other, and the bars that they closed.
struct Run<'a> {
    group: IdxSize,
    rows: Range<usize>,
    /// Number of the bar that the first row is in.
    first_bar: u64,
    /// Bars closed; their rows count from the start of the run.
    closed: &'a [ClosedBar],
}

/// The bars of any number of groups over any number of batches.
pub struct GroupedBars {
    parameters: Parameters,
    time: Option<TimeColumn>,
    groups: GroupIndex,
    builders: Vec<BarBuilder<RangeRule>>,
    buffers: Buffers,
    gathered: Gathered,
    /// Closed bars that nobody has taken yet, in their order.
    waiting: Vec<Emitted>,
    rows: u64,
}

impl GroupedBars {
    /// A stream that has seen nothing.
    pub fn new(parameters: Parameters) -> Self {
        Self {
            parameters,
            time: None,
            groups: GroupIndex::default(),
            builders: Vec::new(),
            buffers: Buffers::default(),
            gathered: Gathered::default(),
            waiting: Vec::new(),
            rows: 0,
        }
    }

    /// Adds a batch and returns how many closed bars wait to be taken.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule, or a column of the wrong dtype; the stream is then to be dropped.
    pub fn push(&mut self, batch: &DataFrame) -> Result<usize, FrameError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let known = waiting.len();
        self.drive(batch, &mut |run, layout| {
            waiting.extend(run.closed.iter().map(|closed| Emitted {
                group: run.group,
                row: layout.row(run.rows.start + closed.row),
                bar: closed.bar,
            }));
        })?;
        waiting[known..].sort_unstable_by_key(|emitted| emitted.row);
        self.waiting = waiting;
        Ok(self.waiting.len())
    }

    /// Takes the closed bars that wait: keys, then the columns asked for, in the order of the closing rows.
    ///
    /// # Errors
    ///
    /// The stream has seen no batch, not even an empty one, and so does not know its dtypes.
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
        self.drive(batch, &mut |run, layout| {
            let mut from = run.rows.start;
            let ends = run.closed.iter().map(|closed| run.rows.start + closed.row + 1).chain([run.rows.end]);
            for (id, end) in (run.first_bar..).zip(ends) {
                (from..end).for_each(|row| ids[layout.row(row)] = id);
                from = end;
            }
        })?;
        Ok(UInt64Chunked::from_vec(PlSmallStr::EMPTY, ids).into_series())
    }

    /// The bars still forming, by first appearance of their groups.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::take`].
    pub fn forming(&self) -> Result<DataFrame, FrameError> {
        let forming = self.builders.iter().enumerate();
        let (groups, bars): (Vec<_>, Vec<_>) =
            forming.filter_map(|(group, builder)| Some((group as IdxSize, *builder.forming()?))).unzip();
        self.frame(&groups, &bars)
    }

    fn frame(&self, groups: &[IdxSize], bars: &[RangeBar]) -> Result<DataFrame, FrameError> {
        let time = self.time.as_ref().ok_or_else(|| FrameError("the stream has seen no batch".to_owned()))?;
        let has_side = self.parameters.parts.contains(&Part::IsBuyerMaker);
        let mut columns = self.groups.take(groups)?;
        let series = bar_series(bars, &self.parameters.columns, &time.dtype, has_side);
        columns.extend(series.into_iter().map(Column::from));
        Ok(DataFrame::new(bars.len(), columns)?)
    }

    /// Pushes a batch through the machines of its groups, run by run.
    fn drive(&mut self, batch: &DataFrame, visit: &mut dyn FnMut(&Run<'_>, &Layout)) -> Result<(), FrameError> {
        let (time, columns) = self.read(batch)?;
        let groups = self.groups.assign(batch, &self.parameters.by)?;
        self.builders.resize_with(self.groups.len(), || BarBuilder::new(self.parameters.rule, time.unit));
        let unreadable = columns.unreadable();
        let end = unreadable.map_or(columns.len(), |(row, ..)| row);
        let piece = PIECE_ROWS.max(PIECE_ROWS_OF_GROUP * self.groups.len());
        let mut failure = None;
        if let Some(all) = columns.chunks().next() {
            let mut starts = (0..end).step_by(piece);
            while let (None, Some(start)) = (&failure, starts.next()) {
                let rows = start..end.min(start + piece);
                let layout = Layout::new(&groups[rows.clone()], start);
                let trades = all.slice(rows);
                let trades = match layout.order() {
                    Some(order) => self.gathered.gather(&trades, order),
                    None => trades,
                };
                failure = push_runs(&mut self.builders, &mut self.buffers, trades, &groups, &layout, visit);
            }
        }
        let unreadable = unreadable.map(|(row, column, rule)| {
            (row, RowError { column, row: self.builders[groups[row] as usize].rows(), rule })
        });
        if let Some((row, error)) = failure.or(unreadable) {
            let place = self.place(row, groups[row], error.row);
            let name = self.parameters.names.get(error.column);
            return Err(FrameError::of_row(&error, name, &time.dtype, &place));
        }
        self.rows += batch.height() as u64;
        Ok(())
    }

    /// The columns of a batch in one chunk; the first batch decides the dtype of time.
    fn read(&mut self, batch: &DataFrame) -> Result<(TimeColumn, TradeColumns), FrameError> {
        let Parameters { names, parts, time_unit, .. } = &self.parameters;
        let find = |part: Part| {
            let column = parts.contains(&part).then(|| batch.column(names.get(part)).ok())?;
            column.map(|column| column.as_materialized_series().rechunk())
        };
        let time = match &self.time {
            Some(time) => time.clone(),
            None => {
                let name = names.get(Part::Time);
                let series = find(Part::Time);
                let series = series.ok_or_else(|| FrameError(format!("the trades have no column `{name}`")))?;
                self.time.insert(TimeColumn::new(name, series.dtype(), *time_unit)?).clone()
            }
        };
        let columns = TradeColumns::new(names, &time, find)?;
        Ok((time, columns))
    }

    /// Where a row of the batch is, for a reader.
    fn place(&self, row: usize, group: IdxSize, row_in_group: u64) -> String {
        if self.parameters.by.is_empty() {
            return format!("row {row_in_group}");
        }
        let group = self.groups.describe(group);
        if self.parameters.rows_are_of_input {
            format!("row {} (row {row_in_group} of {group})", self.rows + row as u64)
        } else {
            format!("row {row_in_group} of {group}")
        }
    }
}

/// Pushes each run of trades into the machine of its group; returns the earliest row that fails, of any group.
fn push_runs(
    builders: &mut [BarBuilder<RangeRule>],
    buffers: &mut Buffers,
    trades: Trades<'_>,
    groups: &[IdxSize],
    layout: &Layout,
    visit: &mut dyn FnMut(&Run<'_>, &Layout),
) -> Option<(usize, RowError)> {
    let mut failure: Option<(usize, RowError)> = None;
    let mut closed = Vec::new();
    for rows in layout.runs() {
        closed.clear();
        let group = groups[layout.row(rows.start)];
        let builder = &mut builders[group as usize];
        let (first_bar, first_row) = (builder.closed(), builder.rows());
        match builder.push(trades.slice(rows.clone()), buffers, &mut closed) {
            Ok(()) => visit(&Run { group, rows, first_bar, closed: &closed }, layout),
            Err(error) => {
                let row = layout.row(rows.start + (error.row - first_row) as usize);
                if failure.is_none_or(|(first, _)| row < first) {
                    failure = Some((row, error));
                }
            }
        }
    }
    failure
}
