//! Durations, windows and decimals, in the form that users write.

use std::fmt;

use polars_time::Duration;
use serde::{Deserialize, Serialize};

use super::error::FrameError;
use super::schema::{BarColumn, Family, statistics};
use crate::core::{Decimals, Every, Length, Lookback, TimeUnit, WindowOptions};

/// The longest time between two trades of one bar, from a Polars duration string, on a clock.
///
/// # Errors
///
/// An invalid string, a negative duration, or one that counts rows.
pub fn max_gap(text: &str, unit: TimeUnit) -> Result<Length, FrameError> {
    length("max_gap", "\"40h\" or \"1d12h\"", text, unit)
}

/// The longest step from one trade of a group to the next, from a Polars duration string, on a clock.
///
/// # Errors
///
/// As [`max_gap`].
pub fn max_step(text: &str, unit: TimeUnit) -> Result<Length, FrameError> {
    length("max_step", "\"7d\" or \"14610d\"", text, unit)
}

/// How long after its entry a label ends at the latest, from a Polars duration string, on a clock.
///
/// # Errors
///
/// As [`max_gap`].
pub fn max_time(text: &str, unit: TimeUnit) -> Result<Length, FrameError> {
    length("max_time", "\"4h\" or \"1d\"", text, unit)
}

/// The length of windows of time that follow each other, from a Polars duration string; an error begins with what must be.
///
/// # Errors
///
/// An invalid string, a duration that is not above zero, counts rows, or counts in several of months, weeks, days and
/// smaller units.
pub fn every(must: &str, text: &str) -> Result<Every, FrameError> {
    let refuse = |why: &str| FrameError(format!("{must}, got {text:?}{why}: name one length of windows"));
    let duration = Duration::try_parse(text).map_err(|error| refuse(&format!(" ({error})")))?;
    if duration.negative() {
        return Err(refuse(", which is negative"));
    }
    if text.trim_end().ends_with('i') {
        return Err(refuse(", which counts rows"));
    }
    let (day, too_long) = (TimeUnit::Nanoseconds.per_day(), || refuse(", which is too long"));
    let of_days = |days: i64| days.checked_mul(day).ok_or_else(too_long);
    match (duration.months(), duration.weeks(), duration.days(), duration.nanoseconds()) {
        (0, 0, 0, 0) => Err(refuse(", which is zero")),
        (0, 0, 0, nanoseconds) => Ok(Every::Nanoseconds(nanoseconds)),
        (0, 0, days, 0) => of_days(days).map(Every::Nanoseconds),
        (0, weeks, 0, 0) => weeks.checked_mul(7).map_or_else(|| Err(too_long()), of_days).map(Every::Weeks),
        (months, 0, 0, 0) => u32::try_from(months).map(Every::Months).map_err(|_| too_long()),
        _ => Err(refuse(", which mixes units of the calendar and of the clock")),
    }
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

/// How far windows before a bar reach back, in the form that users write. The variants differ by their only field.
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
    /// No trades, no bars, or a string that is not a duration.
    pub fn lookback(&self, unit: TimeUnit) -> Result<Lookback, FrameError> {
        match self {
            Self::Trades { trades: 0 } | Self::Bars { bars: 0 } => {
                Err(FrameError("`lookback` must be at least one trade or bar, got 0".to_owned()))
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

/// Decimals of prices, as a number that may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceDecimals(u32);

impl Default for PriceDecimals {
    fn default() -> Self {
        Self(Decimals::default().count())
    }
}

impl PriceDecimals {
    /// So many.
    pub fn new(count: u32) -> Self {
        Self(count)
    }

    /// Whether they are those of prices unless others are asked for.
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }

    /// The decimals.
    ///
    /// # Errors
    ///
    /// More than there may be.
    pub fn decimals(self) -> Result<Decimals, FrameError> {
        let refuse = || FrameError(format!("`price_decimals` must be an integer in 0..18, got {}", self.0));
        Decimals::new(self.0).ok_or_else(refuse)
    }
}

impl fmt::Display for PriceDecimals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The windows that some columns of the bars need.
///
/// # Errors
///
/// An invalid reach.
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
