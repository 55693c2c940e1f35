//! What one thread pushes: the share of some groups in strides of a batch.

use std::ops::Range;

use polars::prelude::IdxSize;

use super::machine::{Machine, Parameters, Pushes, Terms};
use super::outbox::Outbox;
use super::plan::Plan;
use super::strides::Stride;
use super::threads::side_by_side;
use crate::core::error::Rule;
use crate::core::trades::seen_ids::Mark;
use crate::core::{BarBuilder, Buffers, ClosedBar, GroupRun, Layout, Role, RowError, Seen, SeenIds, Trade, Trades};

/// Rows of a run from which its windows are shared between threads.
const SHARED_RUN: usize = 16_384;

/// Rows of a run that are pushed at once: few enough that bars of ten trades go from the cache into their columns.
const ROWS_AT_ONCE: usize = 16_384;

/// The memory of a thread, and what it made of its share.
#[derive(Default)]
pub struct Worker {
    /// Bars ended by its share, where several have one.
    pub outbox: Outbox,
    buffers: Buffers,
    copies: Copies,
    pushed: Vec<Pushed>,
    closed: Vec<ClosedBar>,
    failure: Option<(usize, RowError)>,
    /// Trades of this push that were dropped since they had been seen.
    skipped: u64,
    /// The first bar of this push that has more trades than may be.
    too_long: Option<LongBar>,
}

/// A bar that has more trades than may be.
#[derive(Clone, Copy)]
pub struct LongBar {
    /// The row of the batch with the first trade too many.
    pub row: usize,
    /// The group.
    pub group: IdxSize,
    /// When the bar opened.
    pub opened: i64,
}

/// Rows of one group that follow each other, and the bars that they ended.
pub struct Run<'a> {
    /// Places of the rows that were taken, in the layout.
    pub rows: Range<usize>,
    /// Number of the bar that the first row is in, unless that row ends it as an orphan.
    pub first_bar: u64,
    /// Bars ended; their rows count from the start of the run.
    pub closed: &'a mut [ClosedBar],
}

/// A run that was pushed: its stride, the places taken, the number of its first bar, and where its bars are.
struct Pushed {
    stride: usize,
    places: Range<usize>,
    first_bar: u64,
    closed: Range<usize>,
}

/// Machines as they were before a push; those beyond `len` are memory for the next one.
#[derive(Default)]
struct Copies {
    machines: Vec<Copy>,
    len: usize,
}

/// A machine as it was before a push.
struct Copy {
    group: IdxSize,
    builder: BarBuilder,
    ids: Mark,
}

impl Worker {
    /// Forgets the push before.
    pub fn begin(&mut self) {
        self.copies.len = 0;
        self.skipped = 0;
        self.too_long = None;
    }

    /// The first bar of this push that has more trades than may be.
    pub fn too_long(&self) -> Option<LongBar> {
        self.too_long
    }

    /// Trades of this push that were dropped since they had been seen.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Puts the machines that this worker touched back.
    pub fn roll_back(&self, machines: &mut [Machine]) {
        let copies = &self.copies;
        for copy in &copies.machines[..copies.len] {
            let machine = &mut machines[copy.group as usize];
            machine.builder.roll_back(&copy.builder);
            if let Some(ids) = &mut machine.ids {
                ids.roll_back(&copy.ids);
            }
            machine.touched = 0;
        }
    }

