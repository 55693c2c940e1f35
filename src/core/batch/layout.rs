//! The order in which the rows of a batch are pushed: unchanged if groups come in long runs, group by group if they
//! interleave; and how threads share the groups.

use std::ops::Range;

/// Mean length of runs from which on rows are pushed unchanged. A push of a few rows costs as much as moving tens of
/// rows.
const UNMOVED_RUN: usize = 32;

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

/// Divides groups among at most so many threads, given their runs: ranges of their numbers, with about as many rows each,
/// and at least so many. All rows of a group are for one thread, because each depends on those before.
#[must_use]
pub fn shares(runs: impl IntoIterator<Item = (u32, usize)>, threads: usize, least_rows: usize) -> Vec<Range<u32>> {
    let mut groups: Vec<_> = runs.into_iter().collect();
    let rows: usize = groups.iter().map(|(_, rows)| rows).sum();
    let count = threads.min(rows / least_rows.max(1));
    if count < 2 {
        return std::iter::once(0..u32::MAX).collect();
    }
    groups.sort_unstable();
    let mut starts = vec![0];
    let (mut before, mut last) = (0, 0);
    for of_group in groups.chunk_by(|(a, _), (b, _)| a == b) {
        let own: usize = of_group.iter().map(|(_, rows)| rows).sum();
        // A group goes to the thread where its middle lies.
        let share = (2 * before + own) * count / (2 * rows).max(1);
        if share > last && before > 0 {
            starts.push(of_group[0].0);
        }
        (before, last) = (before + own, share);
    }
    let ends = starts.iter().skip(1).copied().chain([u32::MAX]);
    starts.iter().zip(ends).map(|(&start, end)| start..end).collect()
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
    fn every_group_is_in_one_share() {
        const LEAST: usize = 1_000;
        for (rows, threads, expected) in [
            (&[][..], 4, 1),
            (&[LEAST], 4, 1),
            (&[LEAST, LEAST], 1, 1),
            (&[LEAST, LEAST], 4, 2),
            (&[10 * LEAST, 1], 4, 2),
            (&[1, 10 * LEAST], 4, 2),
            (&[LEAST / 10; 100], 4, 4),
        ] {
            // Each group has two runs; numbers have holes.
            let runs = rows
                .iter()
                .enumerate()
                .flat_map(|(n, &rows)| [(3 * n as u32, rows / 3), (3 * n as u32, rows - rows / 3)]);
            let shares = shares(runs, threads, LEAST);
            assert_eq!(shares.len(), expected, "{rows:?}");
            assert_eq!((shares[0].start, shares[expected - 1].end), (0, u32::MAX));
            assert!(shares.is_sorted_by(|a, b| a.end == b.start) && shares.iter().all(|share| !share.is_empty()));
            let of = |share: &Range<u32>| {
                let own = rows.iter().enumerate().filter(|(n, _)| share.contains(&(3 * *n as u32)));
                own.map(|(_, rows)| rows).sum::<usize>()
            };
            let even = rows.iter().sum::<usize>() / shares.len() + rows.iter().max().unwrap_or(&0);
            assert!(shares.iter().all(|share| of(share) <= even), "{rows:?}");
        }
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
