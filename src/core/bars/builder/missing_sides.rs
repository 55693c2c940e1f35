//! Trades without a side among others: what is undefined, what stays, and every route to it.

use super::state::{BAR, BAR_LACKING_SIDE};
use super::*;
use crate::core::checkpoint::{CheckpointError, Reader};
use crate::core::error::Role;
use crate::core::features::statistic::{Kind, Statistic, Statistics, Values};
use crate::core::numbers::fixed::Number;
use crate::core::rules::RangeRule;
use crate::core::testing::{Owned, words};
use crate::core::windows::Lookback;

const REACH: usize = 20;
const SIDES: Statistics = Statistics::reading(Role::IsBuyerMaker);

/// A walk in which the side of some trades is not known.
struct Partly {
    trades: Owned,
    known: Vec<u8>,
}

impl Partly {
    fn new(rows: usize, is_known: impl Fn(usize) -> bool) -> Self {
        let mut known = vec![0; rows.div_ceil(8)];
        (0..rows).for_each(|row| known[row / 8] |= u8::from(is_known(row)) << (row % 8));
        Self { trades: Owned::walk(41, rows), known }
    }

    fn view(&self) -> Trades<'_> {
        let bits = |bytes| Bits::new(bytes, 0, self.trades.time.len()).expect("a bit for each row");
        Trades { is_buyer_maker: Some(Sides::partly(bits(&self.trades.side), bits(&self.known))), ..self.trades.view() }
    }

    fn trade(&self, row: usize) -> Trade {
        let view = self.view();
        Trade {
            time: view.time[row],
            price: view.price.get(row),
            quantity: Number::Float(self.trades.quantity[row]),
            is_buyer_maker: view.is_buyer_maker.and_then(|sides| sides.get(row)),
            agg_trade_id: Some(self.trades.id[row]),
            individual_ids: Some((self.trades.id[row], self.trades.last[row])),
        }
    }

    fn is_known(&self, row: usize) -> bool {
        self.known[row / 8] >> (row % 8) & 1 != 0
    }
}

fn builder() -> BarBuilder {
    builder_of(&[20, 60])
}

fn builder_of(thresholds: &[u32]) -> BarBuilder {
    let rules: Vec<_> =
        thresholds.iter().map(|&dbps| RangeRule::dbps(dbps, true).expect("a valid threshold")).collect();
    let wanted = Statistics::of(&[Statistic::TradeCount, Statistic::CountImbalance, Statistic::Ofi, Statistic::Vwap]);
    let windows = WindowOptions::new(wanted, Some((Lookback::Trades(REACH as u64), wanted)), true);
    BarBuilder::new(&rules, Breaks::default(), TimeUnit::Milliseconds, windows).with_missing_sides(true)
}

/// Everything that can be seen of a builder and of the bars that it closed.
fn seen(builder: &BarBuilder, closed: &[ClosedBar]) -> (Vec<ClosedBar>, Vec<u8>) {
    let forming = builder.forming().map(|(rule, bar)| ClosedBar {
        row: usize::MAX,
        rule,
        bar: *bar,
        windows: builder.forming_windows(rule, bar),
        footprint: builder.forming_footprint(rule),
    });
    let mut state = vec![];
    builder.save(&mut state);
    (closed.iter().cloned().chain(forming).collect(), state)
}

fn push(builder: &mut BarBuilder, trades: Trades<'_>, start: usize, closed: &mut Vec<ClosedBar>) {
    let known = closed.len();
    builder.push(trades, &mut Buffers::default(), closed).expect("valid trades");
    closed[known..].iter_mut().for_each(|bar| bar.row += start);
}

fn whole(trades: Trades<'_>) -> (Vec<ClosedBar>, Vec<u8>) {
    whole_of(builder(), trades)
}

fn whole_of(mut builder: BarBuilder, trades: Trades<'_>) -> (Vec<ClosedBar>, Vec<u8>) {
    let mut closed = vec![];
    push(&mut builder, trades, 0, &mut closed);
    seen(&builder, &closed)
}

/// Rows with and without a side: all, none, few, half, long runs of either.
fn patterns() -> Vec<Partly> {
    const ROWS: usize = 3_000;
    let random: Vec<_> = words(5).take(ROWS).collect();
    let half = random.clone();
    vec![
        Partly::new(ROWS, |_| true),
        Partly::new(ROWS, |_| false),
        Partly::new(ROWS, move |row| random[row] % 200 != 0),
        Partly::new(ROWS, move |row| half[row] % 2 == 0),
        Partly::new(ROWS, |row| row / 700 % 2 == 0),
        Partly::new(ROWS, |row| row != 1_024),
    ]
}

fn bits(values: &Values, statistic: Statistic) -> Option<i64> {
    match statistic.definition().kind {
        Kind::Float => values.get(statistic).map(|value| value.to_bits() as i64),
        _ => values.get_integer(statistic),
    }
}

/// Values are those of trades that all have a side, but for those of the side if one has none.
fn assert_values(got: &Values, all: &Values, lacks_side: bool) {
    for statistic in Statistic::ALL {
        let expected = if lacks_side && SIDES.has(statistic) { None } else { bits(all, statistic) };
        assert_eq!(bits(got, statistic), expected, "{statistic:?}");
    }
}

