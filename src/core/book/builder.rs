//! The machine of one group: updates become events, events a book, and now and then a row comes out.
//!
//! What always holds when a row comes out: the event before is whole, so nobody sees half of one. Levels are set as their
//! rows come, so the state is the book and not the rows of the event.

use std::ops::Range;

use super::activity::Activity;
use super::error::{BookError, BookRole, BookRule};
use super::flow::Flow;
use super::levels::Tops;
use super::options::{BookOptions, BookSample, Crossed, Holes, Sampling};
use super::sides::Book;
use super::updates::{RawUpdates, UpdateIds};
use crate::core::error::Rule;
use crate::core::time::clock::TimeUnit;
use crate::core::time::every::Every;

/// An event of which more rows may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) time: i64,
    /// What its rows have in common: the batch, the id of the message, or the time.
    pub(super) key: i64,
    pub(super) is_snapshot: bool,
}

/// The book of one group. However the updates are cut into pushes, the same rows come out, to the last bit.
///
/// ```
/// use rangebar_polars::core::*;
///
/// let (unit, cents) = (TimeUnit::Milliseconds, Decimals::new(2).expect("at most 18"));
/// let options = BookOptions {
///     depth: 1,
///     max_levels: None,
///     flow_levels: 0,
///     has_activity: false,
///     sampling: Sampling::Event,
///     crossed: Crossed::Keep,
///     holes: Holes::Invalid,
///     needs_snapshot: false,
///     unit,
///     steps: Steps::usual(unit),
///     price_decimals: cents,
/// };
/// let updates = Updates {
///     time: &[1, 1, 5],
///     is_bid: Bits::new(&[0b001], 0, 3).expect("three bits"),
///     price: Numbers::F64(&[9.99, 10.01, 10.01]),
///     quantity: Numbers::F64(&[3.0, 2.0, 0.0]), // the last one deletes the ask
///     ids: None,
///     is_snapshot: None,
///     batch: None,
/// };
/// let (mut builder, mut buffers, mut mids) = (BookBuilder::new(options), UpdateBuffers::default(), Vec::new());
/// let (raw, broken) = buffers.convert(updates, cents, cents);
/// assert_eq!(broken, None);
/// let mut take = |sample: BookSample<'_>| mids.push((sample.time, sample.book.two_mids()));
/// builder.push(&raw, 0..3, usize::MAX, &mut take)?;
/// builder.finish(&mut take)?;
/// assert_eq!(mids, [(1, Some(2_000)), (5, None)]);
/// # Ok::<(), BookError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookBuilder {
    pub(super) options: BookOptions,
    pub(super) book: Book,
    /// Rows so far.
    pub(super) rows: u64,
    /// Time of the last row.
    pub(super) time: Option<i64>,
    /// The event that is not whole yet.
    pub(super) event: Option<Event>,
    /// The ranks from which on it has changed the sides.
    pub(super) touched: [usize; 2],
    /// The side on which it last set a best level.
    pub(super) newest: usize,
    /// Whether the book is known.
    pub(super) is_valid: bool,
    /// The last id of the last message.
    pub(super) id: Option<i64>,
    /// Whether that message was a snapshot.
    pub(super) is_fresh: bool,
    /// Whether the last message was in the snapshot already.
    pub(super) is_stale: bool,
    /// The instant of the next row, with rows at equal distances.
    pub(super) next_sample: Option<i64>,
    pub(super) flow: Flow,
    pub(super) activity: Activity,
    /// What the last row showed, where only changes come out: whether the book was known, and its levels.
    pub(super) shown: Option<(bool, Tops)>,
    /// Rows of the group when the last row came out.
    pub(super) rows_shown: u64,
    /// Holes since then.
    pub(super) holes: u64,
    /// Levels dropped since then.
    pub(super) dropped: u64,
    /// Whether the book has been crossed since then.
    pub(super) was_crossed: bool,
}

