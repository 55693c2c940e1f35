//! The levels of a forming bar.
//!
//! What always holds between two pushes: without a forming bar there are no levels; with one, each of its trades is in
//! the sums of one level, and `delta` is what was bought less what was sold.
//!
//! A push that may be undone marks the ladder. From then on a level is noted before the push first changes it, so going
//! back costs what the push changed and not what the bar holds. A bar that ends is put together as it was at the mark.

use std::ops::Range;

use super::levels::{Levels, Sums};
use super::{Footprint, FootprintOptions, Tick};
use crate::core::bars::bar::RangeBar;
use crate::core::block::contribution::NO_SELLER;
use crate::core::block::{Block, Quantities};
use crate::core::checkpoint::{CheckpointError, Put, Reader};

/// What is known of the footprint of a rule's forming bar.
#[derive(Debug, Clone)]
pub struct Ladder {
    options: FootprintOptions,
    levels: Levels,
    flow: Flow,
    /// Counts the marks; none was set yet at zero.
    push: u64,
    undo: Undo,
}

/// What was bought less what was sold, and its extremes after each trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flow {
    delta: i128,
    least: i128,
    most: i128,
}

/// The way back to a mark.
#[derive(Debug, Clone, Default)]
struct Undo {
    /// Levels at the mark.
    len: usize,
    flow: Flow,
    /// Levels of the mark that were changed since, with their numbers.
    changed: Vec<(usize, Sums)>,
    /// All levels of the mark, if their bar has ended since.
    ended: Option<Vec<Sums>>,
}

impl Default for Flow {
    fn default() -> Self {
        Self { delta: 0, least: i128::MAX, most: i128::MIN }
    }
}

impl Flow {
    /// Adds a part whose extremes are relative to where it begins.
    fn add(&mut self, part: Self) {
        self.least = self.least.min(self.delta + part.least);
        self.most = self.most.max(self.delta + part.most);
        self.delta += part.delta;
    }
}

impl Ladder {
    /// No bar yet.
    #[must_use]
    pub fn new(options: FootprintOptions) -> Self {
        Self { options, levels: Levels::default(), flow: Flow::default(), push: 0, undo: Undo::default() }
    }

    /// Adds rows of a block, at least one, which the bar holds already.
    pub fn add(&mut self, block: &Block<'_>, rows: Range<usize>) {
        let price = &block.price[rows.clone()];
        let seller = &block.seller.unwrap_or(&NO_SELLER)[rows.clone()];
        match block.quantity {
            Quantities::Narrow(quantity) => self.add_narrow(price, &quantity[rows], seller),
            Quantities::Wide(quantity) => {
                for ((&price, &quantity), &seller) in price.iter().zip(&quantity[rows]).zip(seller) {
                    self.push(price, quantity, seller != 0);
                }
            }
            Quantities::Absent => {
                for (&price, &seller) in price.iter().zip(seller) {
                    self.push(price, 0, seller != 0);
                }
            }
        }
    }

    /// The same for quantities of which a block fits 64 bits.
    fn add_narrow(&mut self, price: &[i64], quantity: &[i64], seller: &[i8]) {
        let Self { options: FootprintOptions { tick, .. }, levels, flow, push, undo } = self;
        // Most trades are at the level of the one before: they are added up before the level is. No sum exceeds 61 bits.
        let (mut lowest, mut number) = (i64::MIN, usize::MAX);
        let (mut volume, mut delta, mut delta_before) = (0_i64, 0_i64, 0_i64);
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for ((&price, &quantity), &seller) in price.iter().zip(quantity).zip(seller) {
            if price.wrapping_sub(lowest) as u64 >= tick.raw() as u64 {
                levels.add(number, volume, delta - delta_before);
                let level = tick.level(price);
                (lowest, number) = (tick.price(level), levels.number(level, *push));
                undo.note(levels, number, *push);
                (volume, delta_before) = (0, delta);
            }
            let sold = i64::from(seller); // all bits or none
            volume += quantity;
            delta += (quantity ^ sold) - sold;
            least = least.min(delta);
            most = most.max(delta);
        }
        levels.add(number, volume, delta - delta_before);
        flow.add(Flow { delta: delta.into(), least: least.into(), most: most.into() });
    }

    /// Adds a trade that the bar holds already.
    pub fn push(&mut self, price: i64, quantity: i128, is_sold: bool) {
        let step = if is_sold { -quantity } else { quantity };
        self.flow.add(Flow { delta: step, least: step, most: step });
        let number = self.levels.number(self.options.tick.level(price), self.push);
        self.undo.note(&mut self.levels, number, self.push);
        let sums = self.levels.get_mut(number);
        sums.volume += quantity;
        sums.sell_volume += if is_sold { quantity } else { 0 };
    }

