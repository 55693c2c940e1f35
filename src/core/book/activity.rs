//! What has been done to a book since a row came out: updates by what they do, and best levels that went and came back.

use super::levels::ABSENT;
use super::sides::Book;
use crate::core::checkpoint::{CheckpointError, Put, Reader};

/// What an update does to a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// More is offered there than before, or the level is new.
    Add = 0,
    /// Less is offered there.
    Reduce = 1,
    /// Nothing is offered there any more.
    Delete = 2,
}

/// The place of what an update does among the counts; the last one is of those that do nothing. Without a branch: what an
/// update does is hard to foretell.
#[inline]
fn place(before: i64, after: i64) -> usize {
    let is_less = usize::from(after < before);
    3 * usize::from(after == before) + is_less + (is_less & usize::from(after == 0))
}

/// Best levels of a side that came back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Returns {
    /// How many.
    pub count: u64,
    /// How long they were away, added up, on the clock.
    pub away: i128,
}

/// What has been done since a row came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// Updates of each side by what they did; the last of each did nothing.
    counts: [[u64; 4]; 2],
    returns: [Returns; 2],
    /// The best keys as the last event left them; none while the book is unknown.
    best: Option<[i64; 2]>,
    /// Best levels that are gone, each with the time at which it went; newer ones are worse, and behind.
    gone: [Vec<(i64, i64)>; 2],
    /// The time of the last row.
    since: Option<i64>,
    /// Whether the book was known since then.
    is_whole: bool,
}

impl Activity {
    /// How many updates did something to a side, if the book was known since the row before.
    #[must_use]
    pub fn count(&self, side: usize, change: Change) -> Option<u64> {
        self.is_whole.then_some(self.counts[side][change as usize])
    }

    /// The best levels of a side that came back, if the book was known since the row before.
    #[must_use]
    pub fn returns(&self, side: usize) -> Option<Returns> {
        self.is_whole.then_some(self.returns[side])
    }

    /// How long the row before is behind a time, on the clock.
    #[must_use]
    pub fn span(&self, time: i64) -> Option<i128> {
        Some(i128::from(time) - i128::from(self.since?))
    }

    /// An update has changed the quantity of a level.
    #[inline]
    pub(super) fn update(&mut self, side: usize, before: i64, after: i64) {
        self.counts[side][place(before, after)] += 1;
    }

    /// An event is whole; so many levels are waited for.
    #[inline]
    pub(super) fn end_event(&mut self, book: &Book, time: i64, levels: usize) {
        let now = [book.sides[0].best(), book.sides[1].best()];
        let Some(before) = self.best.replace(now) else { return };
        for side in 0..2 {
            if now[side] != before[side] {
                self.move_best(side, before[side], now[side], time, levels);
            }
        }
    }

    /// The best level of a side is another one.
    fn move_best(&mut self, side: usize, before: i64, now: i64, time: i64, levels: usize) {
        let gone = &mut self.gone[side];
        if now < before {
            if gone.len() == levels {
                gone.remove(0);
            }
            gone.push((before, time));
            return;
        }
        while let Some((_, went)) = gone.pop_if(|(key, _)| *key <= now) {
            self.returns[side].count += 1;
            self.returns[side].away += i128::from(time) - i128::from(went);
        }
    }

    /// A row came out, of some time.
    pub(super) fn restart(&mut self, time: i64) {
        (self.counts, self.returns) = Default::default();
        (self.since, self.is_whole) = (Some(time), self.best.is_some());
    }

    /// The book is unknown.
    pub(super) fn forget(&mut self) {
        (self.best, self.is_whole) = (None, false);
        self.gone.iter_mut().for_each(Vec::clear);
    }

