//! Windows against their definition taken literally, under every split, and on the way back.

use std::ops::Range;

use super::*;
use crate::core::Buffers;
use crate::core::block::Quantities;
use crate::core::features::complexity::Patterns;
use crate::core::features::statistic::{Kind, Statistic};
use crate::core::features::window::{Totals, Window, statistics};
use crate::core::testing::{Owned, words};
use crate::core::time::calendar::{Length, Reset};
use crate::core::{BarBuilder, Breaks, CloseReason, ClosedBar, RangeRule, Trades};

const UNIT: TimeUnit = TimeUnit::Milliseconds;

fn reaches() -> Vec<Lookback> {
    let time = |nanoseconds| Lookback::Time(Length::new(0, nanoseconds, UNIT));
    vec![
        Lookback::Trades(1),
        Lookback::Trades(70),
        Lookback::Trades(3_000),
        time(40_000_000),
        time(2_000_000_000),
        Lookback::Bars(1),
        Lookback::Bars(3),
    ]
}

fn builder(reach: Option<Lookback>, breaks: Breaks) -> BarBuilder {
    let rules = [60, 200].map(|threshold| RangeRule::dbps(threshold, true).expect("a valid threshold"));
    let intra = if reach.is_none() { Statistics::ALL } else { Statistics::default() };
    BarBuilder::new(&rules, breaks, UNIT, WindowOptions::new(intra, reach.map(|reach| (reach, Statistics::ALL)), true))
}

fn breaks() -> Breaks {
    Breaks { reset: Some(Reset::Day), max_gap: Some(Length::new(0, 13_000_000, UNIT)) }
}

fn push(builder: &mut BarBuilder, trades: &Owned, rows: Range<usize>) -> Vec<ClosedBar> {
    let mut closed = vec![];
    builder.push(trades.view().slice(rows), &mut Buffers::default(), &mut closed).expect("valid trades");
    closed
}

/// The statistics of some rows, from totals summed up row by row.
fn slow(trades: &Owned, rows: Range<usize>) -> Values {
    let raw = |x: &f64| Number::Float(*x).to_fixed(Decimals::default()).expect("fits");
    let price: Vec<_> = trades.price[rows.clone()].iter().map(|x| raw(x) as i64).collect();
    let quantity: Vec<_> = trades.quantity[rows.clone()].iter().map(raw).collect();
    let side: Vec<_> = rows.clone().map(|row| Side::of(trades.side[row / 8] >> (row % 8) & 1 == 1)).collect();
    let time = &trades.time[rows];
    let (Some(&high), Some(&low)) = (price.iter().max(), price.iter().min()) else { return Values::default() };
    let mut totals = Totals {
        rows: price.len() as u64,
        duration_us: (time[time.len() - 1] - time[0]) * 1_000,
        first: price[0],
        last: price[price.len() - 1],
        high,
        low,
        path: price.windows(2).map(|pair| u128::from(pair[0].abs_diff(pair[1]))).sum(),
        patterns: Patterns::of(&price),
        ..Totals::default()
    };
    for ((&price, &quantity), &side) in price.iter().zip(&quantity).zip(&side) {
        totals.volume += quantity;
        totals.turnover += i128::from(price) * quantity;
        if side == Side::Sold {
            totals.sell_volume += quantity;
            totals.sells += 1;
        }
    }
    let window = Window { time, price: &price, quantity: Quantities::Wide(&quantity), side: &side };
    statistics(&window, &totals, Statistics::ALL)
}

/// The rows that the window before a bar holds, given the first rows of the bars of its rule up to it.
fn slow_window(trades: &Owned, starts: &[usize], breaks: Breaks, reach: Lookback) -> Range<usize> {
    let (bar, time) = (starts.len() - 1, &trades.time);
    let open = starts[bar];
    let is_break = |&row: &usize| breaks.between(time[row - 1], time[row], UNIT, &mut None).is_some();
    let floor = (1..=open).rev().find(is_break).unwrap_or(0);
    let end = (floor..open).rev().find(|&row| time[row] < time[open]).map_or(floor, |row| row + 1);
    let start = match reach {
        Lookback::Trades(count) => end.saturating_sub(count as usize),
        Lookback::Time(length) => (floor..end).find(|&row| time[row] >= time[open] - length.span()).unwrap_or(end),
        Lookback::Bars(count) => starts[bar.saturating_sub(count as usize)],
    };
    start.max(floor).min(end)..end
}

