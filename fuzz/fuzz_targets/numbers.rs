//! Any numbers: the conversion of a column that vectorises is that of one number, and fixed point is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_polars::core::fixed::NARROW;
use rangebar_polars::core::{Number, Numbers};

fuzz_target!(|input: (Vec<f64>, Vec<i64>, Vec<(i128, u8)>, bool)| {
    let (floats, integers, decimals, positive) = input;
    let at_least = i64::from(positive);
    let singles: Vec<_> = floats.iter().map(|&x| x as f32).collect();
    for column in [Numbers::F64(&floats), Numbers::F32(&singles), Numbers::I64(&integers)] {
        let mut raw = vec![0; column.len()];
        let fixed: Vec<_> = (0..column.len()).map(|row| column.get(row).to_fixed()).collect();
        if column.to_narrow(at_least, &mut raw) {
            let raw: Vec<_> = raw.into_iter().map(|raw| Some(i128::from(raw))).collect();
            assert_eq!(raw, fixed, "{column:?}");
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
