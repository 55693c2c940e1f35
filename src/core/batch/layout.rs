//! The order in which the rows of a batch are pushed: unchanged if groups come in long runs, group by group if they
//! interleave; and how threads share them.

use std::ops::Range;

/// Mean length of runs from which on rows are pushed unchanged. A push of a few rows costs as much as moving tens of
/// rows.
const UNMOVED_RUN: usize = 32;

/// Rows from which on another thread is worth waking: a tenth of a millisecond of work.
const ROWS_OF_SHARE: usize = 8_192;

/// Consecutive rows of one group, by their places.
pub type GroupRun = (u32, Range<usize>);

/// Rows of a stride of a batch, arranged in runs of one group.
pub struct Layout {
    /// The row of the batch with which the stride begins.
    first: usize,
    /// Where rows move; absent if each stays at its own place.
    order: Option<Order>,
    /// Where each run ends; it starts where the one before ends.
    ends: Vec<usize>,
}

/// An order of rows, both ways.
struct Order {
    /// Row of the stride at each place.
    rows: Vec<u32>,
    /// Place of each row of the stride.
    places: Vec<u32>,
}

impl Layout {
    /// Arranges the rows of a stride, given the group of each and the row of the batch with which the stride begins.
    #[must_use]
    pub fn new(groups: &[u32], first: usize) -> Self {
        match run_ends(groups, groups.len() / UNMOVED_RUN + 1) {
            Some(ends) => Self { first, order: None, ends },
            None => Self::by_group(groups, first),
        }
    }

    /// Whether rows are pushed unchanged, however many there are.
    #[must_use]
    pub fn is_in_runs(groups: &[u32]) -> bool {
        run_ends(groups, groups.len() / UNMOVED_RUN + 1).is_some()
    }

    /// A stable counting sort by group.
    fn by_group(groups: &[u32], first: usize) -> Self {
        let count = groups.iter().max().map_or(0, |&last| last as usize + 1);
        let mut starts = vec![0; count + 1];
        for &group in groups {
            starts[group as usize + 1] += 1;
        }
        for group in 0..count {
            starts[group + 1] += starts[group];
        }
        let mut ends = starts[1..].to_vec();
        ends.dedup();
        if ends.first() == Some(&0) {
            ends.remove(0);
        }
        let (mut rows, mut places) = (vec![0; groups.len()], vec![0; groups.len()]);
        for (row, (&group, own)) in groups.iter().zip(&mut places).enumerate() {
            let place = &mut starts[group as usize];
            rows[*place] = row as u32;
            *own = *place as u32;
            *place += 1;
        }
        Self { first, order: Some(Order { rows, places }), ends }
    }

    /// The place of each row of the stride, if rows are moved.
    #[must_use]
    pub fn places(&self) -> Option<&[u32]> {
        self.order.as_ref().map(|order| &order.places[..])
    }

    /// Row of the batch at a place.
    #[must_use]
    pub fn row(&self, place: usize) -> usize {
        self.first + self.order.as_ref().map_or(place, |order| order.rows[place] as usize)
    }

    /// The runs, given the group of each row of the stride.
    #[must_use]
    pub fn group_runs(&self, groups: &[u32]) -> Vec<GroupRun> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| (groups[self.row(start) - self.first], start..end)).collect()
    }
}

/// Divides runs among at most so many threads: each gets its own groups, with higher numbers than the thread before,
/// and about as many rows. One thread gets all if a group returns, because the rows of a group depend on those before.
#[must_use]
pub fn shares(runs: &[GroupRun], threads: usize) -> Vec<&[GroupRun]> {
    let rows = runs.last().map_or(0, |(_, places)| places.end);
    let count = threads.min(rows / ROWS_OF_SHARE);
    if count < 2 || !runs.is_sorted_by(|(before, _), (group, _)| before < group) {
        return vec![runs];
    }
    let mut rest = runs;
    let shares = (1..=count).map(|share| {
        // A run goes to the thread where its middle lies.
        let end = rest.partition_point(|(_, places)| (places.start + places.end) * count <= 2 * rows * share);
        let (share, others) = rest.split_at(end);
        rest = others;
        share
    });
    shares.filter(|share| !share.is_empty()).collect()
}

