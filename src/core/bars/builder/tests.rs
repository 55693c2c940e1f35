//! The machine compared with the rule written trade by trade, and with itself under every split.

use super::*;
use crate::core::checkpoint::{CheckpointError, Reader};
use crate::core::error::{Role, Rule};
use crate::core::features::statistic::{Statistic, Statistics};
use crate::core::numbers::fixed::Number;
use crate::core::rules::NeverRule;
use crate::core::rules::RangeRule;
use crate::core::testing::Owned;
use crate::core::time::calendar::{Length, Reset};
use crate::core::time::sessions::Sessions;
use crate::core::time::zone::Zone;
use crate::core::windows::Lookback;

/// What a bar holds, by the rule of `docs/columns.md` (When a bar closes), one trade at a time.
#[derive(Debug, Default, PartialEq, Clone)]
struct Slow {
    rows: Vec<usize>,
    high: i64,
    low: i64,
    volume: i128,
    turnover: i128,
    sell_turnover: i128,
    trades: i64,
    sell_trades: i64,
}

fn slow(trades: &Owned, threshold: i64, gate: bool) -> Vec<Slow> {
    let raw = |x: f64| Number::Float(x).to_fixed(Decimals::default()).expect("fits");
    let mut bars: Vec<Slow> = vec![];
    let mut forming: Option<Slow> = None;
    for row in 0..trades.time.len() {
        let (price, quantity) = (raw(trades.price[row]) as i64, raw(trades.quantity[row]));
        let opens = forming.is_none();
        let mut bar = forming.take().unwrap_or(Slow { high: price, low: price, ..Slow::default() });
        bar.rows.push(row);
        (bar.high, bar.low) = (bar.high.max(price), bar.low.min(price));
        bar.volume += quantity;
        bar.turnover += quantity * i128::from(price);
        bar.sell_turnover += quantity * i128::from(price) * i128::from(trades.side[row / 8] >> (row % 8) & 1);
        let count = trades.last[row] - trades.id[row] + 1;
        bar.trades += count;
        bar.sell_trades += count * i64::from(trades.side[row / 8] >> (row % 8) & 1);
        let open = raw(trades.price[bar.rows[0]]) as i64;
        let delta = open * threshold / 100_000;
        let gated = gate && trades.time[row] == trades.time[bar.rows[0]];
        if !opens && !gated && (price >= open + delta || price <= open - delta) {
            bars.push(bar);
        } else {
            forming = Some(bar);
        }
    }
    bars.extend(forming);
    bars
}

fn machine(threshold: u32, gate: bool) -> BarBuilder {
    machine_of(&[threshold], gate, Breaks::default())
}

fn machine_of(thresholds: &[u32], gate: bool, breaks: Breaks) -> BarBuilder {
    let rule = |&threshold: &u32| RangeRule::dbps(threshold, gate).expect("a valid threshold");
    BarBuilder::new(
        &thresholds.iter().map(rule).collect::<Vec<_>>(),
        breaks,
        TimeUnit::Milliseconds,
        WindowOptions::default(),
    )
}

/// Bars with the row that closed each, then the forming bar; pushed in pieces of the given sizes, in turn.
fn run(trades: &Owned, threshold: u32, gate: bool, sizes: &[usize]) -> (Vec<ClosedBar>, Vec<RangeBar>) {
    run_machine(machine(threshold, gate), trades, sizes)
}

fn run_machine(mut builder: BarBuilder, trades: &Owned, sizes: &[usize]) -> (Vec<ClosedBar>, Vec<RangeBar>) {
    let (mut buffers, mut bars) = (Buffers::default(), vec![]);
    let (view, mut start) = (trades.view(), 0);
    for size in sizes.iter().cycle() {
        let end = (start + size).min(view.len());
        let known = bars.len();
        builder.push(view.slice(start..end), &mut buffers, &mut bars).expect("valid trades");
        for bar in &mut bars[known..] {
            bar.row += start;
        }
        start = end;
        if start == view.len() {
            break;
        }
    }
    assert_eq!(builder.seen().rows, view.len() as u64);
    assert_eq!(builder.closed(), bars.iter().filter(|closed| closed.rule == 0).count() as u64);
    (bars, builder.forming().map(|(_, bar)| *bar).collect())
}

