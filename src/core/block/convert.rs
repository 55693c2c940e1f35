//! How trades become a block: checks, and conversion to fixed-point numbers.

use super::contribution::{BLOCK_ROWS, Contribution, NO_SELLER, convert_narrow};
use super::{Block, Quantities};
use crate::core::error::{Role, RowError, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::fixed::{MAX_QUANTITY, NARROW, Number, Numbers};
use crate::core::numbers::precision::Precision;
use crate::core::numbers::simd::vectorised;
use crate::core::trades::bits::Bits;
use crate::core::trades::columns::Trades;
use crate::core::trades::seen::{Seen, first_out_of_order, is_ordered};
use crate::core::trades::steps::Steps;
use crate::core::trades::trade::is_trade_count;
use crate::core::windows::Waiting;

/// Memory for converted blocks, and for windows that wait to be computed; one serves any number of groups.
#[derive(Debug)]
pub struct Buffers {
    price: Box<[i64]>,
    quantity: Box<[i64]>,
    seller: Box<[i8]>,
    known: Box<[i8]>,
    wide: Vec<i128>,
    doubles: (Box<[f64]>, Box<[f64]>),
    pub(in crate::core) waiting: Waiting,
}

impl Default for Buffers {
    fn default() -> Self {
        let (zeros, doubles) = (|| vec![0; BLOCK_ROWS].into(), || vec![0.0; BLOCK_ROWS].into());
        Self {
            price: zeros(),
            quantity: zeros(),
            seller: vec![0; BLOCK_ROWS].into(),
            known: vec![0; BLOCK_ROWS].into(),
            wide: Vec::new(),
            doubles: (doubles(), doubles()),
            waiting: Waiting::default(),
        }
    }
}

/// A rule broken in a row of the block.
type Broken = (usize, Role, Rule);

impl Buffers {
    /// Converts and checks at most [`BLOCK_ROWS`] trades that follow what was `seen`; prices are rounded to `decimals`.
    ///
    /// # Errors
    ///
    /// The first row that breaks a rule of `docs/columns.md` (Trades) or does not fit the fixed point.
    pub fn convert<'a>(
        &'a mut self,
        trades: Trades<'a>,
        seen: &Seen,
        steps: &Steps,
        decimals: Decimals,
    ) -> Result<Block<'a>, RowError> {
        let len = trades.len();
        assert!(len <= BLOCK_ROWS, "a block holds at most {BLOCK_ROWS} rows");
        let (raw_price, raw_quantity) = (&mut self.price[..len], &mut self.quantity[..len]);
        let mut known = None;
        let seller = trades.is_buyer_maker.map(|sides| {
            let seller = &mut self.seller[..len];
            sides.sold().to_masks(seller);
            if let Some(bits) = sides.known() {
                known = known_masks(bits, &mut self.known[..len], seller);
            }
            &*seller
        });
        let masks = seller.unwrap_or(&NO_SELLER[..len]);
        let (price_memory, quantity_memory) = &mut self.doubles;
        let price = trades.price.to_doubles(price_memory);
        let quantity = trades.quantity.map(|numbers| numbers.to_doubles(quantity_memory));
        let prices = Precision::of_prices(decimals);
        let total = match (price, quantity) {
            (Some(price), None) => convert_doubles(price, prices, None, masks, raw_price, raw_quantity),
            (Some(price), Some(quantity @ Some(_))) => {
                convert_doubles(price, prices, quantity, masks, raw_price, raw_quantity)
            }
            _ => None,
        };
        let are_counts = trades.individual_ids.is_none_or(|(first, last)| are_trade_counts(first, last));
        let follow = is_ordered(&trades, seen.last) && steps.allow_all(trades.time, seen.last.map(|(time, _)| time));
        let (total, quantity) = match total {
            Some(total) if are_counts && follow => {
                let quantity = trades.quantity.map_or(Quantities::Absent, |_| Quantities::Narrow(raw_quantity));
                (Some(total.counting(trades.individual_ids, masks)), quantity)
            }
            _ => (None, convert_exactly(&trades, prices, seen, steps, raw_price, raw_quantity, &mut self.wide)?),
        };
        Ok(Block { trades, decimals, price: raw_price, quantity, seller, known, total, first_row: seen.rows })
    }
}

/// The masks of the rows whose side is known, if there are others; these count as no sales.
#[cold]
fn known_masks<'a>(bits: Bits<'_>, known: &'a mut [i8], seller: &mut [i8]) -> Option<&'a [i8]> {
    bits.to_masks(known);
    seller.iter_mut().zip(&*known).for_each(|(seller, known)| *seller &= known);
    known.contains(&0).then_some(&*known)
}

