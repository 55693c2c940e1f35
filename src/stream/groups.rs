//! One state machine per group, and the way back where a push fails.

use polars::prelude::IdxSize;

use crate::core::block::{Buffers, Seen};
use crate::core::error::Rule;
use crate::core::{
    BarBuilder, Breaks, ClosedBar, Column, Layout, RangeRule, RowError, TimeUnit, Trade, Trades, WindowOptions,
};

/// Rows of one group that follow each other, and the bars that they ended.
pub struct Run<'a> {
    /// The group.
    pub group: IdxSize,
    /// Places of the rows that were taken, in the layout.
    pub rows: std::ops::Range<usize>,
    /// Number of the bar that the first row is in, unless that row ends it as an orphan.
    pub first_bar: u64,
    /// Bars ended; their rows count from the start of the run.
    pub closed: &'a mut [ClosedBar],
}

/// The machines of all groups.
///
/// A transaction begins with every push. The first time that it touches a group, the group's machine is copied; a push
/// that fails puts the copies back.
pub struct Machines {
    parameters: Parameters,
    builders: Vec<BarBuilder<RangeRule>>,
    /// The push that last added rows to the group.
    touched: Vec<u64>,
    /// Number of the push.
    push: u64,
    copies: Option<Copies>,
    /// Whether rows at or before what was seen are dropped.
    skip_overlap: bool,
    buffers: Buffers,
    closed: Vec<ClosedBar>,
}

/// What every machine is told.
pub struct Parameters {
    /// The rules that close bars.
    pub rules: Vec<RangeRule>,
    /// What ends bars beside the rules.
    pub breaks: Breaks,
    /// The clock.
    pub unit: TimeUnit,
    /// Windows beside the bars.
    pub windows: WindowOptions,
}

impl Parameters {
    fn builder(&self) -> BarBuilder<RangeRule> {
        BarBuilder::new(&self.rules, self.breaks, self.unit, self.windows)
    }
}

/// Machines as they were before a push; those beyond `len` are memory for the next one.
#[derive(Default)]
struct Copies {
    machines: Vec<(IdxSize, BarBuilder<RangeRule>)>,
    len: usize,
}

/// Whether a group's first row is held against what was seen before: at every push, or only where a state was restored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pushes {
    /// Each stands for itself: it may fail and leave the state as it was, and must begin behind what was seen.
    Whole,
    /// Pieces of one input: a failure ends it.
    Pieces,
}

impl Machines {
    /// No group yet.
    pub fn new(parameters: Parameters, pushes: Pushes, skip_overlap: bool) -> Self {
        Self {
            parameters,
            builders: Vec::new(),
            touched: Vec::new(),
            push: 0,
            copies: (pushes == Pushes::Whole).then(Copies::default),
            skip_overlap,
            buffers: Buffers::default(),
            closed: Vec::new(),
        }
    }

    /// The machines, one a group.
    pub fn builders(&self) -> &[BarBuilder<RangeRule>] {
        &self.builders
    }

    /// Another machine that has seen nothing.
    pub fn add_group(&mut self) -> &mut BarBuilder<RangeRule> {
        self.builders.push(self.parameters.builder());
        self.touched.push(0);
        let last = self.builders.len() - 1;
        &mut self.builders[last]
    }

    /// Begins a push.
    pub fn begin(&mut self) {
        self.push += 1;
        if let Some(copies) = &mut self.copies {
            copies.len = 0;
        }
    }

    /// Makes room for so many groups.
    pub fn grow(&mut self, groups: usize) {
        while self.builders.len() < groups {
            self.add_group();
        }
    }

    /// Makes everything as it was before the push, when there were so many groups.
    #[cold]
    pub fn roll_back(&mut self, groups: usize) {
        if let Some(copies) = &mut self.copies {
            for (group, copy) in &copies.machines[..copies.len] {
                self.builders[*group as usize].roll_back(copy);
                self.touched[*group as usize] = 0;
            }
        }
        self.builders.truncate(groups);
        self.touched.truncate(groups);
    }

    /// Pushes rows of one group and returns how many of them were dropped as seen before, and the bars ended.
    ///
    /// # Errors
    ///
    /// The number of the first bad row among those given, and what is wrong with it.
    pub fn push_rows(
        &mut self,
        group: IdxSize,
        trades: Trades<'_>,
    ) -> Result<(usize, &mut [ClosedBar]), (usize, RowError)> {
        let mut seen = 0;
        if self.is_fresh(group) {
            let before = self.builders[group as usize].seen();
            seen = before.overlap(&trades);
            if seen > 0 && !self.skip_overlap {
                return Err((0, overlap(trades.time[0], trades.agg_trade_id.map(|ids| ids[0]), before)));
            }
            if seen == trades.len() {
                return Ok((seen, &mut []));
            }
            self.touch(group);
        }
        self.closed.clear();
        let builder = &mut self.builders[group as usize];
        let rows_before = builder.seen().rows;
        match builder.push(trades.slice(seen..trades.len()), &mut self.buffers, &mut self.closed) {
            Ok(()) => Ok((seen, &mut self.closed)),
            Err(error) => Err((seen + (error.row - rows_before) as usize, error)),
        }
    }

    /// Pushes one trade of a group and returns the bars ended.
    ///
    /// # Errors
    ///
    /// What is wrong with the trade.
    pub fn push_trade(&mut self, group: IdxSize, trade: &Trade) -> Result<&mut [ClosedBar], RowError> {
        let builder = &mut self.builders[group as usize];
        if builder.try_extend(trade) {
            return Ok(&mut []);
        }
        let before = builder.seen();
        if before.holds(trade.time, trade.agg_trade_id) {
            return if self.skip_overlap { Ok(&mut []) } else { Err(overlap(trade.time, trade.agg_trade_id, before)) };
        }
        self.touch(group);
        self.closed.clear();
        self.builders[group as usize].push_trade(trade, &mut self.buffers, &mut self.closed)?;
        Ok(&mut self.closed)
    }

    /// Whether the group's next row is the first that is held against what was seen: that of a push, or, where pushes
    /// are pieces of one input, the first behind a restored state.
    fn is_fresh(&self, group: IdxSize) -> bool {
        let touched = self.touched[group as usize];
        if self.copies.is_some() { touched < self.push } else { touched == 0 }
    }

    /// Marks a group whose first row of a push is taken, and copies its machine.
    fn touch(&mut self, group: IdxSize) {
        if let Some(copies) = &mut self.copies {
            copies.save(group, &mut self.builders[group as usize], &self.parameters);
        }
        self.touched[group as usize] = self.push;
    }

    /// Pushes each run of trades into the machine of its group; returns the earliest row that fails, of any group, with
    /// its group.
    pub fn push_runs(
        &mut self,
        trades: Trades<'_>,
        groups: &[IdxSize],
        layout: &Layout,
        visit: &mut dyn FnMut(&mut Run<'_>),
    ) -> Option<(usize, RowError)> {
        let mut failure: Option<(usize, RowError)> = None;
        for rows in layout.runs() {
            let group = groups[layout.row(rows.start)];
            let first_bar = self.builders[group as usize].closed();
            match self.push_rows(group, trades.slice(rows.clone())) {
                Ok((seen, closed)) => {
                    visit(&mut Run { group, rows: rows.start + seen..rows.end, first_bar, closed });
                }
                Err((row, error)) => {
                    let row = layout.row(rows.start + row);
                    if failure.is_none_or(|(first, _)| row < first) {
                        failure = Some((row, error));
                    }
                }
            }
        }
        failure
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
