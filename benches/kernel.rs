//! The kernel by itself, for figures and for counting instructions: `cargo run --release --no-default-features
//! --example kernel -- [trades] [threshold_dbps] [repeats] [rule] [number] [tick]`, likewise under `valgrind --tool=callgrind`.
//! A rule is one of `rows`, `trades`, `volume`, `turnover`, `high_low`, `cusum`, `time` (seconds),
//! `imbalance` (of the volume), `imbalances` and `runs` (of blocks of so many rows), with its number; by default, range
//! bars, which `range` means too. With a tick, in cents, bars have footprints.
//!
//! Prints nanoseconds a trade, the least of the repeats, for trades with the side alone and for those with all ids, and
//! first what merely reading time, price and quantity takes: from memory that alone may be half.

#![expect(clippy::expect_used, clippy::panic, reason = "what is wrong with a measurement ends it")]

use std::time::Instant;

use rangebar_polars::core::{
    AdaptiveRule, Amount, AnyRule, BarBuilder, Bits, Breaks, Buffers, CusumRule, Decimals, Every, FootprintOptions,
    HighLowRule, ImbalanceRule, Measure, Move, Number, Numbers, RangeRule, Sides, Tick, TimeRule, TimeUnit, TotalRule,
    Trades, WindowOptions,
};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |place: usize| arguments.get(place).map(|text| text.parse::<usize>().expect("a number"));
    let rows = number(0).unwrap_or(2_000_000);
    let threshold_dbps = number(1).unwrap_or(250);
    let repeats = number(2).unwrap_or(9);
    let rule = rule(threshold_dbps as u32, arguments.get(3).map(String::as_str), number(4).unwrap_or(1_000));
    let footprint = number(5).map(|cents| FootprintOptions {
        tick: Tick::new(cents as i64 * 1_000_000).expect("a tick"),
        keeps_levels: true,
    });
    let (mut time, mut price, mut quantity, mut side) = (vec![], vec![], vec![], vec![0_u8; rows.div_ceil(8)]);
    let (mut now, mut cents, mut state) = (1_704_067_200_000_000_i64, 4_228_359_i64, 1_u64);
    for row in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = state >> 20;
        now += (word % 3 * (word >> 8 & 0xFFFF)) as i64;
        cents += if word >> 5 & 3 == 0 { (word >> 12 & 255) as i64 - 127 } else { 0 };
        time.push(now);
        price.push(cents as f64 / 100.0);
        quantity.push(((word >> 24) % 1_000_000) as f64 / 1e5);
        side[row / 8] |= ((word >> 30 & 1) as u8) << (row % 8);
    }
    let mut least = f64::INFINITY;
    for _ in 0..repeats {
        let start = Instant::now();
        let bits = |numbers: &[f64]| numbers.iter().fold(0, |bits, x| bits | x.to_bits());
        std::hint::black_box(bits(&price) | bits(&quantity) | time.iter().fold(0, |bits, &x| bits | x as u64));
        least = least.min(start.elapsed().as_secs_f64());
    }
    println!("reading: {:.2} ns a trade", least / rows as f64 * 1e9);
    let id: Vec<_> = (0..rows as i64).collect();
    let bare = Trades {
        time: &time,
        price: Numbers::F64(&price),
        quantity: Some(Numbers::F64(&quantity)),
        is_buyer_maker: Bits::new(&side, 0, rows).map(Sides::from),
        agg_trade_id: None,
        individual_ids: None,
    };
    for (name, trades) in
        [("side", bare), ("side and ids", Trades { agg_trade_id: Some(&id), individual_ids: Some((&id, &id)), ..bare })]
    {
        let mut least = f64::INFINITY;
        let mut bars = 0;
        for _ in 0..repeats {
            let mut builder =
                BarBuilder::new(&[rule], Breaks::default(), TimeUnit::Microseconds, WindowOptions::default())
                    .with_footprint(footprint);
            let (mut buffers, mut closed) = (Buffers::default(), Vec::new());
            let start = Instant::now();
            builder.push(trades, &mut buffers, &mut closed).expect("valid trades");
            least = least.min(start.elapsed().as_secs_f64());
            bars = closed.len();
        }
        println!("{name}: {:.2} ns a trade, {bars} bars", least / rows as f64 * 1e9);
    }
}

fn rule(threshold_dbps: u32, name: Option<&str>, number: usize) -> AnyRule {
    let total = |amount: Amount| {
        TotalRule::new(amount, amount.raw(Number::Float(number as f64), Decimals::default()).expect("an amount")).into()
    };
    match name {
        None | Some("range") => RangeRule::dbps(threshold_dbps, true).expect("a valid threshold").into(),
        Some("rows") => total(Amount::Rows),
        Some("trades") => total(Amount::Trades),
        Some("volume") => total(Amount::Volume),
        Some("turnover") => total(Amount::Turnover),
        Some("high_low") => HighLowRule::new(Move::dbps(number as u32).expect("a valid threshold"), true).into(),
        Some("cusum") => CusumRule::dbps(number as u32, true).expect("a valid threshold").into(),
        Some("time") => TimeRule::new(Every::Nanoseconds(number as i64 * 1_000_000_000)).into(),
        Some("imbalance") => ImbalanceRule::new(Amount::Volume, number as i128 * 100_000_000).into(),
        Some(name @ ("imbalances" | "runs")) => {
            let measure = if name == "runs" { Measure::Run } else { Measure::Imbalance };
            AdaptiveRule::new(measure, Amount::Volume, number as u64, 20, Decimals::default()).into()
        }
        Some(other) => panic!("no rule {other}"),
    }
}