/// The quantities of rows that have none.
static NO_QUANTITY: [f64; BLOCK_ROWS] = [0.0; BLOCK_ROWS];

/// The path of nearly all numbers: doubles, all of them small and none changed by too much.
fn convert_doubles(
    price: &[f64],
    prices: Precision,
    quantity: Option<&[f64]>,
    masks: &[i8],
    raw_price: &mut [i64],
    raw_quantity: &mut [i64],
) -> Option<Contribution> {
    let (decimals, quantities) = (prices.decimals(), Precision::OF_QUANTITIES);
    let numbers = quantity.unwrap_or(&NO_QUANTITY[..price.len()]);
    let (contribution, has_small_quantity) = convert_narrow(price, decimals, numbers, masks, raw_price, raw_quantity)?;
    let price_holds = contribution.low > prices.largest_doubtful() || prices.holds_of_all(price, raw_price);
    let quantity_holds = !has_small_quantity || quantity.is_none_or(|x| quantities.holds_of_all(x, raw_quantity));
    (price_holds && quantity_holds).then_some(contribution)
}

/// The path of all other numbers, one by one, which also finds out what is wrong.
#[cold]
fn convert_exactly<'a>(
    trades: &Trades<'_>,
    precision: Precision,
    seen: &Seen,
    steps: &Steps,
    price: &mut [i64],
    quantity: &'a mut [i64],
    wide: &'a mut Vec<i128>,
) -> Result<Quantities<'a>, RowError> {
    let order = first_out_of_order(trades, seen.last);
    let late = steps.first_too_long(trades.time, seen.last.map(|(time, _)| time));
    let prices = convert_prices(trades.price, precision, price);
    let (quantity, quantities) = match trades.quantity {
        None => (Quantities::Absent, None),
        Some(numbers) => convert_quantities(numbers, quantity, wide),
    };
    let counts = first_miscounted(trades);
    match [order, late, prices, quantities, counts].into_iter().flatten().min_by_key(|(row, ..)| *row) {
        Some((row, column, rule)) => Err(RowError { column, row: seen.rows + row as u64, rule }),
        None => Ok(quantity),
    }
}

fn convert_prices(numbers: Numbers<'_>, precision: Precision, out: &mut [i64]) -> Option<Broken> {
    out.iter_mut().enumerate().find_map(|(row, out)| match exact_price(numbers.get(row), precision) {
        Ok(raw) => {
            *out = raw;
            None
        }
        Err(rule) => Some((row, Role::Price, rule)),
    })
}

/// A price, by itself.
pub(in crate::core) fn exact_price(value: Number, precision: Precision) -> Result<i64, Rule> {
    if !value.is_finite() || value.is_negative() || value.is_zero() {
        return Err(Rule::Positive { value });
    }
    match value.to_fixed(precision.decimals()).map(i64::try_from) {
        Some(Ok(raw)) => kept(value, raw, precision).map(|()| raw),
        _ => Err(Rule::PriceFits { value, decimals: precision.decimals() }),
    }
}

/// Rounding to a raw value may not change a number by too much.
fn kept(value: Number, raw: i64, precision: Precision) -> Result<(), Rule> {
    if precision.holds(value, raw) {
        return Ok(());
    }
    Err(Rule::Precision { value, rounded: raw, precision })
}