#[test]
fn prop_bars_are_those_of_the_rule_taken_literally() {
    for (seed, threshold) in [(1, 1), (2, 40), (3, 250), (4, 3_000), (5, 20_000), (6, 100_000)] {
        for gate in [true, false] {
            let trades = Owned::walk(seed, 5_000);
            let expected = slow(&trades, i64::from(threshold), gate);
            let (closed, forming) = run(&trades, threshold, gate, &[usize::MAX / 2]);
            let rows: Vec<_> = expected.iter().map(|bar| bar.rows.len() as u64).collect();
            let bars: Vec<_> = closed.iter().map(|closed| closed.bar).chain(forming).collect();
            assert_eq!(bars.iter().map(|bar| bar.agg_record_count).collect::<Vec<_>>(), rows, "{threshold} {gate}");
            for (bar, slow) in bars.iter().zip(&expected) {
                let (first, last) = (slow.rows[0], slow.rows[slow.rows.len() - 1]);
                assert_eq!((bar.open_time, bar.close_time), (trades.time[first], trades.time[last]));
                assert_eq!((bar.high, bar.low), (slow.high, slow.low));
                assert_eq!((bar.volume(), bar.turnover()), (slow.volume, slow.turnover));
                assert_eq!(bar.sell_turnover(), slow.sell_turnover);
                assert_eq!(
                    (bar.individual_trade_count as i64, bar.sell_trade_count as i64),
                    (slow.trades, slow.sell_trades)
                );
                assert_eq!((bar.first_agg_trade_id, bar.last_trade_id), (trades.id[first], trades.last[last]));
            }
        }
    }
}

#[test]
fn prop_no_split_of_the_input_changes_a_bit() {
    let trades = Owned::walk(11, 4_000);
    let whole = run(&trades, 60, true, &[usize::MAX / 2]);
    assert!(whole.0.len() > 50, "the walk must close bars");
    for sizes in [&[1][..], &[3, 1, 0, 700], &[1_023, 1, 1_025], &[BLOCK_ROWS], &[BLOCK_ROWS + 1, 5]] {
        assert_eq!(run(&trades, 60, true, sizes), whole, "{sizes:?}");
    }
}

fn breaks() -> Breaks {
    Breaks { reset: Some(Reset::Day), max_gap: Some(Length::new(0, 13_000_000, TimeUnit::Milliseconds)) }
}

#[test]
fn prop_breaks_cut_where_the_definition_says_however_the_input_is_split() {
    let mut trades = Owned::walk(13, 5_000);
    trades.time.iter_mut().for_each(|time| *time = 1_700_006_390_000 + (*time - 1_700_000_000_000)); // midnight inside
    let whole = run_machine(machine_of(&[300], true, breaks()), &trades, &[usize::MAX / 2]);
    let reasons: Vec<_> = whole.0.iter().map(|closed| closed.bar.close_reason).collect();
    for reason in [CloseReason::Threshold, CloseReason::Reset, CloseReason::Gap] {
        assert!(reasons.contains(&reason), "the walk must end bars by {reason:?}");
    }
    let mut start = 0;
    for closed in &whole.0 {
        let time = &trades.time[start..closed.end()];
        let day = |time: i64| time.div_euclid(86_400_000);
        assert!(time.windows(2).all(|pair| pair[1] - pair[0] <= 13 && day(pair[0]) == day(pair[1])));
        assert_eq!(closed.bar.agg_record_count, time.len() as u64);
        let (last, next) = (trades.time[closed.end() - 1], trades.time[closed.end()]);
        match closed.bar.close_reason {
            CloseReason::Reset => assert_ne!(day(last), day(next)),
            CloseReason::Gap => assert!(day(last) == day(next) && next - last > 13),
            _ => assert_eq!(closed.row + 1, closed.end()),
        }
        start = closed.end();
    }
    for sizes in [&[1][..], &[3, 1, 0, 700], &[1_023, 1, 1_025]] {
        assert_eq!(run_machine(machine_of(&[300], true, breaks()), &trades, sizes), whole, "{sizes:?}");
    }
}

