//! What an expression is told beside its columns. Unknown keys are refused.

use std::collections::HashMap;

use polars::prelude::Series;
use serde::Deserialize;

use crate::core::{Column as Part, RangeRule};
use crate::frame::inputs::time_unit;
use crate::frame::{ColumnNames, FrameError, TimeColumn};

/// What decides where bars begin and end, and what the columns are called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    threshold_dbps: u32,
    same_timestamp_gate: bool,
    time_unit: Option<String>,
    names: HashMap<String, String>,
}

/// Parameters of `range_bars`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarsKwargs {
    /// The trades and the rule.
    pub trades: Parameters,
    /// The feature columns; all where absent.
    pub features: Option<Vec<String>>,
    /// Whether the forming bar follows.
    pub include_incomplete: bool,
}

/// Parameters of `range_bar_id`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarIdKwargs {
    /// The trades and the rule.
    pub trades: Parameters,
}

impl Parameters {
    /// The rule that closes a bar.
    pub fn rule(&self) -> Result<RangeRule, FrameError> {
        Ok(RangeRule::new(self.threshold_dbps, self.same_timestamp_gate)?)
    }

    /// What the user calls the columns.
    pub fn names(&self) -> Result<ColumnNames, FrameError> {
        let mut names = ColumnNames::default();
        for (part, name) in &self.names {
            names.rename(part, name.clone())?;
        }
        Ok(names)
    }

    /// The time column among the fields of the trades.
    pub fn time_column(&self, fields: &[Series]) -> Result<TimeColumn, FrameError> {
        let unit = self.time_unit.as_deref().map(time_unit).transpose()?;
        let names = self.names()?;
        let name = names.get(Part::Time);
        let series = fields.iter().find(|s| s.name() == Part::Time.name());
        let series = series.ok_or_else(|| FrameError(format!("the trades have no column `{name}`")))?;
        TimeColumn::new(name, series.dtype(), unit)
    }
}
