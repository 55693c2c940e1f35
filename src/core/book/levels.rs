//! The levels of one side of a book.
//!
//! They lie sorted in chunks of at most [`CHUNK`], the best at the end. Of the updates of a real book of 5,000 levels a
//! side, a fifth are among the best 16 levels and half beyond the 150th, and four of ten add or delete one: in one sorted
//! vector, moving what lies above took half of the time (70 -> 40 ns an update).

/// A price level, raw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Level {
    /// Its price.
    pub price: i64,
    /// What is offered there.
    pub quantity: i64,
}

/// The key and the quantity of a level.
pub(super) type Entry = (i64, i64);

/// The best levels of both sides, as many of each.
pub(super) type Tops = [Vec<Entry>; 2];

/// A level that is not there: worse than any that is.
pub(super) const ABSENT: Entry = (i64::MIN, 0);

/// Levels of a chunk: few enough that moving half of them takes a few nanoseconds.
const CHUNK: usize = 32;

/// Levels with which a chunk is filled where many come at once, so that there is room for others.
const FILLED: usize = 24;

/// Two chunks of together so few levels become one.
const SPARSE: usize = 12;

/// Ranks are counted up to here: what is beyond is far from the best, wherever the levels lie.
const COUNTED: usize = 64;

/// The levels of a side.
///
/// A key is a price of bids and the negative price of asks: better is always higher, and both sides run through the same
/// code.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    /// Chunks in any order; those that are not in `order` are free.
    chunks: Vec<Chunk>,
    free: Vec<u32>,
    /// The chunks that are used, worst first.
    order: Vec<u32>,
    /// For each of these its number of levels.
    lens: Vec<u32>,
    /// For each of these a key that is not above its keys, and above those of the chunk before; the lowest there is for the
    /// first.
    lows: Vec<i64>,
    /// Number of levels.
    len: usize,
    /// The chunk of the last update: the next one is often near it.
    last: usize,
}

/// Some levels, sorted by key; where there are no more, the keys are the highest there is.
#[derive(Debug, Clone)]
struct Chunk {
    keys: [i64; CHUNK],
    quantities: [i64; CHUNK],
}

/// The key behind the last one.
const END: i64 = i64::MAX;

impl Chunk {
    /// How many keys are below one: two steps of comparisons that do not wait for each other.
    #[inline]
    fn below(&self, key: i64) -> usize {
        const PART: usize = 8;
        let mut part = 0;
        for edge in (PART - 1..CHUNK - 1).step_by(PART) {
            part += usize::from(self.keys[edge] < key);
        }
        let from = part * PART;
        let mut below = from;
        for &other in &self.keys[from..from + PART] {
            below += usize::from(other < key);
        }
        below
    }

    /// Adds a level at a place; there is room.
    #[inline]
    fn insert(&mut self, place: usize, key: i64, quantity: i64) {
        self.keys.copy_within(place..CHUNK - 1, place + 1);
        self.quantities.copy_within(place..CHUNK - 1, place + 1);
        (self.keys[place], self.quantities[place]) = (key, quantity);
    }

    /// Deletes the level at a place.
    #[inline]
    fn remove(&mut self, place: usize) {
        self.keys.copy_within(place + 1.., place);
        self.quantities.copy_within(place + 1.., place);
        self.keys[CHUNK - 1] = END;
    }
}

impl PartialEq for Levels {
    /// By the levels, wherever they lie.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.entries().eq(other.entries())
    }
}

impl Eq for Levels {}

impl Levels {
    /// Number of levels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The level of a rank, from 0, the best.
    #[inline]
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<Level> {
        (rank < self.len).then(|| {
            let (key, quantity) = self.entry(rank);
            Level { price: key.abs(), quantity }
        })
    }

    /// The levels from the best on.
    pub fn iter(&self) -> impl Iterator<Item = Level> {
        let chunks = self.order.iter().zip(&self.lens).rev();
        chunks.flat_map(|(&chunk, &len)| {
            let Chunk { keys, quantities } = &self.chunks[chunk as usize];
            (0..len as usize).rev().map(|place| Level { price: keys[place].abs(), quantity: quantities[place] })
        })
    }

    /// What is offered at the best levels, so many of them.
    #[must_use]
    pub fn quantity_of(&self, levels: usize) -> i128 {
        self.iter().take(levels).map(|level| i128::from(level.quantity)).sum()
    }

    /// Appends the best levels, so many of them; those that are not there have no price and no quantity.
    #[inline]
    pub fn append_best(&self, levels: usize, out: &mut Vec<Level>) {
        let end = out.len() + levels;
        for (&chunk, &len) in self.order.iter().zip(&self.lens).rev() {
            let Chunk { keys, quantities } = &self.chunks[chunk as usize];
            let from = (len as usize).saturating_sub(end - out.len());
            let best = keys[from..len as usize].iter().zip(&quantities[from..len as usize]).rev();
            out.extend(best.map(|(key, &quantity)| Level { price: key.abs(), quantity }));
            if out.len() == end {
                return;
            }
        }
        out.resize(end, Level::default());
    }

