//! The way of trades into a block: checks, and conversion to fixed point.

use super::block::{Block, Quantities};
use super::error::{Column, RowError, Rule};
use super::fixed::{MAX_QUANTITY, NARROW, Number, Numbers};
use super::piece::{NO_SELLER, ROWS, load_narrow};
use super::seen::{Seen, first_out_of_order, is_ordered};
use super::simd::vectorised;
use super::trade::is_trade_count;
use super::trades::Trades;
use super::windows::Waiting;

/// Memory that blocks are converted into, and where their windows wait; one serves any number of groups.
#[derive(Debug)]
pub struct Buffers {
    price: Box<[i64]>,
    quantity: Box<[i64]>,
    seller: Box<[i8]>,
    wide: Vec<i128>,
    doubles: (Box<[f64]>, Box<[f64]>),
    pub(super) waiting: Waiting,
}

impl Default for Buffers {
    fn default() -> Self {
        let (zeros, doubles) = (|| vec![0; ROWS].into(), || vec![0.0; ROWS].into());
        Self {
            price: zeros(),
            quantity: zeros(),
            seller: vec![0; ROWS].into(),
            wide: Vec::new(),
            doubles: (doubles(), doubles()),
            waiting: Waiting::default(),
        }
    }
}

/// A rule broken in a row of the block.
type Broken = (usize, Column, Rule);

impl Buffers {
    /// Converts and checks at most [`ROWS`] trades that follow what was `seen`.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule of SPEC 1 or does not fit the fixed point.
    pub fn load<'a>(&'a mut self, trades: Trades<'a>, seen: &Seen) -> Result<Block<'a>, RowError> {
        let len = trades.len();
        assert!(len <= ROWS, "a block holds at most {ROWS} rows");
        let (raw_price, raw_quantity) = (&mut self.price[..len], &mut self.quantity[..len]);
        let seller = trades.is_buyer_maker.map(|side| {
            side.to_masks(&mut self.seller[..len]);
            &self.seller[..len]
        });
        let masks = seller.unwrap_or(&NO_SELLER[..len]);
        let (price_memory, quantity_memory) = &mut self.doubles;
        let whole = match (trades.price.to_doubles(price_memory), trades.quantity) {
            (Some(price), Some(numbers)) => numbers
                .to_doubles(quantity_memory)
                .and_then(|quantity| load_narrow(price, quantity, masks, raw_price, raw_quantity)),
            (Some(price), None) => load_narrow(price, &NO_QUANTITY[..len], masks, raw_price, raw_quantity),
            (None, _) => None,
        };
        let are_counts = trades.individual_ids.is_none_or(|(first, last)| are_trade_counts(first, last));
        let (whole, quantity) = match whole {
            Some(whole) if are_counts && is_ordered(&trades, seen.last) => {
                let quantity = trades.quantity.map_or(Quantities::Absent, |_| Quantities::Narrow(raw_quantity));
                (Some(whole.counting(trades.individual_ids, masks)), quantity)
            }
            _ => (None, load_exactly(&trades, seen, raw_price, raw_quantity, &mut self.wide)?),
        };
        Ok(Block { trades, price: raw_price, quantity, seller, whole, first_row: seen.rows })
    }
}

/// The quantities of rows that have none.
static NO_QUANTITY: [f64; ROWS] = [0.0; ROWS];

/// The way of every number that is not small: each by itself. It tells what is wrong too.
#[cold]
fn load_exactly<'a>(
    trades: &Trades<'_>,
    seen: &Seen,
    price: &mut [i64],
    quantity: &'a mut [i64],
    wide: &'a mut Vec<i128>,
) -> Result<Quantities<'a>, RowError> {
    let order = first_out_of_order(trades, seen.last);
    let prices = load_prices(trades.price, price);
    let (quantity, quantities) = match trades.quantity {
        None => (Quantities::Absent, None),
        Some(numbers) => load_quantities(numbers, quantity, wide),
    };
    let counts = first_miscounted(trades);
    match [order, prices, quantities, counts].into_iter().flatten().min_by_key(|(row, ..)| *row) {
        Some((row, column, rule)) => Err(RowError { column, row: seen.rows + row as u64, rule }),
        None => Ok(quantity),
    }
}

fn load_prices(numbers: Numbers<'_>, out: &mut [i64]) -> Option<Broken> {
    out.iter_mut().enumerate().find_map(|(row, out)| match exact_price(numbers.get(row)) {
        Ok(raw) => {
            *out = raw;
            None
        }
        Err(rule) => Some((row, Column::Price, rule)),
    })
}