#[test]
fn prop_several_rules_give_what_each_gives_alone() {
    let trades = Owned::walk(14, 6_000);
    let thresholds = [60, 5, 2_000, 300];
    let (together, forming) = run_machine(machine_of(&thresholds, true, breaks()), &trades, &[700, 1, 2_000]);
    assert!(together.is_sorted_by_key(|closed| (closed.row, closed.rule)));
    let mut forming_alone = vec![];
    for (rule, &threshold) in thresholds.iter().enumerate() {
        let (alone, last) = run_machine(machine_of(&[threshold], true, breaks()), &trades, &[usize::MAX / 2]);
        let of_rule: Vec<_> = together.iter().filter(|closed| closed.rule == rule).collect();
        assert_eq!(of_rule.len(), alone.len());
        assert!(of_rule.iter().zip(&alone).all(|(a, b)| (a.row, a.bar) == (b.row, b.bar)));
        forming_alone.extend(last);
    }
    assert_eq!(forming, forming_alone);
}

#[test]
fn what_was_seen_is_told_from_what_is_new() {
    let trades = Owned { time: vec![1, 2, 2, 2, 3], id: vec![9, 4, 5, 6, 1], ..Owned::default() };
    let with_ids = Trades { quantity: None, individual_ids: None, is_buyer_maker: None, ..trades.view() };
    let without = Trades { agg_trade_id: None, ..with_ids };
    let seen = |time, id| Seen { last: Some((time, id)), rows: 1 };
    assert_eq!(Seen::default().overlap(&with_ids), 0);
    assert_eq!((seen(2, 5).overlap(&with_ids), seen(2, 3).overlap(&with_ids)), (3, 1));
    assert_eq!((seen(2, 0).overlap(&without), seen(9, 0).overlap(&without)), (1, 5));
}

#[test]
fn columns_that_are_absent_leave_the_bars_as_they_are() {
    let trades = Owned::walk(12, 3_000);
    let view =
        Trades { quantity: None, is_buyer_maker: None, agg_trade_id: None, individual_ids: None, ..trades.view() };
    let (mut builder, mut bars) = (machine(300, true), vec![]);
    builder.push(view, &mut Buffers::default(), &mut bars).expect("valid trades");
    let (full, _) = run(&trades, 300, true, &[usize::MAX / 2]);
    assert_eq!(bars.len(), full.len());
    for (bare, full) in bars.iter().zip(&full) {
        assert_eq!((bare.row, bare.bar.close, bare.bar.high), (full.row, full.bar.close, full.bar.high));
        assert_eq!(bare.bar.last_agg_trade_id, full.row as i64, "the row number stands in for the id");
        assert_eq!(bare.bar.individual_trade_count, bare.bar.agg_record_count);
        assert_eq!(bare.bar.volume(), 0);
    }
}

#[test]
fn a_bar_whose_limits_would_be_its_open_is_refused() {
    // 123 dbps of 0.00000812 are 0.998 units of the eighth decimal, 124 are 1.007.
    let price = [8.12e-6, 8.12e-6, 8.13e-6, 7.9e-6, 7.9e-6];
    let trades = Owned { time: vec![1, 2, 3, 4, 5], price: price.to_vec(), ..Owned::default() };
    let view =
        Trades { quantity: None, is_buyer_maker: None, agg_trade_id: None, individual_ids: None, ..trades.view() };
    let push = |thresholds: &[u32], gate| {
        let (mut builder, mut bars) = (machine_of(thresholds, gate, Breaks::default()), vec![]);
        let result = builder.push(view, &mut Buffers::default(), &mut bars);
        result.map(|()| bars.iter().map(|bar| bar.row).collect::<Vec<_>>())
    };
    let refused = |row, open, threshold_dbps| {
        let rule = Rule::LimitsApart { open, decimals: Decimals::default(), threshold_dbps };
        Err(RowError { column: Role::Price, row, rule })
    };
    for gate in [true, false] {
        assert_eq!(push(&[123], gate), refused(0, 812, 123));
        assert_eq!(push(&[1_000, 5, 123], gate), refused(0, 812, 5), "the first of several");
        assert_eq!(push(&[124], gate), refused(3, 790, 124), "a bar that opens later");
        assert_eq!(push(&[127], gate), Ok(vec![2]));
    }
}

