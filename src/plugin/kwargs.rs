//! What an expression is told beside its columns. Unknown keys are refused.

use std::collections::HashMap;

use polars::prelude::Series;
use serde::Deserialize;

use crate::core::Column as Part;
use crate::frame::schema::{BarColumn, bar_columns};
use crate::frame::{BarParameters, ColumnNames, FrameError, TimeColumn};

/// What decides where bars begin and end, and what the columns are called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Where bars begin and end.
    pub bars: BarParameters,
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
    /// Whether bars that a reset or a gap ended are among them.
    pub include_orphans: bool,
}

/// Parameters of `range_bar_id`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarIdKwargs {
    /// The trades and the rule.
    pub trades: Parameters,
}

impl BarsKwargs {
    /// The columns of the bars.
    pub fn columns(&self) -> Result<Vec<&'static BarColumn>, FrameError> {
        bar_columns(self.features.as_deref(), self.trades.bars.threshold_dbps.is_list())
    }
}

impl Parameters {
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
        let unit = self.bars.time_unit()?;
        let names = self.names()?;
        let name = names.get(Part::Time);
        let series = fields.iter().find(|s| s.name() == Part::Time.name());
        let series = series.ok_or_else(|| FrameError(format!("the trades have no column `{name}`")))?;
        TimeColumn::new(name, series.dtype(), unit)
    }
}
