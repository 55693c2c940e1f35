//! The parameters of statistics as expressions besides their columns; those of bars are a request. Unknown keys are refused.

use std::collections::HashMap;

use serde::Deserialize;

use crate::core::{Decimals, Length, TimeUnit};
use crate::frame::inputs::time_unit;
use crate::frame::parameters::{PriceDecimals, max_step};
use crate::frame::request::MissingSide;
use crate::frame::schema::{BarColumn, statistic};
use crate::frame::{ColumnNames, FrameError};

/// Parameters of `trade_statistics`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsKwargs {
    /// The names of the columns in the user's frame, by their roles.
    names: HashMap<String, String>,
    /// Unit of Int64 times.
    time_unit: Option<String>,
    /// The longest step from one trade to the next, as a Polars duration string.
    max_step: Option<String>,
    /// What happens to trades without a side.
    pub missing_side: MissingSide,
    /// Decimals of prices.
    price_decimals: PriceDecimals,
    /// Which statistics.
    statistics: Vec<String>,
    /// Whether the result is a Struct; otherwise there is only one statistic.
    pub as_struct: bool,
}

impl StatisticsKwargs {
    /// The names of the columns in the user's frame.
    pub fn names(&self) -> Result<ColumnNames, FrameError> {
        named(&self.names)
    }

    /// Unit of Int64 times.
    pub fn time_unit(&self) -> Result<Option<TimeUnit>, FrameError> {
        self.time_unit.as_deref().map(time_unit).transpose()
    }

    /// The longest step from one trade to the next, on a clock.
    pub fn max_step(&self, unit: TimeUnit) -> Result<Option<Length>, FrameError> {
        self.max_step.as_deref().map(|text| max_step(text, unit)).transpose()
    }

    /// Decimals of prices.
    pub fn price_decimals(&self) -> Result<Decimals, FrameError> {
        self.price_decimals.decimals()
    }

    /// The columns that give the statistics, each with the name of the statistic.
    pub fn columns(&self) -> Result<Vec<(&str, &'static BarColumn)>, FrameError> {
        self.statistics.iter().map(|name| Ok((name.as_str(), statistic(name)?))).collect()
    }
}

fn named(roles: &HashMap<String, String>) -> Result<ColumnNames, FrameError> {
    let mut names = ColumnNames::default();
    for (role, name) in roles {
        names.rename(role, name.clone())?;
    }
    Ok(names)
}