    /// Forgets all levels.
    pub fn clear(&mut self) {
        self.free.append(&mut self.order);
        self.lens.clear();
        self.lows.clear();
        (self.len, self.last) = (0, 0);
    }

    /// The key and the quantity of a rank.
    #[inline]
    pub(super) fn entry(&self, rank: usize) -> Entry {
        let mut left = rank;
        for (&chunk, &len) in self.order.iter().zip(&self.lens).rev() {
            if let Some(place) = (len as usize).checked_sub(left + 1) {
                let Chunk { keys, quantities } = &self.chunks[chunk as usize];
                return (keys[place], quantities[place]);
            }
            left -= len as usize;
        }
        ABSENT
    }

    /// The best key.
    #[inline]
    pub(super) fn best(&self) -> i64 {
        self.entry(0).0
    }

    /// Sets the quantity of a level, 0 deletes it. Returns a rank, 0 or higher, from which on the side has changed, and the
    /// quantity before: all better levels are as they were. The rank is 0 only if the best level has changed.
    #[inline]
    pub(super) fn set(&mut self, key: i64, quantity: i64) -> (usize, i64) {
        if self.order.is_empty() {
            if quantity == 0 {
                return (usize::MAX, 0);
            }
            self.add_chunk(0, i64::MIN);
        }
        let at = self.chunk_of(key);
        self.last = at;
        let (len, above) = (self.lens[at] as usize, self.above(at));
        let chunk = &mut self.chunks[self.order[at] as usize];
        let place = chunk.below(key);
        if place < len && chunk.keys[place] == key {
            let (rank, before) = ((len - 1 - place + above).min(COUNTED), chunk.quantities[place]);
            if quantity != 0 {
                chunk.quantities[place] = quantity;
            } else {
                chunk.remove(place);
                self.len -= 1;
                self.lens[at] -= 1;
                if len - 1 <= SPARSE / 2 {
                    self.shrink(at);
                }
            }
            return (rank, before);
        }
        if quantity == 0 {
            return (usize::MAX, 0); // venues also delete what nobody was told of
        }
        let rank = (len - place + above).min(COUNTED);
        self.len += 1;
        if len < CHUNK {
            chunk.insert(place, key, quantity);
            self.lens[at] += 1;
        } else {
            self.split(at, place, key, quantity);
        }
        (rank, 0)
    }

    /// Forgets the worst level; there is one.
    pub(super) fn drop_worst(&mut self) {
        self.chunks[self.order[0] as usize].remove(0);
        self.len -= 1;
        self.lens[0] -= 1;
        if self.lens[0] as usize <= SPARSE / 2 {
            self.shrink(0);
        }
    }

    /// Forgets the levels with this key or a better one.
    pub(super) fn cut(&mut self, key: i64) {
        while !self.is_empty() && self.best() >= key {
            self.set(self.best(), 0);
        }
    }

    /// The chunk to which a key belongs; there is one.
    #[inline]
    fn chunk_of(&self, key: i64) -> usize {
        let (last, next) = (self.last, self.last + 1);
        if self.lows[last] <= key && self.lows.get(next).is_none_or(|&low| key < low) {
            return last;
        }
        self.lows.partition_point(|&low| low <= key) - 1
    }

    /// Levels in the chunks above one, counted from the best on until there are many.
    #[inline]
    fn above(&self, at: usize) -> usize {
        let mut levels = 0;
        for &len in self.lens[at + 1..].iter().rev() {
            levels += len as usize;
            if levels >= COUNTED {
                break;
            }
        }
        levels
    }

