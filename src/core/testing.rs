//! Helpers that the tests of the core share.

use super::numbers::fixed::Numbers;
use super::trades::bits::Bits;
use super::trades::columns::Trades;
use super::trades::sides::Sides;

/// A cheap deterministic stream of 64-bit words (splitmix64).
pub fn words(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// Trades that own their columns.
#[derive(Default)]
pub struct Owned {
    pub time: Vec<i64>,
    pub price: Vec<f64>,
    pub quantity: Vec<f64>,
    pub side: Vec<u8>,
    pub id: Vec<i64>,
    pub last: Vec<i64>,
}

impl Owned {
    /// A walk on a grid of cents: many ties in time, bars of one block and of many, quantities of every size.
    pub fn walk(seed: u64, rows: usize) -> Self {
        let mut trades = Self { side: vec![0; rows.div_ceil(8)], ..Self::default() };
        let (mut time, mut cents, mut id) = (1_700_000_000_000_i64, 10_000_i64, 7_i64);
        for (row, word) in words(seed).take(rows).enumerate() {
            time += i64::from(word % 3 == 0) * (word >> 60) as i64;
            cents = (cents + ((word >> 8) % 7) as i64 - 3).max(50);
            id += 1 + ((word >> 16) % 2) as i64;
            trades.time.push(time);
            trades.price.push(cents as f64 / 100.0);
            trades.quantity.push(match word >> 59 {
                0 => 0.0,
                1 => 1e15,
                2 => 1e11,
                _ => ((word >> 20) % 1_000_000) as f64 / 1_000.0,
            });
            trades.side[row / 8] |= ((word >> 40 & 1) as u8) << (row % 8);
            trades.id.push(id);
            trades.last.push(id + (word >> 50) as i64 % 5);
        }
        trades
    }

    pub fn view(&self) -> Trades<'_> {
        Trades {
            time: &self.time,
            price: Numbers::F64(&self.price),
            quantity: Some(Numbers::F64(&self.quantity)),
            is_buyer_maker: Bits::new(&self.side, 0, self.time.len()).map(Sides::from),
            agg_trade_id: Some(&self.id),
            individual_ids: Some((&self.id, &self.last)),
        }
    }
}

/// Random walk on a grid of ticks; many steps stand still, and no price is below one tick.
pub fn walk(seed: u64, rows: usize, start: i64, tick: i64) -> Vec<i64> {
    let mut price = start;
    let step = |word: u64| {
        let steps = [0, 0, 0, 1, 1, 2, -1, -1, -2, 0, 0, 3, -3];
        price = (price + tick * steps[(word % 13) as usize]).max(tick);
        price
    };
    words(seed).map(step).take(rows).collect()
}
