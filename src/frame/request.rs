//! The request: which bars a user wants of which trades. Every route takes it in this one form: expressions, queries,
//! streams, and the header of a checkpoint. Python checks types, this checks values.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::FrameError;
use super::inputs::{ColumnNames, time_unit};
use super::parameters::{PriceDecimals, Reach, max_gap, max_step};
use super::resets::ResetForm;
use super::rules::Rules;
use super::schema::{self, BarColumn, Choice};
use crate::core::{AnyRule, Breaks, Decimals, FootprintOptions, Length, Number, Reset, Role, Tick, TimeUnit};

/// A request for bars. Unknown fields are refused: they would come from a newer version, and what is left out might
/// decide a bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What closes bars.
    pub rules: Rules,
    /// Whether no trade at a bar's open time closes it.
    pub same_timestamp_gate: bool,
    /// The periods at whose ends bars end.
    pub reset: Option<ResetForm>,
    /// The longest time between two trades of one bar, as a Polars duration string.
    pub max_gap: Option<String>,
    /// The longest step from one trade of a group to the next, as a Polars duration string; null allows any step.
    pub max_step: Option<String>,
    /// Unit of Int64 times, as a word.
    pub time_unit: Option<String>,
    /// Decimals of prices. The usual ones are not written: so checkpoints with them are as they always were.
    #[serde(default, skip_serializing_if = "PriceDecimals::are_usual")]
    pub price_decimals: PriceDecimals,
    /// Names of the columns by the role that each plays; null for a role that is ignored.
    pub names: BTreeMap<String, Option<String>>,
    /// Key columns.
    #[serde(default)]
    pub by: Vec<String>,
    /// Feature columns; if null, the ten and the wanted families.
    #[serde(default)]
    pub features: Option<Vec<String>>,
    /// Whether the statistics of the bars' own trades are wanted.
    #[serde(default)]
    pub intra: bool,
    /// How far the windows before the bars reach back, if there are any.
    #[serde(default)]
    pub lookback: Option<Reach>,
    /// Whether to append the forming bars.
    #[serde(default)]
    pub include_incomplete: bool,
    /// Whether to include bars that a reset or a gap ended.
    #[serde(default)]
    pub include_orphans: bool,
    /// Whether the bars tell the date of their session; not written where they do not, as in checkpoints from before
    /// there was the choice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_session: bool,
    /// What happens to rows at or before the last one seen.
    #[serde(default)]
    pub overlap: Overlap,
    /// What happens to trades without a side; left out where it is the usual, as in checkpoints from before there was a
    /// choice.
    #[serde(default, skip_serializing_if = "MissingSide::is_error")]
    pub missing_side: MissingSide,
    /// The most groups that there may be.
    #[serde(default)]
    pub max_groups: Option<u64>,
    /// The most trades that a bar may have; left out where there is no limit, as in checkpoints from before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bar_trades: Option<u64>,
    /// The height of the levels of footprints, if these are wanted; left out where not, as in checkpoints from before there
    /// were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footprint: Option<f64>,
}

/// What happens to rows at or before the last one seen of their group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// They are an error.
    #[default]
    Error,
    /// Those that were seen are dropped.
    Skip,
}

/// What happens to trades without a side, where the input has a column of sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingSide {
    /// They are an error.
    #[default]
    Error,
    /// What needs the side is null in the bars and windows that hold one.
    Null,
}

impl MissingSide {
    /// Whether they are an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        *self == Self::Error
    }
}

impl fmt::Display for MissingSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Null => "null",
        })
    }
}

impl Request {
    /// A request from JSON.
    ///
    /// # Errors
    ///
    /// Anything that is not a request.
    pub fn from_json(json: &str) -> Result<Self, FrameError> {
        serde_json::from_str(json).map_err(|error| FrameError(format!("the request: {error}")))
    }

    /// The rules that close bars.
    ///
    /// # Errors
    ///
    /// As [`Rules::rules`], or one needs the side of trades of which some may have none.
    pub fn rules(&self) -> Result<Vec<AnyRule>, FrameError> {
        let rules = self.rules.rules(self.price_decimals()?, self.same_timestamp_gate)?;
        match self.rules.reading(Role::IsBuyerMaker).filter(|_| !self.missing_side.is_error()) {
            Some(rule) => Err(FrameError(format!(
                "`missing_side` must be \"error\" with {rule}, got \"null\": every side decides where its bars end; \
                 filter out trades without one"
            ))),
            None => Ok(rules),
        }
    }

