//! The triple barrier: which of three barriers the bars after an entry touch first.
//!
//! López de Prado (2018), *Advances in Financial Machine Learning*, chapter 3. The cost is O(n log n) for n bars, however
//! far ahead the third barrier is: bars pass once, and the entries that still wait are in two heaps, the nearest barrier
//! on top.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::core::time::calendar::Length;
use crate::core::time::clock::TimeUnit;

/// Bars in order, all slices of one length. Prices are finite and above zero, times do not go back.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    /// Prices of the first trade.
    pub open: &'a [f64],
    /// Highest prices.
    pub high: &'a [f64],
    /// Lowest prices.
    pub low: &'a [f64],
    /// Prices of the last trade.
    pub close: &'a [f64],
    /// Times of the first trade, which only entries at the open with a third barrier in time need.
    pub open_time: Option<&'a [i64]>,
    /// Times of the last trade.
    pub close_time: &'a [i64],
    /// How the time of the high compares with that of the low, equal where that is not known.
    pub high_to_low: Option<&'a [Ordering]>,
}

/// The distance of a barrier from the entry, as a fraction of its price; at least zero, infinite if there is none.
#[derive(Debug, Clone, Copy)]
pub enum Distance<'a> {
    /// One for all bars.
    Same(f64),
    /// One for each bar; NaN where it is unknown, and with it the label.
    Each(&'a [f64]),
}

impl Distance<'_> {
    fn at(&self, row: usize) -> f64 {
        match self {
            Self::Same(distance) => *distance,
            Self::Each(distances) => distances[row],
        }
    }
}

/// The price at which a label enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The close of the bar.
    Close,
    /// The open of the next bar.
    Open,
}

/// The three barriers.
#[derive(Debug, Clone, Copy)]
pub struct Barriers<'a> {
    /// Above the entry.
    pub take_profit: Distance<'a>,
    /// Below the entry.
    pub stop_loss: Distance<'a>,
    /// Bars after that of the label, at least one.
    pub max_bars: Option<usize>,
    /// Time after the entry, on a clock.
    pub max_time: Option<(Length, TimeUnit)>,
    /// The price of the entry.
    pub entry: Entry,
    /// Whether a bar that touches both without telling which came first is a stop; otherwise there is no label.
    pub both_stop: bool,
}

/// The barrier that was touched first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// The one above.
    TakeProfit,
    /// The one below.
    StopLoss,
    /// The end of the time.
    Time,
}

impl Touched {
    /// The words for barriers, in the order of the discriminants.
    pub const WORDS: [&'static str; 3] = ["take_profit", "stop_loss", "time"];

    /// The label: 1, -1, 0.
    #[must_use]
    pub fn label(self) -> i8 {
        match self {
            Self::TakeProfit => 1,
            Self::StopLoss => -1,
            Self::Time => 0,
        }
    }
}

/// How an entry ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exit {
    /// The barrier.
    pub touched: Touched,
    /// The row of the bar that decided.
    pub row: usize,
    /// Price of the exit over that of the entry, less one.
    pub rate: f64,
}

/// How the entry at each bar ended; `None` if the data ends first, or nothing can be told.
#[must_use]
pub fn triple_barrier(path: &Path<'_>, barriers: &Barriers<'_>) -> Vec<Option<Exit>> {
    let entries = Entries { path, barriers };
    let touches = entries.first_touches();
    (0..path.close.len()).map(|row| entries.exit(row, touches[row])).collect()
}

/// The entry of each bar.
struct Entries<'a> {
    path: &'a Path<'a>,
    barriers: &'a Barriers<'a>,
}

