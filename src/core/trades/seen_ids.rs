//! Which trades of a group were seen, to distinguish one that is sent again from one that comes late.

use super::seen::Seen;
use crate::core::checkpoint::{CheckpointError, Put, Reader};

/// The number of runs that are remembered at least.
const MOST_RUNS: usize = 1_024;

/// The ids of the trades seen, as runs of ids that rise by one.
///
/// Venues number the trades of a symbol without holes, so one run holds all of them, however many there are. Every hole
/// begins another run. Only the last runs are kept; what lies before them is forgotten, and reported as forgotten. A
/// run also has its times, so ids that start again, as at some venues each day, are not mistaken for earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenIds {
    /// The number of runs that are kept at least.
    most: usize,
    /// Each follows the one before.
    runs: Vec<Run>,
    /// Whether runs before these were forgotten.
    is_cut: bool,
}

/// Trades whose ids rise by one: time and id of the first and of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: (i64, i64),
    last: (i64, i64),
}

/// The state of [`SeenIds`] at some point.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    runs: usize,
    last: Option<Run>,
}

impl SeenIds {
    /// Nothing was seen. Many runs are kept if trades that are sent again must be recognised, otherwise one: that is
    /// enough for ids without holes, and a state stays small even if every id leaves a hole.
    #[must_use]
    pub fn new(many: bool) -> Self {
        Self { most: if many { MOST_RUNS } else { 1 }, runs: Vec::new(), is_cut: false }
    }

    /// Whether a trade at or before the last one was seen.
    #[must_use]
    pub fn holds(&self, time: i64, id: i64) -> bool {
        let behind = self.runs.partition_point(|run| run.first <= (time, id));
        let run = behind.checked_sub(1).map(|before| self.runs[before]);
        run.is_some_and(|run| (time, id) <= run.last && (run.first.1..=run.last.1).contains(&id))
    }

    /// Whether a trade lies before everything that is remembered while something was forgotten: then it is unknown
    /// whether it was seen.
    #[must_use]
    pub fn has_forgotten(&self, time: i64, id: i64) -> bool {
        self.is_cut && self.runs.first().is_none_or(|run| (time, id) < run.first)
    }

    /// Takes a trade behind those before; trims.
    #[inline]
    pub fn add_one(&mut self, time: i64, id: i64) {
        match self.runs.last_mut() {
            Some(run) if run.last.1.checked_add(1) == Some(id) => run.last = (time, id),
            _ => {
                self.add(&[time], &[id]);
                self.trim();
            }
        }
    }

    /// Takes trades, each after the one before.
    pub fn add(&mut self, time: &[i64], ids: &[i64]) {
        for position in time.iter().copied().zip(ids.iter().copied()) {
            match self.runs.last_mut().filter(|run| run.last.1.checked_add(1) == Some(position.1)) {
                Some(run) => run.last = position,
                None => self.runs.push(Run { first: position, last: position }),
            }
        }
    }

    /// Forgets excess runs. Earlier marks are then void.
    pub fn trim(&mut self) {
        if self.runs.len() > 2 * self.most {
            self.runs.drain(..self.runs.len() - self.most);
            self.is_cut = true;
        }
    }

    /// The current state, for [`SeenIds::roll_back`]; trims.
    pub fn mark(&mut self) -> Mark {
        self.trim();
        Mark { runs: self.runs.len(), last: self.runs.last().copied() }
    }

    /// Forgets everything since the mark.
    pub fn roll_back(&mut self, mark: &Mark) {
        self.runs.truncate(mark.runs);
        if let (Some(run), Some(last)) = (self.runs.last_mut(), mark.last) {
            *run = last;
        }
    }

    /// Writes the runs that a state keeps, however the trades were pushed.
    pub fn save(&self, out: &mut Vec<u8>) {
        let kept = &self.runs[self.runs.len().saturating_sub(self.most)..];
        out.put(self.is_cut || kept.len() < self.runs.len());
        out.put(kept.len() as u64);
        for Run { first, last } in kept {
            for number in [first.0, first.1, last.0, last.1] {
                out.put(number);
            }
        }
    }

