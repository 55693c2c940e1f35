//! Renko bricks: what is left of the prices of one group when all moves shorter than a brick are left out.
//!
//! A brick is not a bar of trades: one trade may complete several, and a brick may hold none. So bricks have a machine of
//! their own, which reads the same blocks as that of bars.
//!
//! What always holds between two trades: the last price lies in `lowest..=highest`, and a price outside completes a
//! brick.

use crate::core::block::Block;
use crate::core::block::contribution::BLOCK_ROWS;
use crate::core::block::convert::Buffers;
use crate::core::error::{Role, RowError, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::rules::{Move, first_outside};
use crate::core::time::calendar::Length;
use crate::core::time::clock::TimeUnit;
use crate::core::trades::columns::Trades;
use crate::core::trades::seen::Seen;
use crate::core::trades::steps::Steps;

/// Bricks that one trade may complete. A move of so many bricks is a wrong price, or a brick of a wrong size.
pub const MOST_OF_A_TRADE: usize = 100_000;

/// A brick; prices are raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brick {
    /// Where it begins.
    pub open: i64,
    /// Where it ends.
    pub close: i64,
    /// The row, of those that were pushed, that completed it.
    pub row: usize,
    /// The same, counted within the group.
    pub row_in_group: u64,
    /// The time of that row.
    pub time: i64,
}

/// Which way the last brick went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// There is no brick yet.
    None,
    Up,
    Down,
}

/// The bricks of one group. The state is the end of the last brick, however many trades are pushed, so splitting the
/// input never changes a bit.
///
/// ```
/// use rangebar_polars::core::{BrickBuilder, Buffers, Decimals, Move, Number, Numbers, TimeUnit, Trades};
///
/// let cents = Decimals::new(2).expect("at most 18");
/// let mut builder = BrickBuilder::new(Move::points(Number::Float(1.0), cents)?, cents, TimeUnit::Milliseconds);
/// let trades = Trades {
///     time: &[1, 2, 3, 4],
///     price: Numbers::F64(&[10.0, 12.5, 11.5, 9.9]), // two bricks up; one back is not enough, two are
///     quantity: None,
///     is_buyer_maker: None,
///     agg_trade_id: None,
///     individual_ids: None,
/// };
/// let mut bricks = Vec::new();
/// assert!(builder.push(trades, &mut Buffers::default(), &mut bricks, 1_000)?);
/// let ends: Vec<_> = bricks.iter().map(|brick| (brick.open, brick.close, brick.row)).collect();
/// assert_eq!(ends, [(1000, 1100, 1), (1100, 1200, 1), (1100, 1000, 3)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BrickBuilder {
    distance: Move,
    decimals: Decimals,
    steps: Steps,
    unit: TimeUnit,
    seen: Seen,
    /// Where the last brick ended, or the first price; before it, there is none.
    end: Option<i64>,
    way: Way,
    /// The size of the next brick.
    size: i128,
    /// The prices that complete no brick, `lowest..=highest`.
    lowest: i64,
    highest: i64,
}

impl BrickBuilder {
    /// A builder that has seen nothing, of bricks of a size, for prices of some decimals. From one trade to the next, time
    /// may step forward by the usual maximum.
    #[must_use]
    pub fn new(distance: Move, decimals: Decimals, unit: TimeUnit) -> Self {
        Self {
            distance,
            decimals,
            steps: Steps::usual(unit),
            unit,
            seen: Seen::default(),
            end: None,
            way: Way::None,
            size: 0,
            lowest: 0,
            highest: 0,
        }
    }

    /// The same with another longest step, or without a limit.
    #[must_use]
    pub fn with_max_step(self, longest: Option<Length>) -> Self {
        Self { steps: Steps::new(longest, self.unit), ..self }
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.seen.rows
    }

