//! Batches of updates in, states of the books out, one machine per group.

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::{KeyType, dtype, load_keys, opened, save_keys, sealed, words};
use super::group_index::{GroupIndex, Mark};
use super::plan::RowNaming;
use crate::core::{
    BOOK_ROWS, BookBuilder, BookError, BookOptions, BookRole, BookRule, BookSample, CheckpointError, Decimals,
    UpdateBuffers,
};
use crate::frame::book::{BookColumns, BookNames, BookRequest, UpdateColumns};
use crate::frame::error::instant;
use crate::frame::{FrameError, TimeColumn};

/// Rows of one frame: after a pause, equal distances make many at once, which are taken in parts.
const MOST_OF_A_FRAME: usize = 1 << 16;

/// The books of any number of groups over any number of batches.
pub struct GroupedBooks {
    pub(super) request: BookRequest,
    names: BookNames,
    pub(super) time: TimeColumn,
    decimals: [Decimals; 2],
    /// The roles that the input has, by the columns' names.
    pub(super) columns: Vec<(BookRole, String)>,
    pub(super) groups: GroupIndex,
    options: BookOptions,
    pub(super) builders: Vec<BookBuilder>,
    buffers: UpdateBuffers,
    row_naming: RowNaming,
    rows: u64,
    /// Rows that nobody has taken yet, and the group of each.
    outbox: (Vec<IdxSize>, BookColumns),
    /// Rows of a frame that gave more of them than one should hold.
    parts: Vec<DataFrame>,
    /// What a push can be undone by, where that may be wanted.
    undo: Option<Undo>,
}

/// What ends where no update says so.
#[derive(Clone, Copy)]
enum End {
    /// All input.
    Input,
    /// The last event of each group.
    Events,
    /// What lies before a time.
    Before(i64),
}

/// The state before a push, of what it has touched.
#[derive(Default)]
struct Undo {
    mark: Mark,
    copies: Vec<(IdxSize, BookBuilder)>,
    is_copied: Vec<bool>,
}

impl GroupedBooks {
    /// A stream that has seen nothing; a frame tells it the dtypes, and which roles its columns play. Only some columns of
    /// the books are made.
    ///
    /// # Errors
    ///
    /// A column that is missing or of the wrong dtype, or an invalid parameter.
    pub fn new(
        request: BookRequest,
        roles: &[String],
        wanted: &[String],
        row_naming: RowNaming,
        schema: &DataFrame,
    ) -> Result<Self, FrameError> {
        let names = request.names()?;
        let time = request.time(schema.column(names.get(BookRole::Time))?.dtype())?;
        let decimals = [request.price_decimals()?, request.quantity_decimals()?];
        let has = |role: &BookRole| roles.iter().any(|name| name == role.name());
        let columns = BookRole::ALL.into_iter().filter(has).map(|role| (role, names.get(role).to_owned()));
        let columns: Vec<_> = columns.collect();
        let has_snapshots = has(&BookRole::IsSnapshot);
        let wanted = request.only(wanted)?;
        let options = request.options(&time, &wanted, has_snapshots)?;
        let groups = GroupIndex::new(schema.clear().select(request.by.iter().map(PlSmallStr::from))?);
        let builders = (0..groups.len()).map(|_| BookBuilder::new(options)).collect();
        let outbox = (Vec::new(), BookColumns::new(wanted, decimals, time.unit));
        Ok(Self {
            request,
            names,
            time,
            decimals,
            columns,
            groups,
            options,
            builders,
            buffers: UpdateBuffers::default(),
            row_naming,
            rows: 0,
            outbox,
            parts: Vec::new(),
            undo: None,
        })
    }