impl Entries<'_> {
    /// The row whose bar has the price of the entry.
    fn entry_row(&self, row: usize) -> usize {
        match self.barriers.entry {
            Entry::Close => row,
            Entry::Open => row + 1,
        }
    }

    /// The price of the entry, if there are data.
    fn price(&self, row: usize) -> Option<f64> {
        match self.barriers.entry {
            Entry::Close => self.path.close.get(row).copied(),
            Entry::Open => self.path.open.get(row + 1).copied(),
        }
    }

    fn upper(&self, row: usize, entry: f64) -> f64 {
        entry * (1.0 + self.barriers.take_profit.at(row))
    }

    fn lower(&self, row: usize, entry: f64) -> f64 {
        entry * (1.0 - self.barriers.stop_loss.at(row))
    }

    /// For each entry the first row after its bar that touches one of its prices, however far ahead.
    fn first_touches(&self) -> Vec<Option<usize>> {
        let mut touches = vec![None; self.path.close.len()];
        let (mut above, mut below) = (BinaryHeap::new(), BinaryHeap::new());
        let wait = |row: usize, above: &mut BinaryHeap<_>, below: &mut BinaryHeap<_>| {
            let Some(entry) = self.price(row) else { return };
            let (upper, lower) = (self.upper(row, entry), self.lower(row, entry));
            // Prices are above zero and finite; doubles above zero are in the order of their bits.
            if upper < f64::INFINITY {
                above.push(Reverse((upper.to_bits(), row)));
            }
            if lower > 0.0 {
                below.push((lower.to_bits(), row));
            }
        };
        for row in 0..self.path.close.len() {
            if row > 0 {
                wait(row - 1, &mut above, &mut below);
            }
            let (high, low) = (self.path.high[row].to_bits(), self.path.low[row].to_bits());
            while let Some(&Reverse((upper, entry))) = above.peek()
                && upper <= high
            {
                above.pop();
                touches[entry].get_or_insert(row);
            }
            while let Some(&(lower, entry)) = below.peek()
                && lower >= low
            {
                below.pop();
                touches[entry].get_or_insert(row);
            }
        }
        touches
    }

    fn exit(&self, row: usize, touch: Option<usize>) -> Option<Exit> {
        let entry = self.price(row)?;
        let (upper, lower) = (self.upper(row, entry), self.lower(row, entry));
        if upper.is_nan() || lower.is_nan() {
            return None;
        }
        let last = self.last_row(row);
        match touch.filter(|touch| *touch <= last) {
            Some(touch) => self.barrier_exit(touch, entry, upper, lower),
            // A third barrier before the bar of the entry cannot be kept.
            None if last < self.entry_row(row) => None,
            None => {
                let close = *self.path.close.get(last)?;
                Some(Exit { touched: Touched::Time, row: last, rate: close / entry - 1.0 })
            }
        }
    }

    /// The row of the third barrier; a row beyond the data if it is not there yet.
    fn last_row(&self, row: usize) -> usize {
        let by_bars = self.barriers.max_bars.map_or(usize::MAX, |bars| row.saturating_add(bars));
        let by_time = self.barriers.max_time.and_then(|(length, unit)| {
            let since = match self.barriers.entry {
                Entry::Close => self.path.close_time[row],
                Entry::Open => *self.path.open_time?.get(row + 1)?,
            };
            let until = length.after(since, unit);
            let next = self.path.close_time.partition_point(|time| *time <= until);
            // As long as no bar closes later, another one may still close in time.
            (next < self.path.close_time.len()).then(|| next.saturating_sub(1))
        });
        by_bars.min(by_time.unwrap_or(usize::MAX))
    }

    /// The exit at a bar that touches a barrier, or both.
    fn barrier_exit(&self, row: usize, entry: f64, upper: f64, lower: f64) -> Option<Exit> {
        let (open, high, low) = (self.path.open[row], self.path.high[row], self.path.low[row]);
        let order = self.path.high_to_low.map_or(Ordering::Equal, |orders| orders[row]);
        let touched = match (high >= upper, low <= lower, order) {
            (true, false, _) | (true, true, Ordering::Less) => Touched::TakeProfit,
            (true, true, Ordering::Equal) if !self.barriers.both_stop => return None,
            _ => Touched::StopLoss,
        };
        let price = match touched {
            Touched::TakeProfit => upper.max(open),
            _ => lower.min(open),
        };
        Some(Exit { touched, row, rate: price / entry - 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{walk, words};

    /// Bars that own their columns, with prices on a grid, so that ties are frequent.
    struct Owned {
        open: Vec<f64>,
        high: Vec<f64>,
        low: Vec<f64>,
        close: Vec<f64>,
        open_time: Vec<i64>,
        close_time: Vec<i64>,
        order: Vec<Ordering>,
    }

    fn owned(seed: u64, rows: usize) -> Owned {
        let (open, close) = (walk(seed, rows, 40, 1), walk(seed + 1, rows, 40, 1));
        let mut steps = words(seed + 2);
        let mut step = |most: u64| (steps.next().unwrap() % most) as i64;
        let mut bars = Owned {
            open: open.iter().map(|p| *p as f64).collect(),
            high: (0..rows).map(|i| (open[i].max(close[i]) + step(3)) as f64).collect(),
            low: (0..rows).map(|i| (open[i].min(close[i]) - step(3)).max(1) as f64).collect(),
            close: close.iter().map(|p| *p as f64).collect(),
            open_time: Vec::new(),
            close_time: Vec::new(),
            order: (0..rows).map(|_| step(3).cmp(&1)).collect(),
        };
        let mut time = 0;
        for _ in 0..rows {
            time += step(3);
            bars.open_time.push(time);
            time += step(4);
            bars.close_time.push(time);
        }
        bars
    }

    impl Owned {
        fn path(&self, rows: usize) -> Path<'_> {
            Path {
                open: &self.open[..rows],
                high: &self.high[..rows],
                low: &self.low[..rows],
                close: &self.close[..rows],
                open_time: Some(&self.open_time[..rows]),
                close_time: &self.close_time[..rows],
                high_to_low: Some(&self.order[..rows]),
            }
        }
    }

    /// The definition, bar by bar.
    fn by_hand(path: &Path<'_>, barriers: &Barriers<'_>, row: usize) -> Option<Exit> {
        let rows = path.close.len();
        let is_close = barriers.entry == Entry::Close;
        let entry = if is_close { path.close[row] } else { *path.open.get(row + 1)? };
        let upper = entry * (1.0 + barriers.take_profit.at(row));
        let lower = entry * (1.0 - barriers.stop_loss.at(row));
        let until = barriers.max_time.map(|(length, unit)| {
            length.after(if is_close { path.close_time[row] } else { path.open_time.unwrap()[row + 1] }, unit)
        });
        let time = |last: usize| {
            (is_close || last > row).then(|| Exit {
                touched: Touched::Time,
                row: last,
                rate: path.close[last] / entry - 1.0,
            })
        };
        for next in row + 1..rows {
            if until.is_some_and(|until| path.close_time[next] > until) {
                return time(next - 1);
            }
            let (is_above, is_below) = (path.high[next] >= upper, path.low[next] <= lower);
            let take = Exit { touched: Touched::TakeProfit, row: next, rate: upper.max(path.open[next]) / entry - 1.0 };
            let stop = Exit { touched: Touched::StopLoss, row: next, rate: lower.min(path.open[next]) / entry - 1.0 };
            match (is_above, is_below) {
                (true, true) => {
                    return match path.high_to_low.map_or(Ordering::Equal, |order| order[next]) {
                        Ordering::Less => Some(take),
                        Ordering::Greater => Some(stop),
                        Ordering::Equal => barriers.both_stop.then_some(stop),
                    };
                }
                (true, false) => return Some(take),
                (false, true) => return Some(stop),
                (false, false) => {}
            }
            if barriers.max_bars.is_some_and(|bars| next - row >= bars) {
                return time(next);
            }
        }
        None
    }

    #[test]
    fn it_is_the_definition_bar_by_bar() {
        let unit = TimeUnit::Milliseconds;
        for seed in 0..400 {
            let rows = 1 + (seed as usize * 7) % 60;
            let bars = owned(seed, rows);
            let mut draw = words(seed + 3);
            let mut one_of = |most: u64| (draw.next().unwrap() % most) as usize;
            let distances = [0.0, 0.025, 0.05, 0.1, 0.5, 1.0, f64::INFINITY, f64::NAN];
            let each: Vec<_> = (0..rows).map(|_| distances[one_of(8)]).collect();
            let max_time = (one_of(2) == 0).then(|| (Length::new(0, one_of(9) as i128 * 1_000_000, unit), unit));
            let max_bars = (max_time.is_none() || one_of(2) == 0).then(|| 1 + one_of(12));
            let barriers = Barriers {
                take_profit: if one_of(2) == 0 { Distance::Same(0.05) } else { Distance::Each(&each) },
                stop_loss: Distance::Same(distances[one_of(7)]),
                max_bars,
                max_time,
                entry: if one_of(2) == 0 { Entry::Close } else { Entry::Open },
                both_stop: one_of(2) == 0,
            };
            let mut path = bars.path(rows);
            path.high_to_low = path.high_to_low.filter(|_| one_of(3) > 0);
            let found = triple_barrier(&path, &barriers);
            let unknown = |row: usize| barriers.take_profit.at(row).is_nan();
            let expected: Vec<_> =
                (0..rows).map(|row| if unknown(row) { None } else { by_hand(&path, &barriers, row) }).collect();
            assert_eq!(found, expected, "seed {seed}");
        }
    }

    #[test]
    fn a_cut_takes_labels_away_and_changes_none() {
        let bars = owned(5, 80);
        let barriers = Barriers {
            take_profit: Distance::Same(0.1),
            stop_loss: Distance::Same(0.1),
            max_bars: Some(9),
            max_time: Some((Length::new(0, 15_000_000, TimeUnit::Milliseconds), TimeUnit::Milliseconds)),
            entry: Entry::Open,
            both_stop: true,
        };
        let whole = triple_barrier(&bars.path(80), &barriers);
        for rows in 0..80 {
            for (cut, whole) in triple_barrier(&bars.path(rows), &barriers).iter().zip(&whole) {
                assert!(cut.is_none() || cut == whole);
            }
        }
    }
}
