//! What a builder refuses: the row is told, wherever it is and whichever rule it breaks.

use super::*;
use crate::core::error::{Role, Rule};
use crate::core::numbers::fixed::Number;
use crate::core::numbers::precision::Precision;
use crate::core::rules::RangeRule;
use crate::core::testing::Owned;

fn machine(threshold: u32) -> BarBuilder {
    let rule = RangeRule::dbps(threshold, true).expect("a valid threshold");
    BarBuilder::new(&[rule], Breaks::default(), TimeUnit::Milliseconds, WindowOptions::default())
}

/// Pushes rows of one price and quantity and returns the error.
fn failure(price: f64, quantity: f64, times: &[i64]) -> Option<RowError> {
    let (price, quantity) = (vec![price; times.len()], vec![quantity; times.len()]);
    let trades = Trades {
        time: times,
        price: Numbers::F64(&price),
        quantity: Some(Numbers::F64(&quantity)),
        is_buyer_maker: None,
        agg_trade_id: None,
        individual_ids: None,
    };
    machine(250).push(trades, &mut Buffers::default(), &mut vec![]).err()
}

#[test]
fn sums_beyond_128_bits_are_an_error_at_the_row_that_adds_too_much() {
    // 9e18 raw times 1e22 raw is 9e40, above 2^127 = 1.7e38; 9e18 * 1e19 = 9e37 fits once.
    let error = failure(9e10, 1e14, &[1]).expect("one product is too large");
    assert_eq!((error.column, error.row), (Role::Quantity, 0));
    let error = failure(9e10, 1e11, &[1, 1, 1]).expect("the sum is too large");
    assert_eq!((error.column, error.row), (Role::Quantity, 1));
    assert!(matches!(error.rule, Rule::SumFits { .. }));
}

#[test]
fn a_count_beyond_64_bits_is_an_error_at_the_row_that_adds_too_much() {
    // 4,095 rows of 2^52 individual trades and one of as many less one are just below 2^64.
    const MOST: i64 = 1 << 52;
    let (time, price, first) = (vec![0; 5_000], vec![1.0; 5_000], vec![0; 5_000]);
    let mut last = vec![MOST - 1; 5_000];
    last[7] = MOST - 2;
    let trades = Trades {
        time: &time,
        price: Numbers::F64(&price),
        quantity: None,
        is_buyer_maker: None,
        agg_trade_id: None,
        individual_ids: Some((&first, &last)),
    };
    for size in [1, 7, BLOCK_ROWS, 5_000] {
        let (mut builder, mut buffers) = (machine(250), Buffers::default());
        let failed = (0..5_000).step_by(size).find_map(|start| {
            let end = trades.len().min(start + size);
            builder.push(trades.slice(start..end), &mut buffers, &mut vec![]).err()
        });
        let rule = Rule::CountFits { trades: MOST as u64 };
        assert_eq!(failed, Some(RowError { column: Role::LastTradeId, row: 4_096, rule }), "{size}");
    }
}

#[test]
fn a_number_that_rounding_changes_too_much_is_an_error_wherever_it_is() {
    let steady = Owned::walk(17, 3_000);
    for row in [0, 1, 1_023, 1_024, 2_000, 2_999] {
        for (column, value, rounded) in [
            (Role::Price, 0.499_999_5e-2, 500_000),
            (Role::Price, 1.234_56e-6, 123),
            (Role::Quantity, 250.4e-8, 250),
            (Role::Quantity, 3e-9, 0),
        ] {
            let mut trades = Owned::walk(17, 3_000);
            let numbers = if column == Role::Price { &mut trades.price } else { &mut trades.quantity };
            numbers[row] = value;
            let result = machine(100).push(trades.view(), &mut Buffers::default(), &mut vec![]);
            let of_prices = Precision::of_prices(Decimals::default());
            let precision = if column == Role::Price { of_prices } else { Precision::OF_QUANTITIES };
            let rule = Rule::Precision { value: Number::Float(value), rounded, precision };
            assert_eq!(result, Err(RowError { column, row: row as u64, rule }));
        }
    }
    assert_eq!(machine(100).push(steady.view(), &mut Buffers::default(), &mut vec![]), Ok(()));
}

#[test]
fn a_duration_beyond_64_bits_is_an_error_at_its_row() {
    let (time, price) = ([0, 1, i64::MAX], [1.0; 3]);
    let trades = Trades {
        time: &time,
        price: Numbers::F64(&price),
        quantity: None,
        is_buyer_maker: None,
        agg_trade_id: None,
        individual_ids: None,
    };
    let result = machine(250).with_max_step(None).push(trades, &mut Buffers::default(), &mut vec![]);
    let rule = Rule::DurationFits { time: i64::MAX, open_time: 0 };
    assert_eq!(result, Err(RowError { column: Role::Time, row: 2, rule }), "milliseconds times 1000");
}

#[test]
fn the_first_bad_row_is_told_whichever_rule_it_breaks() {
    let error = failure(1.0, 1.0, &[0, i64::MAX, 1]).expect("a step that is too long, then a time that goes back");
    assert_eq!((error.column, error.row), (Role::Time, 1));
    assert!(matches!(error.rule, Rule::StepTooLong { .. }));
}
