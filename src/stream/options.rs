//! What a stream is told: as Python says it, and as a checkpoint keeps it.

use std::collections::BTreeMap;

use polars::prelude::PlSmallStr;
use serde::{Deserialize, Serialize};

use crate::core::{ClosedBar, Column as Part, RangeRule, TimeUnit};
use crate::frame::inputs::PARTS;
use crate::frame::output::OutputBar;
use crate::frame::schema::{self, BarColumn, Choice};
use crate::frame::{BarParameters, ColumnNames, FrameError, Reach};

/// Options of a stream. Unknown ones are refused: they would be those of a newer version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    /// Where bars begin and end.
    pub bars: BarParameters,
    /// Names of the columns by the part that they play; null for a part that is to be ignored.
    pub names: BTreeMap<String, Option<String>>,
    /// Key columns.
    pub by: Vec<String>,
    /// Features; the ten and the families asked for where null.
    pub features: Option<Vec<String>>,
    /// Whether the statistics of the bars' own trades are asked for.
    #[serde(default)]
    pub intra: bool,
    /// How far the windows before the bars reach back, if there are any.
    #[serde(default)]
    pub lookback: Option<Reach>,
    /// Whether bars that a reset or a gap ended come out.
    pub include_orphans: bool,
    /// What becomes of rows that were seen already.
    pub overlap: Overlap,
}

/// What becomes of rows that were seen already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// They are an error.
    Error,
    /// They are dropped.
    Skip,
}

impl StreamOptions {
    /// Options from JSON.
    ///
    /// # Errors
    ///
    /// Anything that is not what a stream is told.
    pub fn from_json(json: &str) -> Result<Self, FrameError> {
        serde_json::from_str(json).map_err(|error| FrameError(format!("the options of the stream: {error}")))
    }

    /// All columns of the bars.
    ///
    /// # Errors
    ///
    /// A feature that does not exist or is named twice.
    pub fn columns(&self) -> Result<Vec<&'static BarColumn>, FrameError> {
        schema::bar_columns(Choice {
            features: self.features.as_deref(),
            several: self.bars.threshold_dbps.is_list(),
            intra: self.intra,
            lookback: self.lookback.is_some(),
        })
    }
}

/// What the rows of a stream are to its user: how an error says where one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// The rows of the input, all of them.
    Input,
    /// All rows of some groups of the input.
    Groups,
    /// The rows of some groups from this instant on.
    Since(String),
    /// Frames that are pushed one after the other.
    Frames,
}

/// A set of parts, a bit each: compared for every trade that comes by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts(u8);

impl Parts {
    /// The parts of some names.
    pub fn named(names: &[String]) -> Self {
        PARTS.into_iter().filter(|part| names.iter().any(|name| name == part.name())).fold(Self::default(), Self::with)
    }

    /// With one part more.
    #[must_use]
    pub fn with(self, part: Part) -> Self {
        Self(self.0 | 1 << part as u8)
    }

    /// Whether a part is among them.
    pub fn contains(self, part: Part) -> bool {
        self.0 & 1 << part as u8 != 0
    }

    /// The parts in their order.
    pub fn iter(self) -> impl Iterator<Item = Part> {
        PARTS.into_iter().filter(move |part| self.contains(*part))
    }
}

/// Options made ready for work: everything checked, parts resolved.
pub struct Plan {
    /// The rules that close bars.
    pub rules: Vec<RangeRule>,
    /// Unit of Int64 times.
    pub time_unit: Option<TimeUnit>,
    /// The parts that the input has.
    pub parts: Parts,
    /// Names of the columns.
    pub names: ColumnNames,
    /// Columns whose values form the groups.
    pub by: Vec<PlSmallStr>,
    /// Columns of the bars to compute.
    pub columns: Vec<&'static BarColumn>,
    /// Whether bars that a reset or a gap ended come out.
    pub include_orphans: bool,
    /// What becomes of rows that were seen already.
    pub overlap: Overlap,
    /// What the rows are to the user.
    pub rows: Rows,
}

impl Plan {
    /// A plan for an input that has some parts, to compute some columns.
    ///
    /// # Errors
    ///
    /// An option that is not what it must be.
    pub fn new(
        options: &StreamOptions,
        parts: &[String],
        columns: Vec<&'static BarColumn>,
        rows: Rows,
    ) -> Result<Self, FrameError> {
        let parts = Parts::named(parts);
        let mut names = ColumnNames::default();
        for (part, name) in &options.names {
            if let Some(name) = name {
                names.rename(part, name.clone())?;
            }
        }
        if options.overlap == Overlap::Skip && !parts.contains(Part::AggTradeId) {
            return Err(FrameError(format!(
                "`overlap=\"skip\"` needs the ids of the trades: without `{}`, trades of one time cannot be told apart",
                names.get(Part::AggTradeId)
            )));
        }
        Ok(Self {
            rules: options.bars.rules()?,
            time_unit: options.bars.time_unit()?,
            parts,
            names,
            by: options.by.iter().map(PlSmallStr::from).collect(),
            columns,
            include_orphans: options.include_orphans,
            overlap: options.overlap,
            rows,
        })
    }

    /// Whether the input has a part.
    pub fn has(&self, part: Part) -> bool {
        self.parts.contains(part)
    }

    /// Whether a bar comes out.
    pub fn wants(&self, closed: &ClosedBar) -> bool {
        self.include_orphans || !closed.bar.close_reason.is_orphan()
    }

    /// A bar as it comes out; takes its windows along.
    pub fn output(&self, closed: &mut ClosedBar) -> OutputBar {
        let threshold_dbps = self.rules[closed.rule].threshold_dbps();
        OutputBar { threshold_dbps, bar: closed.bar, windows: closed.windows.take() }
    }
}
