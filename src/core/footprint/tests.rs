//! Ladders against sums by level in a tree, however rows are cut, marked, undone and stored; values against a walk over
//! every level, with those without trades among them.

use std::collections::BTreeMap;

use super::levels::Sums;
use super::*;
use crate::core::checkpoint::Reader;
use crate::core::testing::{Owned, words};
use crate::core::{
    Amount, AnyRule, BarBuilder, Breaks, Buffers, CheckpointError, ClosedBar, Decimals, Number, RangeRule, TimeUnit,
    TotalRule, Trade, Trades, WindowOptions,
};

fn tick(raw: i64) -> Tick {
    Tick::new(raw).expect("above zero")
}

fn options(raw: i64) -> FootprintOptions {
    FootprintOptions { tick: tick(raw), keeps_levels: true }
}

#[test]
fn prop_levels_are_quotients() {
    let edges = [1, 2, 3, 5, 7, 10, 1 << 31, (1 << 62) - 1, 1 << 62, i64::MAX - 1, i64::MAX];
    let drawn = words(3).map(|word| (word >> 1 >> (word % 60)).max(1) as i64).take(3_000);
    let ticks: Vec<_> = edges.into_iter().chain(drawn).collect();
    for (&raw, word) in ticks.iter().zip(words(4)) {
        let tick = tick(raw);
        let near = [raw - 1, raw, raw.saturating_add(1), raw / 2 + 1, raw.saturating_mul(3), raw.saturating_mul(3) - 1];
        for price in edges.into_iter().chain(near).chain([(word >> 1).max(1) as i64, (word >> 40) as i64 + 1]) {
            assert_eq!(tick.level(price), price / raw, "{price} by {raw}");
            assert_eq!(tick.price(tick.level(price)), price - price % raw);
        }
    }
}

#[test]
fn a_tick_is_rounded_and_above_zero() {
    assert_eq!(Tick::new(0), None);
    assert_eq!(Tick::new(-1), None);
    let decimals = Decimals::default();
    assert_eq!(Tick::of(Number::Float(0.25), decimals).ok(), Tick::new(25_000_000));
    for number in [0.0, 4e-9, -1.0, f64::NAN, f64::INFINITY, 1e12] {
        assert!(Tick::of(Number::Float(number), decimals).is_err(), "{number}");
    }
    let told = Tick::of(Number::Float(4e-9), decimals).expect_err("zero once it is rounded").to_string();
    assert!(told.starts_with("`footprint` must be a price distance from 0.00000001 to "), "{told}");
    assert!(told.ends_with("got 4e-9: set price_decimals=9"), "{told}");
}

/// What a bar of some trades has: its levels with volume and sales, and the extremes of its delta.
fn slow(rows: &[(i64, i128, bool)], tick: i64) -> (Vec<(i64, i128, i128)>, i128, i128) {
    let mut levels = BTreeMap::new();
    let (mut delta, mut least, mut most) = (0, i128::MAX, i128::MIN);
    for &(price, quantity, sold) in rows {
        let sums: &mut (i128, i128) = levels.entry(price / tick).or_default();
        let (bought, sales) = if sold { (0, quantity) } else { (quantity, 0) };
        *sums = (sums.0 + bought, sums.1 + sales);
        delta += bought - sales;
        (least, most) = (least.min(delta), most.max(delta));
    }
    (levels.into_iter().map(|(level, (bought, sold))| (level * tick, bought, sold)).collect(), least, most)
}

fn told(footprint: &Footprint) -> (Vec<(i64, i128, i128)>, i128, i128) {
    let levels = footprint.levels().map(|level| (level.price, level.buy_volume, level.sell_volume));
    (levels.collect(), footprint.min_delta, footprint.max_delta)
}

fn builder(raw_tick: i64) -> BarBuilder {
    let rules: [AnyRule; 2] =
        [RangeRule::dbps(700, true).expect("a valid threshold").into(), TotalRule::new(Amount::Rows, 37).into()];
    BarBuilder::new(&rules, Breaks::default(), TimeUnit::Milliseconds, WindowOptions::default())
        .with_footprint(Some(options(raw_tick)))
}

