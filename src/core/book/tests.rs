use std::collections::BTreeMap;

use super::builder::BookBuilder;
use super::error::{BookError, BookRole, BookRule};
use super::options::{BookOptions, BookSample, Crossed, Holes, Sampling};
use super::sides::BookSide;
use super::updates::{BOOK_ROWS, UpdateBuffers, UpdateIds, Updates};
use crate::core::checkpoint::{CheckpointError, Reader};
use crate::core::testing::words;
use crate::core::{Bits, Decimals, Every, Length, Numbers, Rule, Steps, TimeUnit};

const UNIT: TimeUnit = TimeUnit::Milliseconds;

fn options(sampling: Sampling) -> BookOptions {
    BookOptions {
        depth: 3,
        max_levels: None,
        flow_levels: 2,
        has_activity: true,
        sampling,
        crossed: Crossed::Keep,
        holes: Holes::Invalid,
        needs_snapshot: false,
        unit: UNIT,
        steps: Steps::usual(UNIT),
        price_decimals: Decimals::default(),
    }
}

/// Updates that own their columns; numbers are raw, of no decimals.
#[derive(Debug, Clone, Default)]
struct Owned {
    time: Vec<i64>,
    is_bid: Vec<bool>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    ids: Option<Vec<i64>>,
    is_snapshot: Option<Vec<bool>>,
    batch: Option<Vec<i64>>,
}

fn bits(values: &[bool]) -> Vec<u8> {
    let mut bytes = vec![0; values.len().div_ceil(8)];
    values.iter().enumerate().filter(|(_, value)| **value).for_each(|(row, _)| bytes[row / 8] |= 1 << (row % 8));
    bytes
}

impl Owned {
    fn of(rows: &[(i64, char, i64, i64)]) -> Self {
        Self {
            time: rows.iter().map(|row| row.0).collect(),
            is_bid: rows.iter().map(|row| row.1 == 'b').collect(),
            price: rows.iter().map(|row| row.2).collect(),
            quantity: rows.iter().map(|row| row.3).collect(),
            ..Self::default()
        }
    }

    /// A walk: prices around a middle, a third of the updates deletes, several updates have one time.
    fn walk(seed: u64, rows: usize, width: u64) -> Self {
        let (mut time, mut middle) = (0, 10_000_i64);
        let mut updates = Self::default();
        for word in words(seed).take(rows) {
            time += i64::from(word % 3 == 0) * ((word >> 8) % 40) as i64;
            middle += ((word >> 16) % 3) as i64 - 1;
            let is_bid = word >> 63 == 1;
            let away = 1 + ((word >> 24) % width) as i64;
            updates.time.push(time);
            updates.is_bid.push(is_bid);
            updates.price.push(if is_bid { middle - away } else { middle + away });
            updates.quantity.push(((word >> 40) % 9).saturating_sub(2) as i64);
        }
        updates
    }

    /// All samples of some pushes, which end at these rows.
    fn samples(&self, builder: &mut BookBuilder, ends: &[usize]) -> Result<Vec<Shown>, BookError> {
        let (bid, snapshot) = (bits(&self.is_bid), self.is_snapshot.as_deref().map(bits));
        let len = self.time.len();
        let all = Updates {
            time: &self.time,
            is_bid: Bits::new(&bid, 0, len).expect("enough"),
            price: Numbers::I64(&self.price),
            quantity: Numbers::I64(&self.quantity),
            ids: self.ids.as_deref().map(|last| UpdateIds { last, first: Some(last), previous: None }),
            is_snapshot: snapshot.as_deref().and_then(|snapshot| Bits::new(snapshot, 0, len)),
            batch: self.batch.as_deref(),
        };
        let (mut shown, mut buffers) = (Vec::new(), UpdateBuffers::default());
        let decimals = Decimals::new(0).expect("at most 18");
        let mut start = 0;
        for &end in ends {
            while start < end {
                let next = end.min(start + BOOK_ROWS);
                let (raw, broken) = buffers.convert(all.slice(start..next), decimals, decimals);
                assert_eq!(broken, None);
                let mut from = 0;
                while from < next - start {
                    // Room for one sample at a time: whatever comes out, the rows go on where they stopped.
                    from += builder.push(&raw, from..next - start, 1, &mut |sample| shown.push(Shown::of(&sample)))?;
                }
                start = next;
            }
        }
        Ok(shown)
    }

