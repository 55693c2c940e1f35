//! The clock of a place: by how much it is ahead of UTC, and from when on.

/// What a place's clock shows at an instant: both are whole seconds, of UTC and of that clock, since the midnight that
/// began 1970 on each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Seconds by which the clock is ahead before the first change.
    before: i64,
    /// The instants at which the clock is changed, rising, each with the seconds by which it is ahead from then on.
    changes: Vec<(i64, i64)>,
}

/// No clock is ahead of another one by as many seconds: two days less two seconds.
const MOST_AHEAD: i64 = 86_399;

impl Zone {
    /// A clock that was `before` seconds ahead of UTC, and from the instant of each change on as many as it says. `None`
    /// if the changes do not follow each other, or a clock is a day ahead or behind.
    #[must_use]
    pub fn new(before: i64, changes: Vec<(i64, i64)>) -> Option<Self> {
        let is_sound = |ahead: i64| ahead.abs() <= MOST_AHEAD;
        let follow = changes.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let are_sound = is_sound(before) && changes.iter().all(|&(_, ahead)| is_sound(ahead));
        (follow && are_sound).then_some(Self { before, changes })
    }

    /// What the clock shows at an instant.
    #[must_use]
    pub fn shows(&self, instant: i64) -> i64 {
        let changes = self.changes.partition_point(|&(from, _)| from <= instant);
        instant + changes.checked_sub(1).map_or(self.before, |last| self.changes[last].1)
    }

    /// The first instant at which the clock shows a time or a later one.
    #[must_use]
    pub fn first(&self, local: i64) -> i64 {
        // Up to a change that is further back than any clock is behind, the clock has not shown the time yet.
        let mut change = self.changes.partition_point(|&(from, _)| from <= local - 2 * MOST_AHEAD);
        let (mut from, mut ahead) = match change.checked_sub(1) {
            Some(last) => self.changes[last],
            None => (i64::MIN, self.before),
        };
        loop {
            let instant = from.max(local - ahead);
            match self.changes.get(change) {
                Some(&next) if next.0 <= instant => (from, ahead) = next,
                _ => return instant,
            }
            change += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn clocks_that_cannot_be_are_refused() {
        assert!(Zone::new(DAY, vec![]).is_none());
        assert!(Zone::new(0, vec![(5, -DAY)]).is_none());
        assert!(Zone::new(0, vec![(5, 0), (5, HOUR)]).is_none());
        assert!(Zone::new(-MOST_AHEAD, vec![(-5, 0), (5, MOST_AHEAD)]).is_some());
    }

    #[test]
    fn the_first_instant_is_that_of_a_search_second_by_second() {
        // Forward by an hour, back by two, forward by a day, back by half an hour twice.
        let changes = vec![
            (10 * DAY, HOUR),
            (11 * DAY, -HOUR),
            (12 * DAY, 23 * HOUR),
            (13 * DAY, 45 * HOUR / 2),
            (13 * DAY + 600, 22 * HOUR),
        ];
        let zone = Zone::new(0, changes).unwrap();
        for local in (8 * DAY..15 * DAY).step_by(577) {
            let first = zone.first(local);
            assert!(zone.shows(first) >= local, "{local}");
            let earlier = (first - 3 * DAY..first).step_by(60).chain([first - 1]);
            assert!(earlier.into_iter().all(|instant| zone.shows(instant) < local), "{local}");
        }
    }

    #[test]
    fn a_time_that_is_skipped_is_that_of_the_change_and_one_shown_twice_is_the_earlier() {
        let zone = Zone::new(0, vec![(10 * DAY + 2 * HOUR, HOUR), (20 * DAY + 2 * HOUR, 0)]).unwrap();
        assert_eq!(zone.first(10 * DAY + 2 * HOUR + 1_800), 10 * DAY + 2 * HOUR);
        assert_eq!(zone.first(10 * DAY + 3 * HOUR), 10 * DAY + 2 * HOUR);
        assert_eq!(zone.first(10 * DAY + 4 * HOUR), 10 * DAY + 3 * HOUR);
        assert_eq!(zone.first(20 * DAY + 2 * HOUR + 1_800), 20 * DAY + HOUR + 1_800);
        assert_eq!(zone.first(20 * DAY + 3 * HOUR), 20 * DAY + 3 * HOUR);
        assert_eq!(
            (zone.shows(10 * DAY), zone.shows(15 * DAY), zone.shows(30 * DAY)),
            (10 * DAY, 15 * DAY + HOUR, 30 * DAY)
        );
    }
}
