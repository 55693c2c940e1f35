//! What is said of the levels of a bar that ended.

use super::Tick;
use super::levels::Sums;

/// How many times the volume of the other side makes a level an imbalance.
const IMBALANCE: i128 = 3;

/// Percent of the volume that the value area holds at least.
const VALUE_AREA: i128 = 70;

/// One level of a footprint, in raw integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level<T = i128> {
    /// Lowest price of the level.
    pub price: i64,
    /// Quantities whose aggressor bought.
    pub buy_volume: T,
    /// Quantities whose aggressor sold.
    pub sell_volume: T,
}

/// Levels that wait to become a column: of nearly all bars in half the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Narrow(Box<[Level<i64>]>),
    Wide(Box<[Level]>),
}

/// The footprint of a bar. Prices and volumes are raw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    kept: Kept,
    /// Lowest price of the level with the largest volume; of equals, the lowest level.
    pub poc: i64,
    /// Lowest price of the lowest level of the value area.
    pub value_area_low: i64,
    /// Lowest price of the highest level of the value area.
    pub value_area_high: i64,
    /// The least that was bought less what was sold, after any trade.
    pub min_delta: i128,
    /// The most.
    pub max_delta: i128,
    /// Levels at which three times as much was bought as was sold one level below.
    pub imbalances_up: u32,
    /// Levels at which three times as much was sold as was bought one level above.
    pub imbalances_down: u32,
    /// The longest run of the former.
    pub stacked_up: u32,
    /// The longest run of the latter.
    pub stacked_down: u32,
}

impl Footprint {
    /// The footprint of some levels, ascending and at least one.
    pub(super) fn new(levels: &[Sums], tick: Tick, (min_delta, max_delta): (i128, i128), keeps_levels: bool) -> Self {
        let poc = point_of_control(levels);
        let (low, high) = value_area(levels, poc);
        let price = |place: usize| levels.get(place).map_or(0, |sums| tick.price(sums.level));
        let (up, down) = imbalances(levels);
        Self {
            kept: Kept::of(if keeps_levels { levels } else { &[] }, tick),
            poc: price(poc),
            value_area_low: price(low),
            value_area_high: price(high),
            min_delta,
            max_delta,
            imbalances_up: up.count,
            imbalances_down: down.count,
            stacked_up: up.longest,
            stacked_down: down.longest,
        }
    }

    /// The levels with trades, ascending; none if they are not wanted.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        let (narrow, wide): (&[Level<i64>], &[Level]) = match &self.kept {
            Kept::Narrow(levels) => (levels, &[]),
            Kept::Wide(levels) => (&[], levels),
        };
        let widened = narrow.iter().map(|&Level { price, buy_volume, sell_volume }| Level {
            price,
            buy_volume: buy_volume.into(),
            sell_volume: sell_volume.into(),
        });
        widened.chain(wide.iter().copied())
    }

    /// Number of these.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.kept {
            Kept::Narrow(levels) => levels.len(),
            Kept::Wide(levels) => levels.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Kept {
    fn of(levels: &[Sums], tick: Tick) -> Self {
        if levels.iter().all(|sums| i64::try_from(sums.volume).is_ok()) {
            let narrow = levels.iter().map(|sums| Level {
                price: tick.price(sums.level),
                buy_volume: (sums.volume - sums.sell_volume) as i64,
                sell_volume: sums.sell_volume as i64,
            });
            return Self::Narrow(narrow.collect());
        }
        let wide = levels.iter().map(|sums| Level {
            price: tick.price(sums.level),
            buy_volume: sums.volume - sums.sell_volume,
            sell_volume: sums.sell_volume,
        });
        Self::Wide(wide.collect())
    }
}

/// The place of the level with the largest volume, of equals the lowest.
fn point_of_control(levels: &[Sums]) -> usize {
    let mut found = 0;
    for (place, sums) in levels.iter().enumerate() {
        if sums.volume > levels[found].volume {
            found = place;
        }
    }
    found
}

/// The places of the lowest and of the highest level of the range around a level that is grown, level by level, towards
/// the neighbour with more volume, upwards where they are equal, until it holds enough. Levels without trades hold
/// nothing, and none lies beyond those of the bar.
fn value_area(levels: &[Sums], poc: usize) -> (usize, usize) {
    let total: i128 = levels.iter().map(|sums| sums.volume).sum();
    // The least integer of at least so many percent, without a product that might not fit.
    let enough = total / 100 * VALUE_AREA + (total % 100 * VALUE_AREA + 99) / 100;
    let (mut low, mut high) = (poc, poc);
    let mut held = levels.get(poc).map_or(0, |sums| sums.volume);
    while held < enough {
        let above = levels.get(high + 1);
        let below = low.checked_sub(1).and_then(|place| levels.get(place));
        // Where levels without trades lie between, the neighbour is one of these.
        let beside = |from: usize, next: &Sums| levels[from].level.abs_diff(next.level) == 1;
        let volume_above = above.filter(|next| beside(high, next)).map_or(0, |next| next.volume);
        let volume_below = below.filter(|next| beside(low, next)).map_or(0, |next| next.volume);
        // Once a side goes into a gap, it goes through: the other neighbour has not changed, and is not larger.
        match (above, below) {
            (Some(next), Some(_)) if volume_above >= volume_below => (high, held) = (high + 1, held + next.volume),
            (Some(next), None) => (high, held) = (high + 1, held + next.volume),
            (_, Some(next)) => (low, held) = (low - 1, held + next.volume),
            (None, None) => break,
        }
    }
    (low, high)
}

/// Levels that are imbalances, and how they follow each other.
#[derive(Debug, Clone, Copy, Default)]
struct Imbalances {
    count: u32,
    longest: u32,
    run: u32,
    last: Option<i64>,
}

impl Imbalances {
    fn add(&mut self, level: i64) {
        self.run = if self.last.is_some_and(|last| last.abs_diff(level) == 1) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(level);
        self.count = self.count.saturating_add(1);
        self.longest = self.longest.max(self.run);
    }
}

/// The imbalances of buyers over the sellers one level below, and of sellers over the buyers one level above.
fn imbalances(levels: &[Sums]) -> (Imbalances, Imbalances) {
    let (mut up, mut down) = (Imbalances::default(), Imbalances::default());
    // A product that does not fit is more than any volume.
    let exceeds = |volume: i128, other: i128| other > 0 && other.checked_mul(IMBALANCE).is_some_and(|x| volume >= x);
    for pair in levels.windows(2) {
        let [below, above] = pair else { continue };
        if below.level.abs_diff(above.level) != 1 {
            continue;
        }
        let bought = |sums: &Sums| sums.volume - sums.sell_volume;
        if exceeds(bought(above), below.sell_volume) {
            up.add(above.level);
        }
        if exceeds(below.sell_volume, bought(above)) {
            down.add(below.level);
        }
    }
    (up, down)
}
