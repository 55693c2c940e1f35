//! The order in which the rows of a batch are pushed: as they are where groups come in long runs,
//! group by group where they interleave; and how threads share them.

use std::ops::Range;

/// Mean length of a run from which rows are pushed as they are. A push of a few rows costs as much as
/// moving tens of rows.
const LONG_RUN: usize = 32;

/// Rows from which another thread is worth waking: they take it a tenth of a millisecond.
const ROWS_OF_SHARE: usize = 8_192;

/// Rows of one group that follow each other, by their places.
pub type GroupRun = (u32, Range<usize>);

/// Rows of a piece of a batch, arranged in runs of one group.
pub struct Layout {
    /// Row of the batch that is the piece's first.
    first: usize,
    /// Where rows move; absent where each stays at its own place.
    order: Option<Order>,
    /// Where each run ends; it starts where the one before ends.
    ends: Vec<usize>,
}

/// An order of rows, both ways.
struct Order {
    /// Row of the piece at each place.
    rows: Vec<u32>,
    /// Place of each row of the piece.
    places: Vec<u32>,
}

impl Layout {
    /// Arranges the rows of a piece, given the group of each and the row of the batch that is its first.
    #[must_use]
    pub fn new(groups: &[u32], first: usize) -> Self {
        match run_ends(groups, groups.len() / LONG_RUN + 1) {
            Some(ends) => Self { first, order: None, ends },
            None => Self::by_group(groups, first),
        }
    }

    /// Whether rows are pushed as they are, however many there are.
    #[must_use]
    pub fn is_in_runs(groups: &[u32]) -> bool {
        run_ends(groups, groups.len() / LONG_RUN + 1).is_some()
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

    /// The place of each row of the piece, if rows are to be moved.
    #[must_use]
    pub fn places(&self) -> Option<&[u32]> {
        self.order.as_ref().map(|order| &order.places[..])
    }

    /// Row of the batch at a place.
    #[must_use]
    pub fn row(&self, place: usize) -> usize {
        self.first + self.order.as_ref().map_or(place, |order| order.rows[place] as usize)
    }

    /// The runs, given the group of each row of the piece.
    #[must_use]
    pub fn group_runs(&self, groups: &[u32]) -> Vec<GroupRun> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| (groups[self.row(start) - self.first], start..end)).collect()
    }
}

/// Parts runs between at most so many threads: each gets groups of its own, numbered behind those of the thread before,
/// and about as many rows. One gets all where a group comes back, as a group's rows depend on those before.
#[must_use]
pub fn shares(runs: &[GroupRun], threads: usize) -> Vec<&[GroupRun]> {
    let rows = runs.last().map_or(0, |(_, places)| places.end);
    let count = threads.min(rows / ROWS_OF_SHARE);
    if count < 2 || !runs.is_sorted_by(|(before, _), (group, _)| before < group) {
        return vec![runs];
    }
    let mut rest = runs;
    let shares = (1..=count).map(|share| {
        // A run goes where its middle lies.
        let end = rest.partition_point(|(_, places)| (places.start + places.end) * count <= 2 * rows * share);
        rest.split_off(..end).unwrap_or_default()
    });
    shares.filter(|share| !share.is_empty()).collect()
}

/// Where each run of equal groups ends; none where there are more than `most`, which soon shows. Looks row by row only into
/// those pieces that are not all equal.
fn run_ends(groups: &[u32], most: usize) -> Option<Vec<usize>> {
    const PIECE: usize = 64;
    let mut ends = Vec::new();
    let mut start = 0;
    for piece in groups.chunks(PIECE) {
        let before = groups[start.max(1) - 1];
        if piece.iter().fold(0, |differs, group| differs | (group ^ before)) != 0 {
            let from = start.max(1);
            ends.extend((from..start + piece.len()).filter(|&row| groups[row] != groups[row - 1]));
            if ends.len() >= most {
                return None;
            }
        }
        start += piece.len();
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