    /// Adds the first rows of a batch, as many as give no more rows than a frame should hold; returns how many rows wait to
    /// be taken, and how many were added.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule, or a column of the wrong dtype; the stream is then to be dropped, or the push to be
    /// undone.
    pub fn push(&mut self, batch: &DataFrame) -> Result<(usize, usize), FrameError> {
        let columns = self.read(batch)?;
        if self.undo.is_none() {
            self.groups.begin(); // nothing is undone
        }
        let groups = self.groups.assign(batch)?;
        let options = self.options;
        self.builders.resize_with(self.groups.len(), || BookBuilder::new(options));
        let end = columns.unreadable().map_or(columns.len(), |(row, ..)| *row);
        let Some(updates) = columns.updates() else { return Ok((self.outbox.1.len(), batch.height())) };
        for start in (0..end).step_by(BOOK_ROWS) {
            let block = updates.slice(start..end.min(start + BOOK_ROWS));
            let (raw, broken) = self.buffers.convert(block, self.decimals[0], self.decimals[1]);
            let sound = broken.as_ref().map_or(block.len(), |(row, ..)| *row);
            let of_block = &groups[start..start + sound];
            let mut from = 0;
            for run in of_block.chunk_by(|a, b| a == b) {
                let group = run[0];
                if let Some(undo) = &mut self.undo {
                    undo.keep(group, &self.builders);
                }
                let (takers, rows) = &mut self.outbox;
                let room = MOST_OF_A_FRAME.saturating_sub(rows.len());
                let builder = &mut self.builders[group as usize];
                let before = builder.rows();
                let mut take = |sample: BookSample<'_>| {
                    takers.push(group);
                    rows.push(&sample);
                };
                match builder.push(&raw, from..from + run.len(), room, &mut take) {
                    Ok(added) if added < run.len() => {
                        self.rows += (start + from + added) as u64;
                        return Ok((self.outbox.1.len(), start + from + added));
                    }
                    Ok(_) => from += run.len(),
                    Err(error) => {
                        let row = start + from + error.row.saturating_sub(before) as usize;
                        return Err(self.error(&error, row, group));
                    }
                }
            }
            if let Some((row, column, rule)) = broken {
                return Err(self.broken(start + row, column, rule, &groups));
            }
        }
        if let Some((row, column, rule)) = columns.unreadable().cloned() {
            return Err(self.broken(row, column, rule, &groups));
        }
        self.rows += batch.height() as u64;
        Ok((self.outbox.1.len(), batch.height()))
    }

    /// All events are whole, and with rows at equal distances the next one comes out of each group: no more updates come.
    ///
    /// # Errors
    ///
    /// An event leaves a book crossed, and that is an error.
    pub fn finish(&mut self) -> Result<(), FrameError> {
        self.end_events(End::Input)
    }

    /// All events are whole.
    ///
    /// # Errors
    ///
    /// As [`GroupedBooks::finish`].
    pub fn flush(&mut self) -> Result<(), FrameError> {
        self.end_events(End::Events)
    }

    /// No update before a time will come, of any group.
    ///
    /// # Errors
    ///
    /// As [`GroupedBooks::finish`], or the time is too far ahead.
    pub fn advance(&mut self, time: i64) -> Result<(), FrameError> {
        if !self.builders.is_empty() && !self.builders.iter().any(|builder| builder.allows(time)) {
            return Err(FrameError(format!(
                "`time` must not be ahead of the last update by more than `max_step` (40 years by default), got {}; the \
                 `time_unit` is probably wrong",
                instant(time, &self.time.dtype)
            )));
        }
        self.end_events(End::Before(time))
    }

    fn end_events(&mut self, end: End) -> Result<(), FrameError> {
        for group in 0..self.builders.len() as IdxSize {
            if let Some(undo) = &mut self.undo {
                undo.keep(group, &self.builders);
            }
            let (takers, rows) = &mut self.outbox;
            let mut take = |sample: BookSample<'_>| {
                takers.push(group);
                rows.push(&sample);
            };
            let builder = &mut self.builders[group as usize];
            let ended = match end {
                End::Input => builder.finish(&mut take),
                End::Events => builder.flush(&mut take),
                End::Before(time) => builder.advance(time, &mut take),
            };
            ended.map_err(|error| self.error(&error, 0, group))?;
        }
        Ok(())
    }

    /// Takes the rows that wait: keys, the time, then the columns.
    ///
    /// # Errors
    ///
    /// Polars cannot make the frame.
    pub fn take(&mut self) -> Result<DataFrame, FrameError> {
        let (takers, rows) = &mut self.outbox;
        let height = rows.len();
        let mut columns = self.groups.take(&std::mem::take(takers))?;
        columns.extend(rows.take(&self.time.dtype).into_iter().map(Column::from));
        Ok(DataFrame::new(height, columns)?)
    }

    /// Adds a whole frame, with columns for the same roles as before; its rows wait to be taken. It can be undone.
    ///
    /// # Errors
    ///
    /// As [`GroupedBooks::push`], or other columns.
    pub fn push_frame(&mut self, roles: &[String], frame: &DataFrame) -> Result<(), FrameError> {
        let is_now = |role: BookRole| roles.iter().any(|name| name == role.name());
        let was_there = |role: BookRole| self.columns.iter().any(|(own, _)| *own == role);
        if let Some(role) = BookRole::ALL.into_iter().find(|&role| is_now(role) != was_there(role)) {
            let (now, before) = if is_now(role) { ("have", "had not") } else { ("lack", "had") };
            return Err(FrameError(format!(
                "the updates pushed {now} `{}`, which those before {before}: either all updates have it or none",
                self.names.get(role)
            )));
        }
        let mut added = 0;
        loop {
            let (_, rows) = self.push(&frame.slice(added as i64, usize::MAX))?;
            added += rows;
            if added >= frame.height() {
                return Ok(());
            }
            let part = self.take()?;
            self.parts.push(part);
        }
    }

    /// Takes the rows of a frame that was pushed.
    ///
    /// # Errors
    ///
    /// Polars cannot make the frame.
    pub fn take_all(&mut self) -> Result<DataFrame, FrameError> {
        let last = self.take()?;
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        let Some(mut all) = parts.next() else { return Ok(last) };
        for part in parts.chain([last]) {
            all.vstack_mut(&part)?;
        }
        Ok(all)
    }

    /// From here on, everything can be undone.
    pub fn begin(&mut self) {
        self.groups.begin();
        self.rows = 0;
        self.undo = Some(Undo { mark: self.groups.mark(), ..Undo::default() });
    }

    /// Undoes everything since then.
    pub fn roll_back(&mut self) {
        let Some(undo) = self.undo.take() else { return };
        for (group, copy) in undo.copies {
            self.builders[group as usize] = copy;
        }
        self.groups.back_to(&undo.mark);
        self.builders.truncate(self.groups.len());
        self.parts.clear();
        self.outbox.0.clear();
        self.outbox.1.clear();
    }

    fn read(&self, batch: &DataFrame) -> Result<UpdateColumns, FrameError> {
        UpdateColumns::new(&self.names, &self.time, self.decimals, |role| {
            let (_, name) = self.columns.iter().find(|(own, _)| *own == role)?;
            batch.column(name).ok().map(|column| column.as_materialized_series().clone())
        })
    }

    fn broken(&self, row: usize, column: BookRole, rule: BookRule, groups: &[IdxSize]) -> FrameError {
        let group = groups[row];
        let error = BookError { column, row: self.builders[group as usize].rows(), rule };
        self.error(&error, row, group)
    }

    /// The error of a row of a group, by its number in the batch.
    fn error(&self, error: &BookError, row: usize, group: IdxSize) -> FrameError {
        // A crossed book shows when its event is whole, and that is a row later, or a frame.
        let is_known = !matches!(error.rule, BookRule::NotCrossed { .. });
        let (row, of_group) = (self.rows + row as u64, self.groups.place(None, group, error.row));
        let place = match self.row_naming {
            RowNaming::Input if is_known => self.groups.place(Some(row), group, error.row),
            RowNaming::Frames if is_known && self.request.by.is_empty() => {
                format!("row {row} of the frame ({of_group} in all)")
            }
            RowNaming::Frames if is_known => format!("row {row} of the frame ({of_group})"),
            _ => of_group,
        };
        FrameError::of_update(error, self.names.get(error.column), &self.time.dtype, &place)
    }
}

