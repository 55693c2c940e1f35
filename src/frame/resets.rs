//! The periods at whose ends bars end, in the form that requests and checkpoints have.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::FrameError;
use super::zones;
use crate::core::{Reset, Sessions};

/// A reset: a word for a period of the calendar in UTC, or the sessions of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ResetForm {
    /// A period of the calendar.
    Word(String),
    /// Sessions.
    Sessions(SessionsForm),
}

/// The sessions of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsForm {
    /// The day of the week with which they begin; without one, they begin every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    /// The local time at which they begin, as 18:00 or 18:00:00.
    at: String,
    /// The name of the time zone.
    zone: String,
    /// Whether a session has the date on which it begins or ends.
    named_by: NamedBy,
}

/// Which of its dates names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamedBy {
    /// That on which it begins.
    Start,
    /// That on which it ends.
    End,
}

/// The days of the week, from Sunday.
const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

impl ResetForm {
    /// A reset from JSON.
    ///
    /// # Errors
    ///
    /// Anything that is not a reset.
    pub fn from_json(json: &str) -> Result<Self, FrameError> {
        serde_json::from_str(json).map_err(|error| FrameError(format!("the reset: {error}")))
    }

    /// What it means.
    ///
    /// # Errors
    ///
    /// Another word; a day, a time or a zone that there is not.
    pub fn reset(&self) -> Result<Reset, FrameError> {
        match self {
            Self::Word(word) => {
                let found = Reset::WORDS.iter().find(|(known, _)| known == word);
                found.map(|(_, reset)| *reset).ok_or_else(|| {
                    FrameError(format!(
                        "`reset` must be \"1d\", \"1w\", \"1mo\" or \"1y\" (UTC, weeks from Sunday), rb.Daily or \
                         rb.Weekly, got {word:?}"
                    ))
                })
            }
            Self::Sessions(form) => form.sessions().map(Reset::Sessions),
        }
    }
}

impl fmt::Display for ResetForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "{word:?}"),
            Self::Sessions(SessionsForm { on, at, zone, named_by }) => {
                match on {
                    None => f.write_str("Daily(")?,
                    Some(day) => write!(f, "Weekly(on={day:?}, ")?,
                }
                let named_by = if *named_by == NamedBy::End { "end" } else { "start" };
                write!(f, "at={at:?}, zone={zone:?}, named_by={named_by:?})")
            }
        }
    }
}

impl SessionsForm {
    fn sessions(&self) -> Result<Sessions, FrameError> {
        let on = match &self.on {
            None => None,
            Some(day) => Some(DAYS.iter().position(|known| known == day).ok_or_else(|| {
                FrameError(format!(
                    "`on` must be a day of the week, such as \"sunday\", got {day:?}: write it in English"
                ))
            })?),
        };
        let at = seconds(&self.at).ok_or_else(|| {
            FrameError(format!(
                "`at` must be a local time from \"00:00\" to \"23:59:59\", such as \"18:00\", got {:?}",
                self.at
            ))
        })?;
        let zone = zones::zone(&self.zone).ok_or_else(|| {
            FrameError(format!(
                "`zone` must be a name such as \"America/New_York\", got {:?}: take one of the IANA database",
                self.zone
            ))
        })?;
        Ok(Sessions { zone, at, on: on.map(|day| day as u8), named_by_end: self.named_by == NamedBy::End })
    }
}

/// Seconds since midnight of a time as 18:00 or 18:00:00.
fn seconds(text: &str) -> Option<u32> {
    let parts: Vec<&str> = text.split(':').collect();
    let limits = [24, 60, 60];
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    let mut sum = 0;
    for (limit, part) in limits.iter().zip(parts.iter().chain(["00"].iter().filter(|_| parts.len() == 2))) {
        let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = part.parse().ok().filter(|number| is_number && number < limit)?;
        sum = sum * 60 + number;
    }
    Some(sum)
}
