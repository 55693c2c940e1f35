//! One state machine per group, and the way back where a push fails.
//!
//! What always holds between two pushes:
//!
//! - The machine of group number n is at place n. Groups are numbered in the order of their first appearance, so new
//!   machines come last, and a push that fails removes them from the end.
//! - The [`Terms`] hold for all machines: the parameters, the number of the push, what a push is, and the time to which
//!   the stream was advanced.
//!
//! The machines own the state of the groups. The workers own everything else: the buffers, the bars of the last run, and
//! the copies of machines. All of it is memory that the next push uses again.
//!
//! During a push, groups are shared between workers: each has its own range of machines, so nothing is locked. How many
//! workers there are never shows in a result: the earliest row that fails is reported, whichever worker met it.
//!
//! Where pushes are [`Pushes::Atomic`], a worker copies a machine when a push first touches it, and
//! [`Machines::roll_back`] puts the copies back. They stay until the next push begins, so a push that succeeded can be
//! taken back too. A trade by itself that [`BarBuilder::try_extend`] takes is the exception: it cannot fail, so nothing
//! is copied, and it cannot be taken back. Where pushes are [`Pushes::Continued`], nothing is ever copied, and a failure
//! is the end of the stream.

use std::ops::Range;

use polars::prelude::IdxSize;

use super::machine::{Machine, Parameters, Pushes, Terms};
use super::outbox::Outbox;
use super::plan::Plan;
use super::strides::Stride;
use super::worker::{LongBar, Run, Worker};
use crate::core::{BarBuilder, ClosedBar, Layout, RowError, Trade, shares};
use crate::frame::polars_internals::RAYON;

/// Rows from which on another thread is worth waking: a tenth of a millisecond of work, or more, with windows.
const ROWS_OF_SHARE: usize = 16_384;
const ROWS_WITH_WINDOWS_OF_SHARE: usize = 8_192;

/// The machines of all groups.
///
/// A transaction begins with every push. The first time that it touches a group, the group's machine is copied; a push
/// that fails puts the copies back.
pub struct Machines {
    terms: Terms,
    machines: Vec<Machine>,
    /// One at least; more where groups are pushed side by side.
    workers: Vec<Worker>,
}

impl Machines {
    /// No group yet.
    pub fn new(parameters: Parameters, pushes: Pushes, skip_overlap: bool) -> Self {
        let terms = Terms { parameters, push: 0, pushes, skip_overlap, advanced_to: i64::MIN, shares_windows: false };
        Self { terms, machines: Vec::new(), workers: vec![Worker::default()] }
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// What each group's bars are built by, in the order of the groups.
    pub fn builders(&self) -> impl Iterator<Item = &BarBuilder> {
        self.machines.iter().map(|machine| &machine.builder)
    }

    /// Rows of a group so far.
    pub fn rows(&self, group: IdxSize) -> u64 {
        self.machines[group as usize].builder.seen().rows
    }

    /// Another group, of which nothing has been seen.
    pub fn add_group(&mut self) -> &mut Machine {
        self.machines.push_mut(Machine::new(&self.terms.parameters))
    }

    /// The machines, in the order of the groups.
    pub fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter()
    }

    /// Number of the push.
    pub fn push_number(&self) -> u64 {
        self.terms.push
    }

    /// Trades of this push that were dropped since they had been seen.
    pub fn skipped(&self) -> u64 {
        self.workers.iter().map(Worker::skipped).sum()
    }

    /// The time before which no trade may come any more; the least there is if any may.
    pub fn advanced_to(&self) -> i64 {
        self.terms.advanced_to
    }

    /// No trade may come before this time any more.
    pub fn set_advanced_to(&mut self, time: i64) {
        self.terms.advanced_to = time;
    }

    /// Ends the bars that a reset or a gap has ended by a time, and gives them group by group.
    pub fn advance(&mut self, time: i64, mut give: impl FnMut(IdxSize, &mut [ClosedBar])) {
        for (group, machine) in self.machines.iter_mut().enumerate() {
            if machine.builder.ends_by(time).is_some() {
                let group = group as IdxSize;
                give(group, self.workers[0].advance(&self.terms, group, machine, time));
            }
        }
    }

    /// Takes the machines.
    pub fn unload(&mut self) -> Vec<Machine> {
        std::mem::take(&mut self.machines)
    }

    /// Drops the machines of the groups that are not kept.
    pub fn keep(&mut self, kept: &[bool]) {
        let mut kept = kept.iter();
        self.machines.retain(|_| kept.next().is_none_or(|&kept| kept));
    }

    /// The first bar of this push that has more trades than may be.
    pub fn too_long(&self) -> Option<LongBar> {
        self.workers.iter().filter_map(Worker::too_long).min_by_key(|long| long.row)
    }

    /// Begins a push.
    pub fn begin(&mut self) {
        self.terms.push += 1;
        self.workers.iter_mut().for_each(Worker::begin);
    }

    /// Makes room for so many groups.
    pub fn grow(&mut self, groups: usize) {
        while self.machines.len() < groups {
            self.add_group();
        }
    }

    /// Makes everything as it was before the push, when there were so many groups.
    #[cold]
    pub fn roll_back(&mut self, groups: usize) {
        self.workers.iter().for_each(|worker| worker.roll_back(&mut self.machines));
        self.machines.truncate(groups);
    }