#[test]
fn prop_windows_are_those_of_the_rule_taken_literally() {
    let mut between_bars = 0;
    for (seed, breaks) in [(1, Breaks::default()), (2, breaks())] {
        let trades = Owned::walk(seed, 4_000);
        for reach in reaches().into_iter().map(Some).chain([None]) {
            let closed = push(&mut builder(reach, breaks), &trades, 0..trades.time.len());
            for rule in 0..2 {
                let mut starts = vec![0];
                for bar in closed.iter().filter(|bar| bar.rule == rule) {
                    let end = bar.end();
                    let (bar, got) = (&bar.bar, bar.windows.as_deref().expect("windows were asked for"));
                    let expected = match reach {
                        None => slow(&trades, end - bar.agg_record_count as usize..end),
                        Some(reach) => slow(&trades, slow_window(&trades, &starts, breaks, reach)),
                    };
                    assert_eq!(
                        if reach.is_none() { got.intra } else { got.lookback },
                        expected,
                        "{reach:?} {starts:?}"
                    );
                    if bar.close_reason == CloseReason::Threshold {
                        let next = trades.time.get(end);
                        let broken = next.and_then(|&next| breaks.between(bar.close_time, next, UNIT, &mut None));
                        between_bars += usize::from(broken.is_some());
                    }
                    starts.push(end);
                }
                assert!(starts.len() > 10, "the walk must close bars");
            }
        }
    }
    assert!(between_bars > 10, "windows must end where no bar was forming: {between_bars}");
}

/// One statistic of every window, as bits.
fn bits(closed: &[ClosedBar], statistic: Statistic) -> Vec<[Option<u64>; 2]> {
    let of = |values: &Values| match statistic.definition().kind {
        Kind::Float => values.get(statistic).map(f64::to_bits),
        Kind::Count | Kind::Microseconds | Kind::Time => values.get_integer(statistic).map(|integer| integer as u64),
    };
    let windows = closed.iter().map(|bar| bar.windows.as_deref().expect("windows were asked for"));
    windows.map(|windows| [of(&windows.intra), of(&windows.lookback)]).collect()
}

#[test]
fn prop_each_statistic_needs_and_reads_what_its_row_of_the_table_says() {
    let trades = Owned::walk(9, 4_000);
    let push = |wanted: Statistics, trades: Trades<'_>| {
        let rule = RangeRule::dbps(200, true).expect("a valid threshold");
        let windows = WindowOptions::new(wanted, Some((Lookback::Trades(70), wanted)), trades.is_buyer_maker.is_some());
        let (mut builder, mut closed) = (BarBuilder::new(&[rule], Breaks::default(), UNIT, windows), vec![]);
        builder.push(trades, &mut Buffers::default(), &mut closed).expect("valid trades");
        closed
    };
    let with_all_others = push(Statistics::ALL, trades.view());
    for statistic in Statistic::ALL {
        let (alone, reads) = (Statistics::of(&[statistic]), statistic.definition().reads);
        let expected = bits(&with_all_others, statistic);
        assert!(expected.iter().flatten().any(Option::is_some), "{statistic:?} is always undefined");
        assert_eq!(bits(&push(alone, trades.view()), statistic), expected, "{statistic:?} alone");
        let without = [
            (Role::Quantity, Trades { quantity: None, ..trades.view() }),
            (Role::IsBuyerMaker, Trades { is_buyer_maker: None, ..trades.view() }),
        ];
        for (column, trades) in without {
            let is_the_same = bits(&push(alone, trades), statistic) == expected;
            assert_eq!(is_the_same, !reads.contains(&column), "{statistic:?} without {column:?}");
        }
    }
}

