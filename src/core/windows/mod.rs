//! Windows of trades beside the bars: a bar's own (`intra_*`) and the ones before it opened (`lookback_*`).
//!
//! What always holds between two pushes:
//!
//! - The rows held are consecutive, numbered within the group, and end with the last row seen. They include the rows of
//!   every forming bar, if a statistic of the bar's own trades looks at rows, and those that the window of a bar to come
//!   may contain.
//! - No window begins before `floor`, the row behind the last break.
//! - Nothing waits: the window before a bar was computed in the push that opened the bar, and its values are kept.
//! - `sliding` is a cache of totals. It is made anew from the rows, so it is neither saved nor copied.
//!
//! During a push, bars that open or end leave jobs. The builder runs them after some blocks, one by one or on many
//! threads, and hands the values out in the order in which the bars ended. The list of jobs is lent by the caller of
//! the builder, since there may be thousands of groups. Rows are dropped only after the jobs that read them.
//!
//! A push that fails is undone with the rows and not with a copy of them. Rows are only appended, so
//! [`Windows::begin_push`] notes where they end, and [`Windows::roll_back`] truncates there. Only if rows are dropped
//! meanwhile is a copy of them left. Everything else is small and comes from a copy of the builder.

mod held_rows;
mod jobs;
mod lookback;

use std::collections::VecDeque;

use self::held_rows::{Columns, HeldRows};
use self::jobs::Ended;
pub use self::jobs::{Job, RunAll, Waiting, in_turn};
pub use self::lookback::Lookback;
use self::lookback::Sliding;
use super::checkpoint::{CheckpointError, Put, Reader};
use super::error::{Role, RowError, Rule};
use super::features::statistic::{Statistics, Values};
use super::features::window::{OF_ROWS, Window};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::Number;
use crate::core::time::clock::TimeUnit;
use crate::core::trades::seen::Seen;
use crate::core::trades::sides::Side;

/// Rows from which it is worth looking whether some can be dropped.
const FEW_ROWS: usize = 256;

/// Which windows there are, and what is wanted of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowOptions {
    intra: Statistics,
    lookback: Option<(Lookback, Statistics)>,
    columns: Columns,
}

impl WindowOptions {
    /// Statistics of the bars' own trades, and of windows before them.
    #[must_use]
    pub fn new(intra: Statistics, lookback: Option<(Lookback, Statistics)>, has_side: bool) -> Self {
        let lookback = lookback.filter(|(_, statistics)| !statistics.is_empty());
        let before = lookback.map_or(Statistics::default(), |(_, statistics)| statistics);
        // A bar knows its sums; those of a window before it are added up from its rows.
        let of_rows = |column| intra.and(OF_ROWS).has_any(column) || before.has_any(column);
        let columns = Columns {
            quantity: of_rows(Statistics::reading(Role::Quantity)),
            side: has_side && of_rows(Statistics::reading(Role::IsBuyerMaker)),
        };
        Self { intra, lookback, columns }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intra.is_empty() && self.lookback.is_none()
    }

    /// Whether the rows of forming bars are held.
    #[must_use]
    pub fn holds_bars(&self) -> bool {
        self.intra.has_any(OF_ROWS)
    }
}

/// Statistics of the windows of a bar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowValues {
    /// Of its own trades.
    pub intra: Values,
    /// Of the trades before it opened.
    pub lookback: Values,
}

/// The windows of the bars of one group.
#[derive(Debug)]
pub struct Windows {
    options: WindowOptions,
    unit: TimeUnit,
    rows: HeldRows,
    /// Windows start no earlier: the row behind the last break, whether or not a bar was forming there.
    floor: u64,
    /// Rows held from which it is worth looking again whether some can be dropped.
    enough: usize,
    /// One for each rule.
    tracks: Vec<Track>,
    /// The window of each rule's forming bar, as it stood when the bar opened. Made anew from the rows where it is lost.
    sliding: Vec<Sliding>,
    undo: Option<Undo>,
    /// During a push, lent: there may be thousands of groups.
    waiting: Waiting,
}

/// What the windows of one rule's bars are made of, beside the rows.
#[derive(Debug, Clone, Default)]
struct Track {
    /// First rows of the last bars, as many as a window of bars reaches back.
    opened: VecDeque<u64>,
    /// Of the forming bar, unless it waits for a job.
    lookback: Values,
    job: Option<usize>,
}