    /// Adds trades, of which only time and price are read, and appends the bricks that they complete. Returns false, and
    /// stops, if there are more than `most` bricks then: the builder is to be replaced by a copy from before.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule. A builder that returned an error must be dropped.
    pub fn push(
        &mut self,
        trades: Trades<'_>,
        buffers: &mut Buffers,
        bricks: &mut Vec<Brick>,
        most: usize,
    ) -> Result<bool, RowError> {
        for start in (0..trades.len()).step_by(BLOCK_ROWS) {
            let rows = trades.slice(start..trades.len().min(start + BLOCK_ROWS));
            let goes_on = match buffers.convert(rows, &self.seen, &self.steps, self.decimals) {
                Ok(block) => self.add(&block, start, bricks, most)?,
                Err(error) => {
                    // The rows before may break a rule that shows only when they are added.
                    let before = rows.slice(0..(error.row - self.seen.rows) as usize);
                    let before = buffers.convert(before, &self.seen, &self.steps, self.decimals)?;
                    if self.add(&before, start, bricks, most)? {
                        return Err(error);
                    }
                    false
                }
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds a block whose first row is number `start` of the push.
    fn add(&mut self, block: &Block<'_>, start: usize, bricks: &mut Vec<Brick>, most: usize) -> Result<bool, RowError> {
        let Some((&first, &last)) = block.price.first().zip(block.trades.time.last()) else { return Ok(true) };
        if self.end.is_none() {
            self.end_at(first, Way::None).map_err(|rule| block.error(Role::Price, 0, rule))?;
        }
        // As in most blocks: nothing to search.
        let is_inside = block.total.is_some_and(|total| total.low >= self.lowest && total.high <= self.highest);
        if !is_inside {
            let mut row = 0;
            while let Some(next) = first_outside(&block.price[row..], self.lowest, self.highest) {
                row += next;
                self.complete(block, row, start, bricks).map_err(|rule| block.error(Role::Price, row, rule))?;
                if bricks.len() > most {
                    return Ok(false);
                }
                row += 1;
            }
        }
        self.seen = Seen { last: Some((last, 0)), rows: self.seen.rows + block.len() as u64 };
        Ok(true)
    }

    /// Completes the bricks that the price of a row completes.
    fn complete(&mut self, block: &Block<'_>, row: usize, start: usize, bricks: &mut Vec<Brick>) -> Result<(), Rule> {
        let (price, known, before) = (block.price[row], bricks.len(), *self);
        while price < self.lowest || price > self.highest {
            let end = self.end.unwrap_or(price);
            if bricks.len() - known == MOST_OF_A_TRADE {
                let end = before.end.unwrap_or(price);
                return Err(Rule::BricksFit { price, end, size: before.size, decimals: self.decimals });
            }
            let (way, sign) = if price > self.highest { (Way::Up, 1) } else { (Way::Down, -1) };
            // After a turn, the first brick leads back over the last one.
            let is_turn = self.way != Way::None && self.way != way;
            let open = i128::from(end) + if is_turn { sign * self.size } else { 0 };
            let close = open + sign * self.size;
            // Both lie between the end and the price.
            let (open, close) = (open as i64, close as i64);
            bricks.push(Brick {
                open,
                close,
                row: start + row,
                row_in_group: block.first_row + row as u64,
                time: block.trades.time[row],
            });
            self.end_at(close, way)?;
        }
        Ok(())
    }

    /// The last brick ended at a price: which prices complete the next one.
    fn end_at(&mut self, end: i64, way: Way) -> Result<(), Rule> {
        let size = self.distance.from_open(end, self.decimals).map_err(|rule| match rule {
            Rule::LimitsApart { open, decimals, threshold_dbps } => {
                Rule::BrickHasSize { end: open, decimals, dbps: threshold_dbps }
            }
            other => other,
        })?;
        let reach = |is_turn: bool| if is_turn { 2 * size } else { size };
        // A limit beyond 64 bits is one that no price touches.
        let inside = |limit: i128| limit.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        (self.end, self.way, self.size) = (Some(end), way, size);
        self.highest = inside(i128::from(end) + reach(way == Way::Down) - 1);
        self.lowest = inside(i128::from(end) - reach(way == Way::Up) + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::numbers::fixed::{Number, Numbers};
    use crate::core::testing::{walk, words};

    fn no_decimals() -> Decimals {
        Decimals::new(0).expect("at most 18")
    }

    fn builder(distance: Move) -> BrickBuilder {
        BrickBuilder::new(distance, no_decimals(), TimeUnit::Milliseconds)
    }

    fn trades<'a>(time: &'a [i64], price: &'a [i64]) -> Trades<'a> {
        let price = Numbers::I64(price);
        Trades { time, price, quantity: None, is_buyer_maker: None, agg_trade_id: None, individual_ids: None }
    }

    /// All bricks of some prices, in one push.
    fn bricks(distance: Move, price: &[i64]) -> Result<Vec<Brick>, RowError> {
        let (time, mut out) = ((0..price.len() as i64).collect::<Vec<_>>(), Vec::new());
        let pushed =
            builder(distance).push(trades(&time, price), &mut Buffers::default(), &mut out, usize::MAX).map(|_| ());
        pushed.map(|()| out)
    }

    /// Ends and rows of bricks of one size, by the two edges of the last brick.
    fn by_edges(size: i64, price: &[i64]) -> Vec<(i64, i64, usize)> {
        let (mut top, mut bottom, mut out) = (price[0], price[0], Vec::new());
        for (row, &price) in price.iter().enumerate() {
            while price >= top + size {
                out.push((top, top + size, row));
                (bottom, top) = (top, top + size);
            }
            while price <= bottom - size {
                out.push((bottom, bottom - size, row));
                (top, bottom) = (bottom, bottom - size);
            }
        }
        out
    }

    #[test]
    fn prop_bricks_of_one_size_lie_between_edges() {
        for seed in 0..200 {
            let size = 1 + (seed as i64 % 40);
            let price = walk(seed, 3_000, 5_000, 1 + seed as i64 % 7);
            let found = bricks(Move::Points(size), &price).expect("valid prices");
            let ends: Vec<_> = found.iter().map(|brick| (brick.open, brick.close, brick.row)).collect();
            assert_eq!(ends, by_edges(size, &price), "{size}");
            assert!(found.iter().all(|brick| brick.row as u64 == brick.row_in_group && brick.time == brick.row as i64));
        }
    }

    #[test]
    fn prop_a_split_changes_nothing() {
        for (seed, distance) in (0..60).flat_map(|seed| [(seed, Move::Points(3)), (seed, Move::Dbps(90))]) {
            let price = walk(seed, 3_000, 9_000, 2);
            let whole = bricks(distance, &price).expect("valid prices");
            let time: Vec<_> = (0..price.len() as i64).collect();
            let (mut machine, mut at, mut parts) = (builder(distance), 0, Vec::new());
            for word in words(seed) {
                let end = price.len().min(at + 1 + word as usize % 1_500);
                let mut out = Vec::new();
                let rows = trades(&time[at..end], &price[at..end]);
                assert_eq!(machine.push(rows, &mut Buffers::default(), &mut out, usize::MAX), Ok(true));
                parts.extend(out.iter().map(|brick| Brick { row: brick.row + at, ..*brick }));
                at = end;
                if at == price.len() {
                    break;
                }
            }
            assert_eq!((parts, machine.rows()), (whole, 3_000));
        }
    }

    #[test]
    fn the_size_follows_the_end() {
        let found = bricks(Move::Dbps(10_000), &[1_000, 1_100, 1_209, 1_210, 1_210, 969, 968, 880, 871, 793, 792]);
        let ends: Vec<_> =
            found.expect("valid prices").iter().map(|brick| (brick.open, brick.close, brick.row)).collect();
        // 10 %: of 1210 it is 121, so the first brick down ends at 968, and the next at 968 - 96.
        assert_eq!(ends, [(1_000, 1_100, 1), (1_100, 1_210, 3), (1_089, 968, 6), (968, 872, 8)]);
    }

    #[test]
    fn prices_at_the_ends_of_64_bits() {
        let found = bricks(Move::Points(i64::MAX / 2), &[1, i64::MAX, 1]).expect("valid prices");
        let half = i64::MAX / 2;
        let ends: Vec<_> = found.iter().map(|brick| (brick.open, brick.close)).collect();
        assert_eq!(ends, [(1, 1 + half), (1 + half, 1 + 2 * half), (1 + half, 1)]);
        assert_eq!(bricks(Move::Dbps(100_000), &[3, i64::MAX, 1]).map(|bricks| bricks.len()), Ok(61));
    }

    #[test]
    fn too_many_bricks_and_bricks_of_no_size_are_refused() {
        let most = MOST_OF_A_TRADE as i64;
        assert_eq!(bricks(Move::Points(1), &[1, 1 + most]).map(|bricks| bricks.len()), Ok(MOST_OF_A_TRADE));
        let error = bricks(Move::Points(1), &[1, 1, 2 + most]).expect_err("a brick more");
        let rule = Rule::BricksFit { price: 2 + most, end: 1, size: 1, decimals: no_decimals() };
        assert_eq!(error, RowError { column: Role::Price, row: 2, rule });
        let no_size = |row, end| {
            let rule = Rule::BrickHasSize { end, decimals: no_decimals(), dbps: 10_000 };
            Err(RowError { column: Role::Price, row, rule })
        };
        assert_eq!(bricks(Move::Dbps(10_000), &[9, 10]), no_size(0, 9));
        assert_eq!(bricks(Move::Dbps(10_000), &[10, 11, 1]), no_size(2, 9));
    }

    #[test]
    fn the_first_bad_row_is_told_and_a_full_list_stops() {
        let mut out = Vec::new();
        let (time, price) = ([0, 1, 2, 1], [1, 2, 3, 4]);
        let error = builder(Move::Points(1)).push(trades(&time, &price), &mut Buffers::default(), &mut out, 9);
        let rule = Rule::TimeOrder { time: 1, previous: 2 };
        assert_eq!((error, out.len()), (Err(RowError { column: Role::Time, row: 3, rule }), 2));
        let full = builder(Move::Points(1)).push(trades(&time, &price), &mut Buffers::default(), &mut Vec::new(), 1);
        assert_eq!(full, Ok(false));
        let far = builder(Move::points(Number::Float(1.0), no_decimals()).expect("a distance"));
        let mut far = far.with_max_step(Some(Length::new(0, 1_000_000, TimeUnit::Milliseconds)));
        assert!(far.push(trades(&[0, 2], &[1, 1]), &mut Buffers::default(), &mut Vec::new(), 9).is_err());
    }
}
