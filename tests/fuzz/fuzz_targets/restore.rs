//! Any bytes as a checkpoint: they are refused, or they are the state of a builder that goes on. Nothing panics, and what
//! was accepted is saved as the same bytes, or as bytes that are.

#![no_main]

use drawn::{Columns, Forms, Parameters, Step};
use libfuzzer_sys::fuzz_target;
use rangebar_polars::core::Buffers;
use rangebar_polars::core::checkpoint::Reader;

/// A place in the saved state, what is written there, and whether all of it is.
type Alteration = (u16, [u8; 8], bool);

fuzz_target!(|input: (Parameters, Forms, Vec<Step>, Vec<Alteration>, Option<Vec<u8>>, Vec<Step>)| {
    let (parameters, forms, before, alterations, raw, after) = input;
    let columns = Columns::new(forms, &before);
    let new = || parameters.builder(forms);

    // The state of real trades with some bytes altered gets further than bytes from nowhere.
    let mut bytes = raw.unwrap_or_else(|| {
        let (mut builder, mut bytes) = (new(), vec![]);
        if builder.push(columns.view(), &mut Buffers::default(), &mut vec![]).is_ok() {
            builder.save(&mut bytes);
        }
        bytes
    });
    for (place, word, is_whole) in alterations {
        let (place, len) = (usize::from(place), if is_whole { 8 } else { 1 });
        if let Some(at) = bytes.get_mut(place..place + len) {
            at.copy_from_slice(&word[..len]);
        }
    }

    let (mut builder, mut from) = (new(), Reader::new(&bytes));
    if builder.load(&mut from).is_err() {
        return;
    }
    let mut saved = vec![];
    builder.save(&mut saved);
    let (mut again, mut from, mut bytes) = (new(), Reader::new(&saved), vec![]);
    again.load(&mut from).expect("what a builder saved loads");
    assert!(from.is_empty());
    again.save(&mut bytes);
    assert_eq!(saved, bytes);

    let columns = Columns::new(forms, &after);
    for (rule, bar) in builder.forming() {
        let _ = (builder.forming_windows(rule, bar), builder.forming_footprint(rule));
    }
    let _ = builder.push(columns.view(), &mut Buffers::default(), &mut vec![]);
});
