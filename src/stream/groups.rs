//! One state machine per group, and the way back where a push fails.

use polars::prelude::IdxSize;
use pyo3_polars::export::polars_core::runtime::RAYON;

use super::machine::{Machine, Parameters, Pushes, Terms};
use super::worker::{Run, Worker};
use crate::core::{BarBuilder, ClosedBar, GroupRun, Layout, RangeRule, RowError, Trade, Trades, shares};

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
        let terms = Terms { parameters, push: 0, pushes, skip_overlap, shares_windows: false };
        Self { terms, machines: Vec::new(), workers: vec![Worker::default()] }
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// What each group's bars are built by, in the order of the groups.
    pub fn builders(&self) -> impl Iterator<Item = &BarBuilder<RangeRule>> {
        self.machines.iter().map(|machine| &machine.builder)
    }

    /// Rows of a group so far.
    pub fn rows(&self, group: IdxSize) -> u64 {
        self.machines[group as usize].builder.seen().rows
    }

    /// Another group, of which nothing has been seen.
    pub fn add_group(&mut self) -> &mut BarBuilder<RangeRule> {
        &mut self.machines.push_mut(Machine::new(&self.terms.parameters)).builder
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

    /// Pushes one trade of a group and returns the bars ended.
    ///
    /// # Errors
    ///
    /// What is wrong with the trade.
    pub fn push_trade(&mut self, group: IdxSize, trade: &Trade) -> Result<&mut [ClosedBar], RowError> {
        let machine = &mut self.machines[group as usize];
        if machine.builder.try_extend(trade) {
            Ok(&mut [])
        } else {
            self.workers[0].push_trade(&self.terms, group, machine, trade)
        }
    }

    /// Pushes each run of trades into the machine of its group, on several threads where there are and rows are enough;
    /// returns the earliest row that fails, of any group.
    pub fn push_runs(
        &mut self,
        trades: &Trades<'_>,
        groups: &[IdxSize],
        layout: &Layout,
        threads: usize,
        visit: &mut dyn FnMut(&mut Run<'_>),
    ) -> Option<(usize, RowError)> {
        let runs = layout.group_runs(groups);
        let mut shares = shares(&runs, threads);
        // Where one group has most rows, groups are pushed one after the other, and the windows of each side by side.
        let rows = |runs: &[GroupRun]| runs.iter().map(|(_, places)| places.len()).sum::<usize>();
        self.terms.shares_windows = threads > 1 && shares.iter().any(|share| 5 * rows(share) > 3 * trades.len());
        if self.terms.shares_windows {
            shares = vec![&runs];
        }
        while self.workers.len() < shares.len() {
            self.workers.push(Worker::default());
        }
        let terms = &self.terms;
        if let [all] = &shares[..] {
            self.workers[0].push_runs(terms, trades, layout, all, &mut self.machines, 0);
        } else {
            let (mut rest, mut first) = (&mut self.machines[..], 0);
            RAYON.scope(|scope| {
                for (share, worker) in shares.iter().zip(&mut self.workers) {
                    // A share's groups are numbered behind those of the share before.
                    let end = share.last().map_or(first, |(group, _)| *group as usize + 1);
                    let machines = rest.split_off_mut(..end - first).unwrap_or_default();
                    scope.spawn(move |_| worker.push_runs(terms, trades, layout, share, machines, first));
                    first = end;
                }
            });
        }
        let workers = self.workers[..shares.len()].iter_mut();
        workers.filter_map(|worker| worker.report(visit)).min_by_key(|(row, _)| *row)
    }
}
