//! Windows of trades beside the bars: a bar's own (`intra_*`) and the ones before it opened (`lookback_*`).

mod jobs;
mod lookback;
mod rows;

use std::collections::VecDeque;

use self::jobs::Ended;
pub use self::jobs::{Job, RunAll, Waiting, in_turn};
pub use self::lookback::Lookback;
use self::lookback::Sliding;
use self::rows::{Columns, Rows};
use super::bar::RangeBar;
use super::block::Block;
use super::checkpoint::{CheckpointError, Put, Reader};
use super::error::{Column, RowError, Rule};
use super::features::statistic::{Statistic, Statistics, Values};
use super::features::window::{OF_QUANTITIES, OF_ROWS};
use super::fixed::{Number, from_fixed};
use super::seen::Seen;
use super::trades::TimeUnit;

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
        let columns = Columns {
            quantity: intra.has_any(OF_QUANTITIES) || before.has_any(OF_VOLUME),
            side: has_side && (intra.has(Statistic::CountImbalance) || before.has_any(OF_SIDE)),
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

/// Statistics that need the quantities of a window before a bar.
const OF_VOLUME: Statistics = Statistics::of(&[
    Statistic::Ofi,
    Statistic::Vwap,
    Statistic::VwapPosition,
    Statistic::KyleLambda,
    Statistic::VolumeSkew,
    Statistic::VolumeKurt,
]);

/// Statistics that need the sides of a window before a bar.
const OF_SIDE: Statistics = Statistics::of(&[Statistic::Ofi, Statistic::CountImbalance, Statistic::KyleLambda]);

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
    rows: Rows,
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
    /// Windows start no earlier: the row behind the last break that ended a bar.
    floor: u64,
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
    dropped: Option<Rows>,
}