fn raw(trades: Trades<'_>, row: usize) -> (i64, i128, bool) {
    let number = |number: Number| number.to_fixed(Decimals::default()).expect("it fits");
    let sold = trades.is_buyer_maker.and_then(|sides| sides.get(row)) == Some(true);
    (number(trades.price.get(row)) as i64, number(trades.quantity.expect("they have it").get(row)), sold)
}

fn state(builder: &BarBuilder) -> Vec<u8> {
    let mut out = vec![];
    builder.save(&mut out);
    out
}

/// Everything that can be seen.
fn seen(builder: &BarBuilder, closed: &[ClosedBar]) -> (Vec<ClosedBar>, Vec<u8>) {
    let forming = builder.forming().map(|(rule, bar)| ClosedBar {
        row: usize::MAX,
        rule,
        bar: *bar,
        windows: None,
        footprint: builder.forming_footprint(rule),
    });
    (closed.iter().cloned().chain(forming).collect(), state(builder))
}

fn push(builder: &mut BarBuilder, trades: Trades<'_>, start: usize, closed: &mut Vec<ClosedBar>) {
    let known = closed.len();
    builder.push(trades, &mut Buffers::default(), closed).expect("valid trades");
    closed[known..].iter_mut().for_each(|bar| bar.row += start);
}

/// Ticks from the last decimal, of which each price is a level far from the next, to one that holds all prices.
const TICKS: [i64; 6] = [1, 333, 1_000_000, 2_500_000, 70_000_000, i64::MAX];

#[test]
fn prop_levels_and_extremes_are_those_of_the_trades_of_the_bar() {
    let trades = Owned::walk(11, 5_000);
    for tick in TICKS {
        let (mut builder, mut closed) = (builder(tick), vec![]);
        push(&mut builder, trades.view(), 0, &mut closed);
        let (bars, _) = seen(&builder, &closed);
        assert!(bars.len() > 100);
        let mut starts = [0, 0];
        for bar in bars {
            let first = starts[bar.rule];
            starts[bar.rule] += bar.bar.agg_record_count as usize;
            let rows: Vec<_> = (first..starts[bar.rule]).map(|row| raw(trades.view(), row)).collect();
            let footprint = bar.footprint.expect("it is wanted");
            assert_eq!(told(&footprint), slow(&rows, tick));
            let of = |of: fn(&Level) -> i128| footprint.levels().map(|level| of(&level)).sum::<i128>();
            assert_eq!(of(|level| level.buy_volume), bar.bar.buy_volume());
            assert_eq!(of(|level| level.sell_volume), bar.bar.sell_volume());
            assert_eq!(footprint.len(), footprint.levels().count());
        }
        assert_eq!(starts, [5_000, 5_000]);
    }
}

#[test]
fn prop_every_way_to_push_them_gives_the_same() {
    let trades = Owned::walk(12, 2_500);
    let view = trades.view();
    for tick in TICKS {
        let (mut whole, mut closed) = (builder(tick), vec![]);
        push(&mut whole, view, 0, &mut closed);
        let expected = seen(&whole, &closed);
        for size in [1, 7, 1_025] {
            let (mut machine, mut closed) = (builder(tick), vec![]);
            let mut copy = builder(tick);
            for start in (0..view.len()).step_by(size) {
                let piece = view.slice(start..view.len().min(start + size));
                // Pushed, undone, pushed, undone and pushed again.
                let (before, known) = (seen(&machine, &[]), closed.len());
                machine.begin_push(&mut copy);
                for ahead in [start + 400, start + size] {
                    let further = view.slice(start..view.len().min(ahead));
                    push(&mut machine, further, start, &mut closed);
                    machine.roll_back(&copy);
                    closed.truncate(known);
                    assert!(seen(&machine, &[]) == before, "undone at {start} of {tick}");
                    machine.begin_push(&mut copy);
                }
                push(&mut machine, piece, start, &mut closed);
                if start % 5 == 0 {
                    let mut restored = builder(tick);
                    let bytes = state(&machine);
                    restored.load(&mut Reader::new(&bytes)).expect("what was saved");
                    machine = restored;
                }
                if size == 1 && start > 300 {
                    break;
                }
            }
            if size > 1 {
                closed.sort_by_key(|bar| (bar.row, bar.rule));
                assert!(seen(&machine, &closed) == expected, "in pieces of {size}");
            }
        }
    }
}

