//! One block of trades, checked and in integers: what the bar rule and the accumulation work on.
//!
//! Blocks are short enough for the caches and for sums that cannot overflow, long enough for loops that
//! vectorise. They never show in a result.

use super::error::{Column, RowError, Rule};
use super::fixed::{NARROW, Number, Numbers};
use super::trades::Trades;

/// Rows of a block. With quantities below 2^51, volumes of a block fit 64 bits and turnovers 128.
pub const ROWS: usize = 1024;

/// Largest quantity in raw units: 1e15 (SPEC 2).
pub(super) const MAX_QUANTITY: i128 = 100_000_000_000_000_000_000_000;

/// Individual trades that one row may stand for.
const MAX_TRADES: u64 = 1 << 52;

/// The position behind which the next row must lie, and how many rows came before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Time and id of the last row; the id is 0 where the input has none.
    pub last: Option<(i64, i64)>,
    /// Rows so far.
    pub rows: u64,
}

impl Seen {
    /// How many of these trades of the same group, from the first on, lie at or before the last row: with ids by time
    /// and id, without them those of an earlier time.
    #[must_use]
    pub fn overlap(&self, trades: &Trades<'_>) -> usize {
        let holds = |row: &usize| self.holds(trades.time[*row], trades.agg_trade_id.map(|ids| ids[*row]));
        (0..trades.len()).take_while(holds).count()
    }

    /// Whether a row at a position lies at or before the last row.
    #[must_use]
    pub fn holds(&self, time: i64, id: Option<i64>) -> bool {
        self.last.is_some_and(|(last, last_id)| time < last || time == last && id.is_some_and(|id| id <= last_id))
    }
}

/// Quantities of a block in raw units.
#[derive(Debug, Clone, Copy)]
pub enum Quantities<'a> {
    /// The input has none, or nobody asked for what they give.
    Absent,
    /// All below 2^51.
    Narrow(&'a [i64]),
    /// Some at or above 2^51.
    Wide(&'a [i128]),
}

impl Quantities<'_> {
    /// One raw quantity.
    #[must_use]
    pub fn get(&self, row: usize) -> i128 {
        match self {
            Self::Absent => 0,
            Self::Narrow(raw) => i128::from(raw[row]),
            Self::Wide(raw) => raw[row],
        }
    }
}

/// A checked block of trades of one group.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The columns that need no conversion.
    pub trades: Trades<'a>,
    /// Raw prices.
    pub price: &'a [i64],
    /// Raw quantities.
    pub quantity: Quantities<'a>,
    /// All bits where the seller was the aggressor, none where the buyer was.
    pub seller: Option<&'a [i64]>,
    /// Rows of the group before this block.
    pub first_row: u64,
}

impl Block<'_> {
    /// Number of rows, at most [`ROWS`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.price.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.price.is_empty()
    }

    /// Id of a row: its own, or its number within the group.
    #[must_use]
    pub fn id(&self, row: usize) -> i64 {
        self.trades.agg_trade_id.map_or((self.first_row + row as u64) as i64, |ids| ids[row])
    }

    /// First and last individual trade of a row: its own, or the row's id.
    #[must_use]
    pub fn individual_ids(&self, row: usize) -> (i64, i64) {
        self.trades.individual_ids.map_or((self.id(row), self.id(row)), |(first, last)| (first[row], last[row]))
    }

    /// The error of a row of this block.
    #[must_use]
    pub fn error(&self, column: Column, row: usize, rule: Rule) -> RowError {
        RowError { column, row: self.first_row + row as u64, rule }
    }
}

/// One trade by itself.
#[derive(Debug, Clone, Copy)]
pub struct Trade {
    /// Time in the input's own unit.
    pub time: i64,
    /// Price.
    pub price: Number,
    /// Quantity.
    pub quantity: Number,
    /// True where the seller was the aggressor; without it the side is unknown.
    pub is_buyer_maker: Option<bool>,
    /// Id; without it the row number within the group.
    pub agg_trade_id: Option<i64>,
    /// First and last individual trade; without them it is one.
    pub individual_ids: Option<(i64, i64)>,
}

impl Trade {
    /// Raw price and quantity of a trade that breaks no rule and whose integers are small, as nearly all are; otherwise
    /// [`Buffers::load`] tells what it is.
    #[inline]
    #[must_use]
    pub fn plain(&self, seen: &Seen) -> Option<(i64, i64)> {
        let follows =
            seen.last.is_none_or(|(last, last_id)| out_of_order(self.time, self.agg_trade_id, last, last_id).is_none());
        let is_right = follows && self.individual_ids.is_none_or(|(first, last)| is_trade_count(first, last));
        let (price, quantity) = (self.price.to_narrow()?, self.quantity.to_narrow()?);
        (is_right && price > 0).then_some((price, quantity))
    }

    /// Id of the row: its own, or its number within the group.
    #[must_use]
    pub fn id(&self, seen: &Seen) -> i64 {
        self.agg_trade_id.unwrap_or(seen.rows as i64)
    }

    /// Individual trades.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.individual_ids.map_or(1, |(first, last)| trade_count(first, last))
    }
}

/// Memory that blocks are converted into; one serves any number of groups.
#[derive(Debug)]
pub struct Buffers {
    price: Box<[i64]>,
    quantity: Box<[i64]>,
    seller: Box<[i64]>,
    wide: Vec<i128>,
}

