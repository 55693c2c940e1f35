//! Sums by level: numbered in the order in which the levels were first traded, and found by a table.
//!
//! Levels near each other, as those of nearly all bars are, stand in a table with a place for each level of a range. The
//! range grows with the trades, but only as long as it is a few times as long as there are levels; levels outside stand
//! in a tree. So a tick of any size takes memory in proportion to the levels that have trades.

use std::collections::BTreeMap;
use std::ops::Range;

/// Places of a table at first.
const LEAST_PLACES: u64 = 64;

/// Places that a table may have, whatever the number of levels.
const FEW_PLACES: u64 = 1_024;

/// Places that a table may have for each level beyond that.
const PLACES_OF_LEVEL: u64 = 16;

/// The sums of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// The level.
    pub level: i64,
    /// The push that last changed it, where pushes may be undone.
    pub push: u64,
    /// Quantities.
    pub volume: i128,
    /// Quantities whose aggressor sold.
    pub sell_volume: i128,
}

/// The levels of one bar.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    sums: Vec<Sums>,
    /// The level of the first place.
    base: i64,
    /// The number of a level plus one; zero for none.
    places: Vec<u32>,
    /// The places that are not zero are among these: a bar of few levels must not pay for a table of many.
    used: Range<usize>,
    far: BTreeMap<i64, u32>,
}

impl Levels {
    /// Number of levels.
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Levels for which there is room.
    #[cfg(test)]
    pub fn room(&self) -> usize {
        self.sums.capacity()
    }

    /// The sums of all levels, in the order in which these were first traded.
    pub fn sums(&self) -> &[Sums] {
        &self.sums
    }

    /// The sums of a level by its number.
    #[inline]
    pub fn get_mut(&mut self, number: usize) -> &mut Sums {
        &mut self.sums[number]
    }

    /// Adds what was traded at a level, and what was bought less what was sold, if there is a level of the number.
    #[inline]
    pub fn add(&mut self, number: usize, volume: i64, delta: i64) {
        if let Some(sums) = self.sums.get_mut(number) {
            sums.volume += i128::from(volume);
            sums.sell_volume += i128::from((volume - delta) / 2);
        }
    }

    /// The number of a level, which is new if it had none.
    #[inline]
    pub fn number(&mut self, level: i64, push: u64) -> usize {
        // A level below the base wraps around to a place that no table has.
        let place = level.wrapping_sub(self.base) as usize;
        match self.places.get(place) {
            Some(&found) if found > 0 => found as usize - 1,
            _ => self.far_number(level, push),
        }
    }

    /// The number of a level that is new, or has no place in the table.
    #[inline(never)]
    fn far_number(&mut self, level: i64, push: u64) -> usize {
        if let Some(&found) = self.far.get(&level) {
            return found as usize - 1;
        }
        if self.sums.is_empty() {
            // The table is empty, and so may lie anywhere.
            self.base = level.saturating_sub_unsigned(self.places.len() as u64 / 2);
        }
        self.sums.push(Sums { level, push, volume: 0, sell_volume: 0 });
        assert!(self.sums.len() < u32::MAX as usize, "levels of a bar fit the memory of no machine");
        if !self.has_place(level) {
            self.grow_towards(level);
        }
        self.enter(level, self.sums.len() as u32);
        self.sums.len() - 1
    }

    fn has_place(&self, level: i64) -> bool {
        (level.wrapping_sub(self.base) as u64) < self.places.len() as u64
    }

    /// Writes a number where it is found.
    fn enter(&mut self, level: i64, number: u32) {
        if self.has_place(level) {
            let place = level.wrapping_sub(self.base) as usize;
            self.places[place] = number;
            let Range { start, end } = self.used;
            self.used = if start < end { start.min(place)..end.max(place + 1) } else { place..place + 1 };
        } else {
            self.far.insert(level, number);
        }
    }

    /// Makes the table reach a level, and as far beyond as it takes for a bar that goes on to grow it seldom; unless it
    /// would be too long.
    fn grow_towards(&mut self, level: i64) {
        let len = self.places.len() as u64;
        if len == 0 {
            self.base = level.saturating_sub_unsigned(LEAST_PLACES / 2);
            self.places = vec![0; LEAST_PLACES as usize];
            self.find_again();
            return;
        }
        let reach = if level < self.base { self.base.abs_diff(level) + len } else { self.base.abs_diff(level) + 1 };
        if reach > (PLACES_OF_LEVEL * self.sums.len() as u64).max(FEW_PLACES) {
            return;
        }
        let more = (reach / 2).max(LEAST_PLACES / 2);
        if level < self.base {
            self.base = level.saturating_sub_unsigned(more);
        }
        self.places = vec![0; (reach + more) as usize];
        self.find_again();
    }

    /// Enters every level anew.
    fn find_again(&mut self) {
        self.forget_places();
        for number in 0..self.sums.len() {
            self.enter(self.sums[number].level, number as u32 + 1);
        }
    }

    fn forget_places(&mut self) {
        let used = self.used.start.min(self.places.len())..self.used.end.min(self.places.len());
        self.places[used].fill(0);
        self.used = 0..0;
        self.far.clear();
    }

    /// The sums of all levels, ascending; no level is left.
    pub fn take(&mut self) -> Vec<Sums> {
        let sorted = self.sorted();
        let len = self.sums.len();
        self.sums.clear();
        self.forget_places();
        let enough = 4 * len.max(LEAST_PLACES as usize);
        // There may be thousands of groups: what one large bar took is given back.
        self.sums.shrink_to(enough);
        self.places.truncate(PLACES_OF_LEVEL as usize * enough);
        self.places.shrink_to(PLACES_OF_LEVEL as usize * enough);
        sorted
    }

    /// The sums of all levels, ascending.
    pub fn sorted(&self) -> Vec<Sums> {
        let sums = |number: &u32| self.sums[*number as usize - 1];
        let below = self.far.range(..self.base).map(|(_, number)| number);
        let above = self.far.range(self.base..).map(|(_, number)| number);
        let near = self.places[self.used.clone()].iter().filter(|&&number| number > 0);
        let mut sorted = Vec::with_capacity(self.sums.len());
        sorted.extend(below.chain(near).chain(above).map(sums));
        sorted
    }

    /// Becomes what these are the sums of.
    pub fn restore(&mut self, sums: Vec<Sums>) {
        self.sums = sums;
        self.find_again();
    }

    /// Forgets the levels from a number on, and puts the sums of others back.
    pub fn roll_back(&mut self, len: usize, changed: &[(usize, Sums)]) {
        self.sums.truncate(len);
        changed.iter().for_each(|&(number, sums)| self.sums[number] = sums);
        self.find_again();
    }
}
