//! What rows of a block add to a bar that takes them: extremes, counts and exact sums, in vectors.

use super::fixed::{NARROW, SCALE, round};
use super::simd::vectorised;
use super::trade::trade_count;

/// Rows of a block. With quantities below 2^51, volumes of a block fit 64 bits and turnovers 128.
pub const ROWS: usize = 1024;

/// Sums over trades that have a quantity, split by aggressor. All raw; the buyers' part is the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Quantities.
    pub volume: i128,
    /// Prices times quantities.
    pub turnover: i128,
    /// Quantities whose aggressor sold.
    pub sell_volume: i128,
    /// Prices times quantities whose aggressor sold.
    pub sell_turnover: i128,
}

impl Sums {
    /// The sums of both, unless one of them does not fit.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        Some(Self {
            volume: self.volume.checked_add(other.volume)?,
            turnover: self.turnover.checked_add(other.turnover)?,
            sell_volume: self.sell_volume + other.sell_volume, // parts of the sums above
            sell_turnover: self.sell_turnover + other.sell_turnover,
        })
    }
}

/// What rows of a block add to any bar that takes all of them.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Individual trades.
    pub trades: u64,
    /// Individual trades whose aggressor sold.
    pub sell_trades: u64,
    /// Absent where they have to be added row by row.
    pub sums: Option<Sums>,
}

impl Piece {
    /// The same with the individual trades of its rows; without their ids a row is one.
    #[must_use]
    pub fn counting(self, ids: Option<(&[i64], &[i64])>, seller: &[i8]) -> Self {
        let Some((first, last)) = ids else { return self };
        let (trades, sell_trades) = trade_counts(first, last, seller);
        Self { trades, sell_trades, ..self }
    }
}

/// The masks of rows of which the side is unknown.
pub static NO_SELLER: [i8; ROWS] = [0; ROWS];

vectorised! {
    /// Rounds prices and quantities of at most a block of rows to raw ones and folds them, all in one pass: memory is read
    /// while there is something to compute, 4.3 -> 3.6 ns a trade from memory over four passes. Absent where a raw price is not in `1..2^51` or a quantity not in
    /// `0..2^51`; what was written is then to be ignored.
    pub fn load_narrow(
        price: &[f64],
        quantity: &[f64],
        seller: &[i8],
        raw_price: &mut [i64],
        raw_quantity: &mut [i64],
    ) -> Option<Piece> {
        let (mut fold, mut outside) = (Fold::default(), 0);
        let raw = raw_price.iter_mut().zip(raw_quantity);
        for (((&price, &quantity), &seller), (raw_price, raw_quantity)) in price.iter().zip(quantity).zip(seller).zip(raw) {
            (*raw_price, *raw_quantity) = (round(price * SCALE), round(quantity * SCALE));
            // All that is outside has a bit from the 51st up, or a sign.
            outside |= *raw_price | *raw_quantity | (price.to_bits() | quantity.to_bits()) as i64 & i64::MIN;
            fold.add(*raw_price, *raw_quantity, seller);
        }
        ((outside as u64) < NARROW as u64 && fold.low > 0).then(|| fold.piece(price.len()))
    }
}

vectorised! {
    /// Folds raw prices and quantities, all below 2^51, of at most a block of rows.
    pub fn fold_narrow(price: &[i64], quantity: &[i64], seller: &[i8]) -> Piece {
        let mut fold = Fold::default();
        for ((&price, &quantity), &seller) in price.iter().zip(quantity).zip(seller) {
            fold.add(price, quantity, seller);
        }
        fold.piece(price.len())
    }
}

vectorised! {
    /// Folds prices alone; all sums are zero.
    pub fn fold_prices(price: &[i64], seller: &[i8]) -> Piece {
        let mut fold = Fold::default();
        for (&price, &seller) in price.iter().zip(seller) {
            fold.add_price(price, seller);
        }
        fold.piece(price.len())
    }
}

vectorised! {
    /// Individual trades of some rows, and those whose aggressor sold. Below 2^52 each and a block of them: these sums
    /// cannot overflow.
    fn trade_counts(first: &[i64], last: &[i64], seller: &[i8]) -> (u64, u64) {
        first.iter().zip(last).zip(seller).fold((0, 0), |(all, sold), ((&first, &last), &seller)| {
            let count = trade_count(first, last);
            (all + count, sold + (count & i64::from(seller) as u64))
        })
    }
}

/// A piece in the making. No branch on the side: it is as good as random, and half of the branches would be mispredicted.
struct Fold {
    low: i64,
    high: i64,
    sells: u64,
    /// Volume and the three parts of turnover, of all rows and of those whose aggressor sold.
    all: [u64; 4],
    sold: [u64; 4],
}

impl Default for Fold {
    fn default() -> Self {
        Self { low: i64::MAX, high: i64::MIN, sells: 0, all: [0; 4], sold: [0; 4] }
    }
}

/// Bits of the lower half of a narrow integer.
const HALF: u32 = 26;

impl Fold {
    #[inline(always)]
    fn add_price(&mut self, price: i64, seller: i8) {
        self.low = self.low.min(price);
        self.high = self.high.max(price);
        self.sells += u64::from(seller != 0);
    }

    /// Products are those of halves of 26 bits: none and no sum over a block exceeds 62 bits, so that all of it is 32-bit
    /// multiplication and 64-bit addition, which every CPU has in vectors. Products of 128 bits took four times as long.
    /// Only what is not narrow wraps, and then is ignored.
    #[inline(always)]
    fn add(&mut self, price: i64, quantity: i64, seller: i8) {
        let halves = |x: i64| (x as u64 & ((1 << HALF) - 1), u64::from((x >> HALF) as u32));
        let ((x_low, x_high), (y_low, y_high)) = (halves(price), halves(quantity));
        let middle = (x_low * y_high).wrapping_add(x_high * y_low);
        self.add_price(price, seller);
        for (part, value) in [quantity as u64, x_low * y_low, middle, x_high * y_high].into_iter().enumerate() {
            self.all[part] = self.all[part].wrapping_add(value);
            self.sold[part] = self.sold[part].wrapping_add(if seller != 0 { value } else { 0 });
        }
    }

    fn piece(&self, rows: usize) -> Piece {
        let turnover = |parts: [u64; 4]| {
            let [_, low, middle, high] = parts.map(i128::from);
            low + (middle << HALF) + (high << (2 * HALF))
        };
        let sums = Sums {
            volume: self.all[0].into(),
            turnover: turnover(self.all),
            sell_volume: self.sold[0].into(),
            sell_turnover: turnover(self.sold),
        };
        let (trades, sell_trades) = (rows as u64, self.sells);
        Piece { high: self.high, low: self.low, trades, sell_trades, sums: Some(sums) }
    }
}