#[test]
fn prop_what_holds_no_trade_without_side_is_as_if_all_had_one() {
    for partly in patterns() {
        let (got, all) = (whole(partly.view()).0, whole(partly.trades.view()).0);
        assert_eq!(got.len(), all.len());
        let mut starts = [0, 0];
        for (got, all) in got.iter().zip(&all) {
            let first = starts[got.rule];
            starts[got.rule] += got.bar.agg_record_count as usize;
            let lacks_side = !(first..starts[got.rule]).all(|row| partly.is_known(row));
            assert_eq!(got.bar.lacks_side, lacks_side);
            if lacks_side {
                assert_eq!((got.bar.volume(), got.bar.turnover()), (all.bar.volume(), all.bar.turnover()));
            } else {
                assert_eq!(got.bar, all.bar);
            }
            let (Some(windows), Some(of_all)) = (&got.windows, &all.windows) else { panic!("windows are wanted") };
            assert_values(&windows.intra, &of_all.intra, lacks_side);
            let time = &partly.trades.time;
            let end = time[..first].partition_point(|&earlier| earlier < time[first]);
            let before_lacks_side = !(end.saturating_sub(REACH)..end).all(|row| partly.is_known(row));
            assert_values(&windows.lookback, &of_all.lookback, before_lacks_side);
        }
    }
}

#[test]
fn prop_every_way_to_push_them_gives_the_same() {
    for partly in patterns() {
        let (view, rows) = (partly.view(), partly.trades.time.len());
        let expected = whole(view);
        for size in [7, 1_000, 1_025] {
            let (mut machine, mut closed) = (builder(), vec![]);
            for start in (0..rows).step_by(size) {
                let end = rows.min(start + size);
                let piece = view.slice(start..end);
                let none = (start..end).all(|row| !partly.is_known(row));
                // A push without the column is one of trades that have no side.
                let is_buyer_maker = piece.is_buyer_maker.filter(|_| !none);
                push(&mut machine, Trades { is_buyer_maker, ..piece }, start, &mut closed);
                let mut state = vec![];
                machine.save(&mut state);
                let mut restored = builder();
                restored.load(&mut Reader::new(&state)).expect("what was saved");
                machine = restored;
            }
            closed.sort_by_key(|closed| closed.row);
            assert!(seen(&machine, &closed) == expected, "in pieces of {size}");
        }
        let (mut machine, mut closed) = (builder(), vec![]);
        for row in 0..rows {
            let known = closed.len();
            machine.push_trade(&partly.trade(row), &mut Buffers::default(), &mut closed).expect("a valid trade");
            closed[known..].iter_mut().for_each(|closed: &mut ClosedBar| closed.row += row);
        }
        assert!(seen(&machine, &closed) == expected, "one by one");
    }
}

#[test]
fn prop_a_single_trade_without_side_is_one_of_a_column() {
    let mut taken = 0;
    for partly in patterns() {
        let (mut machine, mut closed) = (builder_of(&[60]), vec![]);
        for row in 0..partly.trades.time.len() {
            let (trade, known) = (partly.trade(row), closed.len());
            if machine.try_extend(&trade) {
                taken += usize::from(trade.is_buyer_maker.is_none());
            } else {
                machine.push_trade(&trade, &mut Buffers::default(), &mut closed).expect("a valid trade");
            }
            closed[known..].iter_mut().for_each(|closed| closed.row += row);
        }
        assert!(seen(&machine, &closed) == whole_of(builder_of(&[60]), partly.view()));
    }
    assert!(taken > 1_000, "the short way was hardly taken: {taken}");
}

#[test]
fn what_lies_under_an_unknown_side_means_nothing() {
    let mut partly = Partly::new(2_000, |row| row % 3 != 0);
    let expected = whole(partly.view());
    for (side, known) in partly.trades.side.iter_mut().zip(&partly.known) {
        *side ^= !known;
    }
    assert!(whole(partly.view()) == expected);
}

#[test]
fn a_state_with_an_unknown_side_is_none_of_trades_that_all_have_one() {
    let partly = Partly::new(500, |row| row != 499);
    let (mut machine, mut state) = (builder(), vec![]);
    push(&mut machine, partly.view(), 0, &mut vec![]);
    machine.save(&mut state);
    assert_eq!(builder().load(&mut Reader::new(&state)), Ok(()));
    let strict = || builder().with_missing_sides(false);
    assert_eq!(strict().load(&mut Reader::new(&state)), Err(CheckpointError::Impossible));
    // Nor does the bar have one if a row of it has none.
    let code = 3 * 8 + 8;
    assert_eq!(state[code], BAR_LACKING_SIDE);
    state[code] = BAR;
    assert_eq!(builder().load(&mut Reader::new(&state)), Err(CheckpointError::Impossible));
    // And the state of trades that all have one is the same for both.
    let states = [builder(), strict()].map(|mut machine| {
        let mut state = vec![];
        push(&mut machine, partly.trades.view(), 0, &mut vec![]);
        machine.save(&mut state);
        state
    });
    assert_eq!(states[0], states[1]);
    assert_eq!(strict().load(&mut Reader::new(&states[0])), Ok(()));
}
