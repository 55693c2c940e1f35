//! Batches of trades in, the Renko bricks that they complete out, one state per group.

use polars::prelude::*;

use super::group_index::GroupIndex;
use super::strides::ARRANGED_ROWS_OF_GROUP;
use crate::core::{Arranged, Brick, BrickBuilder, Buffers, Layout, Role, RowError};
use crate::frame::bricks::{brick_builder, brick_series};
use crate::frame::{ColumnNames, FrameError, Request, TimeColumn, TradeColumns};

/// Bricks of one frame, but for those of its last trade: a batch of wild prices is taken in parts, so that memory does
/// not grow with what it completes.
const MOST_OF_A_FRAME: usize = 1 << 18;

/// Rows that are brought into the order of their groups at once.
const STRIDE_ROWS: usize = 32_768;

/// The bricks of any number of groups over any number of batches.
pub struct GroupedBricks {
    request: Request,
    names: ColumnNames,
    time: TimeColumn,
    groups: GroupIndex,
    new: BrickBuilder,
    builders: Vec<BrickBuilder>,
    /// The builders as they were before the rows that are being taken, each from before it was touched.
    copies: Vec<(IdxSize, BrickBuilder)>,
    buffers: Buffers,
    arranged: Arranged,
    rows_are_of_input: bool,
    rows: u64,
    /// Bricks that nobody has taken yet, in the order of the rows that completed them.
    outbox: Vec<Emitted>,
}

/// A brick on its way out, with its group.
type Emitted = (IdxSize, Brick);

impl GroupedBricks {
    /// A stream that has seen nothing; a frame tells it the dtypes. If only some rows of the input come, errors name the
    /// row of the group alone.
    ///
    /// # Errors
    ///
    /// A column that is missing or of the wrong dtype, or a size that no brick can have.
    pub fn new(request: Request, rows_are_of_input: bool, schema: &DataFrame) -> Result<Self, FrameError> {
        let names = request.names()?;
        let time = schema.column(names.get(Role::Time))?.dtype();
        let time = TimeColumn::new(names.get(Role::Time), time, request.time_unit()?)?;
        let groups = GroupIndex::new(schema.clear().select(request.by.iter().map(PlSmallStr::from))?);
        let mut stream = Self {
            new: brick_builder(&request, &time)?,
            builders: Vec::new(),
            copies: Vec::new(),
            buffers: Buffers::default(),
            arranged: Arranged::default(),
            rows: 0,
            outbox: Vec::new(),
            request,
            names,
            time,
            groups,
            rows_are_of_input,
        };
        stream.push(&schema.clear())?;
        Ok(stream)
    }

    /// Adds the first rows of a batch, as many as complete no more bricks than a frame should hold; returns how many bricks
    /// wait to be taken, and how many rows were added.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule, or a column of the wrong dtype; the stream is then to be dropped.
    pub fn push(&mut self, batch: &DataFrame) -> Result<(usize, usize), FrameError> {
        let stride = STRIDE_ROWS.max(ARRANGED_ROWS_OF_GROUP * self.groups.len());
        let mut added = 0;
        loop {
            let mut rows = stride.min(batch.height() - added);
            while !self.try_push(&batch.slice(added as i64, rows))? {
                rows /= 2;
            }
            self.rows += rows as u64;
            added += rows;
            if added == batch.height() || self.outbox.len() > MOST_OF_A_FRAME {
                return Ok((self.outbox.len(), added));
            }
        }
    }

    /// Takes the bricks that wait: keys, then their columns, in the order of the rows that completed them.
    ///
    /// # Errors
    ///
    /// Polars cannot make the frame.
    pub fn take(&mut self) -> Result<DataFrame, FrameError> {
        let (groups, bricks): (Vec<_>, Vec<_>) = self.outbox.drain(..).unzip();
        let mut columns = self.groups.take(&groups)?;
        let decimals = self.request.price_decimals()?;
        columns.extend(brick_series(&bricks, decimals, &self.time.dtype).into_iter().map(Column::from));
        Ok(DataFrame::new(bricks.len(), columns)?)
    }

    /// Adds rows, whose bricks then wait. Returns false, and changes nothing, if several rows complete more bricks than a
    /// frame should hold.
    fn try_push(&mut self, rows: &DataFrame) -> Result<bool, FrameError> {
        let columns = self.read(rows)?;
        self.groups.begin(); // nothing is undone
        let groups = self.groups.assign(rows)?;
        self.builders.resize(self.groups.len(), self.new);
        let unreadable = columns.unreadable();
        let end = unreadable.map_or(columns.len(), |(row, ..)| row);
        let known = self.outbox.len();
        let mut failure: Option<(usize, RowError)> = None;
        if let Some(all) = columns.chunks().next() {
            let layout = Layout::new(&groups[..end], 0);
            let trades = all.slice(0..end);
            let trades = match layout.places() {
                Some(places) => self.arranged.arrange(&trades, places),
                None => trades,
            };
            let most = if rows.height() > 1 { MOST_OF_A_FRAME } else { usize::MAX };
            let mut own = Vec::new();
            self.copies.clear();
            for (group, places) in layout.group_runs(&groups[..end]) {
                let builder = &mut self.builders[group as usize];
                let before = builder.rows();
                self.copies.push((group, *builder));
                let left = most.saturating_sub(self.outbox.len() - known);
                own.clear();
                match builder.push(trades.slice(places.clone()), &mut self.buffers, &mut own, left) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.outbox.truncate(known);
                        self.copies.drain(..).rev().for_each(|(group, copy)| self.builders[group as usize] = copy);
                        return Ok(false);
                    }
                    Err(error) => {
                        let row = layout.row(places.start + (error.row - before) as usize);
                        if failure.is_none_or(|(first, _)| row < first) {
                            failure = Some((row, error));
                        }
                    }
                }
                self.outbox.extend(
                    own.iter().map(|brick| (group, Brick { row: layout.row(places.start + brick.row), ..*brick })),
                );
            }
            // Stable: the bricks of one row are of one group.
            self.outbox[known..].sort_by_key(|(_, brick)| brick.row);
        }
        let unreadable = unreadable.map(|(row, column, rule)| {
            (row, RowError { column, row: self.builders[groups[row] as usize].rows(), rule })
        });
        match failure.or(unreadable) {
            Some((row, error)) => Err(self.error(&error, row, groups[row])),
            None => Ok(true),
        }
    }

    fn read(&self, rows: &DataFrame) -> Result<TradeColumns, FrameError> {
        let decimals = self.request.price_decimals()?;
        TradeColumns::new(&self.names, &self.time, decimals, self.request.missing_side, |role| {
            let is_read = matches!(role, Role::Time | Role::Price);
            let column = is_read.then(|| rows.column(self.names.get(role)).ok())?;
            column.map(|column| column.as_materialized_series().rechunk())
        })
    }

    /// The error of a row of a group, by its number among the rows that are being taken.
    fn error(&self, error: &RowError, row: usize, group: IdxSize) -> FrameError {
        let row = self.rows_are_of_input.then_some(self.rows + row as u64);
        let place = self.groups.place(row, group, error.row);
        FrameError::of_row(error, self.names.get(error.column), &self.time.dtype, &place)
    }
}
