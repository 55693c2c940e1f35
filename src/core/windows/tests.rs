//! Windows against the rule of SPEC 6 taken literally, under every split, and on the way back.

use std::ops::Range;

use super::*;
use crate::core::Buffers;
use crate::core::block::Quantities;
use crate::core::features::complexity::Patterns;
use crate::core::features::window::{Totals, Window, statistics};
use crate::core::period::{Length, Reset};
use crate::core::testing::{Owned, words};
use crate::core::{BarBuilder, Breaks, CloseReason, ClosedBar, RangeRule};

const UNIT: TimeUnit = TimeUnit::Milliseconds;

fn every() -> Statistics {
    let all = [&INTRA[..], &REST].concat();
    Statistics::of(&all)
}

const INTRA: [Statistic; 14] = [
    Statistic::TradeCount,
    Statistic::Ofi,
    Statistic::DurationUs,
    Statistic::Intensity,
    Statistic::VwapPosition,
    Statistic::CountImbalance,
    Statistic::KyleLambda,
    Statistic::Burstiness,
    Statistic::VolumeSkew,
    Statistic::VolumeKurt,
    Statistic::GarmanKlassVol,
    Statistic::KaufmanEr,
    Statistic::Hurst,
    Statistic::PermutationEntropy,
];

const REST: [Statistic; 6] = [
    Statistic::Vwap,
    Statistic::PriceRange,
    Statistic::MaxDrawdown,
    Statistic::BearCv,
    Statistic::HighTime,
    Statistic::LowTime,
];

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

fn builder(reach: Option<Lookback>, breaks: Breaks) -> BarBuilder<RangeRule> {
    let rules = [60, 200].map(|threshold| RangeRule::new(threshold, true).expect("a valid threshold"));
    let intra = if reach.is_none() { every() } else { Statistics::default() };
    BarBuilder::new(&rules, breaks, UNIT, WindowOptions::new(intra, reach.map(|reach| (reach, every())), true))
}

fn breaks() -> Breaks {
    Breaks { reset: Some(Reset::Day), max_gap: Some(Length::new(0, 13_000_000, UNIT)) }
}

fn push(builder: &mut BarBuilder<RangeRule>, trades: &Owned, rows: Range<usize>) -> Vec<ClosedBar> {
    let mut closed = vec![];
    builder.push(trades.view().slice(rows), &mut Buffers::default(), &mut closed).expect("valid trades");
    closed
}

/// The statistics of some rows, from totals summed up row by row.
fn slow(trades: &Owned, rows: Range<usize>) -> Values {
    let raw = |x: &f64| (x * 1e8).round();
    let price: Vec<_> = trades.price[rows.clone()].iter().map(|x| raw(x) as i64).collect();
    let quantity: Vec<_> = trades.quantity[rows.clone()].iter().map(|x| raw(x) as i128).collect();
    let sold: Vec<_> = rows.clone().map(|row| trades.side[row / 8] >> (row % 8) & 1 == 1).collect();
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
    for ((&price, &quantity), &sold) in price.iter().zip(&quantity).zip(&sold) {
        totals.volume += quantity;
        totals.turnover += i128::from(price) * quantity;
        if sold {
            totals.sell_volume += quantity;
            totals.sells += 1;
        }
    }
    let window = Window { time, price: &price, quantity: Quantities::Wide(&quantity), sold: &sold };
    statistics(&window, &totals, every())
}

/// The rows that the window before a bar holds, given the first rows of the bars of its rule up to it and the first bar
/// behind the last break.
fn slow_window(trades: &Owned, starts: &[usize], first: usize, reach: Lookback) -> Range<usize> {
    let bar = starts.len() - 1;
    let (open, floor) = (starts[bar], starts[first]);
    let time = &trades.time;
    let end = (floor..open).rev().find(|&row| time[row] < time[open]).map_or(floor, |row| row + 1);
    let start = match reach {
        Lookback::Trades(count) => end.saturating_sub(count as usize),
        Lookback::Time(length) => (floor..end).find(|&row| time[row] >= time[open] - length.span()).unwrap_or(end),
        Lookback::Bars(count) => starts[bar.saturating_sub(count as usize).max(first)],
    };
    start.max(floor).min(end)..end
}

#[test]
fn prop_windows_are_those_of_the_rule_taken_literally() {
    for (seed, breaks) in [(1, Breaks::default()), (2, breaks())] {
        let trades = Owned::walk(seed, 4_000);
        for reach in reaches().into_iter().map(Some).chain([None]) {
            let closed = push(&mut builder(reach, breaks), &trades, 0..trades.time.len());
            for rule in 0..2 {
                let (mut starts, mut first) = (vec![0], 0);
                for bar in closed.iter().filter(|bar| bar.rule == rule) {
                    let end = bar.end();
                    let (bar, got) = (&bar.bar, bar.windows.as_deref().expect("windows were asked for"));
                    let expected = match reach {
                        None => slow(&trades, end - bar.agg_record_count as usize..end),
                        Some(reach) => slow(&trades, slow_window(&trades, &starts, first, reach)),
                    };
                    assert_eq!(
                        if reach.is_none() { got.intra } else { got.lookback },
                        expected,
                        "{reach:?} {starts:?}"
                    );
                    if bar.close_reason != CloseReason::Threshold {
                        first = starts.len();
                    }
                    starts.push(end);
                }
                assert!(starts.len() > 10, "the walk must close bars");
            }
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
        let state = |builder: &BarBuilder<RangeRule>| {
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
