//! Any groups in any order: every row is in one run, a run is of one group, and a group's rows stay in order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_polars::core::Layout;

fuzz_target!(|input: (u16, u8, Vec<(u8, u8)>)| {
    let (first, among, runs) = input;
    let group = |group: u8| u32::from(group % among.max(1));
    let groups: Vec<_> = runs.iter().flat_map(|&(of, rows)| vec![group(of); usize::from(rows)]).collect();
    let layout = Layout::new(&groups, usize::from(first));
    let mut rows_of = vec![vec![]; 256];
    let mut order = vec![];
    for run in layout.runs() {
        let rows: Vec<_> = run.map(|place| layout.row(place) - usize::from(first)).collect();
        assert!(!rows.is_empty() && rows.iter().all(|&row| groups[row] == groups[rows[0]]));
        rows_of[groups[rows[0]] as usize].extend_from_slice(&rows);
        order.extend(rows);
    }
    assert!(rows_of.iter().all(|rows| rows.is_sorted()));
    if let Some(places) = layout.order() {
        assert!(order.iter().eq(places.iter().map(|&row| row as usize).collect::<Vec<_>>().iter()));
    }
    order.sort_unstable();
    assert!(order.into_iter().eq(0..groups.len()));
});