    /// Refuses trades without a column that a rule or a footprint needs; `names` are the names of the columns.
    ///
    /// # Errors
    ///
    /// The quantity or the side of the trades is missing, and a rule looks at it or a footprint is wanted.
    pub fn check_roles(&self, has: impl Fn(Role) -> bool, names: &ColumnNames) -> Result<(), FrameError> {
        for (role, word) in [(Role::Quantity, "quantity"), (Role::IsBuyerMaker, "side")] {
            // Where sides may be missing, all may.
            let may_be_missing = role == Role::IsBuyerMaker && !self.missing_side.is_error();
            if self.footprint.is_some() && !has(role) && !may_be_missing {
                let or = match role {
                    Role::IsBuyerMaker => "; missing_side=\"null\" gives null for what needs it",
                    _ => "",
                };
                return Err(FrameError(format!(
                    "`footprint` needs the {word} of each trade, and the trades have no column `{}`: name the column with \
                     `{}=`{or}",
                    names.get(role),
                    role.name()
                )));
            }
            if let Some(rule) = self.rules.reading(role).filter(|_| !has(role)) {
                return Err(FrameError(format!(
                    "{rule} needs the {word} of each trade, and the trades have no column `{}`: name the column with \
                     `{}=`",
                    names.get(role),
                    role.name()
                )));
            }
        }
        Ok(())
    }

    /// What ends bars besides the rules, on a clock.
    ///
    /// # Errors
    ///
    /// An unknown period or zone, or an invalid duration.
    pub fn breaks(&self, unit: TimeUnit) -> Result<Breaks, FrameError> {
        Ok(Breaks {
            reset: self.reset.as_ref().map(ResetForm::reset).transpose()?,
            max_gap: self.max_gap.as_deref().map(|text| max_gap(text, unit)).transpose()?,
        })
    }

    /// What the dates of sessions are told by, on a clock.
    ///
    /// # Errors
    ///
    /// An unknown period or zone.
    pub fn sessions(&self, unit: TimeUnit) -> Result<Option<(Reset, TimeUnit)>, FrameError> {
        let reset = self.reset.as_ref().map(ResetForm::reset).transpose()?;
        Ok(reset.map(|reset| (reset, unit)))
    }

    /// The longest step from one trade of a group to the next, on a clock.
    ///
    /// # Errors
    ///
    /// An invalid duration.
    pub fn max_step(&self, unit: TimeUnit) -> Result<Option<Length>, FrameError> {
        self.max_step.as_deref().map(|text| max_step(text, unit)).transpose()
    }

    /// Decimals of prices.
    ///
    /// # Errors
    ///
    /// More than there may be.
    pub fn price_decimals(&self) -> Result<Decimals, FrameError> {
        self.price_decimals.decimals()
    }

    /// The footprints that some columns of the bars need.
    ///
    /// # Errors
    ///
    /// An invalid tick.
    pub fn footprint_options(&self, columns: &[&BarColumn]) -> Result<Option<FootprintOptions>, FrameError> {
        let Some(tick) = self.footprint else { return Ok(None) };
        let tick = Tick::of(Number::Float(tick), self.price_decimals()?)?;
        let keeps_levels = columns.iter().any(|column| column.is_levels());
        Ok(columns.iter().any(|column| column.is_of_footprint()).then_some(FootprintOptions { tick, keeps_levels }))
    }

    /// Unit of Int64 times.
    ///
    /// # Errors
    ///
    /// An unknown unit.
    pub fn time_unit(&self) -> Result<Option<TimeUnit>, FrameError> {
        self.time_unit.as_deref().map(time_unit).transpose()
    }

    /// Whether a role is ignored, even if the input has its column.
    #[must_use]
    pub fn ignores(&self, role: Role) -> bool {
        self.names.get(role.name()).is_some_and(Option::is_none)
    }

    /// The names of the columns in the user's frame.
    ///
    /// # Errors
    ///
    /// A role that does not exist.
    pub fn names(&self) -> Result<ColumnNames, FrameError> {
        let mut names = ColumnNames::default();
        for (role, name) in &self.names {
            if let Some(name) = name {
                names.rename(role, name.clone())?;
            }
        }
        Ok(names)
    }

    /// All columns of the bars.
    ///
    /// # Errors
    ///
    /// A feature that does not exist, is named twice, or describes windows that are not wanted; the date of the session
    /// is wanted, and there are no sessions.
    pub fn columns(&self) -> Result<Vec<&'static BarColumn>, FrameError> {
        if self.include_session && self.reset.is_none() {
            return Err(FrameError(
                "`include_session=True` needs sessions: set `reset`, such as \"1d\" or \
                 rb.Daily(at=\"18:00\", zone=\"America/New_York\")"
                    .to_owned(),
            ));
        }
        schema::bar_columns(Choice {
            features: self.features.as_deref(),
            label: self.rules.label(),
            has_time: self.rules.have_time(),
            session: self.include_session,
            intra: self.intra,
            lookback: self.lookback.is_some(),
            footprint: self.footprint.is_some(),
        })
    }
}