/// The way back to the rows before a push: rows are only added, and before the first are dropped, a copy is left.
#[derive(Debug)]
struct Undo {
    end: u64,
    dropped: Option<HeldRows>,
}

impl Windows {
    /// Windows of a group that has seen nothing, for some rules; none where nothing is asked for.
    #[must_use]
    pub fn new(options: WindowOptions, rules: usize, unit: TimeUnit) -> Option<Box<Self>> {
        (!options.is_empty()).then(|| {
            Box::new(Self {
                options,
                unit,
                rows: HeldRows::default(),
                floor: 0,
                enough: FEW_ROWS,
                tracks: vec![Track::default(); rules],
                sliding: vec![Sliding::default(); rules],
                undo: None,
                waiting: Waiting::default(),
            })
        })
    }

    /// Whether rows are held at all.
    fn holds_rows(&self) -> bool {
        self.options.holds_bars() || self.options.lookback.is_some()
    }

    /// Takes the rows of a block, before the bars are told of them.
    pub fn append(&mut self, block: &Block<'_>) {
        if self.holds_rows() {
            self.rows.append(block, self.options.columns);
        }
    }

    /// Takes one row, which neither opens nor ends a bar.
    pub fn push(&mut self, time: i64, price: i64, quantity: i64, side: Option<Side>) {
        if self.holds_rows() {
            self.rows.push(time, price, quantity, side, self.options.columns);
        }
    }

    /// Makes room for rows of which the windows are computed at once.
    pub fn reserve(&mut self, rows: usize) {
        if self.holds_rows() {
            self.rows.reserve(rows, self.options.columns);
        }
    }

    /// A bar of a rule opens at a row of a block: its window is that of now.
    ///
    /// # Errors
    ///
    /// A total of the window does not fit.
    pub fn open(&mut self, rule: usize, block: &Block<'_>, row: usize) -> Result<(), RowError> {
        let Some((reach, wanted)) = self.options.lookback else { return Ok(()) };
        let Self { rows, floor, tracks, sliding, unit, waiting: Waiting { jobs, .. }, .. } = self;
        let (track, sliding) = (&mut tracks[rule], &mut sliding[rule]);
        let (first, time) = (block.first_row + row as u64, block.trades.time[row]);
        let end = rows.first_at(time, *floor, first);
        let start = match reach {
            Lookback::Trades(count) => end.saturating_sub(count),
            Lookback::Time(length) => rows.first_at(length.before(time, *unit), *floor, end),
            Lookback::Bars(_) => track.opened.front().copied().unwrap_or(first),
        };
        let start = start.max(*floor).min(end);
        if let Lookback::Bars(count) = reach {
            track.opened.push_back(first);
            if track.opened.len() as u64 > count {
                track.opened.pop_front();
            }
        }
        (track.lookback, track.job) = (Values::default(), None);
        if start == end {
            return Ok(());
        }
        let overflow = |column, rule| block.error(column, row, rule);
        sliding.move_to(rows, start, end, wanted).map_err(|_| {
            let value = Number::Float(Decimals::OF_QUANTITIES.double(block.quantity.get(row)));
            overflow(Role::Quantity, Rule::SumFits { value })
        })?;
        let window = rows.window(start..end);
        let (opened, last) = (window.time[0], window.time[window.time.len() - 1]);
        let duration_us = unit
            .span_us(opened, last)
            .ok_or_else(|| overflow(Role::Time, Rule::DurationFits { time: last, open_time: opened }))?;
        track.job = Some(jobs.len());
        let lacks_side = rows.lack_side(start..end);
        let totals = sliding.totals(&window, block.decimals, duration_us, lacks_side);
        jobs.push(Job::before(start..end, totals));
        Ok(())
    }

    /// A period ended, or a gap, behind which the next row is of this number.
    pub fn start_anew(&mut self, next: u64) {
        self.floor = next;
        self.tracks.iter_mut().for_each(|track| track.opened.clear());
    }

    /// A bar of a rule ends, of which the last row is before row `end`: its statistics are wanted.
    pub fn end(&mut self, rule: usize, bar: &RangeBar, end: u64) {
        let intra = (!self.options.intra.is_empty()).then_some(self.waiting.count());
        if intra.is_some() {
            self.waiting.jobs.push(self.of_bar(bar, end));
        }
        let Track { lookback, job, .. } = &self.tracks[rule];
        let values = WindowValues { intra: Values::default(), lookback: *lookback };
        self.waiting.ended.push(Ended { values, intra, lookback: *job });
    }