    /// Adds an empty chunk at a place; returns its number.
    fn add_chunk(&mut self, at: usize, low: i64) -> usize {
        let chunk = self.free.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk { keys: [END; CHUNK], quantities: [0; CHUNK] });
            self.chunks.len() as u32 - 1
        });
        self.chunks[chunk as usize].keys.fill(END);
        self.order.insert(at, chunk);
        self.lens.insert(at, 0);
        self.lows.insert(at, low);
        chunk as usize
    }

    /// A full chunk becomes two, and gets another level at a place.
    fn split(&mut self, at: usize, place: usize, key: i64, quantity: i64) {
        // A snapshot may come worst first.
        let kept = if place == CHUNK && at + 1 == self.order.len() { FILLED } else { CHUNK / 2 };
        let lower = &mut self.chunks[self.order[at] as usize];
        let Chunk { keys, quantities } = lower.clone();
        lower.keys[kept..].fill(END);
        let moved = CHUNK - kept;
        let other = self.add_chunk(at + 1, keys[kept]);
        let upper = &mut self.chunks[other];
        upper.keys[..moved].copy_from_slice(&keys[kept..]);
        upper.quantities[..moved].copy_from_slice(&quantities[kept..]);
        (self.lens[at], self.lens[at + 1]) = (kept as u32, moved as u32);
        let (at, place) = if place > kept { (at + 1, place - kept) } else { (at, place) };
        self.chunks[self.order[at] as usize].insert(place, key, quantity);
        self.lens[at] += 1;
    }

    /// A chunk has few levels: it goes if it has none, or joins one beside it.
    fn shrink(&mut self, at: usize) {
        if self.lens[at] > 0 {
            let joins = |below: usize| (self.lens[below] + self.lens[below + 1]) as usize <= SPARSE;
            let below = if at > 0 && joins(at - 1) {
                at - 1
            } else if at + 1 < self.lens.len() && joins(at) {
                at
            } else {
                return;
            };
            let (len, more) = (self.lens[below] as usize, self.lens[below + 1] as usize);
            let Chunk { keys, quantities } = self.chunks[self.order[below + 1] as usize].clone();
            let lower = &mut self.chunks[self.order[below] as usize];
            lower.keys[len..len + more].copy_from_slice(&keys[..more]);
            lower.quantities[len..len + more].copy_from_slice(&quantities[..more]);
            self.lens[below] += more as u32;
            return self.drop_chunk(below + 1);
        }
        self.drop_chunk(at);
    }

    fn drop_chunk(&mut self, at: usize) {
        self.free.push(self.order.remove(at));
        self.lens.remove(at);
        self.lows.remove(at);
        self.last = 0;
        if let Some(low) = self.lows.first_mut() {
            *low = i64::MIN;
        }
    }

    /// The keys and quantities, worst first, as a state holds them.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.order.iter().zip(&self.lens).flat_map(|(&chunk, &len)| {
            let Chunk { keys, quantities } = &self.chunks[chunk as usize];
            (0..len as usize).map(|place| (keys[place], quantities[place]))
        })
    }

    /// A side of such entries, if it can be one.
    pub(super) fn of_entries(entries: &[Entry], is_bid: bool) -> Option<Self> {
        let are_keys = entries.is_sorted_by(|a, b| a.0 < b.0)
            && entries.iter().all(|&(key, _)| if is_bid { key > 0 } else { key < 0 && key > i64::MIN });
        if !are_keys || entries.iter().any(|&(_, quantity)| quantity <= 0) {
            return None;
        }
        let mut side = Self { len: entries.len(), ..Self::default() };
        for (at, part) in entries.chunks(FILLED).enumerate() {
            let chunk = side.add_chunk(at, if at == 0 { i64::MIN } else { part[0].0 });
            side.lens[at] = part.len() as u32;
            for (place, &(key, quantity)) in part.iter().enumerate() {
                (side.chunks[chunk].keys[place], side.chunks[chunk].quantities[place]) = (key, quantity);
            }
        }
        Some(side)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::testing::words;

    #[test]
    fn prop_a_side_is_a_sorted_map() {
        for seed in 0..12 {
            let (mut side, mut slow) = (Levels::default(), BTreeMap::new());
            let width = [5, 60, 3_000][seed as usize % 3];
            for word in words(seed).take(6_000) {
                let (key, quantity) = (1 + (word >> 20) as i64 % width, (word as i64 & 15).saturating_sub(6).max(0));
                let better = slow.range(key + 1..).count();
                let known = if quantity == 0 { slow.remove(&key) } else { slow.insert(key, quantity) };
                let (rank, before) = side.set(key, quantity);
                assert_eq!(before, known.unwrap_or(0));
                let changes = known.is_some() || quantity != 0;
                assert!(if changes { rank <= better && (rank > 0) == (better > 0) } else { rank == usize::MAX });
                assert!(rank == better || better >= 64 || !changes, "{rank} {better}");
                assert_eq!((side.len(), side.is_empty()), (slow.len(), slow.is_empty()));
                if word >> 60 == 0 {
                    let levels: Vec<_> =
                        slow.iter().rev().map(|(&price, &quantity)| Level { price, quantity }).collect();
                    assert!(side.iter().eq(levels.iter().copied()));
                    assert!((0..levels.len() + 2).all(|rank| side.get(rank) == levels.get(rank).copied()));
                    let entries: Vec<_> = side.entries().collect();
                    assert_eq!(Levels::of_entries(&entries, true).as_ref(), Some(&side));
                }
                if word >> 56 == 1 && !slow.is_empty() {
                    slow.pop_first();
                    side.drop_worst();
                }
                if word >> 52 == 0 {
                    let (cut, kept) = (slow.split_off(&key), slow.len());
                    side.cut(key);
                    assert_eq!((side.len(), cut.contains_key(&key)), (kept, quantity != 0));
                }
            }
            side.clear();
            assert!(side.is_empty() && side.iter().next().is_none() && side.best() == i64::MIN);
            side.set(7, 1);
            assert_eq!(side.get(0), Some(Level { price: 7, quantity: 1 }));
        }
        let mut ends = Levels::default();
        for key in [i64::MAX, i64::MAX - 1, 1, -i64::MAX, i64::MAX] {
            ends.set(key, 3);
        }
        assert_eq!(ends.entries().map(|(key, _)| key).collect::<Vec<_>>(), [-i64::MAX, 1, i64::MAX - 1, i64::MAX]);
    }
}
