//! What an expression is told beside its columns. Unknown keys are refused.

use std::collections::HashMap;

use polars::prelude::Series;
use serde::Deserialize;

use crate::core::{Column as Part, TimeUnit};
use crate::frame::inputs::time_unit;
use crate::frame::schema::{BarColumn, Choice, bar_columns, statistic};
use crate::frame::{BarParameters, ColumnNames, FrameError, Reach, TimeColumn};

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
    /// The feature columns; the ten and the families asked for where absent.
    pub features: Option<Vec<String>>,
    /// Whether the statistics of the bars' own trades are asked for.
    pub intra: bool,
    /// How far the windows before the bars reach back, if there are any.
    pub lookback: Option<Reach>,
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
        bar_columns(Choice {
            features: self.features.as_deref(),
            several: self.trades.bars.threshold_dbps.is_list(),
            intra: self.intra,
            lookback: self.lookback.is_some(),
        })
    }
}

/// Parameters of `trade_statistics`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsKwargs {
    /// What the user calls the columns, by their parts.
    names: HashMap<String, String>,
    /// Unit of Int64 times.
    time_unit: Option<String>,
    /// Which statistics.
    statistics: Vec<String>,
    /// Whether they come as a Struct; otherwise there is one.
    pub as_struct: bool,
}

impl StatisticsKwargs {
    /// What the user calls the columns.
    pub fn names(&self) -> Result<ColumnNames, FrameError> {
        named(&self.names)
    }

    /// Unit of Int64 times.
    pub fn time_unit(&self) -> Result<Option<TimeUnit>, FrameError> {
        self.time_unit.as_deref().map(time_unit).transpose()
    }

    /// The columns that give the statistics, each with the statistic's name.
    pub fn columns(&self) -> Result<Vec<(&str, &'static BarColumn)>, FrameError> {
        self.statistics.iter().map(|name| Ok((name.as_str(), statistic(name)?))).collect()
    }
}

impl Parameters {
    /// What the user calls the columns.
    pub fn names(&self) -> Result<ColumnNames, FrameError> {
        named(&self.names)
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

fn named(parts: &HashMap<String, String>) -> Result<ColumnNames, FrameError> {
    let mut names = ColumnNames::default();
    for (part, name) in parts {
        names.rename(part, name.clone())?;
    }
    Ok(names)
}
