//! Ended bars that nobody has taken yet.

use polars::prelude::{IdxSize, Series};

use super::plan::Plan;
use crate::core::{ClosedBar, Role};
use crate::frame::output::{BarColumns, Means};

/// Ended bars, as columns, in the order of the rows that ended them once [`Outbox::sort`] was called.
#[derive(Default)]
pub struct Outbox {
    columns: BarColumns,
    groups: Vec<IdxSize>,
    /// The rows of the batch that ended them.
    rows: Vec<usize>,
}

impl Outbox {
    /// No bars; the plan says which columns they have.
    pub fn new(plan: &Plan) -> Self {
        let columns = BarColumns::new(&plan.columns, plan.has(Role::IsBuyerMaker));
        Self { columns, groups: Vec::new(), rows: Vec::new() }
    }

    /// Number of bars.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Adds those of the bars of a group that come out. `row` says which row of the batch is one of the push.
    pub fn add(&mut self, plan: &Plan, group: IdxSize, closed: &mut [ClosedBar], row: impl Fn(usize) -> usize) {
        for closed in closed.iter_mut().filter(|closed| plan.wants(closed)) {
            self.groups.push(group);
            self.rows.push(row(closed.row));
            self.columns.push(plan.output(closed));
        }
    }

    /// Forgets all but the first bars.
    pub fn truncate(&mut self, bars: usize) {
        self.columns.truncate(bars);
        self.groups.truncate(bars);
        self.rows.truncate(bars);
    }

    /// Brings the bars behind the first ones into the order of the rows that ended them. Bars that one row ends are of one
    /// group and in the order of its rules, and stay so.
    pub fn sort(&mut self, from: usize) {
        let rows = &self.rows[from..];
        if rows.is_sorted() {
            return;
        }
        let mut order: Vec<_> = (0..rows.len()).collect();
        order.sort_by_key(|&bar| rows[bar]);
        let groups: Vec<_> = order.iter().map(|&bar| self.groups[from + bar]).collect();
        self.groups[from..].copy_from_slice(&groups);
        self.columns.reorder(&order);
        self.rows[from..].sort_unstable();
    }

    /// Takes the bars: the group of each, and their columns.
    pub fn take(&mut self, means: Means<'_>) -> (Vec<IdxSize>, Vec<Series>) {
        self.rows.clear();
        (std::mem::take(&mut self.groups), self.columns.take(means))
    }
}