#[test]
fn prop_a_single_trade_is_one_of_a_column() {
    let trades = Owned::walk(13, 3_000);
    let view = trades.view();
    let new = || {
        let rules = [RangeRule::dbps(400, true).expect("a valid threshold")];
        BarBuilder::new(&rules, Breaks::default(), TimeUnit::Milliseconds, WindowOptions::default())
            .with_footprint(Some(options(2_000_000)))
    };
    let (mut whole, mut closed) = (new(), vec![]);
    push(&mut whole, view, 0, &mut closed);
    let (mut machine, mut one_by_one, mut taken) = (new(), vec![], 0);
    for row in 0..view.len() {
        let (id, quantity) = (trades.id[row], Number::Float(trades.quantity[row]));
        let trade = Trade {
            time: trades.time[row],
            price: view.price.get(row),
            quantity,
            is_buyer_maker: view.is_buyer_maker.and_then(|sides| sides.get(row)),
            agg_trade_id: Some(id),
            individual_ids: Some((id, trades.last[row])),
        };
        if row % 40 == 7 {
            let mut restored = new();
            restored.load(&mut Reader::new(&state(&machine))).expect("what was saved");
            machine = restored;
        }
        let known = one_by_one.len();
        if machine.try_extend(&trade) {
            taken += 1;
        } else {
            machine.push_trade(&trade, &mut Buffers::default(), &mut one_by_one).expect("a valid trade");
        }
        one_by_one[known..].iter_mut().for_each(|bar: &mut ClosedBar| bar.row += row);
    }
    assert!(taken > 1_000 && closed.len() > 8, "{taken} {}", closed.len());
    assert!(seen(&machine, &one_by_one) == seen(&whole, &closed));
}

#[test]
fn what_no_trades_lead_to_is_refused() {
    let trades = Owned::walk(14, 30);
    let mut machine = builder(1_000_000);
    push(&mut machine, trades.view(), 0, &mut vec![]);
    let good = state(&machine);
    let load = |bytes: &[u8]| builder(1_000_000).load(&mut Reader::new(bytes));
    assert_eq!(load(&good), Ok(()));
    for end in 0..good.len() {
        assert_eq!(load(&good[..end]), Err(CheckpointError::Truncated));
    }
    let mut plain = vec![];
    let without = builder(1).with_footprint(None);
    let mut same = without;
    push(&mut same, trades.view(), 0, &mut vec![]);
    same.save(&mut plain);
    assert_eq!(good[..plain.len()], plain, "a state without footprints is as it always was, and what is new follows");
    let mut refused = 0;
    for place in plain.len()..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        refused += usize::from(load(&bytes).is_err());
    }
    // Of the extremes of the delta the bar alone does not tell all.
    assert!(refused >= good.len() - plain.len() - 2 * 2 * 16, "{refused} of {}", good.len() - plain.len());
}

/// The value area by the definition, over every level from the lowest to the highest.
fn slow_value_area(levels: &[Sums]) -> (i64, i64) {
    let (lowest, highest) = (levels[0].level, levels[levels.len() - 1].level);
    let volume = |level: i64| levels.iter().find(|sums| sums.level == level).map_or(0, |sums| sums.volume);
    let most = levels.iter().map(|sums| sums.volume).max().expect("there is one");
    let poc = levels.iter().find(|sums| sums.volume == most).expect("it is one of them").level;
    let total: i128 = levels.iter().map(|sums| sums.volume).sum();
    let (mut low, mut high) = (poc, poc);
    while (low..=high).map(volume).sum::<i128>() * 10 < total * 7 {
        let up = low == lowest || (high < highest && volume(high + 1) >= volume(low - 1));
        if up { high += 1 } else { low -= 1 }
    }
    (low, high)
}