impl Undo {
    /// Copies a machine that is about to change, once.
    fn keep(&mut self, group: IdxSize, builders: &[BookBuilder]) {
        let group_place = group as usize;
        if self.is_copied.len() <= group_place {
            self.is_copied.resize(group_place + 1, false);
        }
        if !std::mem::replace(&mut self.is_copied[group_place], true) {
            self.copies.push((group, builders[group_place].clone()));
        }
    }
}

/// What every checkpoint of books begins with; the version follows.
const FORMAT: &[u8] = b"rangebar_polars book checkpoint ";

/// The JSON line of a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<R> {
    library: String,
    request: R,
    /// What is known of the input, once there was any.
    input: Option<Input>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    parts: Vec<String>,
    time: KeyType,
    keys: Vec<KeyType>,
    groups: u64,
}

impl GroupedBooks {
    /// The bytes of a checkpoint of a request, and of its stream if it has seen any updates.
    ///
    /// # Errors
    ///
    /// A key column of a dtype that a checkpoint cannot hold.
    pub fn checkpoint(request: &BookRequest, stream: Option<&Self>) -> Result<Vec<u8>, FrameError> {
        let input = stream.map(Self::input).transpose()?;
        let header = Header { library: env!("CARGO_PKG_VERSION").to_owned(), request, input };
        sealed(FORMAT, &header, |out| {
            let Some(stream) = stream else { return Ok(()) };
            for key in stream.groups.keys().columns() {
                save_keys(&key.as_materialized_series().rechunk(), out)?;
            }
            stream.builders.iter().for_each(|builder| builder.save(out));
            Ok(())
        })
    }

