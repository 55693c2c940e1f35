//! Any trades, in any form, under any parameters: nothing panics, and pushing them whole, in pieces, one by one, or with
//! a checkpoint between gives the same bars, the same forming bars, the same state or the same error.

#![no_main]

use drawn::{Columns, Forms, Parameters, Step};
use libfuzzer_sys::fuzz_target;
use rangebar_polars::core::checkpoint::Reader;
use rangebar_polars::core::{BarBuilder, Buffers, ClosedBar, Job, RowError, Trade, Trades};

/// Everything that can be seen of a builder and of the bars that it closed.
fn seen(builder: &BarBuilder, closed: &[ClosedBar]) -> String {
    let of = |rule, bar| (builder.forming_windows(rule, bar), builder.forming_footprint(rule));
    let forming: Vec<_> = builder.forming().map(|(rule, bar)| (rule, bar, of(rule, bar))).collect();
    let mut state = vec![];
    builder.save(&mut state);
    format!("{closed:?} {forming:?} {:?} {} {state:?}", builder.seen(), builder.closed())
}

/// Pushes trades in pieces and numbers the closing rows over all of them.
fn push(
    builder: &mut BarBuilder,
    trades: Trades<'_>,
    ends: &[usize],
    closed: &mut Vec<ClosedBar>,
) -> Result<(), RowError> {
    let (mut start, mut buffers) = (0, Buffers::default());
    for &end in ends {
        let known = closed.len();
        builder.push(trades.slice(start..end), &mut buffers, closed)?;
        closed[known..].iter_mut().for_each(|bar| bar.row += start);
        start = end;
    }
    Ok(())
}

fn one(trades: &Trades<'_>, row: usize) -> Option<Trade> {
    Some(Trade {
        time: trades.time[row],
        price: trades.price.get(row),
        quantity: trades.quantity?.get(row),
        is_buyer_maker: trades.is_buyer_maker.and_then(|sides| sides.get(row)),
        agg_trade_id: trades.agg_trade_id.map(|ids| ids[row]),
        individual_ids: trades.individual_ids.map(|(first, last)| (first[row], last[row])),
    })
}

fuzz_target!(|input: (Parameters, Forms, Vec<u16>, Vec<Step>)| {
    let (parameters, forms, cuts, steps) = input;
    let columns = Columns::new(forms, &steps);
    let (trades, rows) = (columns.view(), steps.len());
    let new = || parameters.builder(forms);

    let (mut whole, mut bars) = (new(), vec![]);
    let result = push(&mut whole, trades, &[rows], &mut bars);
    let expected = result.map(|()| seen(&whole, &bars)).map_err(|error| error.to_string());
    if result.is_ok() {
        let of_first = |closed: &&ClosedBar| closed.rule == 0;
        let forming = whole.forming().filter(|(rule, _)| *rule == 0).map(|(_, bar)| bar.agg_record_count);
        let count: u64 = bars.iter().filter(of_first).map(|closed| closed.bar.agg_record_count).chain(forming).sum();
        assert_eq!(count, rows as u64, "every trade is in one bar");
    }

    let backwards = |jobs: &mut [Job], run: &(dyn Fn(&mut Job) + Sync)| jobs.iter_mut().rev().for_each(run);
    let (mut builder, mut bars) = (new(), vec![]);
    let result = builder.push_side_by_side(trades, &mut Buffers::default(), &mut bars, &backwards);
    let side_by_side = result.map(|()| seen(&builder, &bars)).map_err(|error| error.to_string());
    assert_eq!(side_by_side, expected, "side by side");

    let mut ends: Vec<_> = cuts.iter().map(|&cut| usize::from(cut).min(rows)).chain([rows]).collect();
    ends.sort_unstable();
    let (mut builder, mut bars) = (new(), vec![]);
    let result = push(&mut builder, trades, &ends, &mut bars);
    assert_eq!(result.map(|()| seen(&builder, &bars)).map_err(|error| error.to_string()), expected, "in pieces");

    let (mut builder, mut bars, mut buffers) = (new(), vec![], Buffers::default());
    let by_one = (0..rows).try_for_each(|row| {
        let Some(trade) = one(&trades, row) else { return Ok(()) };
        let known = bars.len();
        if !builder.try_extend(&trade) {
            builder.push_trade(&trade, &mut buffers, &mut bars)?;
        }
        bars[known..].iter_mut().for_each(|bar| bar.row += row);
        Ok(())
    });
    if trades.quantity.is_some() {
        let by_one = by_one.map(|()| seen(&builder, &bars)).map_err(|error: RowError| error.to_string());
        assert_eq!(by_one, expected, "one by one");
    }

    let (mut before, mut bars) = (new(), vec![]);
    let cut = ends[0];
    if push(&mut before, trades, &[cut], &mut bars).is_ok() {
        let mut state = vec![];
        before.save(&mut state);
        let (mut after, mut from) = (new(), Reader::new(&state));
        after.load(&mut from).expect("what was saved loads");
        assert!(from.is_empty());
        let known = bars.len();
        let result = push(&mut after, trades.slice(cut..rows), &[rows - cut], &mut bars);
        bars[known..].iter_mut().for_each(|bar| bar.row += cut);
        let resumed = result.map(|()| seen(&after, &bars)).map_err(|error| error.to_string());
        assert_eq!(resumed, expected, "with a checkpoint at {cut}");

        let mut copy = new();
        before.begin_push(&mut copy);
        let marked = seen(&before, &[]);
        let _ = push(&mut before, trades.slice(cut..rows), &[rows - cut], &mut vec![]);
        before.roll_back(&copy);
        assert_eq!(seen(&before, &[]), marked, "rolled back to {cut}");
    }
});