    /// The bar ends: its footprint.
    pub fn take(&mut self) -> Box<Footprint> {
        if self.push > 0 && self.undo.ended.is_none() {
            self.undo.ended = Some(self.undo.levels(&self.levels));
            self.undo.changed.clear();
        }
        let flow = std::mem::take(&mut self.flow);
        footprint(&self.levels.take(), flow, self.options)
    }

    /// The footprint of the bar as it stands.
    #[must_use]
    pub fn forming(&self) -> Box<Footprint> {
        footprint(&self.levels.sorted(), self.flow, self.options)
    }

    /// Marks where [`Ladder::roll_back`] goes back to.
    pub fn begin_push(&mut self) {
        self.push += 1;
        let Self { levels, flow, undo, .. } = self;
        undo.changed.clear();
        (undo.len, undo.flow, undo.ended) = (levels.len(), *flow, None);
    }

    /// Goes back to the mark.
    pub fn roll_back(&mut self) {
        let Self { levels, flow, undo, .. } = self;
        match undo.ended.take() {
            Some(sums) => levels.restore(sums),
            None => levels.roll_back(undo.len, &undo.changed),
        }
        *flow = undo.flow;
        // As if the mark had just been set.
        undo.changed.clear();
    }

    /// Forgets the bar.
    pub fn clear(&mut self) {
        *self = Self::new(self.options);
    }

    /// Writes the levels of the forming bar, column by column.
    pub fn save(&self, out: &mut Vec<u8>) {
        let levels = self.levels.sorted();
        out.put(levels.len() as u64);
        levels.iter().for_each(|sums| out.put(sums.level));
        levels.iter().for_each(|sums| out.put(sums.volume));
        levels.iter().for_each(|sums| out.put(sums.sell_volume));
        out.put(self.flow.least);
        out.put(self.flow.most);
    }

    /// Reads what [`Ladder::save`] wrote of a bar.
    ///
    /// # Errors
    ///
    /// The bytes end too soon, or no trades of the bar lead to that.
    pub fn load(&mut self, from: &mut Reader<'_>, bar: &RangeBar) -> Result<(), CheckpointError> {
        let len: u64 = from.take()?;
        if !(1..=bar.agg_record_count).contains(&len) {
            return Err(CheckpointError::Impossible);
        }
        // Grown as the bytes come: a length that was altered must not ask for memory.
        let mut sums = Vec::new();
        for _ in 0..len {
            sums.push(Sums { level: from.take()?, push: 0, volume: 0, sell_volume: 0 });
        }
        for sums in &mut sums {
            sums.volume = from.take()?;
        }
        for sums in &mut sums {
            sums.sell_volume = from.take()?;
        }
        let (least, most) = (from.take()?, from.take()?);
        let flow = Flow { delta: bar.buy_volume() - bar.sell_volume(), least, most };
        self.clear();
        if !could_be(&sums, self.options.tick, bar) || !flow.could_be(bar) {
            return Err(CheckpointError::Impossible);
        }
        self.levels.restore(sums);
        self.flow = flow;
        Ok(())
    }
}

impl Undo {
    /// Notes a level of the mark before it is changed for the first time.
    #[inline]
    fn note(&mut self, levels: &mut Levels, number: usize, push: u64) {
        let sums = levels.get_mut(number);
        if sums.push != push {
            self.changed.push((number, *sums));
            sums.push = push;
        }
    }

    /// The levels of the mark.
    fn levels(&self, levels: &Levels) -> Vec<Sums> {
        let mut sums = levels.sums()[..self.len].to_vec();
        self.changed.iter().for_each(|&(number, before)| sums[number] = before);
        sums
    }
}

impl Flow {
    /// Whether trades of a bar can lead to this.
    fn could_be(&self, bar: &RangeBar) -> bool {
        let (bought, sold) = (bar.buy_volume(), bar.sell_volume());
        self.least <= self.delta && self.delta <= self.most && -sold <= self.least && self.most <= bought
    }
}

/// Whether these can be the levels of a bar.
fn could_be(sums: &[Sums], tick: Tick, bar: &RangeBar) -> bool {
    let total = |of: fn(&Sums) -> i128| sums.iter().try_fold(0_i128, |total, sums| total.checked_add(of(sums)));
    let has = |price: i64| sums.binary_search_by_key(&tick.level(price), |sums| sums.level).is_ok();
    sums.is_sorted_by(|a, b| a.level < b.level)
        && sums.first().map(|sums| sums.level) == Some(tick.level(bar.low))
        && sums.last().map(|sums| sums.level) == Some(tick.level(bar.high))
        && has(bar.open)
        && has(bar.close)
        && sums.iter().all(|sums| (0..=sums.volume).contains(&sums.sell_volume))
        && total(|sums| sums.volume) == Some(bar.volume())
        && total(|sums| sums.sell_volume) == Some(bar.sell_volume())
}

fn footprint(levels: &[Sums], flow: Flow, options: FootprintOptions) -> Box<Footprint> {
    Box::new(Footprint::new(levels, options.tick, (flow.least, flow.most), options.keeps_levels))
}
