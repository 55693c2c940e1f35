//! What one thread pushes: some groups' share of a stride of a batch.

use std::ops::Range;

use polars::prelude::IdxSize;

use super::machine::{Machine, Parameters, Pushes, Terms};
use super::threads::side_by_side;
use crate::core::error::Rule;
use crate::core::trades::seen_ids::Mark;
use crate::core::{BarBuilder, Buffers, ClosedBar, GroupRun, Layout, Role, RowError, Seen, SeenIds, Trade, Trades};

/// Rows of a run from which its windows are shared between threads.
const SHARED_RUN: usize = 16_384;

/// The memory of a thread, and what it made of its share.
#[derive(Default)]
pub struct Worker {
    buffers: Buffers,
    copies: Copies,
    pushed: Vec<Pushed>,
    closed: Vec<ClosedBar>,
    failure: Option<(usize, RowError)>,
    /// Trades of this push that were dropped since they had been seen.
    skipped: u64,
}

/// Rows of one group that follow each other, and the bars that they ended.
pub struct Run<'a> {
    /// The group.
    pub group: IdxSize,
    /// Places of the rows that were taken, in the layout.
    pub rows: Range<usize>,
    /// Number of the bar that the first row is in, unless that row ends it as an orphan.
    pub first_bar: u64,
    /// Bars ended; their rows count from the start of the run.
    pub closed: &'a mut [ClosedBar],
}

/// A run that was pushed: its group, the places taken, the number of its first bar, and where its bars are.
struct Pushed {
    group: IdxSize,
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

    /// Pushes runs of a layout into the machines of their groups, of which the first is number `first`. What came of it is
    /// kept until the next call.
    pub fn push_runs(
        &mut self,
        terms: &Terms,
        trades: &Trades<'_>,
        layout: &Layout,
        runs: &[GroupRun],
        machines: &mut [Machine],
        first: usize,
    ) {
        self.pushed.clear();
        self.closed.clear();
        self.failure = None;
        for (group, places) in runs {
            let machine = &mut machines[*group as usize - first];
            let rows = trades.slice(places.clone());
            if let Err((row, error)) = self.push_run(terms, (*group, places.clone()), machine, rows) {
                let row = layout.row(places.start + row);
                if self.failure.is_none_or(|(first, _)| row < first) {
                    self.failure = Some((row, error));
                }
            }
        }
    }

    /// Shows the runs that were pushed, and returns the earliest row that failed.
    pub fn report(&mut self, visit: &mut dyn FnMut(&mut Run<'_>)) -> Option<(usize, RowError)> {
        let Self { pushed, closed, failure, .. } = self;
        for Pushed { group, places, first_bar, closed: own } in pushed {
            let (group, first_bar) = (*group, *first_bar);
            visit(&mut Run { group, rows: places.clone(), first_bar, closed: &mut closed[own.clone()] });
        }
        *failure
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
        (group, places): GroupRun,
        machine: &mut Machine,
        trades: Trades<'_>,
    ) -> Result<(), (usize, RowError)> {
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
        result.map_err(|error| (seen + (error.row - rows_before) as usize, error))?;
        if let (Some(seen), Some(ids)) = (&mut machine.ids, rows.agg_trade_id) {
            seen.add(rows.time, ids);
        }
        let (places, closed) = (places.start + seen..places.end, known..self.closed.len());
        self.pushed.push(Pushed { group, places, first_bar, closed });
        Ok(())
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
