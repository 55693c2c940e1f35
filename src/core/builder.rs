//! The state machine that every route drives: trades in, closed bars out, one forming bar kept.

use std::fmt::Debug;
use std::ops::Range;

use super::bar::{CloseReason, RangeBar};
use super::block::Block;
use super::checkpoint::{CheckpointError, Put, Reader};
use super::error::RowError;
use super::fixed::Numbers;
use super::load::Buffers;
use super::period::{Breaks, Period};
use super::piece::ROWS;
use super::seen::Seen;
use super::trade::Trade;
use super::trades::{Bits, TimeUnit, Trades};
use super::windows::{RunAll, WindowOptions, WindowValues, Windows, in_turn};

/// Blocks of which the windows are computed at once where several threads do it: work for some milliseconds, and few rows
/// to hold.
const BLOCKS_SIDE_BY_SIDE: usize = 64;

/// Windows that wait to be computed, at most about.
const MOST_WAITING: usize = 4_096;

/// Decides which trade closes a bar. Everything else about a bar is the same for every rule.
pub trait CloseRule: Copy + Debug {
    /// What the rule remembers of the forming bar.
    type Limits: Copy + Debug;

    /// The limits of a bar that opens at a price and a time.
    fn limits(&self, open: i64, open_time: i64) -> Self::Limits;

    /// Whether a trade closes the bar: [`CloseRule::closing_row`] of one row.
    fn closes(&self, limits: &mut Self::Limits, price: i64, time: i64) -> bool;

    /// The first of some rows that closes the bar.
    fn closing_row(&self, limits: &mut Self::Limits, block: &Block<'_>, rows: Range<usize>) -> Option<usize>;
}

/// A bar that ended, and the row (of the trades pushed) that ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedBar {
    /// The closing trade's row; of an orphan the row behind it, which may not be in the bar.
    pub row: usize,
    /// Which of the rules made the bar.
    pub rule: usize,
    /// The bar.
    pub bar: RangeBar,
    /// The statistics of its windows, where some were asked for.
    pub windows: Option<Box<WindowValues>>,
}

impl ClosedBar {
    /// The first row that is not in the bar.
    #[must_use]
    pub fn end(&self) -> usize {
        self.row + usize::from(self.bar.close_reason == CloseReason::Threshold)
    }
}

/// The bars of one group, of one rule or of several over the same trades. State is one forming bar a rule, and the rows
/// that windows still need, whatever the number of trades pushed, so how the input is split never changes a bit.
///
/// ```
/// use rangebar_polars::core::{BarBuilder, Breaks, Buffers, Numbers, RangeRule, TimeUnit, Trades, WindowOptions};
///
/// let rule = RangeRule::new(1_000, true)?;
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
pub struct BarBuilder<R: CloseRule> {
    unit: TimeUnit,
    breaks: Breaks,
    /// The period of the last row, once it was asked for.
    period: Option<Period>,
    seen: Seen,
    tracks: Vec<Track<R>>,
    windows: Option<Box<Windows>>,
}

/// One rule and the bar that forms under it.
#[derive(Debug, Clone, Copy)]
struct Track<R: CloseRule> {
    rule: R,
    closed: u64,
    forming: Option<(RangeBar, R::Limits)>,
}

impl<R: CloseRule> BarBuilder<R> {
    /// A builder that has seen nothing.
    pub fn new(rules: &[R], breaks: Breaks, unit: TimeUnit, windows: WindowOptions) -> Self {
        let tracks = rules.iter().map(|&rule| Track { rule, closed: 0, forming: None }).collect();
        let windows = Windows::new(windows, rules.len(), unit);
        Self { unit, breaks, period: None, seen: Seen::default(), tracks, windows }
    }

    /// The bars still forming, each with the number of its rule.
    pub fn forming(&self) -> impl Iterator<Item = (usize, &RangeBar)> {
        let tracks = self.tracks.iter().enumerate();
        tracks.filter_map(|(rule, track)| track.forming.as_ref().map(|(bar, _)| (rule, bar)))
    }

    /// The statistics of the windows of a rule's forming bar, where some were asked for.
    #[must_use]
    pub fn forming_windows(&self, rule: usize, bar: &RangeBar) -> Option<Box<WindowValues>> {
        self.windows.as_ref().map(|windows| windows.forming(rule, bar, self.seen.rows))
    }