impl Windows {
    /// Windows of a group that has seen nothing, for some rules; none where nothing is asked for.
    #[must_use]
    pub fn new(options: WindowOptions, rules: usize, unit: TimeUnit) -> Option<Box<Self>> {
        (!options.is_empty()).then(|| {
            Box::new(Self {
                options,
                unit,
                rows: Rows::default(),
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
    pub fn push(&mut self, time: i64, price: i64, quantity: i64, sold: Option<bool>) {
        if self.holds_rows() {
            self.rows.push(time, price, quantity, sold, self.options.columns);
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
        let Self { rows, tracks, sliding, unit, waiting: Waiting { jobs, .. }, .. } = self;
        let (track, sliding) = (&mut tracks[rule], &mut sliding[rule]);
        let (first, time) = (block.first_row + row as u64, block.trades.time[row]);
        let end = rows.first_at(time, track.floor, first);
        let start = match reach {
            Lookback::Trades(count) => end.saturating_sub(count),
            Lookback::Time(length) => rows.first_at(length.before(time, *unit), track.floor, end),
            Lookback::Bars(_) => track.opened.front().copied().unwrap_or(first),
        };
        let start = start.max(track.floor).min(end);
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
            overflow(Column::Quantity, Rule::SumFits { value: Number::Float(from_fixed(block.quantity.get(row))) })
        })?;
        let window = rows.window(start..end);
        let (opened, last) = (window.time[0], window.time[window.time.len() - 1]);
        let duration_us = unit
            .span_us(opened, last)
            .ok_or_else(|| overflow(Column::Time, Rule::DurationFits { time: last, open_time: opened }))?;
        track.job = Some(jobs.len());
        jobs.push(Job::before(start..end, sliding.totals(&window, duration_us)));
        Ok(())
    }

    /// A forming bar of a rule was ended by what is no trade of it; the next row is of this number.
    pub fn start_anew(&mut self, rule: usize, next: u64) {
        let track = &mut self.tracks[rule];
        track.floor = next;
        track.opened.clear();
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

    /// Computes what waits, and gives the statistics of the bars ended since, in their order.
    pub fn compute(&mut self, run_all: RunAll<'_>, mut give: impl FnMut(WindowValues)) {
        let Self { options, rows, waiting: Waiting { jobs, ended }, tracks, .. } = self;
        if jobs.is_empty() && ended.is_empty() {
            return;
        }
        let before = options.lookback.map_or(Statistics::default(), |(_, wanted)| wanted);
        if !ended.is_empty() {
            self.enough = FEW_ROWS; // rows of these bars are needed no more
        }
        run_all(jobs, &|job| job.run(rows, options.intra, before));
        for Ended { mut values, intra, lookback } in ended.drain(..) {
            let parts = [(&mut values.intra, intra), (&mut values.lookback, lookback)];
            parts.into_iter().for_each(|(part, job)| *part = job.map_or(*part, |job| jobs[job].values));
            give(values);
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
    pub fn trim(&mut self, forming: impl Iterator<Item = u64>, last_time: i64) {
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
    fn needed(&self, forming: impl Iterator<Item = u64>, last_time: i64) -> u64 {
        let end = self.rows.end();
        let of_tracks = self.tracks.iter().zip(forming).map(|(track, forming)| {
            let of_bar = if self.options.holds_bars() { end - forming } else { end };
            of_bar.min(self.options.lookback.map_or(end, |(reach, _)| match reach {
                // The next bar opens at the last time or later.
                Lookback::Trades(count) => {
                    self.rows.first_at(last_time, track.floor, end).saturating_sub(count).max(track.floor)
                }
                Lookback::Time(length) => {
                    self.rows.first_at(length.earliest_before(last_time, self.unit), track.floor, end)
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
        self.tracks.clone_from(&other.tracks);
    }

    /// Goes back to the rows that were marked, and to a copy of the rest.
    pub fn roll_back(&mut self, copy: &Self) {
        if let Some(undo) = self.undo.take() {
            if let Some(rows) = undo.dropped {
                self.rows = rows;
            }
            self.rows.truncate(undo.end);
            self.enough = FEW_ROWS;
        }
        self.tracks.clone_from(&copy.tracks);
        self.sliding.fill(Sliding::default());
    }

    /// Writes what windows to come need, given the rows of each rule's forming bar.
    pub fn save(&self, forming: impl Iterator<Item = u64>, seen: &Seen, out: &mut Vec<u8>) {
        for track in &self.tracks {
            out.put(track.floor);
            out.put(track.opened.len() as u64);
            track.opened.iter().for_each(|&row| out.put(row));
            out.put(track.lookback.present());
            track.lookback.iter().for_each(|(_, bits)| out.put(bits));
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
        forming: impl Iterator<Item = u64>,
        seen: &Seen,
    ) -> Result<(), CheckpointError> {
        let impossible = Err(CheckpointError::Impossible);
        let reach = self.options.lookback.map(|(reach, _)| reach);
        let most = if let Some(Lookback::Bars(count)) = reach { count } else { 0 };
        for track in &mut self.tracks {
            track.floor = from.take()?;
            let len: u64 = from.take()?;
            if track.floor > seen.rows || len > most {
                return impossible;
            }
            track.opened = (0..len).map(|_| from.take()).collect::<Result<_, _>>()?;
            if !track.opened.iter().is_sorted_by(|a, b| a < b)
                || track.opened.iter().any(|&row| !(track.floor..seen.rows).contains(&row))
            {
                return impossible;
            }
            let Some(values) = Values::load(from.take()?, || from.take())? else { return impossible };
            track.lookback = values;
        }
        self.sliding.fill(Sliding::default());
        if !self.holds_rows() {
            return Ok(());
        }
        self.rows = Rows::load(from, seen.rows, self.options.columns)?;
        let last_time = seen.last.map_or(0, |(time, _)| time);
        let reaches_back = self.rows.first() <= self.needed(forming, last_time);
        if reaches_back && self.rows.last_time().is_none_or(|time| time == last_time) { Ok(()) } else { impossible }
    }
}

#[cfg(test)]
mod tests;
