//! The state of a builder as bytes.

use super::{BarBuilder, forming_rows};
use crate::core::bars::bar::RangeBar;
use crate::core::checkpoint::{CheckpointError, Put, Reader};
use crate::core::rules::CloseRule;
use crate::core::time::calendar::Reset;
use crate::core::trades::seen::Seen;

/// What stands before a rule's forming bar in a checkpoint: there is none, or one, or one that lacks a side. They never
/// change.
const NO_BAR: u8 = 0;
pub(super) const BAR: u8 = 1;
pub(super) const BAR_LACKING_SIDE: u8 = 2;

impl BarBuilder {
    /// Writes everything that decides the future, except the parameters.
    pub fn save(&self, out: &mut Vec<u8>) {
        self.seen.save(out);
        if let Some(first) = self.session_start() {
            out.put(first);
        }
        for track in &self.tracks {
            out.put(track.closed);
            match &track.forming {
                None => out.put(NO_BAR),
                Some(bar) => {
                    out.put(if bar.lacks_side { BAR_LACKING_SIDE } else { BAR });
                    bar.save(out);
                }
            }
            track.rule.save(out);
        }
        if let Some(windows) = &self.windows {
            windows.save(forming_rows(&self.tracks), &self.seen, out);
        }
        let ladders = self.ladders.iter().zip(&self.tracks).filter(|(_, track)| track.forming.is_some());
        ladders.for_each(|(ladder, _)| ladder.save(out));
    }

    /// When the session of the last row began, which is 0 before there is one; none where bars do not end with sessions.
    /// Which trades a bar and its windows may hold depends on it, and not on the end of the session, unless that has
    /// come.
    fn session_start(&self) -> Option<i64> {
        let reset = self.breaks.reset.filter(|reset| matches!(reset, Reset::Sessions(_)))?;
        Some(self.seen.last.map_or(0, |(last, _)| reset.period(last, self.unit).first))
    }

    /// Reads what [`BarBuilder::save`] wrote into a builder with the same parameters.
    ///
    /// # Errors
    ///
    /// The bytes end too soon, or describe an impossible state, or the session of the last trade began at another
    /// instant than it begins by the clock's changes that are known now; the builder must then be dropped.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        self.period = None;
        self.seen = Seen::load(from)?;
        if let Some(is) = self.session_start() {
            let was = from.take()?;
            if was != is {
                return Err(CheckpointError::OtherSession { was, is });
            }
        }
        for track in &mut self.tracks {
            track.closed = from.take()?;
            if track.closed > self.seen.rows {
                return Err(CheckpointError::Impossible);
            }
            track.forming = None;
            let code: u8 = from.take()?;
            if code > if self.may_lack_side { BAR_LACKING_SIDE } else { BAR } {
                return Err(CheckpointError::Impossible);
            }
            if code != NO_BAR {
                let mut bar = RangeBar::load(from, &self.seen, self.unit, self.price_decimals)?;
                bar.lacks_side = code == BAR_LACKING_SIDE;
                track
                    .rule
                    .open(bar.open, bar.price_decimals, bar.open_time)
                    .map_err(|_| CheckpointError::Impossible)?;
                track.forming = Some(bar);
            }
            track.rule.load(from)?;
        }
        if let Some(windows) = &mut self.windows {
            windows.load(from, forming_rows(&self.tracks), &self.seen)?;
            let mut forming = self.tracks.iter().filter_map(|track| track.forming.as_ref());
            let are_of_rows = forming.all(|bar| windows.could_hold(bar, self.seen.rows));
            let have_sides = self.may_lack_side || !windows.lack_side();
            if !(are_of_rows && have_sides) {
                return Err(CheckpointError::Impossible);
            }
        }
        for (ladder, track) in self.ladders.iter_mut().zip(&self.tracks) {
            match &track.forming {
                Some(bar) => ladder.load(from, bar)?,
                None => ladder.clear(),
            }
        }
        Ok(())
    }
}