    /// Adds one trade of a group if it breaks no rule and neither opens nor ends a bar, and says whether it did. The push
    /// before can then not be taken back any more.
    #[inline]
    pub fn extend(&mut self, group: IdxSize, trade: &Trade) -> bool {
        let machine = &mut self.machines[group as usize];
        let most = self.terms.parameters.max_bar_trades;
        let may_be_full = most < u64::MAX && machine.is_full(most);
        if trade.time < self.terms.advanced_to || may_be_full || !machine.builder.try_extend(trade) {
            return false;
        }
        self.terms.push += 1;
        if let (Some(ids), Some(id)) = (&mut machine.ids, trade.agg_trade_id) {
            ids.add_one(trade.time, id);
        }
        true
    }

    /// Pushes one trade of a group and returns the bars ended.
    ///
    /// # Errors
    ///
    /// What is wrong with the trade.
    pub fn push_trade(&mut self, group: IdxSize, trade: &Trade) -> Result<&mut [ClosedBar], RowError> {
        self.workers[0].push_trade(&self.terms, group, &mut self.machines[group as usize], trade)
    }

    /// Pushes the runs of strides into the machines of their groups, on several threads where there are and rows are
    /// enough; returns the earliest row that fails, of any group.
    pub fn push_strides(
        &mut self,
        plan: &Plan,
        strides: &[Stride<'_>],
        threads: usize,
        sink: &mut Sink<'_>,
    ) -> Option<(usize, RowError)> {
        let shares = self.shares(strides, threads);
        while self.workers.len() < shares.len() {
            self.workers.push(Worker::default());
        }
        let Self { terms, machines, workers, .. } = self;
        let (terms, workers) = (&*terms, &mut workers[..shares.len()]);
        match (&shares[..], &mut *sink) {
            ([_], Sink::Bars(outbox)) => {
                workers[0].push_strides((terms, plan), strides, &(0..IdxSize::MAX), machines, Some(outbox));
            }
            ([_], Sink::Runs(_)) => {
                workers[0].push_strides((terms, plan), strides, &(0..IdxSize::MAX), machines, None);
            }
            (shares, sink) => {
                let of_thread = |worker: &mut Worker| sink.share(plan, std::mem::take(&mut worker.outbox));
                let mut outboxes: Vec<_> = workers.iter_mut().map(of_thread).collect();
                let mut rest = &mut machines[..];
                RAYON.scope(|scope| {
                    for ((groups, worker), outbox) in shares.iter().zip(workers.iter_mut()).zip(&mut outboxes) {
                        let count = rest.len().min((groups.end - groups.start) as usize);
                        let (machines, behind) = std::mem::take(&mut rest).split_at_mut(count);
                        rest = behind;
                        let outbox = outbox.as_mut();
                        scope.spawn(move |_| worker.push_strides((terms, plan), strides, groups, machines, outbox));
                    }
                });
                if let Sink::Bars(all) = sink {
                    for (mut outbox, worker) in outboxes.into_iter().flatten().zip(workers.iter_mut()) {
                        all.append(&mut outbox);
                        worker.outbox = outbox;
                    }
                }
            }
        }
        if let Sink::Runs(visit) = sink {
            workers.iter_mut().for_each(|worker| worker.report(strides, *visit));
        }
        workers.iter().filter_map(|worker| worker.failure()).min_by_key(|(row, _)| *row)
    }

    /// The groups of each thread. Where one group has most rows, groups are pushed one after the other, and the windows of
    /// each side by side.
    fn shares(&mut self, strides: &[Stride<'_>], threads: usize) -> Vec<Range<IdxSize>> {
        self.terms.shares_windows = false;
        let all = || std::iter::once(0..IdxSize::MAX).collect();
        if threads < 2 {
            return all();
        }
        let has_windows = !self.terms.parameters.windows.is_empty();
        let runs = || strides.iter().flat_map(|of| of.runs.iter().map(|(group, places)| (*group, places.len())));
        let least = if has_windows { ROWS_WITH_WINDOWS_OF_SHARE } else { ROWS_OF_SHARE };
        let shares = shares(runs(), threads, least);
        if has_windows {
            let rows: usize = runs().map(|(_, rows)| rows).sum();
            let own = |of: &Range<IdxSize>| {
                runs().filter(|(group, _)| of.contains(group)).map(|(_, rows)| rows).sum::<usize>()
            };
            self.terms.shares_windows = shares.iter().any(|share| 5 * own(share) > 3 * rows);
        }
        if self.terms.shares_windows { all() } else { shares }
    }
}

/// What becomes of the bars that are ended.
pub enum Sink<'a> {
    /// They are added to an outbox.
    Bars(&'a mut Outbox),
    /// Each run of rows is shown with the bars that it ended, and where its rows come from.
    Runs(&'a mut dyn FnMut(&mut Run<'_>, &Layout)),
}

impl Sink<'_> {
    /// An outbox of the share of a thread, if bars are added to one; in the memory of another one without bars.
    fn share(&self, plan: &Plan, memory: Outbox) -> Option<Outbox> {
        match self {
            Self::Bars(outbox) => Some(outbox.share(plan, memory)),
            Self::Runs(_) => None,
        }
    }
}
