//! Ended bars that nobody has taken yet.

use polars::prelude::{IdxSize, Series};

use super::plan::Plan;
use crate::core::{ClosedBar, Role};
use crate::frame::output::{BarColumns, Means, room_for};

/// Ended bars, as columns, in the order of the rows that ended them once [`Outbox::sort`] was called.
#[derive(Default)]
pub struct Outbox {
    columns: BarColumns,
    groups: Vec<IdxSize>,
    /// The rows of the batch that ended them.
    rows: Vec<usize>,
    /// The bars that there were when the batch began, and its rows.
    known: usize,
    expected_rows: usize,
}

impl Outbox {
    /// No bars; the plan says which columns they have.
    pub fn new(plan: &Plan) -> Self {
        let columns = BarColumns::new(&plan.columns, plan.has(Role::IsBuyerMaker));
        Self { columns, ..Self::default() }
    }

    /// Number of bars.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// A batch of so many rows begins.
    pub fn begin(&mut self, rows: usize) {
        (self.known, self.expected_rows) = (self.len(), rows);
    }

    /// An outbox for a part of the same batch, in the memory of one without bars.
    pub fn share(&self, plan: &Plan, memory: Self) -> Self {
        let mut share = if memory.is_new() { Self::new(plan) } else { memory };
        share.begin(self.expected_rows);
        share
    }

    /// Whether it was never given columns.
    fn is_new(&self) -> bool {
        self.columns.is_new()
    }

    /// Adds the bars of another outbox of the same batch, and leaves it without bars.
    pub fn append(&mut self, other: &mut Self) {
        if self.rows.capacity() - self.rows.len() < other.len()
            && let Some(&row) = other.rows.iter().max()
        {
            self.make_room(other.len(), row);
        }
        self.groups.append(&mut other.groups);
        self.rows.append(&mut other.rows);
        self.columns.append(&mut other.columns);
    }

    /// Adds those of the bars of a group that come out. `row` says which row of the batch is one of the push.
    pub fn add(&mut self, plan: &Plan, group: IdxSize, closed: &mut [ClosedBar], row: impl Fn(usize) -> usize) {
        for closed in closed.chunk_by_mut(|a, b| plan.wants(a) == plan.wants(b)) {
            let Some(last) = closed.last().filter(|last| plan.wants(last)) else { continue };
            if self.rows.capacity() - self.rows.len() < closed.len() {
                self.make_room(closed.len(), row(last.row));
            }
            self.groups.resize(self.groups.len() + closed.len(), group);
            self.rows.extend(closed.iter().map(|closed| row(closed.row)));
            self.columns.extend(closed);
        }
    }

    /// Makes room for some bars, which end by a row of the batch, and for those that the rest of it will end.
    #[cold]
    fn make_room(&mut self, bars: usize, row: usize) {
        let room = room_for(bars, self.len() - self.known, row, self.expected_rows);
        self.groups.reserve(room);
        self.rows.reserve(room);
        self.columns.reserve(room);
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

    /// Takes the bars as they are, each behind its group, if they are few, at least one, and in their order.
    pub fn take_few(&mut self) -> Option<Vec<(IdxSize, ClosedBar)>> {
        let bars = self.columns.take_waiting(self.len())?;
        self.rows.clear();
        Some(self.groups.drain(..).zip(bars).collect())
    }

    /// Takes the bars: the group of each, and their columns.
    pub fn take(&mut self, means: Means<'_>) -> (Vec<IdxSize>, Vec<Series>) {
        self.rows = Vec::new(); // its room says how much the columns have
        (std::mem::take(&mut self.groups), self.columns.take(means))
    }
}
