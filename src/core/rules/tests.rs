//! Every rule compared with its definition, written trade by trade, and with itself under every way to push trades.

use super::*;
use crate::core::bars::bar::CloseReason;
use crate::core::checkpoint::Reader;
use crate::core::numbers::fixed::Number;
use crate::core::testing::{Owned, words};
use crate::core::time::calendar::{Length, Reset};
use crate::core::time::clock::TimeUnit;
use crate::core::time::every::Every;
use crate::core::trades::columns::Trades;
use crate::core::trades::trade::Trade;
use crate::core::{BarBuilder, Buffers, ClosedBar, WindowOptions};

const MS: TimeUnit = TimeUnit::Milliseconds;

/// A bar: its first and last row, and why it ended.
type End = (usize, usize, CloseReason);

/// A rule by its definition.
#[derive(Debug, Clone, Copy)]
enum Defined {
    Total(Amount, i128),
    HighLow(Move),
    Cusum(u32),
    Imbalance(Amount, i128),
    /// Of blocks of so many rows, with a span.
    Adaptive(Measure, Amount, u64, u64),
    /// Windows of so many milliseconds.
    Time(i64),
}

/// What the definitions look at: the bar with the trade that was folded into it last.
#[derive(Debug, Default)]
struct Slow {
    first: usize,
    time: i64,
    open: i64,
    high: i64,
    low: i64,
    all: [i128; 4],
    sold: [i128; 4],
    threshold: Option<f64>,
    up: f64,
    down: f64,
}

fn place(amount: Amount) -> usize {
    [Amount::Rows, Amount::Trades, Amount::Volume, Amount::Turnover]
        .iter()
        .position(|&known| known == amount)
        .expect("one of four")
}

impl Defined {
    fn rule(self, gate: bool) -> AnyRule {
        match self {
            Self::Total(amount, least) => TotalRule::new(amount, least).into(),
            Self::HighLow(distance) => HighLowRule::new(distance, gate).into(),
            Self::Imbalance(amount, least) => ImbalanceRule::new(amount, least).into(),
            Self::Adaptive(measure, amount, target, span) => {
                AdaptiveRule::new(measure, amount, target, span, Decimals::default()).into()
            }
            Self::Time(length) => TimeRule::new(Every::Nanoseconds(length * 1_000_000)).into(),
            Self::Cusum(dbps) => CusumRule::dbps(dbps, gate).expect("a valid threshold").into(),
        }
    }

    fn closes(self, bar: &Slow) -> bool {
        match self {
            Self::Total(amount, least) => bar.all[place(amount)] >= least,
            Self::HighLow(distance) => {
                let width = distance.from_open(bar.open, Decimals::default()).expect("a width");
                i128::from(bar.high - bar.low) >= width
            }
            Self::Time(_) => false,
            Self::Imbalance(amount, least) => (bar.all[place(amount)] - 2 * bar.sold[place(amount)]).abs() >= least,
            Self::Adaptive(measure, amount, target, _) => match bar.threshold {
                Some(threshold) if threshold != 0.0 => measured(measure, amount, bar) >= threshold,
                _ => bar.all[0] >= target.into(),
            },
            Self::Cusum(dbps) => {
                let h = f64::from(dbps) / 1e5;
                bar.up >= h || bar.down <= -h
            }
        }
    }

    fn is_of_price(self) -> bool {
        matches!(self, Self::HighLow(_) | Self::Cusum(_))
    }
}

fn measured(measure: Measure, amount: Amount, of: &Slow) -> f64 {
    let (all, sold) = (of.all[place(amount)], of.sold[place(amount)]);
    let raw = match measure {
        Measure::Imbalance => (all - 2 * sold).abs(),
        Measure::Run => sold.max(all - sold),
    };
    raw as f64 / [1.0, 1.0, 1e8, 1e16][place(amount)]
}

