//! Trades in another order, in memory that is used again for every batch.

use super::fixed::Numbers;
use super::trades::{Bits, Trades};

/// Columns of trades, gathered.
#[derive(Debug, Default)]
pub struct Gathered {
    time: Vec<i64>,
    price: GatheredNumbers,
    quantity: GatheredNumbers,
    is_buyer_maker: Vec<u8>,
    agg_trade_id: Vec<i64>,
    first_trade_id: Vec<i64>,
    last_trade_id: Vec<i64>,
}

/// One buffer for each form in which numbers come; a column uses one of them.
#[derive(Debug, Default)]
struct GatheredNumbers {
    f64: Vec<f64>,
    f32: Vec<f32>,
    i64: Vec<i64>,
    i128: Vec<i128>,
}

impl Gathered {
    /// The rows `order` of some trades, in that order.
    ///
    /// # Panics
    ///
    /// If a row is beyond the trades.
    pub fn gather(&mut self, trades: &Trades<'_>, order: &[u32]) -> Trades<'_> {
        Trades {
            time: pick(&mut self.time, trades.time, order),
            price: self.price.gather(trades.price, order),
            quantity: trades.quantity.map(|numbers| self.quantity.gather(numbers, order)),
            is_buyer_maker: trades.is_buyer_maker.and_then(|side| {
                pick_bits(&mut self.is_buyer_maker, side, order);
                Bits::new(&self.is_buyer_maker, 0, order.len())
            }),
            agg_trade_id: trades.agg_trade_id.map(|ids| pick(&mut self.agg_trade_id, ids, order)),
            individual_ids: trades.individual_ids.map(|(first, last)| {
                (pick(&mut self.first_trade_id, first, order), pick(&mut self.last_trade_id, last, order))
            }),
        }
    }
}

impl GatheredNumbers {
    fn gather(&mut self, numbers: Numbers<'_>, order: &[u32]) -> Numbers<'_> {
        match numbers {
            Numbers::F64(from) => Numbers::F64(pick(&mut self.f64, from, order)),
            Numbers::F32(from) => Numbers::F32(pick(&mut self.f32, from, order)),
            Numbers::I64(from) => Numbers::I64(pick(&mut self.i64, from, order)),
            Numbers::Decimal { mantissa, scale } => {
                Numbers::Decimal { mantissa: pick(&mut self.i128, mantissa, order), scale }
            }
        }
    }
}

fn pick<'a, T: Copy>(to: &'a mut Vec<T>, from: &[T], order: &[u32]) -> &'a [T] {
    to.clear();
    to.extend(order.iter().map(|&row| from[row as usize]));
    to
}

fn pick_bits(to: &mut Vec<u8>, from: Bits<'_>, order: &[u32]) {
    to.clear();
    to.extend(order.chunks(8).map(|rows| {
        let bits = rows.iter().enumerate().map(|(bit, &row)| u8::from(from.get(row as usize)) << bit);
        bits.fold(0, |byte, bit| byte | bit)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_follows_the_order() {
        let trades = Trades {
            time: &[10, 11, 12],
            price: Numbers::F64(&[1.0, 2.0, 3.0]),
            quantity: Some(Numbers::Decimal { mantissa: &[4, 5, 6], scale: 1 }),
            is_buyer_maker: Bits::new(&[0b1010], 1, 3),
            agg_trade_id: Some(&[7, 8, 9]),
            individual_ids: Some((&[1, 3, 5], &[2, 4, 6])),
        };
        let mut gathered = Gathered::default();
        for order in [&[2, 0][..], &[1, 1, 1, 0, 2, 2, 1, 0, 2], &[]] {
            let out = gathered.gather(&trades, order);
            assert_eq!(out.len(), order.len());
            for (place, &row) in order.iter().enumerate() {
                let row = row as usize;
                assert_eq!(out.time[place], trades.time[row]);
                assert_eq!(out.price.get(place), trades.price.get(row));
                assert_eq!(out.quantity.map(|q| q.get(place)), trades.quantity.map(|q| q.get(row)));
                assert_eq!(out.is_buyer_maker.map(|s| s.get(place)), Some(row != 1));
                assert_eq!(out.agg_trade_id.map(|ids| ids[place]), trades.agg_trade_id.map(|ids| ids[row]));
                assert_eq!(
                    out.individual_ids.map(|(a, b)| (a[place], b[place])),
                    Some((2 * row as i64 + 1, 2 * row as i64 + 2))
                );
            }
        }
    }
}
