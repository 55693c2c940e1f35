//! The state machine that every route drives: trades in, closed bars out, one forming bar kept.
//!
//! What always holds between two pushes:
//!
//! - `seen.rows` is the number of trades taken, and the next trade must come after `seen.last`.
//! - A rule has one forming bar or none. The bar holds every row since its open, so its last row is the last row seen.
//! - `period` is a cache: it is that of the last row, or absent and computed when it is asked for.
//! - Windows exist only if a statistic of rows is asked for. They take a block before the bars do.
//! - Each rule has a ladder, or none has. A ladder takes rows after its bar did, and holds those of its forming bar.
//!
//! The builder owns no column and no scratch memory. Columns are borrowed for a push, and [`Buffers`] are lent by the
//! caller, one for any number of builders. The list of windows that wait to be computed lies in the buffers too, and is
//! swapped into the builder for the time of a push. Closed bars go to the caller; the builder only counts them.
//!
//! How trades are cut into pushes, and pushes into blocks, never changes a bit of a bar.
//!
//! A push that fails leaves the rows before the bad one in the state. The caller then drops the builder, or calls
//! [`BarBuilder::roll_back`] with the copy that [`BarBuilder::begin_push`] made. [`BarBuilder::try_extend`] cannot fail:
//! it takes a trade, or changes nothing. [`BarBuilder::load`] that fails leaves a builder to be dropped.

mod state;
mod track;

use std::ops::Range;

use self::track::Track;
use super::bar::{CloseReason, RangeBar};
use crate::core::block::Block;
use crate::core::block::contribution::BLOCK_ROWS;
use crate::core::block::convert::Buffers;
use crate::core::error::RowError;
use crate::core::footprint::{Footprint, FootprintOptions, Ladder};
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::Numbers;
use crate::core::rules::{AnyRule, Breaks, CloseRule};
use crate::core::time::calendar::{Length, Period};
use crate::core::time::clock::TimeUnit;
use crate::core::trades::bits::Bits;
use crate::core::trades::columns::Trades;
use crate::core::trades::seen::Seen;
use crate::core::trades::sides::{Side, Sides};
use crate::core::trades::steps::Steps;
use crate::core::trades::trade::{PlainTrade, Trade};
use crate::core::windows::{RunAll, WindowOptions, WindowValues, Windows, in_turn};

/// Blocks whose windows are computed together when several threads do it: a few milliseconds of work, and few rows to
/// hold.
const BLOCKS_SIDE_BY_SIDE: usize = 64;

/// The approximate maximum of windows that wait to be computed.
const MOST_WAITING: usize = 4_096;

/// A bar that ended, and the row (of the trades pushed) that ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedBar {
    /// The row of the closing trade; where no trade closed the bar, that of the trade that ended it, which is not in it.
    pub row: usize,
    /// The number of the rule that made the bar.
    pub rule: usize,
    /// The bar.
    pub bar: RangeBar,
    /// The statistics of its windows, if any are wanted.
    pub windows: Option<Box<WindowValues>>,
    /// Its footprint, if it is wanted.
    pub footprint: Option<Box<Footprint>>,
}

impl ClosedBar {
    /// The bar with its windows and its footprint, which are taken out of it.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self { windows: self.windows.take(), footprint: self.footprint.take(), ..*self }
    }

    /// The first row that is not in the bar.
    #[must_use]
    pub fn end(&self) -> usize {
        self.row + usize::from(self.bar.close_reason == CloseReason::Threshold)
    }
}

