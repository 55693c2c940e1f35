//! Any groups in any order: every row is in one run, a run is of one group, and a group's rows stay in order; every group
//! is in one share.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_polars::core::{Layout, shares};

fuzz_target!(|input: (u16, u8, u8, u16, Vec<(u8, u16)>)| {
    let (first, among, threads, least, runs) = input;
    let (first, threads) = (usize::from(first), usize::from(threads).max(1));
    let group = |group: u8| u32::from(group % among.max(1));
    let mut groups = vec![0; first];
    groups.extend(runs.iter().flat_map(|&(of, rows)| vec![group(of); usize::from(rows)]));
    let layout = Layout::new(&groups[first..], first);
    let runs = layout.group_runs(&groups[first..]);
    let mut rows_of = vec![vec![]; 256];
    let mut order = vec![];
    for (group, places) in &runs {
        let rows: Vec<_> = places.clone().map(|place| layout.row(place)).collect();
        assert!(!rows.is_empty() && rows.iter().all(|&row| groups[row] == *group));
        rows_of[*group as usize].extend_from_slice(&rows);
        order.extend(rows);
    }
    assert!(rows_of.iter().all(|rows| rows.is_sorted()));
    if let Some(places) = layout.places() {
        assert!(places.iter().enumerate().all(|(row, &place)| order[place as usize] == first + row));
    }
    order.sort_unstable();
    assert!(order.into_iter().eq(first..groups.len()));
    let least = usize::from(least);
    let rows_of = |(group, places): &(u32, std::ops::Range<usize>)| (*group, places.len());
    let shares = shares(runs.iter().map(rows_of), threads, least);
    assert!(!shares.is_empty() && shares.len() <= threads && shares.iter().all(|share| !share.is_empty()));
    assert!(shares[0].start == 0 && shares[shares.len() - 1].end == u32::MAX);
    assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
});