#[test]
fn a_state_of_a_bar_that_cannot_open_is_refused() {
    let trades = Owned { time: vec![1], price: vec![8.12e-6], ..Owned::default() };
    let view =
        Trades { quantity: None, is_buyer_maker: None, agg_trade_id: None, individual_ids: None, ..trades.view() };
    let (mut live, mut state) = (machine(124, true), vec![]);
    live.push(view, &mut Buffers::default(), &mut vec![]).expect("a valid trade");
    live.save(&mut state);
    assert_eq!(machine(124, true).load(&mut Reader::new(&state)), Ok(()));
    assert_eq!(machine(123, true).load(&mut Reader::new(&state)), Err(CheckpointError::Impossible));
}

#[test]
fn a_state_whose_last_session_began_at_another_time_is_refused() {
    const DAY: i64 = 86_400;
    let sessions = |ahead: i64, at: u32| {
        let zone: &'static Zone = Box::leak(Box::new(Zone::new(ahead, vec![(5 * DAY, 0)]).expect("a clock")));
        let reset = Some(Reset::Sessions(Sessions { zone, at, on: None, named_by_end: false }));
        machine_of(&[123], true, Breaks { reset, max_gap: None })
    };
    let trades = Owned { time: vec![3 * DAY * 1_000 + 5], price: vec![8.0], ..Owned::default() };
    let view =
        Trades { quantity: None, is_buyer_maker: None, agg_trade_id: None, individual_ids: None, ..trades.view() };
    let (mut live, mut state, mut new) = (sessions(0, 3_600), vec![], vec![]);
    live.save(&mut new);
    assert_eq!(sessions(3_600, 3_600).load(&mut Reader::new(&new)), Ok(()), "there is no trade yet");
    live.push(view, &mut Buffers::default(), &mut vec![]).expect("a valid trade");
    live.save(&mut state);
    let mut same = sessions(0, 3_600);
    assert_eq!(same.load(&mut Reader::new(&state)), Ok(()));
    let end = (3 * DAY + 3_600) * 1_000;
    assert_eq!((same.ends_by(end - 1), same.ends_by(end)), (None, Some(CloseReason::Reset)));
    let (was, is) = ((2 * DAY + 3_600) * 1_000, (2 * DAY + 1_800) * 1_000);
    let refused = Err(CheckpointError::OtherSession { was, is });
    assert_eq!(sessions(1_800, 3_600).load(&mut Reader::new(&state)), refused);
    assert_eq!(sessions(0, 3_600).load(&mut Reader::new(&state[..24])), Err(CheckpointError::Truncated));
}

#[test]
fn touching_a_limit_closes_and_one_unit_less_does_not() {
    // 1 % of 100 is 1; the last unit is 1e-8.
    for (price, closes) in [(101.0, true), (99.0, true), (100.999_999_99, false), (99.000_000_01, false)] {
        let trades = Owned { time: vec![1, 2], price: vec![100.0, price], ..Owned::default() };
        let view =
            Trades { quantity: None, is_buyer_maker: None, agg_trade_id: None, individual_ids: None, ..trades.view() };
        let (mut builder, mut bars) = (machine(1_000, true), vec![]);
        builder.push(view, &mut Buffers::default(), &mut bars).expect("valid trades");
        assert_eq!(!bars.is_empty(), closes, "{price}");
    }
}