/// The bars of one group, by one rule or by several over the same trades. The state is one forming bar per rule, and
/// the rows that windows still need, however many trades are pushed, so splitting the input never changes a bit.
///
/// ```
/// use rangebar_polars::core::{BarBuilder, Breaks, Buffers, Numbers, RangeRule, TimeUnit, Trades, WindowOptions};
///
/// let rule = RangeRule::dbps(1_000, true)?;
/// let mut builder = BarBuilder::new(&[rule], Breaks::default(), TimeUnit::Microseconds, WindowOptions::default());
/// let trades = Trades {
///     time: &[1, 2, 3, 4],
///     price: Numbers::F64(&[100.0, 100.5, 101.0, 101.0]), // 1 % above the open: the third trade closes
///     quantity: Some(Numbers::F64(&[1.0, 2.0, 3.0, 4.0])),
///     is_buyer_maker: None,
///     agg_trade_id: None,
///     individual_ids: None,
/// };
/// let mut closed = Vec::new();
/// builder.push(trades, &mut Buffers::default(), &mut closed)?;
/// assert_eq!((closed.len(), closed[0].row), (1, 2));
/// assert_eq!(closed[0].bar.volume(), 600_000_000);
/// assert_eq!(builder.forming().next().map(|(_, bar)| bar.agg_record_count), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BarBuilder {
    unit: TimeUnit,
    breaks: Breaks,
    steps: Steps,
    price_decimals: Decimals,
    /// The period of the last row, once it has been computed.
    period: Option<Period>,
    seen: Seen,
    tracks: Vec<Track>,
    windows: Option<Box<Windows>>,
    /// What is known of the footprint of each rule's forming bar; nothing if none is wanted.
    ladders: Vec<Ladder>,
    /// Whether a trade without a side is one whose side is not known, rather than one of an input without sides.
    may_lack_side: bool,
}

impl BarBuilder {
    /// A builder that has seen nothing. From one trade to the next, time may step forward by the usual maximum, and prices
    /// have as many decimals as usual.
    pub fn new(rules: &[impl Copy + Into<AnyRule>], breaks: Breaks, unit: TimeUnit, windows: WindowOptions) -> Self {
        let on_clock = |&rule: &_| {
            let mut rule: AnyRule = Into::into(rule);
            rule.on_clock(unit);
            rule
        };
        let tracks = rules.iter().map(on_clock).map(|rule| Track { rule, closed: 0, forming: None }).collect();
        let windows = Windows::new(windows, rules.len(), unit);
        Self {
            unit,
            breaks,
            steps: Steps::usual(unit),
            price_decimals: Decimals::default(),
            period: None,
            seen: Seen::default(),
            tracks,
            windows,
            ladders: Vec::new(),
            may_lack_side: false,
        }
    }

    /// The same with another longest step, or without a limit.
    #[must_use]
    pub fn with_max_step(self, longest: Option<Length>) -> Self {
        Self { steps: Steps::new(longest, self.unit), ..self }
    }

    /// The same with other decimals of prices. A rule that holds raw prices must be of the same.
    #[must_use]
    pub fn with_price_decimals(self, price_decimals: Decimals) -> Self {
        Self { price_decimals, ..self }
    }

    /// The same with the footprints of its bars, whose tick must be of the same decimals as the prices.
    #[must_use]
    pub fn with_footprint(self, footprint: Option<FootprintOptions>) -> Self {
        let ladders = footprint.map_or_else(Vec::new, |options| vec![Ladder::new(options); self.tracks.len()]);
        Self { ladders, ..self }
    }

    /// The same for an input with sides in which a trade may lack one, or a push all of them. What needs the side is
    /// then undefined in the bars and windows that hold such a trade, and in no other.
    #[must_use]
    pub fn with_missing_sides(self, may_lack_side: bool) -> Self {
        Self { may_lack_side, ..self }
    }

    /// The bars still forming, each with the number of its rule.
    pub fn forming(&self) -> impl Iterator<Item = (usize, &RangeBar)> {
        let tracks = self.tracks.iter().enumerate();
        tracks.filter_map(|(rule, track)| track.forming.as_ref().map(|bar| (rule, bar)))
    }

    /// The statistics of the windows of a rule's forming bar, if any are wanted.
    #[must_use]
    pub fn forming_windows(&self, rule: usize, bar: &RangeBar) -> Option<Box<WindowValues>> {
        self.windows.as_ref().map(|windows| windows.forming(rule, bar, self.seen.rows))
    }

    /// The footprint of a rule's forming bar, if it is wanted.
    #[must_use]
    pub fn forming_footprint(&self, rule: usize) -> Option<Box<Footprint>> {
        self.ladders.get(rule).map(Ladder::forming)
    }

