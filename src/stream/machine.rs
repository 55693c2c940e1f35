//! The machine of one group, and what holds for all of them.

use crate::core::{
    AnyRule, BarBuilder, Breaks, ClosedBar, Decimals, FootprintOptions, Length, RangeBar, SeenIds, TimeUnit,
    WindowOptions,
};

/// The machine of one group.
pub struct Machine {
    /// What builds the group's bars.
    pub builder: BarBuilder,
    /// Which trades were seen, where that is remembered.
    pub ids: Option<SeenIds>,
    /// The push that last added rows.
    pub touched: u64,
}

/// What holds for every machine.
pub struct Terms {
    /// What every machine is told.
    pub parameters: Parameters,
    /// Number of the push.
    pub push: u64,
    /// What a push is.
    pub pushes: Pushes,
    /// Whether rows that were seen are dropped.
    pub skip_overlap: bool,
    /// The time before which no trade may come any more.
    pub advanced_to: i64,
    /// Whether the windows of long runs are computed on all threads.
    pub shares_windows: bool,
}

/// What every machine is told.
pub struct Parameters {
    /// The rules that close bars.
    pub rules: Vec<AnyRule>,
    /// What ends bars beside the rules.
    pub breaks: Breaks,
    /// The longest step from one trade to the next.
    pub max_step: Option<Length>,
    /// Decimals of prices.
    pub price_decimals: Decimals,
    /// The clock.
    pub unit: TimeUnit,
    /// Windows beside the bars.
    pub windows: WindowOptions,
    /// The footprints of the bars, if any are wanted.
    pub footprint: Option<FootprintOptions>,
    /// Whether a trade may lack a side.
    pub may_lack_side: bool,
    /// The most trades that a bar may have.
    pub max_bar_trades: u64,
    /// Whether the ids of the trades seen are remembered, and if so, whether many holes in them are.
    pub remembers_ids: Option<bool>,
}

/// Whether a group's first row is held against what was seen before: at every push, or only where a state was restored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pushes {
    /// Each stands for itself: it may fail and leave the state as it was, and must begin behind what was seen.
    Atomic,
    /// Each continues one input: a failure ends it.
    Continued,
}

impl Machine {
    /// A machine that has seen nothing.
    pub fn new(parameters: &Parameters) -> Self {
        let ids = parameters.remembers_ids.map(SeenIds::new);
        Self { builder: parameters.builder(), ids, touched: 0 }
    }

    /// The first bar that has more trades than may be, of those that just closed and those that form behind so many rows:
    /// the row with its first trade too many, and when it opened.
    pub fn too_long(&self, closed: &[ClosedBar], rows: usize, most: u64) -> Option<(usize, i64)> {
        let forming = self.builder.forming().map(|(_, bar)| (rows, bar));
        let bars = closed.iter().map(|closed| (closed.end(), &closed.bar)).chain(forming);
        let long = bars.filter(|(_, bar)| bar.agg_record_count > most);
        // One that was too long before, since the limit is new, is so from the first row.
        let with_row = |(end, bar): (usize, &RangeBar)| {
            let beyond = usize::try_from(bar.agg_record_count - most).unwrap_or(usize::MAX);
            (end.saturating_sub(beyond), bar.open_time)
        };
        long.map(with_row).min_by_key(|(row, _)| *row)
    }

    /// Whether one trade more might be too many for a bar.
    pub fn is_full(&self, most: u64) -> bool {
        self.builder.forming().any(|(_, bar)| bar.agg_record_count >= most)
    }
}

impl Terms {
    /// Whether a machine's next row is the first that is held against what was seen: that of a push, or, where pushes
    /// continue one input, the first behind a restored state.
    pub fn is_fresh(&self, machine: &Machine) -> bool {
        match self.pushes {
            Pushes::Atomic => machine.touched < self.push,
            Pushes::Continued => machine.touched == 0,
        }
    }
}

impl Parameters {
    /// A builder that has seen nothing.
    pub fn builder(&self) -> BarBuilder {
        BarBuilder::new(&self.rules, self.breaks, self.unit, self.windows)
            .with_max_step(self.max_step)
            .with_price_decimals(self.price_decimals)
            .with_footprint(self.footprint)
            .with_missing_sides(self.may_lack_side)
    }
}