/// Where each run of equal groups ends; none if there are more than `most`, which soon shows. Looks row by row only
/// into those parts that are not all equal.
fn run_ends(groups: &[u32], most: usize) -> Option<Vec<usize>> {
    const TESTED_AT_ONCE: usize = 64;
    let mut ends = Vec::new();
    let mut start = 0;
    for rows in groups.chunks(TESTED_AT_ONCE) {
        let before = groups[start.max(1) - 1];
        if rows.iter().fold(0, |differs, group| differs | (group ^ before)) != 0 {
            let from = start.max(1);
            ends.extend((from..start + rows.len()).filter(|&row| groups[row] != groups[row - 1]));
            if ends.len() >= most {
                return None;
            }
        }
        start += rows.len();
    }
    if !groups.is_empty() {
        ends.push(groups.len());
    }
    Some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row once, every run of one group, rows of a group in order.
    fn check(groups: &[u32]) -> usize {
        let layout = Layout::new(groups, 0);
        assert!(groups.is_empty() || Layout::new(groups, 7).row(0) == layout.row(0) + 7);
        let mut seen = vec![];
        let runs = layout.group_runs(groups);
        for (group, run) in &runs {
            let rows: Vec<_> = run.clone().map(|place| layout.row(place)).collect();
            assert!(rows.is_sorted() && rows.iter().all(|&row| groups[row] == *group));
            seen.extend(rows);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..groups.len()).collect::<Vec<_>>());
        runs.len()
    }

    #[test]
    fn every_run_is_in_one_share() {
        let runs = |rows: &[usize]| -> Vec<GroupRun> {
            let ends = rows.iter().scan(0, |end, rows| {
                *end += rows;
                Some(*end)
            });
            ends.zip(rows).enumerate().map(|(group, (end, rows))| (3 * group as u32, end - rows..end)).collect()
        };
        for (rows, threads, expected) in [
            (&[][..], 4, 1),
            (&[ROWS_OF_SHARE], 4, 1),
            (&[ROWS_OF_SHARE, ROWS_OF_SHARE], 1, 1),
            (&[ROWS_OF_SHARE, ROWS_OF_SHARE], 4, 2),
            (&[10 * ROWS_OF_SHARE, 1], 4, 2),
            (&[1, 10 * ROWS_OF_SHARE], 4, 2),
            (&[ROWS_OF_SHARE / 10; 100], 4, 4),
        ] {
            let runs = runs(rows);
            let shares = shares(&runs, threads);
            assert_eq!(shares.concat(), runs);
            assert_eq!(shares.len(), expected);
            let most = rows.iter().max().copied().unwrap_or_default();
            let even = rows.iter().sum::<usize>() / shares.len() + most;
            assert!(shares.iter().all(|share| share.iter().map(|(_, places)| places.len()).sum::<usize>() <= even));
        }
        let back =
            [(0, 0..ROWS_OF_SHARE), (1, ROWS_OF_SHARE..2 * ROWS_OF_SHARE), (0, 2 * ROWS_OF_SHARE..3 * ROWS_OF_SHARE)];
        assert_eq!(shares(&back, 4).len(), 1);
    }

    #[test]
    fn long_runs_stay_and_interleaved_rows_are_brought_together() {
        assert_eq!(check(&[]), 0);
        assert_eq!(check(&[5]), 1);
        assert_eq!(check(&[1; 100]), 1);
        let runs: Vec<_> = (0..400).map(|row| row / 100 % 2).collect();
        assert_eq!(check(&runs), 4);
        let interleaved: Vec<_> = (0..400).map(|row| 2 + row % 3).collect();
        assert_eq!(check(&interleaved), 3);
        let gaps: Vec<_> = (0..400).map(|row| row % 4 * 2).collect();
        assert_eq!(check(&gaps), 4);
    }
}