    fn all(&self, options: BookOptions) -> Result<Vec<Shown>, BookError> {
        let mut builder = BookBuilder::new(options);
        let mut shown = self.samples(&mut builder, &[self.time.len()])?;
        builder.finish(&mut |sample| shown.push(Shown::of(&sample)))?;
        Ok(shown)
    }
}

/// What a sample says.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    time: i64,
    bids: Vec<(i64, i64)>,
    asks: Vec<(i64, i64)>,
    is_valid: bool,
    is_crossed: bool,
    updates: u64,
    holes: u64,
    flows: Option<Vec<i128>>,
}

impl Shown {
    fn of(sample: &BookSample<'_>) -> Self {
        let side = |side| sample.book.side(side).iter().map(|level| (level.price, level.quantity)).collect();
        Self {
            time: sample.time,
            bids: side(BookSide::Bid),
            asks: side(BookSide::Ask),
            is_valid: sample.is_valid,
            is_crossed: sample.is_crossed,
            updates: sample.updates,
            holes: sample.holes,
            flows: sample.flows.map(<[i128]>::to_vec),
        }
    }
}

/// The sides of the definition: maps of price to quantity.
#[derive(Default)]
struct Slow {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Slow {
    fn set(&mut self, is_bid: bool, price: i64, quantity: i64) {
        let side = if is_bid { &mut self.bids } else { &mut self.asks };
        if quantity == 0 {
            side.remove(&price);
        } else {
            side.insert(price, quantity);
        }
    }

