//! Rows of a batch on their way to the machines of their groups: read in slices, arranged in strides.

use std::ops::Range;

use polars::prelude::*;

use crate::core::error::Rule;
use crate::core::{Arranged, GroupRun, Layout, Role, Trades};
use crate::frame::TradeColumns;
use crate::frame::polars_internals::RAYON;

/// Rows that are brought into the order of their groups at once: few enough that they stay within the caches, which
/// made interleaved groups a third faster.
const ARRANGED_ROWS: usize = 8_192;

/// The same for each group that there is, so that runs stay long where groups are many.
pub const ARRANGED_ROWS_OF_GROUP: usize = 64;

/// Strides that a thread arranges before all threads push them: enough to be worth waking it.
const STRIDES_OF_THREAD: usize = 4;

/// Rows of a slice of a batch, if it has as many: that is what frames of many short chunks are copied by.
const LEAST_SLICE_ROWS: usize = 32_768;

/// Rows of a slice at most: what is kept for each of them must not grow with the batch.
const MOST_SLICE_ROWS: usize = 1 << 20;

/// A slice of a batch, and the group of each of its rows.
pub struct Slice {
    /// The row of the batch with which it begins.
    pub first: usize,
    /// Its columns, in one chunk.
    pub columns: TradeColumns,
    /// The groups of its rows.
    pub groups: Vec<IdxSize>,
}

/// Rows that are pushed together, in runs of one group each.
pub struct Stride<'a> {
    /// The trades in their new order.
    pub trades: Trades<'a>,
    /// Where they come from.
    pub layout: Layout,
    /// The runs.
    pub runs: Vec<GroupRun>,
}

/// Which rows of which slice are a stride, and whether they are to be arranged.
struct Rows {
    slice: usize,
    rows: Range<usize>,
    is_arranged: bool,
}

impl Slice {
    /// The first row of the batch with a value that cannot be read, if any.
    pub fn unreadable(&self) -> Option<(usize, Role, Rule)> {
        self.columns.unreadable().map(|(row, role, rule)| (self.first + row, role, rule))
    }

    /// The group of a row of the batch.
    pub fn group(&self, row: usize) -> Option<IdxSize> {
        self.groups.get(row.checked_sub(self.first)?).copied()
    }

    /// The trades before the one that cannot be read.
    fn trades(&self) -> Option<Trades<'_>> {
        self.columns.chunks().next().map(|all| all.slice(0..self.readable()))
    }

    fn readable(&self) -> usize {
        self.columns.unreadable().map_or(self.columns.len(), |(row, ..)| row)
    }
}

/// Arranges slices of a batch stride by stride, some at a time, and gives them on, until that returns something.
pub fn for_strides<T>(
    slices: &[Slice],
    known_groups: usize,
    threads: usize,
    arranged: &mut Vec<Arranged>,
    mut push: impl FnMut(&[Stride<'_>]) -> Option<T>,
) -> Option<T> {
    let strides = strides(slices, known_groups);
    let most = if threads > 1 { threads * STRIDES_OF_THREAD } else { 1 };
    arranged.resize_with(most, Arranged::default);
    let mut rest = &strides[..];
    while !rest.is_empty() {
        // Those that are not arranged need no memory, and come as many as they are, if there are threads for them.
        let mut memory = 0;
        let is_beyond = |(number, of): (usize, &Rows)| {
            memory += usize::from(of.is_arranged || threads == 1);
            (memory > most).then_some(number)
        };
        let end = rest.iter().enumerate().find_map(is_beyond).unwrap_or(rest.len());
        let (now, later) = rest.split_at(end);
        rest = later;
        let mut made: Vec<Option<Stride<'_>>> = now.iter().map(|_| None).collect();
        if threads > 1 && now.iter().any(|of| of.is_arranged) {
            RAYON.scope(|scope| {
                let mut memory = arranged.iter_mut();
                for (of, made) in now.iter().zip(&mut made) {
                    let memory = if of.is_arranged { memory.next() } else { None };
                    scope.spawn(move |_| *made = stride(slices, of, memory));
                }
            });
        } else {
            let mut memory = arranged.iter_mut();
            for (of, made) in now.iter().zip(&mut made) {
                *made = stride(slices, of, if of.is_arranged { memory.next() } else { None });
            }
        }
        let made: Vec<_> = made.into_iter().flatten().collect();
        debug_assert_eq!(made.len(), now.len(), "each stride has its memory");
        if let Some(end) = push(&made) {
            return Some(end);
        }
    }
    None
}

/// The strides of some slices.
fn strides(slices: &[Slice], known_groups: usize) -> Vec<Rows> {
    let mut strides = Vec::new();
    for (number, slice) in slices.iter().enumerate() {
        let end = slice.readable();
        let is_arranged = !Layout::is_in_runs(&slice.groups[..end]);
        let rows = if is_arranged { ARRANGED_ROWS.max(ARRANGED_ROWS_OF_GROUP * known_groups) } else { end.max(1) };
        let of = |start| Rows { slice: number, rows: start..end.min(start + rows), is_arranged };
        strides.extend((0..end).step_by(rows).map(of));
    }
    strides
}

fn stride<'a>(slices: &'a [Slice], of: &Rows, memory: Option<&'a mut Arranged>) -> Option<Stride<'a>> {
    let (slice, rows) = (&slices[of.slice], of.rows.clone());
    let groups = &slice.groups[rows.clone()];
    let layout = Layout::new(groups, slice.first + rows.start);
    let trades = slice.trades()?.slice(rows);
    let trades = match layout.places() {
        Some(places) => memory?.arrange(&trades, places),
        None => trades,
    };
    let runs = layout.group_runs(groups);
    Some(Stride { trades, layout, runs })
}

/// Where the slices of a batch are, one at least, together all of it. They end where chunks of a column end, so that few
/// rows are copied, but in chunks that are longer than a slice may be.
pub fn slices(batch: &DataFrame, column: &str) -> Vec<Range<usize>> {
    let chunks = batch.column(column).map(|column| column.as_materialized_series().chunk_lengths());
    let mut slices = Vec::new();
    let (mut start, mut end) = (0, 0);
    for rows in chunks.into_iter().flatten() {
        end += rows;
        if end - start >= LEAST_SLICE_ROWS {
            slices.extend((start..end).step_by(MOST_SLICE_ROWS).map(|at| at..end.min(at + MOST_SLICE_ROWS)));
            start = end;
        }
    }
    if start < end || slices.is_empty() {
        slices.push(start..end);
    }
    slices
}