    /// Computes what waits, and gives the statistics of the bars ended since, each with the bar's number among them.
    pub fn compute(&mut self, run_all: RunAll<'_>, mut give: impl FnMut(usize, WindowValues)) {
        let Self { options, rows, waiting: Waiting { jobs, ended }, tracks, .. } = self;
        if jobs.is_empty() && ended.is_empty() {
            return;
        }
        let before = options.lookback.map_or(Statistics::default(), |(_, wanted)| wanted);
        if !ended.is_empty() {
            self.enough = FEW_ROWS; // rows of these bars are needed no more
        }
        run_all(jobs, &|job| job.run(rows, options.intra, before));
        for (bar, Ended { mut values, intra, lookback }) in ended.drain(..).enumerate() {
            let parts = [(&mut values.intra, intra), (&mut values.lookback, lookback)];
            parts.into_iter().for_each(|(part, job)| *part = job.map_or(*part, |job| jobs[job].values));
            give(bar, values);
        }
        for track in tracks {
            track.lookback = track.job.take().map_or(track.lookback, |job| jobs[job].values);
        }
        jobs.clear();
    }

    /// The statistics of the bar of a rule that forms, of which the last row is before row `end`.
    #[must_use]
    pub fn forming(&self, rule: usize, bar: &RangeBar, end: u64) -> Box<WindowValues> {
        let mut job = self.of_bar(bar, end);
        job.run(&self.rows, self.options.intra, Statistics::default());
        Box::new(WindowValues { intra: job.values, lookback: self.tracks[rule].lookback })
    }

    fn of_bar(&self, bar: &RangeBar, end: u64) -> Job {
        let rows = if self.options.holds_bars() { bar.agg_record_count } else { 0 };
        let end = if self.holds_rows() { end } else { 0 };
        Job::of_bar(end - rows..end, bar)
    }

    /// Drops the rows that no window will need, given the rows of each rule's forming bar and the last time, once they are
    /// the most: so a row is moved once on average.
    pub fn trim(&mut self, forming: impl ExactSizeIterator<Item = u64>, last_time: i64) {
        if self.rows.len() < self.enough {
            return;
        }
        let needed = self.needed(forming, last_time);
        let kept = (self.rows.end() - needed) as usize;
        self.enough = (2 * kept).max(FEW_ROWS);
        if self.rows.len() < self.enough {
            return;
        }
        if let Some((_, wanted)) = self.options.lookback {
            self.sliding.iter_mut().for_each(|sliding| sliding.leave(&self.rows, needed, wanted));
        }
        if let Some(undo) = self.undo.as_mut().filter(|undo| undo.dropped.is_none()) {
            undo.dropped = Some(self.rows.copy(self.rows.first()..undo.end));
        }
        self.rows.drop_before(needed);
    }

    /// Gives room back that is large beside the rows held: there may be thousands of groups.
    pub fn shrink(&mut self) {
        self.rows.shrink();
    }

    /// Lends the memory where statistics wait, or gives it back.
    pub fn swap_waiting(&mut self, lent: &mut Waiting) {
        std::mem::swap(&mut self.waiting, lent);
    }

    /// What waits to be computed.
    #[must_use]
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// The first row that a forming bar or a window to come may look at.
    fn needed(&self, forming: impl ExactSizeIterator<Item = u64>, last_time: i64) -> u64 {
        debug_assert_eq!(forming.len(), self.tracks.len(), "a rule has one forming bar at most");
        let end = self.rows.end();
        let of_tracks = self.tracks.iter().zip(forming).map(|(track, forming)| {
            let of_bar = if self.options.holds_bars() { end - forming } else { end };
            of_bar.min(self.options.lookback.map_or(end, |(reach, _)| match reach {
                // The next bar opens at the last time or later.
                Lookback::Trades(count) => {
                    self.rows.first_at(last_time, self.floor, end).saturating_sub(count).max(self.floor)
                }
                Lookback::Time(length) => {
                    self.rows.first_at(length.earliest_before(last_time, self.unit), self.floor, end)
                }
                Lookback::Bars(_) => track.opened.front().copied().unwrap_or(end),
            }))
        });
        of_tracks.min().unwrap_or(end)
    }

