//! A request for a book. Every route takes it in this one form. Python checks types, this checks values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::columns::{BookColumn, columns};
use super::updates::BookNames;
use crate::core::{BookOptions, BookRole, Crossed, Decimals, Holes, Length, Number, Sampling, Steps, TimeUnit};
use crate::frame::parameters::{PriceDecimals, every, max_step};
use crate::frame::{FrameError, TimeColumn, inputs};

/// The most levels of a side that are shown: each is four columns.
const MOST_LEVELS: u64 = 1_000;

/// A request for a book. Unknown fields are refused: they would come from a newer version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookRequest {
    /// The levels of each side that are looked at.
    pub depth: u64,
    /// The levels of each side that are kept at most; all of them, if null.
    pub max_levels: Option<u64>,
    /// When a row comes out: "event", "change", or a Polars duration string.
    pub sample: String,
    /// Features; if null, all of them.
    pub features: Option<Vec<String>>,
    /// The quantities whose costs are wanted.
    pub cost_of: Vec<f64>,
    /// What becomes of a crossed book.
    pub crossed: CrossedForm,
    /// What becomes of a book when a message is missing.
    pub holes: HolesForm,
    /// Whether the book is unknown until the first snapshot; if null, where there is a column of snapshots.
    pub needs_snapshot: Option<bool>,
    /// The longest step from one update of a group to the next, as a Polars duration string; null allows any step.
    pub max_step: Option<String>,
    /// Unit of Int64 times, as a word.
    pub time_unit: Option<String>,
    /// Decimals of prices.
    pub price_decimals: PriceDecimals,
    /// Decimals of quantities.
    pub quantity_decimals: u32,
    /// Names of the columns by the role that each plays; null for a role that is ignored.
    pub names: BTreeMap<String, Option<String>>,
    /// Key columns.
    pub by: Vec<String>,
}

/// [`Crossed`] as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrossedForm {
    /// It stays so.
    Keep,
    /// The older levels are dropped.
    Repair,
    /// It is an error.
    Error,
}

/// [`Holes`] as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HolesForm {
    /// The book is unknown until the next snapshot.
    Invalid,
    /// It goes on.
    Keep,
    /// It is an error.
    Error,
}

impl BookRequest {
    /// A request from JSON.
    ///
    /// # Errors
    ///
    /// Anything that is not a request.
    pub fn from_json(json: &str) -> Result<Self, FrameError> {
        serde_json::from_str(json).map_err(|error| FrameError(format!("the request: {error}")))
    }

    /// The levels of each side that are looked at.
    ///
    /// # Errors
    ///
    /// None, or more than there may be.
    pub fn depth(&self) -> Result<usize, FrameError> {
        if !(1..=MOST_LEVELS).contains(&self.depth) {
            return Err(FrameError(format!("`depth` must be an integer in 1..{MOST_LEVELS}, got {}", self.depth)));
        }
        Ok(self.depth as usize)
    }

    /// The levels of each side that are kept at most.
    ///
    /// # Errors
    ///
    /// Fewer than are looked at.
    pub fn max_levels(&self) -> Result<Option<usize>, FrameError> {
        let Some(most) = self.max_levels else { return Ok(None) };
        if most < self.depth {
            return Err(FrameError(format!(
                "`max_levels` must be at least `depth`, which is {}, or None to keep all levels, got {most}",
                self.depth
            )));
        }
        Ok(Some(usize::try_from(most).unwrap_or(usize::MAX)))
    }

    /// Decimals of prices.
    ///
    /// # Errors
    ///
    /// More than there may be.
    pub fn price_decimals(&self) -> Result<Decimals, FrameError> {
        self.price_decimals.decimals()
    }

    /// Decimals of quantities.
    ///
    /// # Errors
    ///
    /// More than there may be.
    pub fn quantity_decimals(&self) -> Result<Decimals, FrameError> {
        let count = self.quantity_decimals;
        let refuse = || FrameError(format!("`quantity_decimals` must be an integer in 0..18, got {count}"));
        Decimals::new(count).ok_or_else(refuse)
    }

    /// The quantities whose costs are wanted, raw.
    ///
    /// # Errors
    ///
    /// One that is not above zero, or is named twice.
    pub fn cost_of(&self) -> Result<Vec<i64>, FrameError> {
        let decimals = self.quantity_decimals()?;
        let mut found = Vec::new();
        for &quantity in &self.cost_of {
            let raw = Number::Float(quantity).to_fixed(decimals).and_then(|raw| i64::try_from(raw).ok());
            let Some(raw) = raw.filter(|&raw| raw > 0) else {
                return Err(FrameError(format!(
                    "`cost_of` must be quantities from {} to {}, got {quantity:?}",
                    decimals.number(1),
                    decimals.number(i64::MAX)
                )));
            };
            if found.contains(&raw) {
                return Err(FrameError(format!("`cost_of` must not contain {quantity:?} twice: name each once")));
            }
            found.push(raw);
        }
        Ok(found)
    }