#[test]
fn no_price_touches_a_limit_beyond_64_bits() {
    let trades = Owned { time: vec![1, 2, 3], price: vec![9e10, 9.2e10, 9.2e10], ..Owned::default() };
    let view =
        Trades { quantity: None, is_buyer_maker: None, agg_trade_id: None, individual_ids: None, ..trades.view() };
    let (mut builder, mut bars) = (machine(100_000, true), vec![]);
    builder.push(view, &mut Buffers::default(), &mut bars).expect("valid trades");
    assert!(bars.is_empty());
}

/// Trades one by one, plain ones by the short way; rows are numbered over all trades.
fn run_one_by_one(mut builder: BarBuilder, trades: &Owned) -> (Vec<ClosedBar>, BarBuilder) {
    let (mut buffers, mut bars, view) = (Buffers::default(), vec![], trades.view());
    for row in 0..view.len() {
        let trade = Trade {
            time: view.time[row],
            price: view.price.get(row),
            quantity: Number::Float(trades.quantity[row]),
            is_buyer_maker: view.is_buyer_maker.and_then(|sides| sides.get(row)),
            agg_trade_id: Some(trades.id[row]),
            individual_ids: Some((trades.id[row], trades.last[row])),
        };
        let known = bars.len();
        if !builder.try_extend(&trade) {
            builder.push_trade(&trade, &mut buffers, &mut bars).expect("a valid trade");
        }
        bars[known..].iter_mut().for_each(|bar| bar.row += row);
    }
    (bars, builder)
}

#[test]
fn prop_trades_one_by_one_are_the_same_trades_at_once() {
    let windows = WindowOptions::new(
        Statistics::of(&[Statistic::CountImbalance, Statistic::VolumeSkew, Statistic::Hurst]),
        Some((Lookback::Trades(20), Statistics::of(&[Statistic::Ofi, Statistic::VolumeKurt]))),
        true,
    );
    for unit in [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds] {
        for (seed, options) in [(21, WindowOptions::default()), (22, windows)] {
            let new = || {
                let rule = RangeRule::dbps(60, true).expect("a valid threshold");
                BarBuilder::new(&[rule], Breaks::default(), unit, options)
            };
            let trades = Owned::walk(seed, 3_000);
            let (mut whole, mut expected) = (new(), vec![]);
            whole.push(trades.view(), &mut Buffers::default(), &mut expected).expect("valid trades");
            let (bars, builder) = run_one_by_one(new(), &trades);
            assert!(bars == expected && expected.len() > 50);
            let state = |builder: &BarBuilder| {
                let mut out = vec![];
                builder.save(&mut out);
                let forming = builder.forming().map(|(rule, bar)| (*bar, builder.forming_windows(rule, bar)));
                (out, forming.collect::<Vec<_>>())
            };
            assert_eq!(state(&builder), state(&whole));
        }
    }
}

#[test]
fn a_trade_that_breaks_a_rule_is_refused_alone_as_in_a_column() {
    let trade = |time, price, quantity, last| Trade {
        time,
        price: Number::Float(price),
        quantity: Number::Float(quantity),
        is_buyer_maker: None,
        agg_trade_id: Some(time),
        individual_ids: Some((0, last)),
    };
    for (wrong, column) in [
        (trade(9, 100.0, 1.0, 0), Role::Time),
        (trade(10, 100.0, 1.0, 0), Role::AggTradeId),
        (trade(11, f64::NAN, 1.0, 0), Role::Price),
        (trade(10 + 14_610 * 86_400_000 + 1, 100.0, 1.0, 0), Role::Time),
        (trade(11, 1e-9, 1.0, 0), Role::Price),
        (trade(11, 1.234_56e-6, 1.0, 0), Role::Price),
        (trade(11, 1e11, 1.0, 0), Role::Price),
        (trade(11, 100.0, -1.0, 0), Role::Quantity),
        (trade(11, 100.0, 2e15, 0), Role::Quantity),
        (trade(11, 100.0, 1.5e-8, 0), Role::Quantity),
        (trade(11, 100.0, 4e-9, 0), Role::Quantity),
        (trade(11, 100.0, 1.0, -2), Role::LastTradeId),
    ] {
        let (mut builder, mut buffers) = (machine(100, true), Buffers::default());
        builder.push_trade(&trade(10, 100.0, 1.0, 0), &mut buffers, &mut vec![]).expect("a valid trade");
        assert!(!builder.try_extend(&wrong), "{column:?}");
        let error = builder.push_trade(&wrong, &mut buffers, &mut vec![]).expect_err("it breaks a rule");
        assert_eq!((error.column, error.row), (column, 1));
        assert!(error.to_string().contains(" at row 1"), "{error}");
    }
}

