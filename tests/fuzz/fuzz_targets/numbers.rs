//! Any numbers: a column that is converted in vectors gives what each number gives by itself, and fixed point is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_polars::core::block::contribution::BLOCK_ROWS;
use rangebar_polars::core::numbers::fixed::NARROW;
use rangebar_polars::core::numbers::precision::Precision;
use rangebar_polars::core::{Buffers, Decimals, Number, Numbers, Seen, Steps, TimeUnit, Trades};

fuzz_target!(|input: (u8, Vec<f64>, Vec<i64>, Vec<(i128, u8)>)| {
    let (count, floats, integers, decimals) = input;
    let of_prices = Decimals::new(u32::from(count % 19)).expect("at most 18");
    let singles: Vec<_> = floats.iter().map(|&x| x as f32).collect();
    for column in [Numbers::F64(&floats), Numbers::F32(&singles), Numbers::I64(&integers)] {
        for start in (0..column.len()).step_by(BLOCK_ROWS) {
            check_block(column.slice(start..column.len().min(start + BLOCK_ROWS)), of_prices);
        }
        for row in 0..column.len() {
            let number = column.get(row);
            if let Some(narrow) = number.to_narrow(of_prices) {
                assert_eq!(Some(i128::from(narrow)), number.to_fixed(of_prices), "{number:?}");
                assert!((0..=NARROW as i64).contains(&narrow), "{number:?}");
            }
            let _ = number.to_string();
        }
    }
    for (mantissa, scale) in decimals {
        let number = Number::Decimal { mantissa, scale: u32::from(scale) };
        assert_eq!(number.to_string().starts_with('-'), mantissa < 0);
        if let Some(fixed) = number.to_fixed(of_prices) {
            assert!(fixed == 0 || (fixed < 0) == (mantissa < 0), "{number:?}");
            let _ = i64::try_from(fixed).map(|raw| Precision::of_prices(of_prices).holds(number, raw));
        }
        let (price, product) = (of_prices.count(), of_prices.count() + 8);
        assert_eq!(Ok(of_prices.double(mantissa)), format!("{mantissa}e-{price}").parse());
        assert_eq!(Ok(of_prices.double_of_product(mantissa)), format!("{mantissa}e-{product}").parse());
    }
});

/// Prices and quantities of a block, if it is taken, are those of its rows.
fn check_block(column: Numbers<'_>, of_prices: Decimals) {
    let ones = Numbers::F64(&[1.0; BLOCK_ROWS][..column.len()]);
    for (price, quantity) in [(column, ones), (ones, column)] {
        let trades = Trades {
            time: &[0; BLOCK_ROWS][..column.len()],
            price,
            quantity: Some(quantity),
            is_buyer_maker: None,
            agg_trade_id: None,
            individual_ids: None,
        };
        let mut buffers = Buffers::default();
        let converted = buffers.convert(trades, &Seen::default(), &Steps::usual(TimeUnit::Microseconds), of_prices);
        let is_kept = converted.is_ok();
        if let Ok(block) = converted {
            for row in 0..column.len() {
                let (price, quantity) = (price.get(row), quantity.get(row));
                assert_eq!(Some(i128::from(block.price[row])), price.to_fixed(of_prices), "{price:?}");
                assert_eq!(Some(block.quantity.get(row)), quantity.to_fixed(Decimals::OF_QUANTITIES), "{quantity:?}");
            }
        }
        let holds = |number: Number, precision: Precision| {
            let raw = number.to_fixed(precision.decimals()).filter(|_| number.is_finite() && !number.is_negative());
            raw.and_then(|raw| i64::try_from(raw).ok()).is_none_or(|raw| precision.holds(number, raw))
        };
        let all_hold = (0..column.len()).all(|row| {
            holds(price.get(row), Precision::of_prices(of_prices)) && holds(quantity.get(row), Precision::OF_QUANTITIES)
        });
        assert!(all_hold || !is_kept, "{column:?}");
    }
}