    /// Bars of the first rule closed so far: the number of the bar that the next trade is in, unless it ends that bar as
    /// an orphan.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.tracks.first().map_or(0, |track| track.closed)
    }

    /// What the next row must lie behind.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Leaves in another builder of the same parameters what [`BarBuilder::roll_back`] needs to come back to now.
    pub fn begin_push(&mut self, copy: &mut Self) {
        copy.copy_from(self);
        if let (Some(windows), Some(copy)) = (&mut self.windows, &mut copy.windows) {
            windows.begin_push();
            copy.copy_from(windows);
        }
    }

    /// Undoes what came since [`BarBuilder::begin_push`].
    pub fn roll_back(&mut self, copy: &Self) {
        self.copy_from(copy);
        if let (Some(windows), Some(copy)) = (&mut self.windows, &copy.windows) {
            windows.roll_back(copy);
        }
    }

    /// Becomes a copy, but for the windows, in the memory that is there.
    fn copy_from(&mut self, other: &Self) {
        self.tracks.clone_from(&other.tracks);
        (self.period, self.seen) = (other.period, other.seen);
    }

    /// Writes what decides the future, but for the parameters.
    pub fn save(&self, out: &mut Vec<u8>) {
        self.seen.save(out);
        for track in &self.tracks {
            out.put(track.closed);
            match &track.forming {
                None => out.put(false),
                Some((bar, _)) => {
                    out.put(true);
                    bar.save(out);
                }
            }
        }
        if let Some(windows) = &self.windows {
            windows.save(forming_rows(&self.tracks), &self.seen, out);
        }
    }

    /// Reads what [`BarBuilder::save`] wrote into a builder of the same parameters.
    ///
    /// # Errors
    ///
    /// The bytes end too soon, or what they say cannot be; the builder is then to be dropped.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        self.period = None;
        self.seen = Seen::load(from)?;
        for track in &mut self.tracks {
            track.closed = from.take()?;
            if track.closed > self.seen.rows {
                return Err(CheckpointError::Impossible);
            }
            track.forming = None;
            if from.take()? {
                let bar = RangeBar::load(from, &self.seen, self.unit)?;
                track.forming = Some((bar, track.rule.limits(bar.open, bar.open_time)));
            }
        }
        match &mut self.windows {
            Some(windows) => windows.load(from, forming_rows(&self.tracks), &self.seen),
            None => Ok(()),
        }
    }

    /// Adds trades and appends the bars that they end to `closed`, by the row that ends them, then by rule.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule. Trades before it may already be in the state: a builder that
    /// returned an error is to be dropped.
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

    /// Adds trades; every so many blocks the windows are computed.
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
        let result = (0..trades.len()).step_by(ROWS).enumerate().try_for_each(|(number, start)| {
            let end = trades.len().min(start + ROWS);
            if let Some(windows) = self.windows.as_mut().filter(|_| number % blocks == 0) {
                windows.reserve((trades.len() - start).min(blocks * ROWS));
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
            buffers.waiting.clear(); // what a push that failed left
        }
        if self.tracks.len() > 1 {
            closed[known..].sort_by_key(|closed| closed.row);
        }
        result
    }

    /// Adds at most a block of trades, of which the first is row `start` of what is pushed.
    fn push_block(
        &mut self,
        trades: Trades<'_>,
        start: usize,
        buffers: &mut Buffers,
        closed: &mut Vec<ClosedBar>,
    ) -> Result<(), RowError> {
        match buffers.load(trades, &self.seen) {
            Ok(block) => self.add(&block, start, closed),
            Err(error) => {
                // The rows before may break a rule that only adding them shows.
                let before = trades.slice(0..(error.row - self.seen.rows) as usize);
                self.add(&buffers.load(before, &self.seen)?, start, closed)?;
                Err(error)
            }
        }
    }

    /// Adds a trade that breaks no rule and neither opens nor ends a bar, as most do: it cannot fail. Otherwise does
    /// nothing, and [`BarBuilder::push_trade`] is to be asked.
    pub fn try_extend(&mut self, trade: &Trade) -> bool {
        // With several rules, one might take the trade and the next refuse it.
        let [Track { rule, forming: Some((bar, limits)), .. }] = &mut self.tracks[..] else { return false };
        let Some((price, quantity)) = trade.plain(&self.seen) else { return false };
        let is_inside = self.breaks == Breaks::default() && !rule.closes(limits, price, trade.time);
        if is_inside && bar.try_extend(trade, price, quantity, &self.seen, self.unit) {
            self.seen.last = Some((trade.time, trade.agg_trade_id.unwrap_or(0)));
            self.seen.rows += 1;
            if let Some(windows) = &mut self.windows {
                windows.push(trade.time, price, quantity, trade.is_buyer_maker);
                windows.trim(forming_rows(&self.tracks), trade.time);
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
            is_buyer_maker: trade.is_buyer_maker.and_then(|_| Bits::new(&side, 0, 1)),
            agg_trade_id: trade.agg_trade_id.as_ref().map(std::slice::from_ref),
            individual_ids: ids.as_ref().map(|(first, last)| (&first[..], &last[..])),
        };
        self.push(row, buffers, closed)
    }

    /// Adds a block of which the first row is number `start` of what is pushed.
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
                for (rule, track) in self.tracks.iter_mut().enumerate() {
                    let Some(bar) = track.end(reason) else { continue };
                    if let Some(windows) = &mut self.windows {
                        let next = block.first_row + row as u64;
                        windows.end(rule, &bar, next);
                        windows.start_anew(rule, next);
                    }
                    closed.push(ClosedBar { row: start + row, rule, bar, windows: None });
                }
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

    /// Gives bars that were closed the statistics of their windows, and drops the rows that are not needed any more.
    fn compute(&mut self, closed: &mut [ClosedBar], run_all: RunAll<'_>) {
        if let (Some(windows), Some((last_time, _))) = (&mut self.windows, self.seen.last) {
            let mut closed = closed.iter_mut();
            windows.compute(run_all, |values| {
                if let Some(closed) = closed.next() {
                    closed.windows = Some(Box::new(values));
                }
            });
            windows.trim(forming_rows(&self.tracks), last_time);
        }
    }

    /// Adds rows, at least one, between which no bar ends but by its rule.
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
            let emit = |(row, bar)| closed.push(ClosedBar { row: start + row, rule, bar, windows: None });
            if let Err(error) = track.add(block, rows.clone(), self.unit, windows, emit)
                && failure.is_none_or(|first| error.row < first.row)
            {
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Rows of the bar that forms under each rule.
fn forming_rows<R: CloseRule>(tracks: &[Track<R>]) -> impl Iterator<Item = u64> {
    tracks.iter().map(|track| track.forming.as_ref().map_or(0, |(bar, _)| bar.agg_record_count))
}

impl<R: CloseRule> Track<R> {
    /// Ends the forming bar, if any, as an orphan.
    fn end(&mut self, reason: CloseReason) -> Option<RangeBar> {
        let (mut bar, _) = self.forming.take()?;
        bar.close_reason = reason;
        self.closed += 1;
        Some(bar)
    }

    /// Adds rows and emits every bar that they close with its closing row; its windows, those of the rule's number, are
    /// told.
    fn add(
        &mut self,
        block: &Block<'_>,
        rows: Range<usize>,
        unit: TimeUnit,
        mut windows: Option<(usize, &mut Windows)>,
        mut emit: impl FnMut((usize, RangeBar)),
    ) -> Result<(), RowError> {
        let mut row = rows.start;
        while row < rows.end {
            // A trade that opens a bar cannot close it.
            let opens = self.forming.is_none();
            if let (true, Some((rule, windows))) = (opens, &mut windows) {
                windows.open(*rule, block, row)?;
            }
            let search = row + usize::from(opens);
            let (bar, limits) = self.forming.get_or_insert_with(|| {
                (RangeBar::begin(block, row), self.rule.limits(block.price[row], block.trades.time[row]))
            });
            let closing = self.rule.closing_row(limits, block, search..rows.end);
            let end = closing.map_or(rows.end, |closing| closing + 1);
            let taken = row..end;
            let piece = block.piece(taken.clone());
            bar.extend(block, taken, &piece, unit)?;
            if closing.is_some() {
                bar.close_reason = CloseReason::Threshold;
                if let Some((rule, windows)) = &mut windows {
                    windows.end(*rule, bar, block.first_row + end as u64);
                }
                emit((end - 1, *bar));
                self.closed += 1;
                self.forming = None;
            }
            row = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