    /// Number of bars that the first rule has closed so far, which is the number of the bar that the next trade is in,
    /// unless it ends that bar as an orphan.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.tracks.first().map_or(0, |track| track.closed)
    }

    /// The position that the next row must come after.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Stores in another builder with the same parameters what [`BarBuilder::roll_back`] needs to return to this point.
    pub fn begin_push(&mut self, copy: &mut Self) {
        copy.copy_from(self);
        debug_assert_eq!(self.windows.is_some(), copy.windows.is_some(), "a copy of other parameters");
        if let (Some(windows), Some(copy)) = (&mut self.windows, &mut copy.windows) {
            windows.begin_push();
            copy.copy_from(windows);
        }
        self.ladders.iter_mut().for_each(Ladder::begin_push);
    }

    /// Undoes everything since [`BarBuilder::begin_push`].
    pub fn roll_back(&mut self, copy: &Self) {
        self.copy_from(copy);
        debug_assert_eq!(self.windows.is_some(), copy.windows.is_some(), "a copy of other parameters");
        if let (Some(windows), Some(copy)) = (&mut self.windows, &copy.windows) {
            windows.roll_back(copy);
        }
        self.ladders.iter_mut().for_each(Ladder::roll_back);
    }

    /// Copies another builder, except its windows and ladders, into the memory that it already has.
    fn copy_from(&mut self, other: &Self) {
        self.tracks.clone_from(&other.tracks);
        (self.period, self.seen) = (other.period, other.seen);
    }

    /// Adds trades and appends the bars that they end to `closed`, ordered by the row that ends them, then by rule.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule. Trades before it may already be in the state: a builder that returned an error
    /// must be dropped.
    pub fn push(
        &mut self,
        trades: Trades<'_>,
        buffers: &mut Buffers,
        closed: &mut Vec<ClosedBar>,
    ) -> Result<(), RowError> {
        self.push_blocks(trades, buffers, closed, 1, &in_turn)
    }

    /// As [`BarBuilder::push`], but the statistics of windows are computed by `run_all`, many at a time.
    ///
    /// # Errors
    ///
    /// As [`BarBuilder::push`].
    pub fn push_side_by_side(
        &mut self,
        trades: Trades<'_>,
        buffers: &mut Buffers,
        closed: &mut Vec<ClosedBar>,
        run_all: RunAll<'_>,
    ) -> Result<(), RowError> {
        self.push_blocks(trades, buffers, closed, BLOCKS_SIDE_BY_SIDE, run_all)
    }

    /// Adds trades, and computes the windows after every few blocks.
    fn push_blocks(
        &mut self,
        trades: Trades<'_>,
        buffers: &mut Buffers,
        closed: &mut Vec<ClosedBar>,
        blocks: usize,
        run_all: RunAll<'_>,
    ) -> Result<(), RowError> {
        let known = closed.len();
        if let Some(windows) = &mut self.windows {
            windows.swap_waiting(&mut buffers.waiting);
        }
        let mut computed = known;
        let result = (0..trades.len()).step_by(BLOCK_ROWS).enumerate().try_for_each(|(number, start)| {
            let end = trades.len().min(start + BLOCK_ROWS);
            if let Some(windows) = self.windows.as_mut().filter(|_| number % blocks == 0) {
                windows.reserve((trades.len() - start).min(blocks * BLOCK_ROWS));
            }
            self.push_block(trades.slice(start..end), start, buffers, closed)?;
            let are_many = self.windows.as_ref().is_some_and(|windows| windows.waiting().count() > MOST_WAITING);
            if (number + 1) % blocks == 0 || end == trades.len() || are_many {
                self.compute(&mut closed[computed..], run_all);
                computed = closed.len();
            }
            Ok(())
        });
        if let Some(windows) = &mut self.windows {
            windows.swap_waiting(&mut buffers.waiting);
            windows.shrink();
            buffers.waiting.clear(); // left by a push that failed
        }
        if self.tracks.len() > 1 {
            closed[known..].sort_by_key(|closed| (closed.row, closed.rule));
        }
        result
    }

    /// Adds at most a block of trades; the first is row `start` of the push.
    fn push_block(
        &mut self,
        trades: Trades<'_>,
        start: usize,
        buffers: &mut Buffers,
        closed: &mut Vec<ClosedBar>,
    ) -> Result<(), RowError> {
        let trades = if self.may_lack_side { with_sides(trades) } else { trades };
        match buffers.convert(trades, &self.seen, &self.steps, self.price_decimals) {
            Ok(block) => self.add(&block, start, closed),
            Err(error) => {
                // The rows before may break a rule that shows only when they are added.
                let before = trades.slice(0..(error.row - self.seen.rows) as usize);
                let before = buffers.convert(before, &self.seen, &self.steps, self.price_decimals)?;
                self.add(&before, start, closed)?;
                Err(error)
            }
        }
    }

    /// Adds a trade that breaks no rule and neither opens nor ends a bar, as most do: this cannot fail. Otherwise it
    /// does nothing, and the caller must use [`BarBuilder::push_trade`].
    pub fn try_extend(&mut self, trade: &Trade) -> bool {
        // With several rules, one might take the trade and the next refuse it.
        let [Track { rule, forming: Some(bar), .. }] = &mut self.tracks[..] else { return false };
        let Some((price, quantity)) = trade.plain(&self.seen, &self.steps, self.price_decimals) else { return false };
        let unknown = if self.may_lack_side { Some(Side::Unknown) } else { None };
        let side = trade.is_buyer_maker.map(Side::of).or(unknown);
        let plain = PlainTrade { time: trade.time, price, quantity, trades: trade.trades(), side };
        let is_inside = self.breaks == Breaks::default() && rule.stays_open(bar, &plain);
        if is_inside && bar.try_extend(trade, side, (price, quantity), &self.seen, self.unit) {
            self.seen.last = Some((trade.time, trade.agg_trade_id.unwrap_or(0)));
            self.seen.rows += 1;
            if let Some(windows) = &mut self.windows {
                windows.push(trade.time, price, quantity, side);
                windows.trim(forming_rows(&self.tracks), trade.time);
            }
            if let Some(ladder) = self.ladders.first_mut() {
                ladder.push(price, quantity.into(), side == Some(Side::Sold));
            }
            return true;
        }
        false
    }

    /// Adds one trade; as [`BarBuilder::push`] of one row.
    ///
    /// # Errors
    ///
    /// As [`BarBuilder::push`].
    pub fn push_trade(
        &mut self,
        trade: &Trade,
        buffers: &mut Buffers,
        closed: &mut Vec<ClosedBar>,
    ) -> Result<(), RowError> {
        let side = [u8::from(trade.is_buyer_maker == Some(true))];
        let ids = trade.individual_ids.map(|(first, last)| ([first], [last]));
        let row = Trades {
            time: &[trade.time],
            price: Numbers::one(&trade.price),
            quantity: Some(Numbers::one(&trade.quantity)),
            is_buyer_maker: trade.is_buyer_maker.and_then(|_| Bits::new(&side, 0, 1)).map(Sides::from),
            agg_trade_id: trade.agg_trade_id.as_ref().map(std::slice::from_ref),
            individual_ids: ids.as_ref().map(|(first, last)| (&first[..], &last[..])),
        };
        self.push(row, buffers, closed)
    }

    /// Adds a block whose first row is number `start` of the push.
    fn add(&mut self, block: &Block<'_>, start: usize, closed: &mut Vec<ClosedBar>) -> Result<(), RowError> {
        if let Some(windows) = &mut self.windows {
            windows.append(block);
        }
        let time = block.trades.time;
        let mut previous = self.seen.last.map(|(time, _)| time);
        let mut row = 0;
        while row < block.len() {
            let broken = previous.and_then(|at| self.breaks.between(at, time[row], self.unit, &mut self.period));
            if let Some(reason) = broken {
                self.end_bars(reason, block.first_row + row as u64, start + row, closed);
            }
            let end = row + self.breaks.unbroken(&time[row..], self.unit, self.period);
            self.add_unbroken(block, row..end, start, closed)?;
            previous = Some(time[end - 1]);
            row = end;
        }
        let id = block.trades.agg_trade_id.and_then(|ids| ids.last()).copied().unwrap_or_default();
        self.seen.last = previous.map(|time| (time, id));
        self.seen.rows += block.len() as u64;
        Ok(())
    }

    /// Ends every forming bar as an orphan: the next row is number `next` of the group and number `row` of the push.
    fn end_bars(&mut self, reason: CloseReason, next: u64, row: usize, closed: &mut Vec<ClosedBar>) {
        self.end_some(next, row, closed, |track| track.end(reason));
        if let Some(windows) = &mut self.windows {
            windows.start_anew(next);
        }
    }

    /// Ends the forming bars that may not hold a trade at a time.
    fn end_late_bars(&mut self, time: i64, closed: &mut Vec<ClosedBar>) {
        let take = |track: &mut Track| if track.is_too_late(time) { track.take(CloseReason::Time) } else { None };
        self.end_some(self.seen.rows, 0, closed, take);
    }

    /// Ends the forming bars that `take` takes; the rows are those of [`BarBuilder::end_bars`].
    fn end_some(
        &mut self,
        next: u64,
        row: usize,
        closed: &mut Vec<ClosedBar>,
        take: impl Fn(&mut Track) -> Option<RangeBar>,
    ) {
        for (rule, track) in self.tracks.iter_mut().enumerate() {
            let Some(bar) = take(track) else { continue };
            if let Some(windows) = &mut self.windows {
                windows.end(rule, &bar, next);
            }
            let footprint = self.ladders.get_mut(rule).map(Ladder::take);
            closed.push(ClosedBar { row, rule, bar, windows: None, footprint });
        }
    }

    /// Why some of the forming bars, of which there is at least one, end if no trade comes before a time. The windows of
    /// a rule of time end them only where no reset and no gap can: which of the two it is, the next trade says.
    #[must_use]
    pub fn ends_by(&self, time: i64) -> Option<CloseReason> {
        let (last, _) = self.seen.last.filter(|(last, _)| *last < time)?;
        self.forming().next()?;
        if self.breaks == Breaks::default() {
            return self.tracks.iter().any(|track| track.is_too_late(time)).then_some(CloseReason::Time);
        }
        self.breaks.between(last, time, self.unit, &mut self.period.clone())
    }

    /// Whether the next trade may come at a time: none has come, or the time is no further ahead than the longest step.
    #[must_use]
    pub fn allows(&self, time: i64) -> bool {
        self.seen.last.is_none_or(|(last, _)| self.steps.allow(last, time))
    }

    /// Time has moved on, and no trade will come before `time`: appends the bars that have [ended](Self::ends_by) by
    /// then. A later trade finds the same state as if it had ended them.
    pub fn advance(&mut self, time: i64, buffers: &mut Buffers, closed: &mut Vec<ClosedBar>) {
        let Some(reason) = self.ends_by(time) else { return };
        let known = closed.len();
        if let Some(windows) = &mut self.windows {
            windows.swap_waiting(&mut buffers.waiting);
        }
        if reason == CloseReason::Time {
            self.end_late_bars(time, closed);
        } else {
            self.end_bars(reason, self.seen.rows, 0, closed);
        }
        self.compute(&mut closed[known..], &in_turn);
        if let Some(windows) = &mut self.windows {
            windows.swap_waiting(&mut buffers.waiting);
            windows.shrink();
        }
        self.period = None; // that of the last trade, once it is asked for again
    }

    /// Gives closed bars the statistics of their windows, and drops the rows that are no longer needed.
    fn compute(&mut self, closed: &mut [ClosedBar], run_all: RunAll<'_>) {
        let Some(windows) = &mut self.windows else { return };
        // A bar with the windows of another would be worse than a panic.
        assert_eq!(windows.waiting().ended(), closed.len(), "each bar that ended has its windows");
        windows.compute(run_all, |bar, values| closed[bar].windows = Some(Box::new(values)));
        debug_assert!(self.seen.last.is_some(), "windows are computed behind rows");
        if let Some((last_time, _)) = self.seen.last {
            windows.trim(forming_rows(&self.tracks), last_time);
        }
    }

    /// Adds rows, at least one, between which bars end only by their rule.
    fn add_unbroken(
        &mut self,
        block: &Block<'_>,
        rows: Range<usize>,
        start: usize,
        closed: &mut Vec<ClosedBar>,
    ) -> Result<(), RowError> {
        let mut failure: Option<RowError> = None;
        for (rule, track) in self.tracks.iter_mut().enumerate() {
            let windows = self.windows.as_deref_mut().map(|windows| (rule, windows));
            let ladder = self.ladders.get_mut(rule);
            let emit = |row: usize, bar: &RangeBar, footprint| {
                closed.push(ClosedBar { row: start + row, rule, bar: *bar, windows: None, footprint });
            };
            if let Err(error) = track.add(block, rows.clone(), self.unit, windows, ladder, emit)
                && failure.is_none_or(|first| error.row < first.row)
            {
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Trades of which each has a side, if only one that is not known.
fn with_sides(trades: Trades<'_>) -> Trades<'_> {
    Trades { is_buyer_maker: trades.is_buyer_maker.or_else(|| Sides::unknown(trades.len())), ..trades }
}

/// Rows of the forming bar of each rule.
fn forming_rows(tracks: &[Track]) -> impl ExactSizeIterator<Item = u64> {
    tracks.iter().map(|track| track.forming.as_ref().map_or(0, |bar| bar.agg_record_count))
}

#[cfg(test)]
mod missing_sides;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod tests;