    /// Marks the rows of now as those to go back to.
    pub fn begin_push(&mut self) {
        self.undo = Some(Undo { end: self.rows.end(), dropped: None });
    }

    /// Becomes what will decide the future of other windows, but for their rows.
    pub fn copy_from(&mut self, other: &Self) {
        self.floor = other.floor;
        self.tracks.clone_from(&other.tracks);
    }

    /// Goes back to the rows that were marked, and to a copy of the rest.
    pub fn roll_back(&mut self, copy: &Self) {
        let undo = self.undo.take();
        debug_assert!(undo.is_some(), "no rows were marked to go back to");
        if let Some(undo) = undo {
            if let Some(rows) = undo.dropped {
                self.rows = rows;
            }
            self.rows.truncate(undo.end);
            self.enough = FEW_ROWS;
        }
        self.copy_from(copy);
        self.sliding.fill(Sliding::default());
    }

    /// Writes what windows to come need, given the rows of each rule's forming bar.
    pub fn save(&self, forming: impl ExactSizeIterator<Item = u64>, seen: &Seen, out: &mut Vec<u8>) {
        out.put(self.floor);
        for track in &self.tracks {
            out.put(track.opened.len() as u64);
            track.opened.iter().for_each(|&row| out.put(row));
            track.lookback.save(out);
        }
        if self.holds_rows() {
            let last_time = seen.last.map_or(0, |(time, _)| time);
            self.rows.save(self.needed(forming, last_time), out);
        }
    }

    /// Reads what [`Windows::save`] wrote.
    ///
    /// # Errors
    ///
    /// The bytes end too soon, or what they say cannot be.
    pub fn load(
        &mut self,
        from: &mut Reader<'_>,
        forming: impl ExactSizeIterator<Item = u64>,
        seen: &Seen,
    ) -> Result<(), CheckpointError> {
        let impossible = Err(CheckpointError::Impossible);
        let reach = self.options.lookback.map(|(reach, _)| reach);
        let most = if let Some(Lookback::Bars(count)) = reach { count } else { 0 };
        let floor = from.take()?;
        if floor > seen.rows {
            return impossible;
        }
        self.floor = floor;
        for track in &mut self.tracks {
            let len: u64 = from.take()?;
            if len > most {
                return impossible;
            }
            track.opened = (0..len).map(|_| from.take()).collect::<Result<_, _>>()?;
            if !track.opened.iter().is_sorted_by(|a, b| a < b)
                || track.opened.iter().any(|&row| !(floor..seen.rows).contains(&row))
            {
                return impossible;
            }
            track.lookback = Values::load(from)?;
        }
        self.sliding.fill(Sliding::default());
        if !self.holds_rows() {
            return Ok(());
        }
        self.rows = HeldRows::load(from, seen.rows, self.options.columns)?;
        let last_time = seen.last.map_or(0, |(time, _)| time);
        let reaches_back = self.rows.first() <= self.needed(forming, last_time);
        if reaches_back && self.rows.last_time().is_none_or(|time| time == last_time) { Ok(()) } else { impossible }
    }

    /// Whether the side of a row held is not known.
    #[must_use]
    pub fn lack_side(&self) -> bool {
        self.rows.lack_side(self.rows.first()..self.rows.end())
    }

    /// Whether a forming bar is that of the rows held, of which the last is before row `end`.
    #[must_use]
    pub fn could_hold(&self, bar: &RangeBar, end: u64) -> bool {
        if !self.options.holds_bars() {
            return true;
        }
        let Window { time, price, quantity, side } = self.rows.window(end - bar.agg_record_count..end);
        let prices = (price.first(), price.last(), price.iter().max(), price.iter().min());
        let are_its = time.first() == Some(&bar.open_time)
            && prices == (Some(&bar.open), Some(&bar.close), Some(&bar.high), Some(&bar.low))
            && (!self.options.columns.side || side.contains(&Side::Unknown) == bar.lacks_side);
        if !self.options.columns.quantity {
            return are_its;
        }
        let volume = (0..price.len()).try_fold(0_i128, |sum, row| sum.checked_add(quantity.get(row)));
        are_its && volume == Some(bar.volume())
    }
}

#[cfg(test)]
mod tests;
