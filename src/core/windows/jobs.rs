//! Statistics that wait until rows enough are there, so that several threads can compute them.

use std::ops::Range;

use super::WindowValues;
use super::held_rows::HeldRows;
use crate::core::bars::bar::RangeBar;
use crate::core::features::statistic::{Statistics, Values};
use crate::core::features::window::{Totals, statistics};

/// Runs every job, on any thread and in any order.
pub type RunAll<'a> = &'a dyn Fn(&mut [Job], &(dyn Fn(&mut Job) + Sync));

/// Statistics that wait to be computed, and the bars that ended since and want them.
#[derive(Debug, Default)]
pub struct Waiting {
    pub(super) jobs: Vec<Job>,
    pub(super) ended: Vec<Ended>,
}

/// A bar that ended: the values that are known, and the numbers of the jobs that compute the others.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) values: WindowValues,
    pub(super) intra: Option<usize>,
    pub(super) lookback: Option<usize>,
}

impl Waiting {
    /// Number of jobs.
    #[must_use]
    pub fn count(&self) -> usize {
        self.jobs.len()
    }

    /// Number of bars that ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.jobs.clear();
        self.ended.clear();
    }
}

/// The statistics of one window, of which the rows are held.
#[derive(Debug, Clone)]
pub struct Job {
    rows: Range<u64>,
    of: Of,
    /// What came of it; nothing yet.
    pub values: Values,
}

/// What a window is of, and what is known beside its rows.
#[derive(Debug, Clone)]
enum Of {
    /// The bar's own trades.
    Bar(RangeBar),
    /// Those before a bar.
    Before(Totals),
}

impl Job {
    /// Of the rows of a bar.
    pub(super) fn of_bar(rows: Range<u64>, bar: &RangeBar) -> Self {
        Self { rows, of: Of::Bar(*bar), values: Values::default() }
    }

    /// Of the rows before a bar, given their totals.
    pub(super) fn before(rows: Range<u64>, totals: Totals) -> Self {
        Self { rows, of: Of::Before(totals), values: Values::default() }
    }

    /// Computes the statistics of a bar's own trades, or of those before it.
    pub(super) fn run(&mut self, rows: &HeldRows, intra: Statistics, before: Statistics) {
        let window = rows.window(self.rows.clone());
        self.values = match &self.of {
            Of::Bar(bar) => statistics(&window, &Totals::of_bar(bar, &window, intra), intra),
            Of::Before(totals) => statistics(&window, totals, before),
        };
    }
}

/// One job after the other.
pub fn in_turn(jobs: &mut [Job], run: &(dyn Fn(&mut Job) + Sync)) {
    jobs.iter_mut().for_each(run);
}