fn slow(trades: &Owned, rule: Defined, gate: bool, breaks: &Breaks) -> Vec<End> {
    let view = trades.view();
    let raw = |number: Number| number.to_fixed(Decimals::default()).expect("fits");
    let (mut ends, mut forming, mut period) = (vec![], None::<Slow>, None);
    let (mut block, mut expected) = (Slow::default(), None::<f64>);
    for row in 0..view.len() {
        let (price, quantity) = (raw(view.price.get(row)), raw(Number::Float(trades.quantity[row])));
        let broken = (row > 0).then(|| breaks.between(view.time[row - 1], view.time[row], MS, &mut period)).flatten();
        if let Some(reason) = broken {
            (block, expected) = (Slow::default(), None);
            if let Some(bar) = forming.take() {
                ends.push((bar.first, row - 1, reason));
            }
        }
        if let Defined::Time(length) = rule
            && let Some(bar) = forming.take_if(|bar| bar.time / length != view.time[row] / length)
        {
            ends.push((bar.first, row - 1, CloseReason::Time));
        }
        let (opens, time, now) = (forming.is_none(), view.time[row], price as i64);
        let opened =
            || Slow { first: row, time, open: now, high: now, low: now, threshold: expected, ..Slow::default() };
        let bar = forming.get_or_insert_with(opened);
        if !opens {
            let step = (trades.price[row] / trades.price[row - 1]).ln();
            (bar.up, bar.down) = ((bar.up + step).max(0.0), (bar.down + step).min(0.0));
        }
        (bar.high, bar.low) = (bar.high.max(now), bar.low.min(now));
        let count = view.individual_ids.map_or(1, |(first, last)| last[row] - first[row] + 1);
        let is_sold = view.is_buyer_maker.and_then(|sides| sides.get(row)) == Some(true);
        for (place, more) in [1, count.into(), quantity, price * quantity].into_iter().enumerate() {
            for part in [&mut *bar, &mut block] {
                part.all[place] += more;
                part.sold[place] += if is_sold { more } else { 0 };
            }
        }
        if let Defined::Adaptive(measure, amount, target, span) = rule
            && block.all[0] == i128::from(target)
        {
            let z = measured(measure, amount, &block);
            expected = Some(expected.map_or(z, |e| e + 2.0 / (span as f64 + 1.0) * (z - e)));
            block = Slow::default();
        }
        let is_held = rule.is_of_price() && (opens || gate && time == bar.time);
        if !is_held && rule.closes(bar) {
            ends.push((bar.first, row, CloseReason::Threshold));
            forming = None;
        }
    }
    ends.extend(forming.map(|bar| (bar.first, view.len() - 1, CloseReason::End)));
    ends
}