#[test]
fn prop_no_split_and_no_way_back_changes_a_bit() {
    let trades = Owned::walk(3, 6_000);
    let view = trades.view();
    for reach in reaches().into_iter().map(Some).chain([None]) {
        let expected = push(&mut builder(reach, breaks()), &trades, 0..view.len());
        let (mut live, mut copy) = (builder(reach, breaks()), builder(reach, breaks()));
        let (mut start, mut closed) = (0, vec![]);
        for word in words(4) {
            let end = (start + (word % 900) as usize).min(view.len());
            if word >> 20 & 3 == 0 {
                let mut bytes = vec![];
                live.save(&mut bytes);
                live = builder(reach, breaks());
                let mut from = Reader::new(&bytes);
                assert_eq!(live.load(&mut from), Ok(()));
                assert!(from.is_empty());
            }
            live.begin_push(&mut copy);
            if word >> 22 & 1 == 0 {
                push(&mut live, &trades, start..(end + 2_000).min(view.len()));
                live.roll_back(&copy);
                live.begin_push(&mut copy);
            }
            closed.extend(push(&mut live, &trades, start..end).into_iter().map(|mut bar| {
                bar.row += start;
                bar
            }));
            start = end;
            if start == view.len() {
                break;
            }
        }
        assert_eq!(closed, expected, "{reach:?}");
    }
}

#[test]
fn rows_that_no_window_needs_are_dropped() {
    let mut trades = Owned::walk(5, 50_000);
    trades.price.fill(100.0);
    for (reach, most) in [(Lookback::Trades(200), 250), (Lookback::Bars(3), 50_000)] {
        let mut live = builder(Some(reach), Breaks::default());
        push(&mut live, &trades, 0..50_000);
        let mut bytes = vec![];
        live.save(&mut bytes);
        assert!(bytes.len() < 1_000 + 33 * most, "{reach:?}: {} bytes", bytes.len());
    }
}

#[test]
fn a_state_with_too_few_rows_is_refused() {
    let trades = Owned::walk(6, 700);
    let mut live = builder(Some(Lookback::Trades(70)), Breaks::default());
    push(&mut live, &trades, 0..700);
    let mut good = vec![];
    live.save(&mut good);
    for short in (0..good.len()).step_by(7) {
        assert_eq!(
            builder(Some(Lookback::Trades(70)), Breaks::default()).load(&mut Reader::new(&good[..short])),
            Err(CheckpointError::Truncated)
        );
    }
    // The same bytes as those of windows that reach further back.
    let wider = builder(Some(Lookback::Trades(200)), Breaks::default()).load(&mut Reader::new(&good));
    assert_eq!(wider, Err(CheckpointError::Impossible));
}

#[test]
fn prop_windows_side_by_side_are_those_one_after_the_other() {
    let trades = Owned::walk(7, 66_000); // more than are computed at once
    let backwards = |jobs: &mut [Job], run: &(dyn Fn(&mut Job) + Sync)| jobs.iter_mut().rev().for_each(run);
    for (reach, breaks) in [(None, breaks()), (Some(Lookback::Trades(70)), breaks()), (reaches().pop(), breaks())] {
        let (mut in_turn, mut side_by_side) = (builder(reach, breaks), builder(reach, breaks));
        let expected = push(&mut in_turn, &trades, 0..66_000);
        let mut closed = vec![];
        let pushed = side_by_side.push_side_by_side(trades.view(), &mut Buffers::default(), &mut closed, &backwards);
        assert_eq!(pushed, Ok(()));
        assert_eq!(closed, expected, "{reach:?}");
        let state = |builder: &BarBuilder| {
            let mut bytes = vec![];
            builder.save(&mut bytes);
            (bytes, builder.forming().map(|(rule, bar)| builder.forming_windows(rule, bar)).collect::<Vec<_>>())
        };
        assert_eq!(state(&side_by_side), state(&in_turn), "{reach:?}");
    }
}

#[test]
fn a_failed_push_side_by_side_leaves_no_jobs() {
    let mut trades = Owned::walk(8, 3_000);
    trades.price[2_990] = -1.0;
    let (mut live, mut copy) =
        (builder(Some(Lookback::Trades(70)), breaks()), builder(Some(Lookback::Trades(70)), breaks()));
    push(&mut live, &trades, 0..1_000);
    live.begin_push(&mut copy);
    let rest = trades.view().slice(1_000..3_000);
    let failed = live.push_side_by_side(rest, &mut Buffers::default(), &mut vec![], &in_turn);
    assert!(failed.is_err());
    live.roll_back(&copy);
    let closed = push(&mut live, &trades, 1_000..2_990);
    let mut fresh = builder(Some(Lookback::Trades(70)), breaks());
    push(&mut fresh, &trades, 0..1_000);
    assert_eq!(closed, push(&mut fresh, &trades, 1_000..2_990));
}