    fn sides(&self) -> [Vec<(i64, i64)>; 2] {
        let pair = |(&price, &quantity)| (price, quantity);
        [self.bids.iter().rev().map(pair).collect(), self.asks.iter().map(pair).collect()]
    }
}

/// The flow of a level by the paper, where a level that is not there has no quantity and the worst price.
fn flow(before: &[Vec<(i64, i64)>; 2], after: &[Vec<(i64, i64)>; 2], rank: usize) -> i128 {
    let level = |sides: &[Vec<(i64, i64)>; 2], side: usize| {
        sides[side].get(rank).copied().unwrap_or((if side == 0 { i64::MIN } else { i64::MAX }, 0))
    };
    let ((old_bid, old_of_bid), (bid, of_bid)) = (level(before, 0), level(after, 0));
    let ((old_ask, old_of_ask), (ask, of_ask)) = (level(before, 1), level(after, 1));
    let times = |holds: bool, quantity: i64| if holds { i128::from(quantity) } else { 0 };
    times(bid >= old_bid, of_bid) - times(bid <= old_bid, old_of_bid) - times(ask <= old_ask, of_ask)
        + times(ask >= old_ask, old_of_ask)
}

#[test]
fn prop_events_are_those_of_the_definition() {
    for seed in 0..12 {
        let updates = Owned::walk(seed, 3_000, [3, 20, 400][seed as usize % 3]);
        let (mut slow, mut before, mut expected) = (Slow::default(), None, Vec::new());
        for row in 0..updates.time.len() {
            slow.set(updates.is_bid[row], updates.price[row], updates.quantity[row]);
            let is_last = updates.time.get(row + 1) != Some(&updates.time[row]);
            if is_last {
                let sides = slow.sides();
                let flows = before.as_ref().map(|before| (0..2).map(|rank| flow(before, &sides, rank)).collect());
                let is_crossed = sides[0].first().zip(sides[1].first()).is_some_and(|(bid, ask)| bid.0 >= ask.0);
                let [bids, asks] = sides.clone();
                let updates_before: u64 = expected.iter().map(|shown: &Shown| shown.updates).sum();
                expected.push(Shown {
                    time: updates.time[row],
                    bids,
                    asks,
                    is_valid: true,
                    is_crossed,
                    updates: row as u64 + 1 - updates_before,
                    holes: 0,
                    flows,
                });
                before = Some(sides);
            }
        }
        let shown = updates.all(options(Sampling::Event)).expect("sound updates");
        assert_eq!(shown, expected, "{seed}");

        // Changes: those events whose best three levels differ from the ones that came out last.
        let tops =
            |shown: &Shown| [&shown.bids, &shown.asks].map(|side| side.iter().take(3).copied().collect::<Vec<_>>());
        let mut changes: Vec<[Vec<(i64, i64)>; 2]> = Vec::new();
        for event in &expected {
            if changes.last() != Some(&tops(event)) {
                changes.push(tops(event));
            }
        }
        let changed = updates.all(options(Sampling::Change)).expect("sound updates");
        assert!(changed.iter().map(tops).eq(changes));
        assert_eq!(
            changed.iter().skip(1).filter_map(|shown| shown.flows.as_ref()).map(|flows| flows[0]).sum::<i128>(),
            expected
                .iter()
                .filter(|shown| shown.time <= changed[changed.len() - 1].time)
                .skip(1)
                .filter(|shown| shown.time > changed[0].time)
                .filter_map(|shown| shown.flows.as_ref())
                .map(|flows| flows[0])
                .sum::<i128>()
        );

        // At equal distances: the last event before each instant.
        let every = updates.all(options(Sampling::Every(Every::Nanoseconds(7_000_000)))).expect("sound updates");
        let (first, last) = (expected[0].time, expected[expected.len() - 1].time);
        assert!(
            every
                .iter()
                .map(|shown| shown.time)
                .eq((1..).map(|n| n * 7).filter(|&t| t > first).take_while(|&t| t <= last + 7))
        );
        for shown in &every {
            let known = expected.iter().rfind(|event| event.time < shown.time).expect("an event before");
            assert_eq!((&shown.bids, &shown.asks), (&known.bids, &known.asks));
        }
        assert_eq!(every.iter().map(|shown| shown.updates).sum::<u64>(), 3_000);
    }
}

#[test]
fn prop_a_split_and_a_checkpoint_change_nothing() {
    let every = Sampling::Every(Every::Nanoseconds(3_000_000));
    for (seed, sampling) in (0..10).flat_map(|seed| [Sampling::Event, Sampling::Change, every].map(|of| (seed, of))) {
        let mut updates = Owned::walk(seed, 1_500, 30);
        let holes = words(seed).map(|word| i64::from(word % 97 == 0));
        updates.ids = Some(
            updates
                .time
                .iter()
                .zip(holes)
                .scan((0, i64::MIN), |(id, time), (&now, hole)| {
                    *id += i64::from(*time != now) * (1 + hole);
                    *time = now;
                    Some(*id)
                })
                .collect(),
        );
        updates.is_snapshot = Some(updates.time.iter().map(|time| time % 50 == 1).collect());
        let options = options(sampling);
        let whole = updates.all(options).expect("sound updates");
        assert!(whole.iter().any(|shown| !shown.is_valid) && whole.iter().any(|shown| shown.holes > 0));
        let (mut builder, mut at, mut parts) = (BookBuilder::new(options), 0, Vec::new());
        for word in words(seed) {
            let end = updates.time.len().min(at + 1 + word as usize % 400);
            let rest = Owned {
                time: updates.time[at..end].to_vec(),
                is_bid: updates.is_bid[at..end].to_vec(),
                price: updates.price[at..end].to_vec(),
                quantity: updates.quantity[at..end].to_vec(),
                ids: updates.ids.as_ref().map(|ids| ids[at..end].to_vec()),
                is_snapshot: updates.is_snapshot.as_ref().map(|bits| bits[at..end].to_vec()),
                batch: None,
            };
            parts.extend(rest.samples(&mut builder, &[end - at]).expect("sound updates"));
            at = end;
            let mut bytes = Vec::new();
            builder.save(&mut bytes);
            let (mut restored, mut from) = (BookBuilder::new(options), Reader::new(&bytes));
            assert_eq!(restored.load(&mut from), Ok(()));
            assert!(from.is_empty() && restored == builder);
            builder = restored;
            if at == updates.time.len() {
                break;
            }
        }
        builder.finish(&mut |sample| parts.push(Shown::of(&sample))).expect("sound updates");
        assert_eq!(parts, whole);
    }
}

#[test]
fn a_shorter_or_impossible_state_is_refused() {
    let updates = Owned::walk(3, 200, 20);
    for sampling in [Sampling::Event, Sampling::Change, Sampling::Every(Every::Nanoseconds(1_000_000))] {
        let mut builder = BookBuilder::new(options(sampling));
        updates.samples(&mut builder, &[200]).expect("sound updates");
        let mut bytes = Vec::new();
        builder.save(&mut bytes);
        for short in 0..bytes.len() {
            let loaded = BookBuilder::new(options(sampling)).load(&mut Reader::new(&bytes[..short]));
            assert_eq!(loaded, Err(CheckpointError::Truncated));
        }
        let mut rows = bytes.clone();
        rows[..8].fill(0);
        let loaded = BookBuilder::new(options(sampling)).load(&mut Reader::new(&rows));
        assert_eq!(loaded, Err(CheckpointError::Impossible));
        // The last level of the asks has no quantity.
        let mut empty = bytes.clone();
        let end = empty.len();
        empty[end - 8..].fill(0);
        let loaded = BookBuilder::new(options(sampling)).load(&mut Reader::new(&empty));
        assert_eq!(loaded, Err(CheckpointError::Impossible));
    }
}

#[test]
fn ids_that_do_not_follow_make_the_book_unknown() {
    let rows = [(1, 'b', 10, 1), (2, 'b', 11, 1), (3, 'a', 12, 1), (4, 'b', 9, 1), (5, 'a', 13, 2), (6, 'b', 8, 1)];
    let mut updates = Owned::of(&rows);
    updates.ids = Some(vec![5, 6, 8, 9, 7, 10]);
    updates.is_snapshot = Some([4].map(|_| vec![false, false, false, false, true, false]).concat());
    let shown = updates.all(options(Sampling::Event)).expect("sound updates");
    let valid: Vec<_> = shown.iter().map(|shown| (shown.is_valid, shown.holes, shown.bids.len())).collect();
    // The snapshot is of id 7, and 10 does not follow: a hole again.
    assert_eq!(valid, [(true, 0, 1), (true, 0, 2), (false, 1, 0), (false, 0, 0), (true, 0, 0), (false, 1, 0)]);
    let kept = updates.all(BookOptions { holes: Holes::Keep, ..options(Sampling::Event) }).expect("kept");
    assert_eq!(kept.iter().map(|shown| (shown.bids.len(), shown.holes)).next_back(), Some((1, 1)));
    let error = updates.all(BookOptions { holes: Holes::Error, ..options(Sampling::Event) });
    let rule = BookRule::NoHole { id: 8, previous: 6 };
    assert_eq!(error, Err(BookError { column: BookRole::FirstUpdateId, row: 2, rule }));
    // What a snapshot holds already is left out, and the first message behind it may begin before it.
    updates.ids = Some(vec![5, 6, 7, 8, 9, 9]);
    let shown = updates.all(options(Sampling::Event)).expect("sound updates");
    assert_eq!(shown.last().map(|shown| (shown.is_valid, shown.bids.len(), shown.asks.len())), Some((true, 0, 1)));
    updates.ids = Some(vec![5, 6, 6, 8, 9, 10]);
    let error = updates.all(options(Sampling::Event));
    // The same id at another time is the same message.
    let rule = BookRule::OneTime { time: 3, previous: 2 };
    assert_eq!(error, Err(BookError { column: BookRole::Time, row: 2, rule }));
    updates.ids = Some(vec![5, 6, 5, 8, 9, 10]);
    let rule = BookRule::IdOrder { id: 5, previous: 6 };
    let error = BookError { column: BookRole::LastUpdateId, row: 2, rule };
    assert_eq!(updates.all(options(Sampling::Event)), Err(error));
}

#[test]
fn the_book_is_unknown_before_the_first_snapshot() {
    let mut updates = Owned::of(&[(1, 'b', 10, 1), (2, 'a', 12, 1), (2, 'b', 9, 1), (3, 'b', 11, 1)]);
    updates.is_snapshot = Some(vec![false, true, true, false]);
    let shown = updates.all(BookOptions { needs_snapshot: true, ..options(Sampling::Event) }).expect("sound updates");
    let valid: Vec<_> = shown.iter().map(|shown| (shown.is_valid, shown.bids.clone(), shown.flows.clone())).collect();
    let expected = [(false, vec![], None), (true, vec![(9, 1)], None), (true, vec![(11, 1), (9, 1)], Some(vec![1, 1]))];
    assert_eq!(valid, expected);
}

#[test]
fn a_crossed_book_is_kept_repaired_or_refused() {
    let rows = [(1, 'b', 10, 1), (1, 'b', 9, 1), (1, 'a', 12, 1), (2, 'a', 9, 5), (3, 'b', 12, 7), (4, 'a', 11, 0)];
    let updates = Owned::of(&rows);
    let of = |crossed| updates.all(BookOptions { crossed, ..options(Sampling::Event) });
    let kept = of(Crossed::Keep).expect("kept");
    assert_eq!(kept.iter().map(|shown| shown.is_crossed).collect::<Vec<_>>(), [false, true, true, true]);
    assert_eq!((kept[2].bids.len(), kept[2].asks.len()), (3, 2));
    let repaired = of(Crossed::Repair).expect("repaired");
    // The ask at 9 is newer than the bids from 9 up; then the bid at 12 is newer than the asks up to 12.
    let sides: Vec<_> = repaired.iter().map(|shown| (shown.bids.clone(), shown.asks.clone())).collect();
    assert_eq!(sides[1], (vec![], vec![(9, 5), (12, 1)]));
    assert_eq!(sides[2], (vec![(12, 7)], vec![]));
    assert_eq!(repaired.iter().map(|shown| shown.is_crossed).collect::<Vec<_>>(), [false, true, true, false]);
    let decimals = Decimals::default();
    let rule = BookRule::NotCrossed { bid: 10, ask: 9, decimals, time: 2 };
    assert_eq!(of(Crossed::Error), Err(BookError { column: BookRole::Price, row: 3, rule }));
}

#[test]
fn an_event_that_changes_nothing_leaves_a_crossed_book_crossed() {
    let mut updates = Owned::of(&[(1, 'b', 10, 1), (1, 'a', 9, 1), (2, 'a', 50, 0), (3, 'b', 5, 1)]);
    updates.is_snapshot = Some(vec![false, false, false, true]);
    let shown = updates.all(options(Sampling::Change)).expect("sound updates");
    let crossed: Vec<_> = shown.iter().map(|shown| (shown.time, shown.is_crossed, shown.asks.len())).collect();
    assert_eq!(crossed, [(1, true, 1), (3, true, 0)]);
}

#[test]
fn a_batch_is_one_event() {
    let mut updates = Owned::of(&[(1, 'b', 10, 1), (1, 'a', 12, 1), (1, 'b', 10, 0), (1, 'b', 11, 1)]);
    updates.batch = Some(vec![7, 7, 3, 3]);
    let shown = updates.all(options(Sampling::Event)).expect("sound updates");
    assert_eq!(shown.iter().map(|shown| shown.bids.clone()).collect::<Vec<_>>(), [[(10, 1)], [(11, 1)]]);
    // Bids rose to a new level, and the ask stayed.
    assert_eq!(shown[1].flows, Some(vec![1, 0]));
    // A snapshot of several messages in one batch: nothing is missing within it.
    let ids = Some(vec![2, 2, 6, 6]);
    let whole = Owned { ids, is_snapshot: Some(vec![true; 4]), batch: Some(vec![7; 4]), ..updates.clone() };
    let shown = whole.all(options(Sampling::Event)).expect("sound updates");
    assert_eq!(shown.iter().map(|shown| (shown.is_valid, shown.asks.len())).collect::<Vec<_>>(), [(true, 1)]);
    updates.time[3] = 2;
    let rule = BookRule::OneTime { time: 2, previous: 1 };
    let error = BookError { column: BookRole::Time, row: 3, rule };
    assert_eq!(updates.all(options(Sampling::Event)), Err(error));
}

#[test]
fn times_and_numbers_that_cannot_be() {
    let error = |rows: &[(i64, char, i64, i64)]| Owned::of(rows).all(options(Sampling::Event)).expect_err("refused");
    let back = error(&[(5, 'b', 10, 1), (4, 'b', 10, 1)]);
    assert_eq!(
        back.to_string(),
        "`timestamp` must not go back, got 4 after 5 at row 1; sort by time within each group, and name the column of the group in `by`"
    );
    let far = Owned::of(&[(5, 'b', 10, 1), (9, 'b', 10, 1)]);
    let steps = Steps::new(Some(Length::new(0, 3_000_000, UNIT)), UNIT);
    let far = far.all(BookOptions { steps, ..options(Sampling::Event) }).expect_err("refused");
    assert_eq!(far.rule, BookRule::OfTrades(Rule::StepTooLong { time: 9, previous: 5 }));
    let eight = Decimals::default();
    let broken = |price: f64, quantity: f64| {
        let updates = Updates {
            time: &[1; 3],
            is_bid: Bits::new(&[0], 0, 3).expect("enough"),
            price: Numbers::F64(&[1.0, price, 1.0]),
            quantity: Numbers::F64(&[1.0, quantity, 1.0]),
            ids: None,
            is_snapshot: None,
            batch: None,
        };
        let mut buffers = UpdateBuffers::default();
        let (raw, broken) = buffers.convert(updates, eight, eight);
        assert!(broken.is_some() || raw.price[2] == 100_000_000);
        broken
            .map(|(row, role, rule)| (row, role.name(), BookError { column: role, row: row as u64, rule }.to_string()))
    };
    let told = |price: f64, quantity: f64| {
        broken(price, quantity).map(|(row, role, text)| {
            assert_eq!(row, 1);
            assert!(text.contains("at row 1; "), "{text}");
            role
        })
    };
    assert_eq!(told(1.5, 0.0), None);
    assert_eq!(told(1.5, -0.0), None);
    assert_eq!(told(9e7, 9e9), None);
    for price in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e12] {
        assert_eq!(told(price, 1.0), Some("price"), "{price}");
    }
    for quantity in [-1.0, f64::NAN, f64::INFINITY, 1e-9, 1e12] {
        assert_eq!(told(1.0, quantity), Some("quantity"), "{quantity}");
    }
    let large = broken(1.0, 1e12).map(|(.., text)| text).expect("too large");
    assert!(large.ends_with("set quantity_decimals=6"), "{large}");
    let small = broken(1.0, 1.234e-9).map(|(.., text)| text).expect("too small");
    assert!(small.ends_with("set quantity_decimals=12"), "{small}");
}

