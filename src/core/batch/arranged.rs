//! Trades in another order, in memory that is reused for every batch.

use crate::core::numbers::fixed::Numbers;
use crate::core::trades::bits::Bits;
use crate::core::trades::columns::Trades;
use crate::core::trades::sides::Sides;

/// Columns of trades, arranged.
#[derive(Debug, Default)]
pub struct Arranged {
    time: Vec<i64>,
    price: ArrangedNumbers,
    quantity: ArrangedNumbers,
    is_buyer_maker: ArrangedBits,
    known: ArrangedBits,
    agg_trade_id: Vec<i64>,
    first_trade_id: Vec<i64>,
    last_trade_id: Vec<i64>,
}

/// One buffer for each form of numbers; a column uses one of them.
#[derive(Debug, Default)]
struct ArrangedNumbers {
    f64: Vec<f64>,
    f32: Vec<f32>,
    i64: Vec<i64>,
    i128: Vec<i128>,
}

/// Bits, with masks as an intermediate form.
#[derive(Debug, Default)]
struct ArrangedBits {
    from: Vec<i8>,
    to: Vec<i8>,
    bytes: Vec<u8>,
}

impl Arranged {
    /// Some trades in another order, given the place of each row.
    ///
    /// Goes through the rows in their old order: the CPU prefetches what is read, and the few cache lines being written
    /// stay in the cache. Going through the new order took half as long again.
    ///
    /// # Panics
    ///
    /// If a place is not below the number of trades.
    pub fn arrange(&mut self, trades: &Trades<'_>, places: &[u32]) -> Trades<'_> {
        let Self { time, price, quantity, is_buyer_maker, known, agg_trade_id, first_trade_id, last_trade_id } = self;
        let (time, agg_trade_id, individual_ids) = match (trades.agg_trade_id, trades.individual_ids) {
            (Some(id), Some((first, last))) => {
                let to = [&mut *time, agg_trade_id, first_trade_id, last_trade_id];
                let [time, id, first, last] = put(to, [trades.time, id, first, last], places);
                (time, Some(id), Some((first, last)))
            }
            (Some(id), None) => {
                let [time, id] = put([&mut *time, agg_trade_id], [trades.time, id], places);
                (time, Some(id), None)
            }
            (None, individual_ids) => {
                let [time] = put([&mut *time], [trades.time], places);
                let ids =
                    individual_ids.map(|(first, last)| put([first_trade_id, last_trade_id], [first, last], places));
                (time, None, ids.map(|[first, last]| (first, last)))
            }
        };
        let (price, quantity) = match (trades.price, trades.quantity) {
            (Numbers::F64(from), Some(Numbers::F64(quantities))) => {
                let [price, quantity] = put([&mut price.f64, &mut quantity.f64], [from, quantities], places);
                (Numbers::F64(price), Some(Numbers::F64(quantity)))
            }
            (from, quantities) => {
                (price.arrange(from, places), quantities.map(|numbers| quantity.arrange(numbers, places)))
            }
        };
        let is_buyer_maker = trades.is_buyer_maker.and_then(|sides| {
            let sold = is_buyer_maker.arrange(sides.sold(), places)?;
            Some(match sides.known() {
                Some(is_known) => Sides::partly(sold, known.arrange(is_known, places)?),
                None => sold.into(),
            })
        });
        Trades { time, price, quantity, is_buyer_maker, agg_trade_id, individual_ids }
    }
}

impl ArrangedNumbers {
    fn arrange(&mut self, numbers: Numbers<'_>, places: &[u32]) -> Numbers<'_> {
        match numbers {
            Numbers::F64(from) => Numbers::F64(put_one(&mut self.f64, from, places)),
            Numbers::F32(from) => Numbers::F32(put_one(&mut self.f32, from, places)),
            Numbers::I64(from) => Numbers::I64(put_one(&mut self.i64, from, places)),
            Numbers::Decimal { mantissa, scale } => {
                Numbers::Decimal { mantissa: put_one(&mut self.i128, mantissa, places), scale }
            }
        }
    }
}

impl ArrangedBits {
    /// Goes through bytes, because bits cannot be moved one by one.
    fn arrange(&mut self, bits: Bits<'_>, places: &[u32]) -> Option<Bits<'_>> {
        self.from.resize(bits.len(), 0);
        bits.to_masks(&mut self.from);
        let (eights, rest) = put_one(&mut self.to, &self.from, places).as_chunks::<8>();
        self.bytes.clear();
        self.bytes.extend(eights.iter().map(packed));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.bytes.push(packed(&last));
        }
        let arranged = Bits::new(&self.bytes, 0, bits.len());
        debug_assert!(arranged.is_some(), "eight rows need a byte");
        arranged
    }
}

/// The lowest bits of eight masks.
fn packed(masks: &[i8; 8]) -> u8 {
    masks.iter().enumerate().fold(0, |byte, (bit, mask)| byte | (*mask as u8 & 1) << bit)
}

fn put_one<'a, T: Copy + Default>(to: &'a mut Vec<T>, from: &[T], places: &[u32]) -> &'a [T] {
    let [to] = put([to], [from], places);
    to
}