    /// When a row comes out.
    ///
    /// # Errors
    ///
    /// Neither one of the words nor a length of time.
    pub fn sampling(&self) -> Result<Sampling, FrameError> {
        match self.sample.as_str() {
            "event" => Ok(Sampling::Event),
            "change" => Ok(Sampling::Change),
            text => {
                let must = "`sample` must be \"event\", \"change\", or a duration such as \"100ms\", \"1s\" or \"1mo\"";
                every(must, text).map(Sampling::Every)
            }
        }
    }

    /// The columns of the rows, without keys and time.
    ///
    /// # Errors
    ///
    /// A feature that does not exist or is named twice, or another invalid parameter.
    pub fn columns(&self) -> Result<Vec<BookColumn>, FrameError> {
        let mut all = columns(self.depth()?, self.features.as_deref(), &self.cost_of()?, self.quantity_decimals()?)?;
        if self.max_levels()?.is_none() {
            all.retain(|column| !column.is_of_limit());
        }
        Ok(all)
    }

    /// Some of the columns.
    ///
    /// # Errors
    ///
    /// As [`BookRequest::columns`].
    pub fn only(&self, names: &[String]) -> Result<Vec<BookColumn>, FrameError> {
        Ok(self.columns()?.into_iter().filter(|column| names.contains(&column.name)).collect())
    }

    /// The longest step from one update of a group to the next, on a clock.
    ///
    /// # Errors
    ///
    /// An invalid duration.
    pub fn max_step(&self, unit: TimeUnit) -> Result<Option<Length>, FrameError> {
        self.max_step.as_deref().map(|text| max_step(text, unit)).transpose()
    }

    /// The time column of an input.
    ///
    /// # Errors
    ///
    /// A dtype that is no time.
    pub fn time(&self, dtype: &polars::prelude::DataType) -> Result<TimeColumn, FrameError> {
        let unit = self.time_unit.as_deref().map(inputs::time_unit).transpose()?;
        TimeColumn::new(self.names()?.get(BookRole::Time), dtype, unit)
    }

    /// The names of the columns in the user's frame.
    ///
    /// # Errors
    ///
    /// A role that does not exist.
    pub fn names(&self) -> Result<BookNames, FrameError> {
        BookNames::new(&self.names)
    }

    /// What is asked of the machines, for some columns of what comes out.
    ///
    /// # Errors
    ///
    /// An invalid parameter.
    pub fn options(
        &self,
        time: &TimeColumn,
        columns: &[BookColumn],
        has_snapshots: bool,
    ) -> Result<BookOptions, FrameError> {
        if self.needs_snapshot == Some(true) && !has_snapshots {
            return Err(FrameError(format!(
                "`needs_snapshot=True` needs to know which rows are of a snapshot, and the updates have no column `{}`: \
                 name the column with `is_snapshot=`",
                self.names()?.get(BookRole::IsSnapshot)
            )));
        }
        Ok(BookOptions {
            depth: self.depth()?,
            max_levels: self.max_levels()?,
            flow_levels: columns.iter().filter_map(BookColumn::flow_level).max().unwrap_or(0),
            has_activity: columns.iter().any(BookColumn::is_of_activity),
            sampling: self.sampling()?,
            crossed: match self.crossed {
                CrossedForm::Keep => Crossed::Keep,
                CrossedForm::Repair => Crossed::Repair,
                CrossedForm::Error => Crossed::Error,
            },
            holes: match self.holes {
                HolesForm::Invalid => Holes::Invalid,
                HolesForm::Keep => Holes::Keep,
                HolesForm::Error => Holes::Error,
            },
            needs_snapshot: self.needs_snapshot.unwrap_or(has_snapshots),
            unit: time.unit,
            steps: Steps::new(self.max_step(time.unit)?, time.unit),
            price_decimals: self.price_decimals()?,
        })
    }

    /// Refuses values that no book can have, before there is an input.
    ///
    /// # Errors
    ///
    /// An invalid parameter.
    pub fn check(&self) -> Result<(), FrameError> {
        self.sampling()?;
        self.price_decimals()?;
        self.max_step(TimeUnit::Nanoseconds)?;
        self.time_unit.as_deref().map(inputs::time_unit).transpose()?;
        self.columns().map(|_| ())
    }
}