/// How trades are pushed.
#[derive(Debug, Clone, Copy)]
enum Way<'a> {
    /// In pieces of these sizes, in turn.
    Pieces(&'a [usize]),
    /// The same, and the state is saved and restored after each.
    Restored(&'a [usize]),
    /// One by one.
    Single,
    /// One by one, after a push that is taken back.
    Undone,
}

const WHOLE: Way<'static> = Way::Pieces(&[usize::MAX / 2]);

fn builder(rules: &[AnyRule], breaks: Breaks) -> BarBuilder {
    BarBuilder::new(rules, breaks, MS, WindowOptions::default())
}

fn trade(trades: Trades<'_>, row: usize) -> Trade {
    Trade {
        time: trades.time[row],
        price: trades.price.get(row),
        quantity: trades.quantity.expect("quantities").get(row),
        is_buyer_maker: trades.is_buyer_maker.and_then(|sides| sides.get(row)),
        agg_trade_id: trades.agg_trade_id.map(|ids| ids[row]),
        individual_ids: trades.individual_ids.map(|(first, last)| (first[row], last[row])),
    }
}

/// The bars of each rule, checked to hold each row once; then how many single trades took the short way.
fn drive(trades: Trades<'_>, rules: &[AnyRule], breaks: Breaks, way: Way<'_>) -> (Vec<Vec<End>>, usize) {
    let (mut machine, mut copy) = (builder(rules, breaks), builder(rules, breaks));
    let (mut buffers, mut closed, mut short) = (Buffers::default(), Vec::<ClosedBar>::new(), 0);
    let (mut start, mut piece) = (0, 0);
    while start < trades.len() {
        let known = closed.len();
        let size = match way {
            Way::Pieces(sizes) | Way::Restored(sizes) => sizes[piece % sizes.len()],
            Way::Single | Way::Undone => 1,
        };
        let end = trades.len().min(start + size);
        match way {
            Way::Pieces(_) | Way::Restored(_) => {
                machine.push(trades.slice(start..end), &mut buffers, &mut closed).expect("valid trades");
            }
            Way::Single | Way::Undone => {
                if matches!(way, Way::Undone) {
                    machine.begin_push(&mut copy);
                    let ahead = trades.slice(start..trades.len().min(start + 1 + start % 90));
                    machine.push(ahead, &mut buffers, &mut vec![]).expect("valid trades");
                    machine.roll_back(&copy);
                }
                let trade = trade(trades, start);
                if machine.try_extend(&trade) {
                    short += 1;
                } else {
                    machine.push_trade(&trade, &mut buffers, &mut closed).expect("a valid trade");
                }
            }
        }
        if let Way::Restored(_) = way {
            let (mut state, mut restored) = (vec![], builder(rules, breaks));
            machine.save(&mut state);
            let mut from = Reader::new(&state);
            assert_eq!(restored.load(&mut from), Ok(()));
            assert!(from.is_empty());
            for short in [0, state.len() / 2, state.len() - 1] {
                assert!(builder(rules, breaks).load(&mut Reader::new(&state[..short])).is_err());
            }
            machine = restored;
        }
        closed[known..].iter_mut().for_each(|closed| closed.row += start);
        (start, piece) = (end, piece + 1);
    }
    let mut ends = vec![vec![]; rules.len()];
    for ClosedBar { rule, bar, row, .. } in &closed {
        let of_rule: &mut Vec<End> = &mut ends[*rule];
        let first = of_rule.last().map_or(0, |(_, last, _)| last + 1);
        let last = first + bar.agg_record_count as usize - 1;
        assert_eq!(last + usize::from(bar.close_reason != CloseReason::Threshold), *row);
        of_rule.push((first, last, bar.close_reason));
    }
    for (rule, bar) in machine.forming() {
        let first = ends[rule].last().map_or(0, |(_, last, _)| last + 1);
        ends[rule].push((first, first + bar.agg_record_count as usize - 1, CloseReason::End));
    }
    assert!(ends.iter().all(|ends| ends.last().is_some_and(|(_, last, _)| last + 1 == trades.len())));
    (ends, short)
}

/// Quantities of every size, small ones, and ones that tie with round thresholds; every third with hardly any time between.
fn walks(rows: usize) -> Vec<Owned> {
    (0..4)
        .map(|seed| {
            let mut trades = Owned::walk(seed, rows);
            for (row, word) in words(90 + seed).take(rows).enumerate() {
                match seed {
                    0 => {}
                    1 => trades.quantity[row] = (word % 40) as f64 / 8.0,
                    _ => trades.quantity[row] = (word % 5_000) as f64 / 1_000.0,
                }
                if seed == 2 {
                    trades.price[row] = 1e8 + (word >> 20 & 1023) as f64; // too large for the fast way
                }
            }
            if seed == 3 {
                trades.time.iter_mut().for_each(|time| *time = *time / 40 * 40);
            }
            trades
        })
        .collect()
}

fn breaks() -> [Breaks; 2] {
    let max_gap = Some(Length::new(0, 14_000_000, MS));
    [Breaks::default(), Breaks { reset: Some(Reset::Day), max_gap }]
}

const WAYS: [Way<'static>; 6] = [
    WHOLE,
    Way::Pieces(&[3, 1, 0, 700, 65]),
    Way::Pieces(&[1_023, 1, 1_025]),
    Way::Restored(&[1, 7, 900, 2]),
    Way::Single,
    Way::Undone,
];

/// Every way to push gives the bars of the definition.
fn assert_defined(rules: &[Defined], gates: &[bool], takes_short_way: bool) {
    let (mut closed, mut short) = (vec![0; rules.len()], 0);
    for mut trades in walks(1_400) {
        let last = trades.time[1_399];
        let midnight = last - last % 86_400_000;
        trades.time.iter_mut().for_each(|time| *time += midnight - last + 5_000); // a day ends inside
        for breaks in breaks() {
            for (number, &rule) in rules.iter().enumerate() {
                for &gate in gates {
                    let expected = slow(&trades, rule, gate, &breaks);
                    closed[number] += expected.len();
                    for way in WAYS {
                        let (ends, took) = drive(trades.view(), &[rule.rule(gate)], breaks, way);
                        assert_eq!(ends[0], expected, "{rule:?} {gate} {way:?}");
                        short += took;
                    }
                }
            }
            let all: Vec<_> = rules.iter().map(|rule| rule.rule(true)).collect();
            let (together, _) = drive(trades.view(), &all, breaks, Way::Restored(&[900, 1, 130]));
            for (rule, ends) in all.iter().zip(together) {
                assert_eq!(vec![ends], drive(trades.view(), &[*rule], breaks, WHOLE).0, "{rule:?} among others");
            }
        }
    }
    assert!(closed.iter().all(|&bars| bars > 12), "the walks must close bars: {closed:?}");
    assert_eq!(short > 0, takes_short_way, "single trades that took the short way: {short}");
}

#[test]
fn prop_totals_are_those_of_the_definition() {
    let rules =
        [(Amount::Rows, 1), (Amount::Rows, 64), (Amount::Rows, 700), (Amount::Trades, 5), (Amount::Trades, 999)];
    let sums = [(Amount::Volume, 1), (Amount::Volume, 150_000_000), (Amount::Volume, 400_000_000_000)];
    let turnovers = [(Amount::Turnover, 10_i128.pow(18)), (Amount::Turnover, 10_i128.pow(21))];
    let rules: Vec<_> = [&rules[..], &sums, &turnovers].concat();
    let rules: Vec<_> = rules.into_iter().map(|(amount, least)| Defined::Total(amount, least)).collect();
    assert_defined(&rules, &[true], true);
}

#[test]
fn prop_bars_of_extremes_are_those_of_the_definition() {
    let points = |raw| Defined::HighLow(Move::Points(raw));
    let dbps = |dbps| Defined::HighLow(Move::Dbps(dbps));
    assert_defined(&[points(1), points(7_000_000), dbps(20), dbps(300), dbps(900)], &[true, false], true);
}

#[test]
fn prop_bars_of_the_filter_are_those_of_its_sums_of_logarithms() {
    assert_defined(&[1, 20, 300, 900].map(Defined::Cusum), &[true, false], true);
}

#[test]
fn prop_bars_of_time_are_those_of_the_definition() {
    assert_defined(&[1, 50, 777, 6_000].map(Defined::Time), &[true], true);
}

#[test]
fn time_that_moves_on_ends_bars_of_time_unless_a_break_might() {
    let trades = Owned { time: vec![1_000, 1_500], price: vec![1.0; 2], quantity: vec![1.0; 2], ..Owned::default() };
    let view = Trades { is_buyer_maker: None, agg_trade_id: None, individual_ids: None, ..trades.view() };
    let second = |n: i64| AnyRule::from(TimeRule::new(Every::Nanoseconds(n * 1_000_000_000)));
    let rules = [second(10), second(1), TotalRule::new(Amount::Rows, 9).into()];
    let ended_by = |breaks, time| {
        let (mut machine, mut buffers, mut closed) = (builder(&rules, breaks), Buffers::default(), vec![]);
        machine.push(view, &mut buffers, &mut closed).expect("valid trades");
        machine.advance(time, &mut buffers, &mut closed);
        let ended: Vec<_> = closed.iter().map(|closed| (closed.rule, closed.bar.close_reason)).collect();
        (ended, machine.forming().map(|(rule, _)| rule).collect::<Vec<_>>())
    };
    let none = Breaks::default();
    assert_eq!(ended_by(none, 1_999), (vec![], vec![0, 1, 2]));
    assert_eq!(ended_by(none, 2_000), (vec![(1, CloseReason::Time)], vec![0, 2]));
    assert_eq!(ended_by(none, 10_000), (vec![(0, CloseReason::Time), (1, CloseReason::Time)], vec![2]));
    let reset = Breaks { reset: Some(Reset::Day), max_gap: None };
    assert_eq!(ended_by(reset, 10_000), (vec![], vec![0, 1, 2]));
    assert_eq!(ended_by(reset, 86_400_000).0, [0, 1, 2].map(|rule| (rule, CloseReason::Reset)));
}

const BY_SIDE: [(Amount, i128); 3] =
    [(Amount::Rows, 1), (Amount::Volume, 100_000_000), (Amount::Turnover, 10_000_000_000_000_000)];

#[test]
fn prop_bars_of_an_imbalance_are_those_of_the_definition() {
    let rules = BY_SIDE.iter().flat_map(|&(amount, unit)| [1, 15].map(|n| Defined::Imbalance(amount, n * unit)));
    assert_defined(&rules.collect::<Vec<_>>(), &[true], true);
}

#[test]
fn prop_bars_that_adapt_are_those_of_the_definition() {
    for measure in [Measure::Imbalance, Measure::Run] {
        let rule = |amount, target, span| Defined::Adaptive(measure, amount, target, span);
        let rows = [(1, 1), (10, 3), (300, 2)].map(|(target, span)| rule(Amount::Rows, target, span));
        let sums = [rule(Amount::Volume, 9, 4), rule(Amount::Volume, 250, 1), rule(Amount::Turnover, 40, 20)];
        assert_defined(&[rows, sums].concat(), &[true], false);
    }
}

#[test]
fn a_state_of_a_rule_that_adapts_is_checked() {
    let rule = |target| [AnyRule::from(AdaptiveRule::new(Measure::Run, Amount::Rows, target, 5, Decimals::default()))];
    let (trades, mut state) = (Owned::walk(3, 70), vec![]);
    let mut machine = builder(&rule(20), Breaks::default());
    machine.push(trades.view(), &mut Buffers::default(), &mut vec![]).expect("valid trades");
    machine.save(&mut state);
    let load = |target, state: &[u8]| builder(&rule(target), Breaks::default()).load(&mut Reader::new(state));
    assert_eq!(load(20, &state), Ok(()));
    assert_eq!(load(10, &state), Err(CheckpointError::Impossible), "the block holds ten rows already");
    let last = state.len() - 8;
    state[last..].copy_from_slice(&f64::NAN.to_bits().to_le_bytes());
    assert_eq!(load(20, &state), Err(CheckpointError::Impossible));
}

#[test]
fn what_is_absent_is_counted_as_it_is_shown() {
    let trades = Owned::walk(5, 2_000);
    let view = Trades { individual_ids: None, ..trades.view() };
    let rules = [TotalRule::new(Amount::Trades, 70).into(), TotalRule::new(Amount::Rows, 70).into()];
    for way in WAYS {
        let (ends, _) = drive(view, &rules, Breaks::default(), way);
        assert_eq!(ends[0], ends[1], "without ids each row is one trade");
        assert_eq!(ends[0][0], (0, 69, CloseReason::Threshold));
    }
}

#[test]
fn raw_amounts_are_rounded_to_eight_decimals() {
    let two = Decimals::new(2).expect("at most 18");
    let raw = |amount: Amount, x: f64| amount.raw(Number::Float(x), two);
    assert_eq!(raw(Amount::Volume, 50.0), Some(5_000_000_000));
    assert_eq!(raw(Amount::Volume, 0.123_456_785), Some(12_345_679));
    assert_eq!(raw(Amount::Turnover, 0.123_456_785), Some(1_234_567_900), "scaled behind the rounding");
    assert_eq!([raw(Amount::Volume, 4e-9), raw(Amount::Volume, 0.0), raw(Amount::Turnover, -1.0)], [None; 3]);
    assert_eq!([raw(Amount::Turnover, 1e30), raw(Amount::Volume, f64::NAN)], [None; 2]);
}