#[test]
fn a_rule_that_closes_no_bar_takes_every_trade_into_one() {
    let trades = Owned::walk(31, 2_000);
    let mut builder =
        BarBuilder::new(&[NeverRule], Breaks::default(), TimeUnit::Milliseconds, WindowOptions::default());
    let mut bars = vec![];
    builder.push(trades.view(), &mut Buffers::default(), &mut bars).expect("valid trades");
    assert!(bars.is_empty() && builder.closed() == 0);
    let forming: Vec<_> = builder.forming().map(|(_, bar)| bar.agg_record_count).collect();
    assert_eq!(forming, [2_000]);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn prop_every_width_gives_the_same_bits() {
    use crate::core::features::complexity::{Patterns, hurst};
    use crate::core::numbers::simd::{WIDEST, Width, width};
    use crate::core::testing::walk;

    let trades = Owned::walk(21, 20_000);
    let price = walk(22, 20_000, 4_200_000_000_000, 1_000_000);
    let run = |widest: Width| {
        WIDEST.set(widest);
        assert!(width() <= widest);
        let rule = RangeRule::dbps(200, true).expect("a valid threshold");
        let mut builder = BarBuilder::new(&[rule], Breaks::default(), TimeUnit::Milliseconds, WindowOptions::default());
        let mut closed = Vec::new();
        builder.push(trades.view(), &mut Buffers::default(), &mut closed).expect("valid trades");
        let hurst: Vec<_> = (64..400).chain([20_000]).map(|rows| hurst(&price[..rows]).map(f64::to_bits)).collect();
        (closed, builder.forming().next().map(|(_, bar)| *bar), hurst, Patterns::of(&price))
    };
    let any = run(Width::Any);
    assert!(any.0.len() > 50, "the walk must close bars");
    assert!(run(Width::Avx2) == any && run(Width::Avx512) == any);
}

#[test]
fn prop_the_same_raw_prices_have_the_same_bars_whatever_their_decimals() {
    let trades = Owned::walk(19, 5_000);
    let usual = Decimals::default();
    let raw: Vec<_> = trades.price.iter().map(|&x| Number::Float(x).to_fixed(usual).expect("fits")).collect();
    for decimals in Decimals::all() {
        let price = Numbers::Decimal { mantissa: &raw, scale: decimals.count() };
        let (mut builder, mut bars) = (machine(300, true).with_price_decimals(decimals), vec![]);
        builder.push(Trades { price, ..trades.view() }, &mut Buffers::default(), &mut bars).expect("valid trades");
        let (expected, _) = run(&trades, 300, true, &[usize::MAX / 2]);
        assert_eq!(bars.len(), expected.len());
        for (bar, expected) in bars.iter().zip(expected) {
            assert_eq!(bar.row, expected.row);
            assert_eq!(bar.bar, RangeBar { price_decimals: decimals, ..expected.bar });
            assert_eq!(bar.bar.price(bar.bar.high), decimals.double(expected.bar.high));
        }
        let mut state = vec![];
        builder.save(&mut state);
        let mut restored = machine(300, true).with_price_decimals(decimals);
        assert_eq!(restored.load(&mut Reader::new(&state)), Ok(()));
        assert!(restored.forming().eq(builder.forming()), "the decimals are those of the builder");
    }
}