    /// Reads what [`SeenIds::save`] wrote beside the last row seen, in place of an empty state.
    ///
    /// # Errors
    ///
    /// The bytes end too soon, or no trades can lead to them.
    pub fn load(&mut self, from: &mut Reader<'_>, seen: &Seen) -> Result<(), CheckpointError> {
        let (is_cut, len): (bool, u64) = (from.take()?, from.take()?);
        if len > MOST_RUNS as u64 {
            return Err(CheckpointError::Impossible);
        }
        let mut pair = || Ok((from.take()?, from.take()?));
        let runs = (0..len).map(|_| Ok(Run { first: pair()?, last: pair()? }));
        let runs: Vec<Run> = runs.collect::<Result<_, CheckpointError>>()?;
        let is_run = |run: &Run| run.first.0 <= run.last.0 && run.first.1 <= run.last.1;
        let rows = |run: &Run| i128::from(run.last.1) - i128::from(run.first.1) + 1;
        let remembered: i128 = runs.iter().map(rows).sum();
        let rows_seen = i128::from(seen.rows);
        let could_be = runs.iter().all(is_run)
            && runs.is_sorted_by(|before, run| before.last < run.first)
            && runs.last().map(|run| run.last) == seen.last
            && (if is_cut { remembered < rows_seen } else { remembered == rows_seen });
        if !could_be {
            return Err(CheckpointError::Impossible);
        }
        (self.runs, self.is_cut) = (runs, is_cut);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(positions: &[(i64, i64)]) -> SeenIds {
        let mut seen = SeenIds::new(true);
        positions.iter().for_each(|&(time, id)| seen.add(&[time], &[id]));
        seen
    }

    #[test]
    fn a_hole_is_not_seen() {
        let seen = seen(&[(1, 10), (1, 11), (2, 12), (5, 20), (5, 21)]);
        assert_eq!(seen.runs.len(), 2);
        for position in [(1, 10), (1, 11), (2, 12), (5, 20), (5, 21)] {
            assert!(seen.holds(position.0, position.1));
        }
        for position in [(1, 9), (0, 10), (2, 13), (5, 19), (3, 20), (5, 22), (6, 21)] {
            assert!(!seen.holds(position.0, position.1), "{position:?}");
        }
    }

    #[test]
    fn ids_that_begin_anew_are_others() {
        let seen = seen(&[(1, 5), (2, 6), (3, 7), (10, 1), (11, 2)]);
        assert!(seen.holds(3, 7) && seen.holds(11, 2));
        assert!(!seen.holds(10, 5) && !seen.holds(2, 1));
    }

    #[test]
    fn ids_at_the_ends_of_64_bits() {
        let seen = seen(&[(0, i64::MAX), (1, i64::MIN)]);
        assert_eq!(seen.runs.len(), 2);
        assert!(seen.holds(0, i64::MAX) && seen.holds(1, i64::MIN) && !seen.holds(1, i64::MAX));
    }

    #[test]
    fn what_came_since_a_mark_is_forgotten() {
        let mut ids = seen(&[(1, 1), (2, 2), (3, 9)]);
        let before = ids.clone();
        let mark = ids.mark();
        ids.add(&[4, 5, 6], &[10, 11, 40]);
        ids.roll_back(&mark);
        assert_eq!(ids, before);
        let mut nothing = SeenIds::new(true);
        let mark = nothing.mark();
        nothing.add(&[1], &[1]);
        nothing.roll_back(&mark);
        assert_eq!(nothing, SeenIds::new(true));
    }

    #[test]
    fn few_runs_are_kept_and_the_rest_is_said_to_be_forgotten() {
        let mut seen = SeenIds::new(true);
        let many = 3 * MOST_RUNS as i64;
        (0..many).for_each(|row| seen.add(&[row], &[2 * row]));
        seen.mark();
        assert_eq!(seen.runs.len(), MOST_RUNS);
        let first = many - MOST_RUNS as i64;
        assert!(seen.holds(first, 2 * first) && !seen.has_forgotten(first, 2 * first));
        assert!(!seen.holds(first - 1, 2 * first - 2) && seen.has_forgotten(first - 1, 2 * first - 2));
        assert!(!seen.has_forgotten(many - 1, 2 * many - 3));
    }

    #[test]
    fn one_run_is_enough_without_holes() {
        let mut seen = SeenIds::new(false);
        (0..100).for_each(|row| seen.add(&[row], &[row]));
        seen.mark();
        assert!((0..100).all(|row| seen.holds(row, row)) && !seen.has_forgotten(0, 0));
        seen.add(&[200, 300, 400], &[200, 300, 400]);
        seen.mark();
        assert_eq!(seen.runs.len(), 1);
        assert!(seen.holds(400, 400) && seen.has_forgotten(50, 50));
    }

    #[test]
    fn runs_come_back_and_others_are_refused() {
        let ids = seen(&[(1, 1), (2, 2), (3, 9)]);
        let last = Seen { rows: 3, last: Some((3, 9)) };
        let mut bytes = vec![];
        ids.save(&mut bytes);
        let load = |bytes: &[u8], last: &Seen| {
            let mut read = SeenIds::new(true);
            read.load(&mut Reader::new(bytes), last).map(|()| read)
        };
        assert_eq!(load(&bytes, &last), Ok(ids));
        for short in 0..bytes.len() {
            assert_eq!(load(&bytes[..short], &last), Err(CheckpointError::Truncated));
        }
        let other = Seen { rows: 3, last: Some((3, 10)) };
        assert_eq!(load(&bytes, &other), Err(CheckpointError::Impossible));
        for (byte, what) in [(0, "cut"), (1, "length"), (9, "first time"), (9 + 8, "first id"), (9 + 24, "last id")] {
            let mut altered = bytes.clone();
            altered[byte] ^= if byte < 2 { 1 } else { 0x7f };
            assert!(load(&altered, &last).is_err(), "{what}");
        }
    }
}