fn convert_quantities<'a>(
    numbers: Numbers<'_>,
    narrow: &'a mut [i64],
    wide: &'a mut Vec<i128>,
) -> (Quantities<'a>, Option<Broken>) {
    wide.clear();
    for row in 0..numbers.len() {
        match exact_quantity(numbers.get(row)) {
            Ok(raw) => wide.push(raw),
            Err(rule) => return (Quantities::Absent, Some((row, Role::Quantity, rule))),
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
    if !value.is_finite() || value.is_negative() {
        return Err(Rule::NotNegative { value });
    }
    match value.to_fixed(Decimals::OF_QUANTITIES) {
        Some(raw) if raw <= MAX_QUANTITY => match i64::try_from(raw) {
            Ok(small) => kept(value, small, Precision::OF_QUANTITIES).map(|()| raw),
            Err(_) => Ok(raw),
        },
        _ => Err(Rule::QuantityFits { value }),
    }
}

vectorised! {
    /// Whether [`is_trade_count`] holds for every row.
    fn are_trade_counts(first: &[i64], last: &[i64]) -> bool {
        first.iter().zip(last).fold(true, |all, (&first, &last)| all & is_trade_count(first, last))
    }
}

fn first_miscounted(trades: &Trades<'_>) -> Option<Broken> {
    let (first, last) = trades.individual_ids?;
    first.iter().zip(last).enumerate().find_map(|(row, (&first, &last))| {
        (!is_trade_count(first, last)).then_some((row, Role::LastTradeId, Rule::TradeCount { first, last }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Length, Sides, TimeUnit};

    const EIGHT: Decimals = Decimals::OF_QUANTITIES;

    fn trades<'a>(price: Numbers<'a>, quantity: Option<Numbers<'a>>) -> Trades<'a> {
        Trades {
            time: &[0; BLOCK_ROWS][..price.len()],
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
            let steps = Steps::usual(TimeUnit::Milliseconds);
            buffers
                .convert(trades(price, Some(quantity)), &Seen::default(), &steps, EIGHT)
                .ok()
                .map(|block| block.total.is_some())
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
        assert_eq!(is_fast(Numbers::F64(&[0.0])), [None, Some(true)]);
        assert_eq!(is_fast(Numbers::F64(&[4e-9])), [None; 2]);
        assert_eq!(is_fast(Numbers::F64(&[-0.0])), [None, Some(true)]);
        for (x, fits) in [(1, Some(true)), (22_517_997, Some(true)), (22_517_999, Some(false)), (-1, None)] {
            assert_eq!(is_fast(Numbers::I64(&[x])), [fits; 2], "{x}");
        }
        assert_eq!(is_fast(Numbers::I64(&[i64::MAX])), [None; 2]);
    }

    #[test]
    fn prop_a_block_is_its_rows_one_by_one() {
        let mut fast = 0;
        for rows in (1..70).chain([BLOCK_ROWS]) {
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
                let is_buyer_maker = Bits::new(&side, 3, rows).map(Sides::from);
                let trades = Trades { is_buyer_maker, ..trades(price, Some(quantity)) };
                let mut buffers = Buffers::default();
                let block = buffers
                    .convert(trades, &Seen::default(), &Steps::usual(TimeUnit::Milliseconds), EIGHT)
                    .expect("valid trades");
                let (mut high, mut low, mut sells, mut sums) =
                    (0, i64::MAX, 0, crate::core::block::contribution::Sums::default());
                for row in 0..rows {
                    let raw = |numbers: Numbers<'_>| numbers.get(row).to_fixed(EIGHT).expect("small");
                    let (price, quantity) = (raw(price), raw(quantity));
                    assert_eq!((i128::from(block.price[row]), block.quantity.get(row)), (price, quantity));
                    (high, low) = (high.max(block.price[row]), low.min(block.price[row]));
                    let sold = is_buyer_maker.and_then(|sides| sides.get(row)).expect("a side");
                    sells += u64::from(sold);
                    sums.volume += quantity;
                    sums.turnover += price * quantity;
                    sums.sell_volume += i128::from(sold) * quantity;
                    sums.sell_turnover += i128::from(sold) * price * quantity;
                }
                if let Some(total) = block.total {
                    fast += 1;
                    assert_eq!(
                        (total.high, total.low, total.trades, total.sell_trades),
                        (high, low, rows as u64, sells)
                    );
                    assert_eq!(total.sums, Some(sums));
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
        let steps = Steps::usual(TimeUnit::Milliseconds);
        let error = Buffers::default().convert(trades, &Seen { last: None, rows: 10 }, &steps, EIGHT).map(|_| ());
        assert_eq!(
            error,
            Err(RowError { column: Role::Quantity, row: 11, rule: Rule::QuantityFits { value: Number::Float(2e15) } })
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
        let steps = Steps::new(Some(Length::new(0, 1_000_000, TimeUnit::Milliseconds)), TimeUnit::Milliseconds);
        let checked = |last| {
            Buffers::default().convert(trades, &Seen { last, rows: 1 }, &steps, EIGHT).map(|_| ()).map_err(|e| e.rule)
        };
        assert_eq!(checked(Some((7, 2))), Ok(()));
        assert_eq!(checked(Some((7, 3))), Err(Rule::IdOrder { id: 3, previous: 3, time: 7 }));
        assert_eq!(checked(Some((6, 9))), Ok(()));
        assert_eq!(checked(Some((8, 2))), Err(Rule::TimeOrder { time: 7, previous: 8 }));
        assert_eq!(checked(Some((5, 2))), Err(Rule::StepTooLong { time: 7, previous: 5 }));
    }
}