#[test]
fn what_is_computed_of_a_book() {
    let rows = [(1, 'b', 10, 4), (1, 'b', 8, 6), (1, 'b', 5, 2), (1, 'a', 14, 1), (1, 'a', 16, 9)];
    let (updates, mut builder) = (Owned::of(&rows), BookBuilder::new(options(Sampling::Event)));
    updates.samples(&mut builder, &[5]).expect("sound updates");
    let book = builder.book();
    assert_eq!((book.two_mids(), book.spread(), book.relative_spread()), (Some(24), Some(4), Some(4.0 / 12.0)));
    assert_eq!(book.microprice(), Some((10.0 * 1.0 + 14.0 * 4.0) / 5.0));
    let imbalances = [(1, 3.0 / 5.0), (2, 0.0), (3, 2.0 / 22.0), (9, 2.0 / 22.0)];
    assert!(imbalances.iter().all(|&(levels, expected)| book.imbalance(levels) == Some(expected)));
    assert_eq!(book.slope(BookSide::Bid, 2), Some((10, 8)));
    assert_eq!(book.slope(BookSide::Ask, 9), Some((10, 8)));
    assert_eq!(book.slope(BookSide::Ask, 0), None);
    // Five asks: one at 14, four at 16, so 78 for what is worth 60 at the mid.
    assert_eq!(book.cost(BookSide::Ask, 5), Some(18.0 / 60.0));
    assert_eq!(book.cost(BookSide::Bid, 5), Some((60.0 - 48.0) / 60.0));
    assert_eq!((book.cost(BookSide::Ask, 10).is_some(), book.cost(BookSide::Ask, 11)), (true, None));
    let (most, mut highest) = (i64::MAX, Owned::of(&[(1, 'b', i64::MAX - 1, i64::MAX), (1, 'a', i64::MAX, i64::MAX)]));
    let mut builder = BookBuilder::new(options(Sampling::Event));
    highest.samples(&mut builder, &[2]).expect("sound updates");
    let book = builder.book();
    assert!(book.cost(BookSide::Ask, most).is_some_and(|cost| (0.0..1e-18).contains(&cost)));
    assert!(book.microprice().is_some_and(|price| price == most as f64));
    assert_eq!(book.imbalance(2), Some(0.0));
    highest.price[1] = i64::MAX - 1;
    let mut locked = BookBuilder::new(options(Sampling::Event));
    highest.samples(&mut locked, &[2]).expect("sound updates");
    assert!(locked.book().is_crossed() && locked.book().slope(BookSide::Ask, 1).is_none());
}
