//! The order in which the rows of a batch are pushed: as they are where groups come in long runs,
//! group by group where they interleave.

use std::ops::Range;

/// Mean length of a run from which rows are pushed as they are. A push of a few rows costs as much as
/// gathering tens of rows.
const LONG_RUN: usize = 32;

/// Rows of a piece of a batch, arranged in runs of one group.
pub struct Layout {
    /// First row of the piece.
    first: usize,
    /// Row of the piece at each place; absent where every row is at its own.
    order: Option<Vec<u32>>,
    /// Where each run ends; it starts where the one before ends.
    ends: Vec<usize>,
}

impl Layout {
    /// Arranges the rows of a piece, given the group of each and the first row.
    #[must_use]
    pub fn new(groups: &[u32], first: usize) -> Self {
        match run_ends(groups, groups.len() / LONG_RUN + 1) {
            Some(ends) => Self { first, order: None, ends },
            None => Self::by_group(groups, first),
        }
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
        let mut order = vec![0; groups.len()];
        for (row, &group) in groups.iter().enumerate() {
            let place = &mut starts[group as usize];
            order[*place] = row as u32;
            *place += 1;
        }
        Self { first, order: Some(order), ends }
    }

    /// The rows of the piece to gather, in order, if rows are to be moved.
    #[must_use]
    pub fn order(&self) -> Option<&[u32]> {
        self.order.as_deref()
    }

    /// Row of the batch at a place.
    #[must_use]
    pub fn row(&self, place: usize) -> usize {
        self.first + self.order.as_ref().map_or(place, |order| order[place] as usize)
    }

    /// The places of each run.
    pub fn runs(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).map(|(start, end)| start..end)
    }
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
        let layout = Layout::new(groups, 7);
        let mut seen = vec![];
        for run in layout.runs() {
            let rows: Vec<_> = run.map(|place| layout.row(place) - 7).collect();
            assert!(rows.is_sorted() && rows.iter().all(|&row| groups[row] == groups[rows[0]]));
            seen.extend(rows);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..groups.len()).collect::<Vec<_>>());
        layout.runs().count()
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