fn longest(levels: &[i64]) -> u32 {
    let starts = levels.iter().filter(|level| !levels.contains(&(**level - 1)));
    starts.map(|&start| (start..).take_while(|level| levels.contains(level)).count() as u32).max().unwrap_or(0)
}

#[test]
fn prop_values_are_those_of_the_definition() {
    for seed in 0..4_000 {
        let mut draw = words(seed);
        let mut next = |most: u64| (draw.next().expect("no end") >> 20) % most;
        let (count, gap) = (next(12) + 1, next(4) + 1);
        let mut level = 5;
        let levels: Vec<_> = (0..count)
            .map(|_| {
                level += 1 + (next(gap) * next(3)) as i64;
                let sell_volume = i128::from(next(5));
                Sums { level, push: 0, volume: sell_volume + i128::from(next(9)), sell_volume }
            })
            .collect();
        let footprint = Footprint::new(&levels, tick(10), (0, 0), true);
        let (low, high) = slow_value_area(&levels);
        assert_eq!((footprint.value_area_low, footprint.value_area_high), (10 * low, 10 * high), "{levels:?}");
        let most = levels.iter().map(|sums| sums.volume).max();
        let poc = levels.iter().find(|sums| Some(sums.volume) == most).expect("it is one of them");
        assert_eq!(footprint.poc, 10 * poc.level);
        let side = |level: i64, sold: bool| {
            let found = levels.iter().find(|sums| sums.level == level);
            found.map_or(0, |sums| if sold { sums.sell_volume } else { sums.volume - sums.sell_volume })
        };
        let all = || levels.iter().map(|sums| sums.level);
        let up: Vec<_> = all()
            .filter(|&level| side(level - 1, true) > 0 && side(level, false) >= 3 * side(level - 1, true))
            .collect();
        let down: Vec<_> = all()
            .filter(|&level| side(level + 1, false) > 0 && side(level, true) >= 3 * side(level + 1, false))
            .collect();
        assert_eq!((footprint.imbalances_up, footprint.stacked_up), (up.len() as u32, longest(&up)));
        assert_eq!((footprint.imbalances_down, footprint.stacked_down), (down.len() as u32, longest(&down)));
    }
}

#[test]
fn sums_that_need_all_bits_are_exact() {
    let most = i128::MAX;
    let sums = |level, volume, sell_volume| Sums { level, push: 0, volume, sell_volume };
    let levels = [sums(1, most / 4, most / 4), sums(2, most / 4 * 3, 0), sums(9, 2, 1)];
    let footprint = Footprint::new(&levels, tick(1), (-most, most), true);
    assert_eq!(footprint.levels().map(|level| level.buy_volume).collect::<Vec<_>>(), [0, most / 4 * 3, 1]);
    assert_eq!((footprint.poc, footprint.value_area_low, footprint.value_area_high), (2, 2, 2));
    assert_eq!((footprint.imbalances_up, footprint.imbalances_down), (1, 0));
}

#[test]
fn memory_is_in_proportion_to_the_levels() {
    let mut levels = levels::Levels::default();
    for number in 0..10_000_i64 {
        levels.number(number * 1_000_003 % (1 << 45), 0);
    }
    assert_eq!(levels.len(), 10_000);
    let sorted = levels.take();
    assert!(sorted.is_sorted_by(|a, b| a.level < b.level) && sorted.len() == 10_000);
    assert_eq!(levels.len(), 0);
    levels.number(3, 0);
    assert_eq!(levels.take().len(), 1);
    assert!(levels.room() < 1_000, "what a large bar took is given back: {}", levels.room());
}