impl Default for Buffers {
    fn default() -> Self {
        let zeros = || vec![0; ROWS].into();
        Self { price: zeros(), quantity: zeros(), seller: zeros(), wide: Vec::new() }
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
        let order = check_order(&trades, seen.last);
        let price = load_prices(trades.price, &mut self.price[..len]);
        let (quantity, quantity_error) = match trades.quantity {
            None => (Quantities::Absent, None),
            Some(numbers) => load_quantities(numbers, &mut self.quantity[..len], &mut self.wide),
        };
        let counts = check_trade_counts(&trades);
        let broken = [order, price, quantity_error, counts].into_iter().flatten().min_by_key(|(row, ..)| *row);
        if let Some((row, column, rule)) = broken {
            return Err(RowError { column, row: seen.rows + row as u64, rule });
        }
        let seller = trades.is_buyer_maker.map(|side| {
            side.to_masks(&mut self.seller[..len]);
            &self.seller[..len]
        });
        Ok(Block { trades, price: &self.price[..len], quantity, seller, first_row: seen.rows })
    }
}

/// Sets the sign where the two highest bits of an integer differ: the difference of two integers that do
/// not is exact.
fn is_large(x: i64) -> i64 {
    x ^ (x << 1)
}

/// Order as signs of differences, which vectorise where comparisons of 64 bits do not. Any doubt, among
/// them very large integers, is left to [`first_out_of_order`].
fn check_order(trades: &Trades<'_>, last: Option<(i64, i64)>) -> Option<Broken> {
    let time = trades.time;
    let (first, rest) = time.split_first()?;
    let mut doubt = is_large(*first);
    if let Some((previous, _)) = last {
        doubt |= is_large(previous) | first.wrapping_sub(previous);
    }
    match trades.agg_trade_id {
        None => {
            for (a, b) in time.iter().zip(rest) {
                doubt |= is_large(*b) | b.wrapping_sub(*a);
            }
        }
        Some(ids) => {
            let mut later = -1; // the sign stays where time or id is later in every row
            doubt |= is_large(ids[0]);
            if let Some((previous, id)) = last {
                doubt |= is_large(id);
                later = previous.wrapping_sub(*first) | id.wrapping_sub(ids[0]);
            }
            for ((a, b), (id_a, id_b)) in time.iter().zip(rest).zip(ids.iter().zip(&ids[1..])) {
                doubt |= is_large(*b) | is_large(*id_b) | b.wrapping_sub(*a);
                later &= a.wrapping_sub(*b) | id_a.wrapping_sub(*id_b);
            }
            doubt |= !later;
        }
    }
    if doubt < 0 { first_out_of_order(trades, last) } else { None }
}

fn first_out_of_order(trades: &Trades<'_>, last: Option<(i64, i64)>) -> Option<Broken> {
    let mut before = last;
    (0..trades.len()).find_map(|row| {
        let (time, id) = (trades.time[row], trades.agg_trade_id.map(|ids| ids[row]));
        let (previous, previous_id) = before.replace((time, id.unwrap_or(0)))?;
        out_of_order(time, id, previous, previous_id).map(|(column, rule)| (row, column, rule))
    })
}

/// The rule that a row breaks by its position.
#[inline]
fn out_of_order(time: i64, id: Option<i64>, previous: i64, previous_id: i64) -> Option<(Column, Rule)> {
    match id {
        _ if time < previous => Some((Column::Time, Rule::TimeOrder { time, previous })),
        Some(id) if time == previous && id <= previous_id => {
            Some((Column::AggTradeId, Rule::IdOrder { id, previous: previous_id, time: previous }))
        }
        _ => None,
    }
}

fn load_prices(numbers: Numbers<'_>, out: &mut [i64]) -> Option<Broken> {
    if numbers.to_narrow(1, out) {
        return None;
    }
    (0..numbers.len()).find_map(|row| match exact_price(numbers.get(row)) {
        Ok(raw) => {
            out[row] = raw;
            None
        }
        Err(rule) => Some((row, Column::Price, rule)),
    })
}

fn exact_price(value: Number) -> Result<i64, Rule> {
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
    if numbers.to_narrow(0, narrow) {
        return (Quantities::Narrow(narrow), None);
    }
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
    if !value.is_finite() || value.is_negative() {
        return Err(Rule::NotNegative { value });
    }
    match value.to_fixed() {
        Some(raw) if raw <= MAX_QUANTITY => Ok(raw),
        _ => Err(Rule::QuantityFits { value }),
    }
}

/// Individual trades of a checked row: none at least, [`MAX_TRADES`] at most.
#[must_use]
pub fn trade_count(first: i64, last: i64) -> u64 {
    last.wrapping_sub(first).wrapping_add(1) as u64
}

/// Whether [`trade_count`] is right: a difference of ordered 64-bit integers is exact as unsigned.
fn is_trade_count(first: i64, last: i64) -> bool {
    let (ahead, behind) = (last.wrapping_sub(first) as u64, first.wrapping_sub(last) as u64);
    ((last >= first) & (ahead < MAX_TRADES)) | ((last < first) & (behind == 1))
}

fn check_trade_counts(trades: &Trades<'_>) -> Option<Broken> {
    let (first, last) = trades.individual_ids?;
    let mut doubt = 0;
    for (&first, &last) in first.iter().zip(last) {
        let count = last.wrapping_sub(first).wrapping_add(1);
        doubt |= (is_large(first) | is_large(last)) & i64::MIN | count;
    }
    if (doubt as u64) < MAX_TRADES {
        return None;
    }
    first.iter().zip(last).enumerate().find_map(|(row, (&first, &last))| {
        (!is_trade_count(first, last)).then_some((row, Column::LastTradeId, Rule::TradeCount { first, last }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trade_counts_at_the_edges_of_64_bits() {
        assert!(is_trade_count(i64::MIN, i64::MIN) && trade_count(i64::MIN, i64::MIN) == 1);
        assert!(is_trade_count(5, 4) && trade_count(5, 4) == 0);
        assert!(!is_trade_count(5, 3) && !is_trade_count(i64::MIN, i64::MAX) && !is_trade_count(i64::MAX, i64::MIN));
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