    /// Pushes the runs of a range of groups into their machines, the first of which is that of the first group, and adds the bars
    /// to an outbox. Without one, what came of it is kept until the next call.
    pub fn push_strides(
        &mut self,
        (terms, plan): (&Terms, &Plan),
        strides: &[Stride<'_>],
        groups: &Range<IdxSize>,
        machines: &mut [Machine],
        mut outbox: Option<&mut Outbox>,
    ) {
        self.pushed.clear();
        self.closed.clear();
        self.failure = None;
        for (number, Stride { trades, layout, runs }) in strides.iter().enumerate() {
            for (group, places) in runs.iter().filter(|(group, _)| groups.contains(group)) {
                let machine = &mut machines[(group - groups.start) as usize];
                let at_once = if terms.shares_windows { places.len().max(1) } else { ROWS_AT_ONCE };
                for start in places.clone().step_by(at_once) {
                    // What comes behind a row that failed does not matter any more.
                    if self.failure.is_some_and(|(row, _)| layout.row(start) > row) {
                        break;
                    }
                    let run = (*group, start..places.end.min(start + at_once));
                    if let Err((row, error)) = self.push_run(terms, number, run, machine, trades, layout) {
                        let row = layout.row(start + row);
                        // A group that begins before the row where another failed may fail behind it.
                        if self.failure.is_none_or(|(first, _)| row < first) {
                            self.failure = Some((row, error));
                        }
                        break;
                    }
                    if let Some(outbox) = &mut outbox {
                        for Pushed { places, closed, .. } in self.pushed.drain(..) {
                            outbox.add(plan, *group, &mut self.closed[closed], |row| layout.row(places.start + row));
                        }
                        self.closed.clear();
                    }
                }
            }
            if self.failure.is_some() {
                return;
            }
        }
    }

    /// The earliest row of the share that failed.
    pub fn failure(&self) -> Option<(usize, RowError)> {
        self.failure
    }

    /// Shows the runs that were pushed.
    pub fn report(&mut self, strides: &[Stride<'_>], visit: &mut dyn FnMut(&mut Run<'_>, &Layout)) {
        let Self { pushed, closed, .. } = self;
        for Pushed { stride, places, first_bar, closed: own } in pushed {
            let mut run = Run { rows: places.clone(), first_bar: *first_bar, closed: &mut closed[own.clone()] };
            visit(&mut run, &strides[*stride].layout);
        }
    }

    /// Pushes one trade and returns the bars ended.
    ///
    /// # Errors
    ///
    /// What is wrong with the trade.
    pub fn push_trade(
        &mut self,
        terms: &Terms,
        group: IdxSize,
        machine: &mut Machine,
        trade: &Trade,
    ) -> Result<&mut [ClosedBar], RowError> {
        let id = trade.agg_trade_id;
        self.closed.clear();
        if machine.builder.seen().holds(trade.time, id) {
            seen_before(terms, machine, &[trade.time], id.as_ref().map(std::slice::from_ref))
                .map_err(|(_, error)| error)?;
            self.skipped += 1;
            return Ok(&mut []);
        }
        not_before(terms, machine, trade.time)?;
        self.touch(terms, group, machine);
        machine.builder.push_trade(trade, &mut self.buffers, &mut self.closed)?;
        if let (Some(ids), Some(id)) = (&mut machine.ids, id) {
            ids.add(&[trade.time], &[id]);
        }
        self.look_for_long_bars(terms, group, machine, 0, 1, |row| row);
        Ok(&mut self.closed)
    }

    /// Time went on: ends the bars of a group that a reset or a gap has ended by then, and returns them.
    pub fn advance(&mut self, terms: &Terms, group: IdxSize, machine: &mut Machine, time: i64) -> &mut [ClosedBar] {
        self.touch(terms, group, machine);
        self.closed.clear();
        machine.builder.advance(time, &mut self.buffers, &mut self.closed);
        &mut self.closed
    }

    /// Pushes rows of one group, but for those that were seen before.
    ///
    /// # Errors
    ///
    /// The number of the first bad row among those given, and what is wrong with it.
    fn push_run(
        &mut self,
        terms: &Terms,
        stride: usize,
        (group, places): GroupRun,
        machine: &mut Machine,
        trades: &Trades<'_>,
        layout: &Layout,
    ) -> Result<(), (usize, RowError)> {
        let trades = trades.slice(places.clone());
        let mut seen = 0;
        if terms.is_fresh(machine) {
            seen = machine.builder.seen().overlap(&trades);
            if seen > 0 {
                seen_before(terms, machine, &trades.time[..seen], trades.agg_trade_id.map(|ids| &ids[..seen]))?;
                self.skipped += seen as u64;
            }
            if seen < trades.len() {
                not_before(terms, machine, trades.time[seen]).map_err(|error| (seen, error))?;
                self.touch(terms, group, machine);
            }
        }
        let (first_bar, rows_before) = (machine.builder.closed(), machine.builder.seen().rows);
        let known = self.closed.len();
        let (rows, builder) = (trades.slice(seen..trades.len()), &mut machine.builder);
        let result = if terms.shares_windows && rows.len() >= SHARED_RUN {
            builder.push_side_by_side(rows, &mut self.buffers, &mut self.closed, &side_by_side)
        } else {
            builder.push(rows, &mut self.buffers, &mut self.closed)
        };
        // If a row failed, those before it are in.
        let taken = (machine.builder.seen().rows - rows_before) as usize;
        self.look_for_long_bars(terms, group, machine, known, taken, |row| layout.row(places.start + seen + row));
        result.map_err(|error| (seen + (error.row - rows_before) as usize, error))?;
        if let (Some(seen), Some(ids)) = (&mut machine.ids, rows.agg_trade_id) {
            seen.add(rows.time, ids);
        }
        let (places, closed) = (places.start + seen..places.end, known..self.closed.len());
        self.pushed.push(Pushed { stride, places, first_bar, closed });
        Ok(())
    }

    /// Notes a bar of a group that has more trades than may be: one that forms, or one that closed, behind so many. `row`
    /// says which row of the batch is one of the rows pushed.
    fn look_for_long_bars(
        &mut self,
        terms: &Terms,
        group: IdxSize,
        machine: &Machine,
        known: usize,
        rows: usize,
        row: impl Fn(usize) -> usize,
    ) {
        let most = terms.parameters.max_bar_trades;
        if most < u64::MAX
            && rows > 0
            && let Some((at, opened)) = machine.too_long(&self.closed[known..], rows, most)
        {
            let long = LongBar { row: row(at), group, opened };
            // However rows are shared between threads, it is the one that a push of row by row would meet.
            if self.too_long.is_none_or(|first| long.row < first.row) {
                self.too_long = Some(long);
            }
        }
    }

    /// Marks a group whose first row of a push is taken, and copies its machine.
    fn touch(&mut self, terms: &Terms, group: IdxSize, machine: &mut Machine) {
        if terms.pushes == Pushes::Atomic {
            self.copies.save(group, machine, &terms.parameters);
        }
        machine.touched = terms.push;
    }
}

impl Copies {
    fn save(&mut self, group: IdxSize, machine: &mut Machine, parameters: &Parameters) {
        if self.len == self.machines.len() {
            self.machines.push(Copy { group, builder: parameters.builder(), ids: Mark::default() });
        }
        let copy = &mut self.machines[self.len];
        copy.group = group;
        machine.builder.begin_push(&mut copy.builder);
        copy.ids = machine.ids.as_mut().map(SeenIds::mark).unwrap_or_default();
        self.len += 1;
    }
}

/// Rows that lie at or before the last one seen may be dropped if that is wanted and they were seen.
///
/// # Errors
///
/// The number of the first row that may not, and why.
#[cold]
fn seen_before(terms: &Terms, machine: &Machine, time: &[i64], ids: Option<&[i64]>) -> Result<(), (usize, RowError)> {
    let before = machine.builder.seen();
    let (true, Some(seen), Some(ids)) = (terms.skip_overlap, &machine.ids, ids) else {
        return Err((0, overlap(time[0], ids.map(|ids| ids[0]), before)));
    };
    let is_late = |row: &usize| !seen.holds(time[*row], ids[*row]);
    let Some(row) = (0..time.len()).find(is_late) else { return Ok(()) };
    let follow = |at: &usize| is_late(at) && ids[*at - 1].checked_add(1) == Some(ids[*at]);
    let last = (row + 1..time.len()).take_while(follow).last().unwrap_or(row);
    let is_forgotten = seen.has_forgotten(time[row], ids[row]);
    let rule = Rule::Late { first: ids[row], last: ids[last], seen: before.last.unwrap_or_default(), is_forgotten };
    Err((row, RowError { column: Role::AggTradeId, row: before.rows, rule }))
}

/// A row must not lie before the time to which the stream was advanced.
fn not_before(terms: &Terms, machine: &Machine, time: i64) -> Result<(), RowError> {
    if time >= terms.advanced_to {
        return Ok(());
    }
    let rule = Rule::Advanced { time, advanced_to: terms.advanced_to };
    Err(RowError { column: Role::Time, row: machine.builder.seen().rows, rule })
}

#[cold]
fn overlap(time: i64, id: Option<i64>, seen: &Seen) -> RowError {
    let (last, last_id) = seen.last.unwrap_or_default();
    let rule = Rule::Overlap { first: (time, id), seen: (last, id.and(Some(last_id))) };
    RowError { column: Role::Time, row: seen.rows, rule }
}