    fn input(&self) -> Result<Input, FrameError> {
        let keys = self.groups.keys().columns().iter();
        Ok(Input {
            parts: self.columns.iter().map(|(role, _)| role.name().to_owned()).collect(),
            time: words("time", &self.time.dtype)?,
            keys: keys.map(|key| words(key.name(), key.dtype())).collect::<Result<_, _>>()?,
            groups: self.builders.len() as u64,
        })
    }

    /// The request of a checkpoint, and its stream if it had seen any updates.
    ///
    /// # Errors
    ///
    /// Bytes that are no such checkpoint, or a state that no updates lead to.
    pub fn restore(bytes: &[u8]) -> Result<(BookRequest, Option<Self>), FrameError> {
        let (header, mut from): (Header<BookRequest>, _) = opened(FORMAT, bytes)?;
        let request = header.request;
        request.check()?;
        let Some(input) = header.input else { return Ok((request, None)) };
        let names = request.names()?;
        let time = names.get(BookRole::Time);
        let mut columns = vec![Column::new_empty(time.into(), &dtype(&input.time)?)];
        for (name, key) in request.by.iter().zip(&input.keys).filter(|(name, _)| *name != time) {
            columns.push(Column::new_empty(name.into(), &dtype(key)?));
        }
        let schema = DataFrame::new(0, columns)?;
        let wanted: Vec<_> = request.columns()?.into_iter().map(|column| column.name).collect();
        let mut stream = Self::new(request.clone(), &input.parts, &wanted, RowNaming::Frames, &schema)?;
        let len = usize::try_from(input.groups).map_err(|_| CheckpointError::Impossible)?;
        let keys = stream.groups.keys();
        let keys = keys.columns().iter().map(|key| load_keys(key.name(), key.dtype(), len, &mut from));
        let keys = keys.collect::<Result<Vec<_>, FrameError>>()?;
        let groups = if keys.is_empty() { vec![0] } else { stream.groups.assign(&DataFrame::new(len, keys)?)? };
        if groups.len() != len || !groups.iter().enumerate().all(|(row, &group)| row == group as usize) {
            return Err(CheckpointError::Impossible.into());
        }
        stream.builders.clear();
        for _ in 0..len {
            let mut builder = BookBuilder::new(stream.options);
            builder.load(&mut from)?;
            stream.builders.push(builder);
        }
        if from.is_empty() { Ok((request, Some(stream))) } else { Err(CheckpointError::Impossible.into()) }
    }
}