fn exact_price(value: Number) -> Result<i64, Rule> {
    if let Some(raw @ 1..) = value.to_narrow() {
        return Ok(raw);
    }
    if !value.is_finite() || value.is_negative() || value.is_zero() {
        return Err(Rule::Positive { value });
    }
    match value.to_fixed().map(i64::try_from) {
        Some(Ok(0)) => Err(Rule::AtLeastOneUnit { value }),
        Some(Ok(raw)) => Ok(raw),
        _ => Err(Rule::PriceFits { value }),
    }
}

fn load_quantities<'a>(
    numbers: Numbers<'_>,
    narrow: &'a mut [i64],
    wide: &'a mut Vec<i128>,
) -> (Quantities<'a>, Option<Broken>) {
    wide.clear();
    for row in 0..numbers.len() {
        match exact_quantity(numbers.get(row)) {
            Ok(raw) => wide.push(raw),
            Err(rule) => return (Quantities::Absent, Some((row, Column::Quantity, rule))),
        }
    }
    if wide.iter().any(|&raw| raw >= NARROW as i128) {
        return (Quantities::Wide(wide), None);
    }
    for (narrow, &raw) in narrow.iter_mut().zip(wide.iter()) {
        *narrow = raw as i64;
    }
    (Quantities::Narrow(narrow), None)
}

fn exact_quantity(value: Number) -> Result<i128, Rule> {
    if let Some(raw) = value.to_narrow() {
        return Ok(raw.into());
    }
    if !value.is_finite() || value.is_negative() {
        return Err(Rule::NotNegative { value });
    }
    match value.to_fixed() {
        Some(raw) if raw <= MAX_QUANTITY => Ok(raw),
        _ => Err(Rule::QuantityFits { value }),
    }
}

vectorised! {
    /// Whether [`is_trade_count`] of every row.
    fn are_trade_counts(first: &[i64], last: &[i64]) -> bool {
        first.iter().zip(last).fold(true, |all, (&first, &last)| all & is_trade_count(first, last))
    }
}

