//! The machine of one group, and what holds for all of them.

use crate::core::{BarBuilder, Breaks, RangeRule, TimeUnit, WindowOptions};

/// The machine of one group.
pub struct Machine {
    /// What builds the group's bars.
    pub builder: BarBuilder<RangeRule>,
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
    /// Whether rows at or before what was seen are dropped.
    pub skip_overlap: bool,
    /// Whether the windows of long runs are computed on all threads.
    pub shares_windows: bool,
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

/// Whether a group's first row is held against what was seen before: at every push, or only where a state was restored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pushes {
    /// Each stands for itself: it may fail and leave the state as it was, and must begin behind what was seen.
    Whole,
    /// Pieces of one input: a failure ends it.
    Pieces,
}

impl Machine {
    /// A machine that has seen nothing.
    pub fn new(parameters: &Parameters) -> Self {
        Self { builder: parameters.builder(), touched: 0 }
    }
}

impl Terms {
    /// Whether a machine's next row is the first that is held against what was seen: that of a push, or, where pushes are
    /// pieces of one input, the first behind a restored state.
    pub fn is_fresh(&self, machine: &Machine) -> bool {
        match self.pushes {
            Pushes::Whole => machine.touched < self.push,
            Pushes::Pieces => machine.touched == 0,
        }
    }
}

impl Parameters {
    /// A builder that has seen nothing.
    pub fn builder(&self) -> BarBuilder<RangeRule> {
        BarBuilder::new(&self.rules, self.breaks, self.unit, self.windows)
    }
}
