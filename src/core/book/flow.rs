//! The order flow of the best levels: what was added to the bids less what was added to the asks (Cont, Kukanov and
//! Stoikov, 2014), level by level (Xu, Gould and Howison, 2018).

use super::levels::{ABSENT, Entry, Tops};
use super::sides::Book;

/// Flows of the best levels since a row came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    /// The levels as the last event left them, bids and asks; none while the book is unknown.
    before: Option<Tops>,
    /// What was added since, level by level.
    sums: Vec<i128>,
    /// Whether that is all: not if the book was unknown meanwhile.
    is_whole: bool,
}

impl Flow {
    /// No flow of so many levels.
    pub(super) fn new(levels: usize) -> Self {
        Self { before: None, sums: vec![0; levels], is_whole: false }
    }

    /// The flows, if they are known since a row came out.
    pub(super) fn sums(&self) -> Option<&[i128]> {
        self.is_whole.then_some(&self.sums[..])
    }

    /// A row came out.
    pub(super) fn restart(&mut self) {
        self.sums.fill(0);
        self.is_whole = self.before.is_some();
    }

    /// The book is unknown.
    pub(super) fn forget(&mut self) {
        self.before = None;
        self.is_whole = false;
    }

    /// An event has changed the book from some ranks on.
    pub(super) fn add(&mut self, book: &Book, touched: [usize; 2]) {
        let levels = self.sums.len();
        let Some(before) = &mut self.before else {
            self.before = Some([0, 1].map(|side| (0..levels).map(|rank| book.sides[side].entry(rank)).collect()));
            return;
        };
        for (side, before) in before.iter_mut().enumerate() {
            let levels = before.iter_mut().zip(&mut self.sums).enumerate().skip(touched[side]);
            for (rank, (before, sum)) in levels {
                let (key, quantity) = book.sides[side].entry(rank);
                let (old_key, old_quantity) = std::mem::replace(before, (key, quantity));
                let added = i128::from(if key >= old_key { quantity } else { 0 })
                    - i128::from(if key <= old_key { old_quantity } else { 0 });
                *sum += if side == 0 { added } else { -added };
            }
        }
    }

    /// What a state holds of it: the sums, and whether they are whole.
    pub(super) fn parts(&self) -> (&[i128], bool) {
        (&self.sums, self.is_whole)
    }

    /// A flow of such parts; the levels before are given, as the last event left them.
    pub(super) fn of_parts(sums: Vec<i128>, is_whole: bool, before: Option<Tops>) -> Self {
        Self { before, sums, is_whole }
    }

    /// The levels as the last event left them.
    pub(super) fn before(&self) -> Option<&Tops> {
        self.before.as_ref()
    }
}

/// Whether entries can be the best of a side: their keys fall, and none is behind one that is not there.
pub(super) fn are_tops(entries: &[Entry]) -> bool {
    entries.is_sorted_by(|a, b| a.0 > b.0 || *a == ABSENT && *b == ABSENT)
        && entries.iter().all(|entry| *entry == ABSENT || entry.1 > 0)
}