fn first_miscounted(trades: &Trades<'_>) -> Option<Broken> {
    let (first, last) = trades.individual_ids?;
    first.iter().zip(last).enumerate().find_map(|(row, (&first, &last))| {
        (!is_trade_count(first, last)).then_some((row, Column::LastTradeId, Rule::TradeCount { first, last }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trades<'a>(price: Numbers<'a>, quantity: Option<Numbers<'a>>) -> Trades<'a> {
        Trades {
            time: &[0; ROWS][..price.len()],
            price,
            quantity,
            is_buyer_maker: None,
            agg_trade_id: None,
            individual_ids: None,
        }
    }

    /// Whether a column was converted in one pass, as prices and as quantities, and whether it can be at all.
    fn is_fast(numbers: Numbers<'_>) -> [Option<bool>; 2] {
        let ones = vec![1.0; numbers.len()];
        let ones = Numbers::F64(&ones);
        [(numbers, ones), (ones, numbers)].map(|(price, quantity)| {
            let mut buffers = Buffers::default();
            buffers.load(trades(price, Some(quantity)), &Seen::default()).ok().map(|block| block.whole.is_some())
        })
    }

    #[test]
    fn the_fast_way_refuses_what_it_cannot_hold() {
        for x in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -2e-9, -1e16, -1e-300, 1e300] {
            assert_eq!(is_fast(Numbers::F64(&[x])), [None; 2], "{x:?}");
            assert_eq!(is_fast(Numbers::F64(&[1.0, x, 1.0])), [None; 2], "{x:?}");
        }
        for x in [5e7, 1e8, 2_f64.powi(51) / 1e8, (2_f64.powi(51) - 0.5) / 1e8] {
            assert_eq!(is_fast(Numbers::F64(&[x])), [Some(false); 2], "{x:?}");
        }
        for zero in [0.0, 4e-9] {
            assert_eq!(is_fast(Numbers::F64(&[zero])), [None, Some(true)], "{zero:?}");
        }
        assert_eq!(is_fast(Numbers::F64(&[-0.0])), [None, Some(false)], "the sign is enough to go the slow way");
        for (x, fits) in [(1, Some(true)), (22_517_997, Some(true)), (22_517_999, Some(false)), (-1, None)] {
            assert_eq!(is_fast(Numbers::I64(&[x])), [fits; 2], "{x}");
        }
        assert_eq!(is_fast(Numbers::I64(&[i64::MAX])), [None; 2]);
    }

    #[test]
    fn prop_a_block_is_its_rows_one_by_one() {
        let mut fast = 0;
        for rows in (1..70).chain([ROWS]) {
            let words: Vec<u64> = crate::core::testing::words(rows as u64).take(rows).collect();
            // Multiples of 2^-9 tie at eight decimals; they are exact as singles too.
            let singles: Vec<f32> = words.iter().map(|word| ((word >> 41) + 1) as f32 / 512.0).collect();
            let doubles: Vec<f64> = words.iter().map(|word| (word >> 20 | 1) as f64 / 1e8).collect();
            let small: Vec<f64> = words.iter().map(|word| (word >> 13 | 1) as f64 / 1e8).collect();
            let integers: Vec<i64> = words.iter().map(|word| (word >> 40) as i64 + 1).collect();
            let decimals: Vec<i128> = words.iter().map(|word| i128::from(word >> 30) + 1).collect();
            let columns = [
                Numbers::F32(&singles),
                Numbers::F64(&doubles),
                Numbers::F64(&small),
                Numbers::I64(&integers),
                Numbers::Decimal { mantissa: &decimals, scale: 3 },
            ];
            let side: Vec<u8> = words.iter().map(|word| *word as u8).collect();
            for (price, quantity) in columns.iter().flat_map(|price| columns.iter().map(move |other| (*price, *other)))
            {
                let is_buyer_maker = crate::core::Bits::new(&side, 3, rows);
                let trades = Trades { is_buyer_maker, ..trades(price, Some(quantity)) };
                let mut buffers = Buffers::default();
                let block = buffers.load(trades, &Seen::default()).expect("valid trades");
                let (mut high, mut low, mut sells, mut sums) = (0, i64::MAX, 0, crate::core::piece::Sums::default());
                for row in 0..rows {
                    let raw = |numbers: Numbers<'_>| numbers.get(row).to_fixed().expect("small");
                    let (price, quantity) = (raw(price), raw(quantity));
                    assert_eq!((i128::from(block.price[row]), block.quantity.get(row)), (price, quantity));
                    (high, low) = (high.max(block.price[row]), low.min(block.price[row]));
                    let sold = is_buyer_maker.expect("bits").get(row);
                    sells += u64::from(sold);
                    sums.volume += quantity;
                    sums.turnover += price * quantity;
                    sums.sell_volume += i128::from(sold) * quantity;
                    sums.sell_turnover += i128::from(sold) * price * quantity;
                }
                if let Some(whole) = block.whole {
                    fast += 1;
                    assert_eq!(
                        (whole.high, whole.low, whole.trades, whole.sell_trades),
                        (high, low, rows as u64, sells)
                    );
                    assert_eq!(whole.sums, Some(sums));
                }
            }
        }
        assert!(fast > 500, "the fast way was hardly taken: {fast}");
    }

    #[test]
    fn the_first_broken_row_wins_whatever_its_column() {
        let trades = Trades {
            time: &[1, 2, 3, 2],
            price: Numbers::F64(&[1.0, 2.0, -3.0, 4.0]),
            quantity: Some(Numbers::F64(&[1.0, 2e15, 1.0, 1.0])),
            is_buyer_maker: None,
            agg_trade_id: None,
            individual_ids: None,
        };
        let error = Buffers::default().load(trades, &Seen { last: None, rows: 10 }).map(|_| ());
        assert_eq!(
            error,
            Err(RowError {
                column: Column::Quantity,
                row: 11,
                rule: Rule::QuantityFits { value: Number::Float(2e15) }
            })
        );
    }

    #[test]
    fn order_is_checked_across_blocks() {
        let trades = Trades {
            time: &[7],
            price: Numbers::I64(&[1]),
            quantity: None,
            is_buyer_maker: None,
            agg_trade_id: Some(&[3]),
            individual_ids: None,
        };
        let load = |last| Buffers::default().load(trades, &Seen { last, rows: 1 }).map(|_| ()).map_err(|e| e.rule);
        assert_eq!(load(Some((7, 2))), Ok(()));
        assert_eq!(load(Some((7, 3))), Err(Rule::IdOrder { id: 3, previous: 3, time: 7 }));
        assert_eq!(load(Some((6, 9))), Ok(()));
        assert_eq!(load(Some((8, 2))), Err(Rule::TimeOrder { time: 7, previous: 8 }));
    }
}