/// Rank of no level.
pub(super) const UNTOUCHED: [usize; 2] = [usize::MAX; 2];

impl BookBuilder {
    /// A book that has seen nothing.
    #[must_use]
    pub fn new(options: BookOptions) -> Self {
        Self {
            options,
            book: Book::default(),
            rows: 0,
            time: None,
            event: None,
            touched: UNTOUCHED,
            newest: 0,
            is_valid: !options.needs_snapshot,
            id: None,
            is_fresh: false,
            is_stale: false,
            next_sample: None,
            flow: Flow::new(options.flow_levels),
            activity: Activity::default(),
            shown: None,
            rows_shown: 0,
            holes: 0,
            dropped: 0,
            was_crossed: false,
        }
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The book as the last row left it, which may be within an event.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Adds some rows; hands out at most `room` samples, and returns how many rows it added: fewer if more samples had
    /// come out.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule. A builder that returned an error must be dropped.
    pub fn push(
        &mut self,
        updates: &RawUpdates<'_>,
        rows: Range<usize>,
        mut room: usize,
        emit: &mut impl FnMut(BookSample<'_>),
    ) -> Result<usize, BookError> {
        let (ids, has_snapshots) = (updates.of.ids, updates.of.is_snapshot.is_some());
        let is_batched = updates.of.batch.is_some();
        let keys = updates.of.batch.or(ids.map(|ids| ids.last)).unwrap_or(updates.of.time);
        let count = rows.len();
        let start = rows.start;
        for row in rows {
            let (time, key) = (updates.of.time[row], keys[row]);
            let is_snapshot = has_snapshots && updates.snapshot[row] != 0;
            let mut is_message = false;
            let mut was_snapshot = false;
            match self.event {
                Some(event) if event.key == key && (is_batched || event.is_snapshot == is_snapshot) => {
                    if event.time != time {
                        let rule = BookRule::OneTime { time, previous: event.time };
                        return Err(self.error(BookRole::Time, rule));
                    }
                    was_snapshot = event.is_snapshot;
                    if was_snapshot != is_snapshot {
                        self.event = Some(Event { is_snapshot, ..event });
                    }
                }
                _ => {
                    if room == 0 {
                        return Ok(row - start);
                    }
                    self.check_time(time)?;
                    room -= usize::from(self.end_event(emit)?);
                    while let (Some(at), Sampling::Every(every)) = (self.next_sample, self.options.sampling)
                        && at <= time
                    {
                        if room == 0 {
                            return Ok(row - start);
                        }
                        self.show(at, emit);
                        self.next_sample = next(every, at, self.options.unit);
                        room -= 1;
                    }
                    self.event = Some(Event { time, key, is_snapshot });
                    self.time = Some(time);
                    is_message = true;
                }
            }
            match ids {
                _ if is_snapshot && !was_snapshot => self.begin_anew(ids.map(|ids| ids.last[row])),
                Some(ids) if is_snapshot => self.id = Some(ids.last[row]),
                Some(ids) if is_message || self.id != Some(ids.last[row]) => self.follow(ids, row)?,
                _ => {}
            }
            self.rows += 1;
            if self.is_valid && !self.is_stale {
                let (mask, quantity) = (i64::from(updates.side[row]), updates.quantity[row]);
                let (side, key) = ((mask + 1) as usize, (updates.price[row] ^ !mask) - !mask);
                let (rank, before) = self.book.sides[side].set(key, quantity);
                if self.options.has_activity && !is_snapshot {
                    self.activity.update(side, before, quantity);
                }
                self.touched[side] = self.touched[side].min(rank);
                if rank == 0 && quantity != 0 {
                    self.newest = side;
                }
                if self.options.max_levels.is_some_and(|most| self.book.sides[side].len() > most) {
                    self.book.sides[side].drop_worst();
                    self.dropped += 1;
                }
            }
        }
        Ok(count)
    }

    /// No more rows will come: the last event is whole, and the last instant of rows at equal distances comes out.
    ///
    /// # Errors
    ///
    /// The last event leaves the book crossed, and that is an error.
    pub fn finish(&mut self, emit: &mut impl FnMut(BookSample<'_>)) -> Result<(), BookError> {
        self.flush(emit)?;
        if let Some(at) = self.next_sample.take() {
            self.show(at, emit);
        }
        Ok(())
    }

    /// No update before a time will come: an event before it is whole, and instants up to it come out. What follows is
    /// what would have followed without it.
    ///
    /// # Errors
    ///
    /// As [`BookBuilder::finish`].
    pub fn advance(&mut self, time: i64, emit: &mut impl FnMut(BookSample<'_>)) -> Result<(), BookError> {
        if self.time.is_none_or(|last| time <= last) {
            return Ok(());
        }
        self.end_event(emit)?;
        while let (Some(at), Sampling::Every(every)) = (self.next_sample, self.options.sampling)
            && at <= time
        {
            self.show(at, emit);
            self.next_sample = next(every, at, self.options.unit);
        }
        self.time = Some(time);
        Ok(())
    }

    /// Whether time may step as far, once there is one.
    #[must_use]
    pub fn allows(&self, time: i64) -> bool {
        self.time.is_none_or(|last| time <= last || self.options.steps.allow(last, time))
    }

    /// The last event is whole, whatever comes.
    ///
    /// # Errors
    ///
    /// As [`BookBuilder::finish`].
    pub fn flush(&mut self, emit: &mut impl FnMut(BookSample<'_>)) -> Result<(), BookError> {
        self.end_event(emit).map(|_| ())
    }

    /// The event is whole; whether a row came out.
    fn end_event(&mut self, emit: &mut impl FnMut(BookSample<'_>)) -> Result<bool, BookError> {
        let Some(event) = self.event.take() else { return Ok(false) };
        if self.is_valid {
            if self.book.is_crossed() {
                self.uncross(event.time)?;
            }
            if self.options.flow_levels > 0 {
                self.flow.add(&self.book, self.touched);
            }
            if self.options.has_activity {
                self.activity.end_event(&self.book, event.time, self.options.depth);
            }
        }
        let comes_out = match self.options.sampling {
            Sampling::Event => true,
            Sampling::Change => self.has_changed(),
            Sampling::Every(every) => {
                self.next_sample = self.next_sample.or_else(|| next(every, event.time, self.options.unit));
                false
            }
        };
        self.touched = UNTOUCHED;
        if comes_out {
            self.show(event.time, emit);
        }
        Ok(comes_out)
    }

    /// What is done about a crossed book.
    #[cold]
    fn uncross(&mut self, time: i64) -> Result<(), BookError> {
        match (self.options.crossed, self.book.best()) {
            (Crossed::Error, Some((bid, ask))) => {
                let decimals = self.options.price_decimals;
                let rule = BookRule::NotCrossed { bid: bid.price, ask: ask.price, decimals, time };
                return Err(BookError { column: BookRole::Price, row: self.rows.saturating_sub(1), rule });
            }
            (Crossed::Repair, _) => {
                let older = 1 - self.newest;
                let best = self.book.sides[self.newest].best();
                self.book.sides[older].cut(-best);
                self.touched[older] = 0;
            }
            _ => {}
        }
        self.was_crossed = true;
        Ok(())
    }

    /// Whether the levels that are looked at are not those that the last row showed.
    fn has_changed(&self) -> bool {
        let Some((was_valid, shown)) = &self.shown else { return true };
        if *was_valid != self.is_valid {
            return true;
        }
        (0..2).any(|side| {
            let ranks = self.touched[side].min(self.options.depth)..self.options.depth;
            ranks.into_iter().any(|rank| shown[side][rank] != self.book.sides[side].entry(rank))
        })
    }

    /// A row comes out.
    fn show(&mut self, time: i64, emit: &mut impl FnMut(BookSample<'_>)) {
        emit(BookSample {
            time,
            book: &self.book,
            depth: self.options.depth,
            is_valid: self.is_valid,
            is_crossed: self.was_crossed || self.book.is_crossed(),
            updates: self.rows - self.rows_shown,
            holes: self.holes,
            dropped: self.dropped,
            flows: self.flow.sums(),
            activity: &self.activity,
        });
        if self.options.has_activity {
            self.activity.restart(time);
        }
        if self.options.flow_levels > 0 {
            self.flow.restart(); // filling nothing took 60 ns a row: a masked store to no memory
        }
        (self.rows_shown, self.holes, self.dropped, self.was_crossed) = (self.rows, 0, 0, false);
        if self.options.sampling == Sampling::Change {
            let (book, depth) = (&self.book, self.options.depth);
            let tops = [0, 1].map(|side| (0..depth).map(|rank| book.sides[side].entry(rank)).collect());
            self.shown = Some((self.is_valid, tops));
        }
    }

    /// Time may not go back, nor step too far.
    fn check_time(&self, time: i64) -> Result<(), BookError> {
        let Some(previous) = self.time else { return Ok(()) };
        if time < previous {
            return Err(self.error(BookRole::Time, BookRule::TimeOrder { time, previous }));
        }
        if time > previous && !self.options.steps.allow(previous, time) {
            return Err(self.error(BookRole::Time, Rule::StepTooLong { time, previous }.into()));
        }
        Ok(())
    }

    /// A snapshot begins.
    fn begin_anew(&mut self, id: Option<i64>) {
        self.book.clear();
        self.touched = [0; 2];
        (self.is_valid, self.is_stale, self.is_fresh) = (true, false, true);
        self.id = id;
    }

    /// A message begins that is no snapshot.
    fn follow(&mut self, ids: UpdateIds<'_>, row: usize) -> Result<(), BookError> {
        let id = ids.last[row];
        if let Some(first) = ids.first.map(|first| first[row]).filter(|&first| first > id) {
            return Err(self.error(BookRole::LastUpdateId, BookRule::IdSpan { first, last: id }));
        }
        self.is_stale = false;
        let Some(known) = self.id else {
            self.id = Some(id);
            return Ok(());
        };
        if id <= known {
            // The venue says: what a snapshot holds already is left out.
            self.is_stale = self.is_fresh;
            let rule = BookRule::IdOrder { id, previous: known };
            return if self.is_fresh { Ok(()) } else { Err(self.error(BookRole::LastUpdateId, rule)) };
        }
        let (role, before) = match (ids.previous, ids.first) {
            (Some(previous), _) => (BookRole::PreviousUpdateId, previous[row]),
            (None, Some(first)) => (BookRole::FirstUpdateId, first[row].saturating_sub(1)),
            (None, None) => (BookRole::LastUpdateId, known),
        };
        // The first message behind a snapshot may begin before it.
        let is_next = before == known || self.is_fresh && before < known;
        (self.id, self.is_fresh) = (Some(id), false);
        if !is_next && self.is_valid {
            match self.options.holes {
                Holes::Error => {
                    let id = ids.previous.or(ids.first).map_or(id, |ids| ids[row]);
                    return Err(self.error(role, BookRule::NoHole { id, previous: known }));
                }
                Holes::Invalid => {
                    self.is_valid = false;
                    self.book.clear();
                    self.flow.forget();
                    self.activity.forget();
                }
                Holes::Keep => {}
            }
            self.holes += 1;
        }
        Ok(())
    }

    fn error(&self, column: BookRole, rule: BookRule) -> BookError {
        BookError { column, row: self.rows, rule }
    }
}

/// The first instant of rows at equal distances behind a time.
fn next(every: Every, time: i64, unit: TimeUnit) -> Option<i64> {
    every.last(time, unit).checked_add(1)
}

impl Book {
    /// Forgets all levels.
    pub(super) fn clear(&mut self) {
        self.sides.iter_mut().for_each(super::levels::Levels::clear);
    }
}