/// Puts each row of some columns at its place. Several at once read the places once: arranging seven columns took a third
/// longer one by one.
fn put<'a, T: Copy + Default, const N: usize>(
    to: [&'a mut Vec<T>; N],
    from: [&[T]; N],
    places: &[u32],
) -> [&'a [T]; N] {
    let rows = places.len();
    let from = from.map(|from| &from[..rows]);
    let to = to.map(|to| {
        to.resize(rows, T::default());
        &mut to[..]
    });
    for (row, &place) in places.iter().enumerate() {
        for column in 0..N {
            to[column][place as usize] = from[column][row];
        }
    }
    to.map(|to| &*to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_follows_the_order() {
        const ROWS: usize = 21;
        let count = |step: i64| -> Vec<i64> { (0..ROWS as i64).map(|row| row * step).collect() };
        let (time, id, first, last) = (count(1), count(2), count(3), count(5));
        let price: Vec<f64> = count(7).iter().map(|&x| x as f64).collect();
        let quantity: Vec<i128> = count(11).iter().map(|&x| x.into()).collect();
        let mut arranged = Arranged::default();
        let bits = |bytes| Bits::new(bytes, 1, ROWS).expect("24 bits");
        let sold = bits(&[0b1010_0110, 0b0111_0001, 0b1100_1010]);
        let known = bits(&[0b0111_0011, 0b1010_1101, 0b0110_1110]);
        let columns = [Some(sold.into()), Some(Sides::partly(sold, known)), None];
        for (len, sides) in [ROWS, 16, 9, 8, 1, 0, 20].into_iter().flat_map(|len| columns.map(|sides| (len, sides))) {
            let trades = Trades {
                time: &time,
                price: Numbers::F64(&price),
                quantity: Some(Numbers::Decimal { mantissa: &quantity, scale: 1 }),
                is_buyer_maker: sides,
                agg_trade_id: Some(&id),
                individual_ids: Some((&first, &last)),
            };
            let trades = trades.slice(0..len);
            // Back to front, with every row moved a few places.
            let orders: [fn(usize, usize) -> usize; 2] = [|row, len| len - 1 - row, |row, len| (row + 5) % len];
            for order in orders {
                let places: Vec<u32> = (0..len).map(|row| order(row, len) as u32).collect();
                let out = arranged.arrange(&trades, &places);
                assert_eq!(out.len(), len);
                for (row, &place) in places.iter().enumerate() {
                    let place = place as usize;
                    assert_eq!(out.time[place], trades.time[row]);
                    assert_eq!(out.price.get(place), trades.price.get(row));
                    assert_eq!(out.quantity.map(|q| q.get(place)), trades.quantity.map(|q| q.get(row)));
                    assert_eq!(out.is_buyer_maker.map(|s| s.get(place)), trades.is_buyer_maker.map(|s| s.get(row)));
                    assert_eq!(out.agg_trade_id.map(|ids| ids[place]), trades.agg_trade_id.map(|ids| ids[row]));
                    assert_eq!(
                        out.individual_ids.map(|(a, b)| (a[place], b[place])),
                        trades.individual_ids.map(|(a, b)| (a[row], b[row]))
                    );
                }
            }
        }
    }
}
