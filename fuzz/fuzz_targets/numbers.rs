//! Any numbers: a column that is converted in vectors gives what each number gives by itself, and fixed point is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_polars::core::fixed::NARROW;
use rangebar_polars::core::piece::ROWS;
use rangebar_polars::core::{Buffers, Number, Numbers, Seen, Trades};

fuzz_target!(|input: (Vec<f64>, Vec<i64>, Vec<(i128, u8)>)| {
    let (floats, integers, decimals) = input;
    let singles: Vec<_> = floats.iter().map(|&x| x as f32).collect();
    for column in [Numbers::F64(&floats), Numbers::F32(&singles), Numbers::I64(&integers)] {
        for start in (0..column.len()).step_by(ROWS) {
            check_block(column.slice(start..column.len().min(start + ROWS)));
        }
        for row in 0..column.len() {
            let number = column.get(row);
            if let Some(narrow) = number.to_narrow() {
                assert_eq!(Some(i128::from(narrow)), number.to_fixed(), "{number:?}");
                assert!((0..=NARROW as i64).contains(&narrow), "{number:?}");
            }
            let _ = number.to_string();
        }
    }
    for (mantissa, scale) in decimals {
        let number = Number::Decimal { mantissa, scale: u32::from(scale) };
        assert_eq!(number.to_string().starts_with('-'), mantissa < 0);
        if let Some(fixed) = number.to_fixed() {
            assert!(fixed == 0 || (fixed < 0) == (mantissa < 0), "{number:?}");
        }
    }
});

/// Prices and quantities of a block, if it is taken, are those of its rows.
fn check_block(column: Numbers<'_>) {
    let ones = Numbers::F64(&[1.0; ROWS][..column.len()]);
    for (price, quantity) in [(column, ones), (ones, column)] {
        let trades = Trades {
            time: &[0; ROWS][..column.len()],
            price,
            quantity: Some(quantity),
            is_buyer_maker: None,
            agg_trade_id: None,
            individual_ids: None,
        };
        let mut buffers = Buffers::default();
        if let Ok(block) = buffers.load(trades, &Seen::default()) {
            for row in 0..column.len() {
                assert_eq!(Some(i128::from(block.price[row])), price.get(row).to_fixed(), "{:?}", price.get(row));
                assert_eq!(Some(block.quantity.get(row)), quantity.get(row).to_fixed(), "{:?}", quantity.get(row));
            }
        }
    }
}
