//! The window before a bar: which rows it holds, and its exact totals kept up to date while it moves on.

use std::collections::VecDeque;

use super::held_rows::HeldRows;
use crate::core::block::Quantities;
use crate::core::features::complexity::Patterns;
use crate::core::features::statistic::Statistics;
use crate::core::features::window::{OF_PATH, OF_PATTERNS, OF_TURNOVER, Totals, Window};
use crate::core::numbers::decimals::Decimals;
use crate::core::time::calendar::Length;
use crate::core::trades::sides::Side;

/// How far windows before a bar reach back. They hold trades strictly older than the bar's open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookback {
    /// The last so many trades.
    Trades(u64),
    /// Trades not older than this before the open.
    Time(Length),
    /// Trades since the first of the last so many bars.
    Bars(u64),
}

/// A sum of a window's turnovers is beyond 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// Totals of a window that moves forward.
///
/// Counts, sums, extremes and order patterns are integers, so taking a row out undoes exactly what putting it in did: a
/// window that moves by a few rows costs a few rows, and its totals are those of a window made anew. The float sums
/// behind skewness, kurtosis, burstiness and the Hurst exponent have no exact way back and are made anew.
#[derive(Debug, Clone, Default)]
pub struct Sliding {
    /// First row of the window.
    start: u64,
    /// Row behind the last.
    end: u64,
    volume: i128,
    turnover: i128,
    sell_volume: i128,
    sells: u64,
    path: u128,
    patterns: Patterns,
    highs: Extremes,
    lows: Extremes,
}

/// Rows that are, or may become, the extreme of the window: each beats all behind it.
#[derive(Debug, Clone, Default)]
struct Extremes(VecDeque<(u64, i64)>);

impl Extremes {
    fn push(&mut self, row: u64, price: i64, beats: impl Fn(i64, i64) -> bool) {
        while self.0.back().is_some_and(|&(_, last)| !beats(last, price)) {
            self.0.pop_back();
        }
        self.0.push_back((row, price));
    }

    fn drop_before(&mut self, row: u64) {
        while self.0.front().is_some_and(|&(first, _)| first < row) {
            self.0.pop_front();
        }
    }

    fn first(&self) -> i64 {
        self.0[0].1
    }
}

impl Sliding {
    /// Moves to a window that ends no earlier; its rows and those that leave it are held. One that starts earlier, as a
    /// month before may, is made anew.
    ///
    /// # Errors
    ///
    /// The turnover does not fit; the window is then to be forgotten.
    pub fn move_to(&mut self, rows: &HeldRows, start: u64, end: u64, wanted: Statistics) -> Result<(), Overflow> {
        if start < self.start {
            *self = Self { start, end: start, ..Self::default() };
        }
        self.leave(rows, start, wanted);
        while self.end < end {
            self.enter(rows, wanted)?;
        }
        Ok(())
    }

    /// Takes out the rows before a number.
    pub fn leave(&mut self, rows: &HeldRows, start: u64, wanted: Statistics) {
        if start >= self.end {
            *self = Self { start, end: start, ..Self::default() };
            return;
        }
        while self.start < start {
            let window = rows.window(self.start..self.end.min(self.start + 3));
            let row = Row::of(&window, 0, wanted);
            self.volume -= row.quantity;
            self.turnover -= row.turnover;
            self.sell_volume -= row.sold;
            self.sells -= row.sells;
            if wanted.has_any(OF_PATH) && window.price.len() > 1 {
                self.path -= u128::from(window.price[0].abs_diff(window.price[1]));
            }
            if wanted.has_any(OF_PATTERNS)
                && let [a, b, c] = *window.price
            {
                self.patterns.remove([a, b, c]);
            }
            self.start += 1;
        }
        self.highs.drop_before(start);
        self.lows.drop_before(start);
    }

    /// Puts in the row behind the last.
    fn enter(&mut self, rows: &HeldRows, wanted: Statistics) -> Result<(), Overflow> {
        let window = rows.window(self.start.max(self.end.saturating_sub(2))..self.end + 1);
        let last = window.price.len() - 1;
        let row = Row::of(&window, last, wanted);
        self.volume += row.quantity;
        self.turnover = self.turnover.checked_add(row.turnover).ok_or(Overflow)?;
        self.sell_volume += row.sold;
        self.sells += row.sells;
        if wanted.has_any(OF_PATH) && last > 0 {
            self.path += u128::from(window.price[last].abs_diff(window.price[last - 1]));
        }
        if wanted.has_any(OF_PATTERNS)
            && let [a, b, c] = *window.price
        {
            self.patterns.add([a, b, c]);
        }
        self.highs.push(self.end, window.price[last], |last, price| last > price);
        self.lows.push(self.end, window.price[last], |last, price| last < price);
        self.end += 1;
        Ok(())
    }

    /// The totals, of a window with a row at least.
    pub fn totals(&self, window: &Window<'_>, price_decimals: Decimals, duration_us: i64, lacks_side: bool) -> Totals {
        Totals {
            price_decimals,
            rows: self.end - self.start,
            duration_us,
            first: window.price[0],
            last: window.price[window.price.len() - 1],
            high: self.highs.first(),
            low: self.lows.first(),
            volume: self.volume,
            turnover: self.turnover,
            sell_volume: self.sell_volume,
            sells: self.sells,
            lacks_side,
            path: self.path,
            patterns: self.patterns,
        }
    }
}

/// What one row adds.
struct Row {
    quantity: i128,
    turnover: i128,
    sold: i128,
    sells: u64,
}

impl Row {
    #[inline]
    fn of(window: &Window<'_>, row: usize, wanted: Statistics) -> Self {
        let quantity = match window.quantity {
            // A column that is not held is empty.
            Quantities::Absent | Quantities::Narrow([]) | Quantities::Wide([]) => 0,
            Quantities::Narrow(raw) => i128::from(raw[row]),
            Quantities::Wide(raw) => raw[row],
        };
        let is_sold = !window.side.is_empty() && window.side[row] == Side::Sold;
        // A row whose product does not fit was refused by its bar.
        let turnover =
            if wanted.has_any(OF_TURNOVER) { i128::from(window.price[row]).wrapping_mul(quantity) } else { 0 };
        Self { quantity, turnover, sold: if is_sold { quantity } else { 0 }, sells: u64::from(is_sold) }
    }
}