    /// Appends the state.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.counts.iter().flatten().for_each(|&count| out.put(count));
        for Returns { count, away } in self.returns {
            out.put(count);
            out.put(away);
        }
        out.put(self.best.is_some());
        self.best.iter().flatten().for_each(|&key| out.put(key));
        for gone in &self.gone {
            out.put(gone.len() as u64);
            gone.iter().for_each(|&(key, time)| {
                out.put(key);
                out.put(time);
            });
        }
        out.put(self.since.is_some());
        self.since.iter().for_each(|&time| out.put(time));
        out.put(self.is_whole);
    }

    /// Takes a state off the front: of a book of so many rows, whose last one has this time, and that waits for so many
    /// levels.
    pub(super) fn load(
        from: &mut Reader<'_>,
        rows: u64,
        time: Option<i64>,
        levels: usize,
    ) -> Result<Self, CheckpointError> {
        let mut new = Self::default();
        for count in new.counts.iter_mut().flatten() {
            *count = from.take()?;
        }
        for returns in &mut new.returns {
            *returns = Returns { count: from.take()?, away: from.take()? };
        }
        if from.take()? {
            new.best = Some([from.take()?, from.take()?]);
        }
        for gone in &mut new.gone {
            let len: u64 = from.take()?;
            if len > levels as u64 {
                return Err(CheckpointError::Impossible);
            }
            *gone = (0..len).map(|_| Ok((from.take()?, from.take()?))).collect::<Result<_, CheckpointError>>()?;
        }
        if from.take()? {
            new.since = Some(from.take()?);
        }
        new.is_whole = from.take()?;
        let is_gone = |side: usize| {
            let (gone, best) = (&new.gone[side], new.best.map_or(ABSENT.0, |best| best[side]));
            // What went earlier was better, and nothing that is waited for is as good as the best.
            gone.is_sorted_by(|a, b| a.0 > b.0 && a.1 <= b.1)
                && gone.iter().all(|&(key, went)| key > best && time.is_some_and(|time| went <= time))
        };
        let most_away = i128::from(u64::MAX) * i128::from(rows);
        let could_be = new.counts.iter().flatten().all(|&count| count <= rows)
            && new.returns.iter().all(|one| one.count <= rows && (0..=most_away).contains(&one.away))
            && (new.best.is_some() || !new.is_whole && new.gone.iter().all(Vec::is_empty))
            && (new.since.is_some() || !new.is_whole)
            && is_gone(0)
            && is_gone(1);
        if could_be { Ok(new) } else { Err(CheckpointError::Impossible) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bids at some prices, best first.
    fn bids(prices: &[i64]) -> Book {
        let mut book = Book::default();
        prices.iter().for_each(|&price| {
            book.sides[0].set(price, 1);
        });
        book
    }

    #[test]
    fn best_levels_go_and_come_back() {
        let mut activity = Activity::default();
        activity.end_event(&bids(&[9, 8, 7, 6, 5]), 0, 2);
        activity.restart(0);
        for (prices, time) in [(&[8, 7, 6, 5][..], 1), (&[7, 6, 5], 2), (&[6, 5], 4), (&[6, 5], 5)] {
            activity.end_event(&bids(prices), time, 2); // with the third one that goes, the first is forgotten
        }
        assert_eq!(activity.returns(0), Some(Returns { count: 0, away: 0 }));
        activity.end_event(&bids(&[7, 6]), 10, 2);
        assert_eq!(activity.returns(0), Some(Returns { count: 1, away: 6 }));
        activity.end_event(&bids(&[]), 11, 2);
        activity.end_event(&bids(&[20]), 13, 2);
        assert_eq!(activity.returns(0), Some(Returns { count: 3, away: 6 + 2 + 11 }));
        activity.restart(13);
        assert_eq!((activity.returns(0), activity.span(20)), (Some(Returns::default()), Some(7)));
        activity.forget();
        assert_eq!((activity.returns(0), activity.count(0, Change::Add)), (None, None));
    }

    #[test]
    fn what_an_update_does() {
        let changes = [(0, 3), (3, 4), (4, 4), (4, 1), (1, 0), (0, 0)].map(|(before, after)| place(before, after));
        let [add, reduce, delete] = [Change::Add, Change::Reduce, Change::Delete].map(|change| change as usize);
        assert_eq!(changes, [add, add, 3, reduce, delete, 3]);
    }
}
