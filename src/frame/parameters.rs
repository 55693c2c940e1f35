//! What decides where bars begin and end, as users write it.

use std::fmt;

use polars_time::Duration;
use serde::{Deserialize, Serialize};

use super::error::FrameError;
use super::inputs::time_unit;
use super::schema::{BarColumn, Family, statistics};
use crate::core::{Breaks, Length, Lookback, RangeRule, Reset, ThresholdError, TimeUnit, WindowOptions};

/// Parameters of bars that every route takes. Unknown ones are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarParameters {
    /// One threshold, or several over the same trades.
    pub threshold_dbps: Thresholds,
    /// Whether no trade at a bar's open time closes it.
    pub same_timestamp_gate: bool,
    /// The calendar period with which bars end, by its word.
    pub reset: Option<String>,
    /// The longest time between two trades of one bar, as a Polars duration string.
    pub max_gap: Option<String>,
    /// Unit of Int64 times, by its word.
    pub time_unit: Option<String>,
}

/// One threshold, or a list, whose bars tell theirs in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Thresholds {
    /// One.
    One(u32),
    /// Any number.
    Several(Vec<u32>),
}

impl Thresholds {
    /// The thresholds in their order.
    pub fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(threshold) => std::slice::from_ref(threshold),
            Self::Several(thresholds) => thresholds,
        }
    }

    /// Whether a list was given.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Several(_))
    }
}

impl BarParameters {
    /// The rules that close bars, one for each threshold.
    ///
    /// # Errors
    ///
    /// No threshold, one outside 1..=100000, or one given twice.
    pub fn rules(&self) -> Result<Vec<RangeRule>, FrameError> {
        let thresholds = self.threshold_dbps.as_slice();
        if thresholds.is_empty() {
            return Err(FrameError("`threshold_dbps` must hold at least one threshold, got an empty list".to_owned()));
        }
        if let Some(twice) = (1..thresholds.len()).find(|&i| thresholds[..i].contains(&thresholds[i])) {
            return Err(FrameError(format!("`threshold_dbps` must not hold {} twice", thresholds[twice])));
        }
        let rules = thresholds.iter().map(|&threshold| RangeRule::new(threshold, self.same_timestamp_gate));
        Ok(rules.collect::<Result<_, ThresholdError>>()?)
    }

    /// What ends bars beside the rules, on a clock.
    ///
    /// # Errors
    ///
    /// An unknown period, or a duration that is none.
    pub fn breaks(&self, unit: TimeUnit) -> Result<Breaks, FrameError> {
        Ok(Breaks {
            reset: self.reset.as_deref().map(reset).transpose()?,
            max_gap: self.max_gap.as_deref().map(|text| max_gap(text, unit)).transpose()?,
        })
    }

    /// Unit of Int64 times.
    ///
    /// # Errors
    ///
    /// An unknown unit.
    pub fn time_unit(&self) -> Result<Option<TimeUnit>, FrameError> {
        self.time_unit.as_deref().map(time_unit).transpose()
    }
}

/// A calendar period by its word.
///
/// # Errors
///
/// Another word.
pub fn reset(word: &str) -> Result<Reset, FrameError> {
    let found = Reset::WORDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, reset)| *reset).ok_or_else(|| {
        FrameError(format!("`reset` must be \"1d\", \"1w\", \"1mo\" or \"1y\" (UTC, weeks from Sunday), got {word:?}"))
    })
}

/// The longest time between two trades of one bar, from a Polars duration string, on a clock.
///
/// # Errors
///
/// A string that is none, a negative duration, or one that counts rows.
pub fn max_gap(text: &str, unit: TimeUnit) -> Result<Length, FrameError> {
    length("max_gap", "\"40h\" or \"1d12h\"", text, unit)
}

/// A length of time from a Polars duration string.
fn length(parameter: &str, such_as: &str, text: &str, unit: TimeUnit) -> Result<Length, FrameError> {
    let refuse =
        |why: &str| FrameError(format!("`{parameter}` must be a duration such as {such_as}, got {text:?}{why}"));
    let duration = Duration::try_parse(text).map_err(|error| refuse(&format!(" ({error})")))?;
    if duration.negative() {
        return Err(refuse(", which is negative"));
    }
    if text.is_empty() {
        return Err(refuse(""));
    }
    if text.trim_end().ends_with('i') {
        return Err(refuse(", which counts rows"));
    }
    let days = i128::from(duration.weeks()) * 7 + i128::from(duration.days());
    let nanoseconds = days * i128::from(TimeUnit::Nanoseconds.per_day()) + i128::from(duration.nanoseconds());
    let months = u32::try_from(duration.months()).map_err(|_| refuse(", which is too long"))?;
    Ok(Length::new(months, nanoseconds, unit))
}

/// How far windows before a bar reach back, as users say it. Told apart by the only field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Reach {
    /// Over trades.
    Trades {
        /// How many.
        trades: u64,
    },
    /// Over a length of time.
    Time {
        /// A Polars duration string.
        time: String,
    },
    /// Over bars.
    Bars {
        /// How many.
        bars: u64,
    },
}

impl Reach {
    /// The reach on a clock.
    ///
    /// # Errors
    ///
    /// No trades, no bars, or a string that is no duration.
    pub fn lookback(&self, unit: TimeUnit) -> Result<Lookback, FrameError> {
        match self {
            Self::Trades { trades: 0 } | Self::Bars { bars: 0 } => {
                Err(FrameError("`lookback` must reach back one trade or bar at least, got 0".to_owned()))
            }
            Self::Trades { trades } => Ok(Lookback::Trades(*trades)),
            Self::Bars { bars } => Ok(Lookback::Bars(*bars)),
            Self::Time { time } => length("lookback", "\"5m\" or \"1h30m\"", time, unit).map(Lookback::Time),
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trades { trades } => write!(f, "{trades}"),
            Self::Time { time } => write!(f, "{time:?}"),
            Self::Bars { bars } => write!(f, "Bars({bars})"),
        }
    }
}

/// The windows that some columns of the bars need.
///
/// # Errors
///
/// A reach that is none.
pub fn window_options(
    columns: &[&BarColumn],
    reach: Option<&Reach>,
    unit: TimeUnit,
    has_side: bool,
) -> Result<WindowOptions, FrameError> {
    let lookback = reach.map(|reach| reach.lookback(unit)).transpose()?;
    let lookback = lookback.map(|lookback| (lookback, statistics(columns, Family::Lookback)));
    Ok(WindowOptions::new(statistics(columns, Family::Intra), lookback, has_side))
}
