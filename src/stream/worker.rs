//! What one thread pushes: some groups' share of a piece of a batch.

use std::ops::Range;

use polars::prelude::IdxSize;

use super::machine::{Machine, Parameters, Pushes, Terms};
use super::threads::side_by_side;
use crate::core::error::Rule;
use crate::core::{BarBuilder, Buffers, ClosedBar, Column, GroupRun, Layout, RangeRule, RowError, Seen, Trade, Trades};

/// Rows of a run from which its windows are shared between threads.
const LONG_RUN: usize = 16_384;

/// The memory of a thread, and what it made of its share.
#[derive(Default)]
pub struct Worker {
    buffers: Buffers,
    copies: Copies,
    pushed: Vec<Pushed>,
    closed: Vec<ClosedBar>,
    failure: Option<(usize, RowError)>,
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
    machines: Vec<(IdxSize, BarBuilder<RangeRule>)>,
    len: usize,
}

impl Worker {
    /// Forgets the push before.
    pub fn begin(&mut self) {
        self.copies.len = 0;
    }

    /// Puts the machines that this worker touched back.
    pub fn roll_back(&self, machines: &mut [Machine]) {
        let copies = &self.copies;
        for (group, copy) in &copies.machines[..copies.len] {
            let machine = &mut machines[*group as usize];
            machine.builder.roll_back(copy);
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
        let before = machine.builder.seen();
        if before.holds(trade.time, trade.agg_trade_id) {
            return if terms.skip_overlap { Ok(&mut []) } else { Err(overlap(trade.time, trade.agg_trade_id, before)) };
        }
        self.touch(terms, group, machine);
        self.closed.clear();
        machine.builder.push_trade(trade, &mut self.buffers, &mut self.closed)?;
        Ok(&mut self.closed)
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
            let before = machine.builder.seen();
            seen = before.overlap(&trades);
            if seen > 0 && !terms.skip_overlap {
                return Err((0, overlap(trades.time[0], trades.agg_trade_id.map(|ids| ids[0]), before)));
            }
            if seen < trades.len() {
                self.touch(terms, group, machine);
            }
        }
        let (first_bar, rows_before) = (machine.builder.closed(), machine.builder.seen().rows);
        let known = self.closed.len();
        let (rows, builder) = (trades.slice(seen..trades.len()), &mut machine.builder);
        let result = if terms.shares_windows && rows.len() >= LONG_RUN {
            builder.push_side_by_side(rows, &mut self.buffers, &mut self.closed, &side_by_side)
        } else {
            builder.push(rows, &mut self.buffers, &mut self.closed)
        };
        result.map_err(|error| (seen + (error.row - rows_before) as usize, error))?;
        let (places, closed) = (places.start + seen..places.end, known..self.closed.len());
        self.pushed.push(Pushed { group, places, first_bar, closed });
        Ok(())
    }

    /// Marks a group whose first row of a push is taken, and copies its machine.
    fn touch(&mut self, terms: &Terms, group: IdxSize, machine: &mut Machine) {
        if terms.pushes == Pushes::Whole {
            self.copies.save(group, &mut machine.builder, &terms.parameters);
        }
        machine.touched = terms.push;
    }
}

impl Copies {
    fn save(&mut self, group: IdxSize, builder: &mut BarBuilder<RangeRule>, parameters: &Parameters) {
        if self.len == self.machines.len() {
            self.machines.push((group, parameters.builder()));
        }
        let (of, copy) = &mut self.machines[self.len];
        *of = group;
        builder.begin_push(copy);
        self.len += 1;
    }
}

#[cold]
fn overlap(time: i64, id: Option<i64>, seen: &Seen) -> RowError {
    let (last, last_id) = seen.last.unwrap_or_default();
    let rule = Rule::Overlap { first: (time, id), seen: (last, id.and(Some(last_id))) };
    RowError { column: Column::Time, row: seen.rows, rule }
}
