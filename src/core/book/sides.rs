//! Both sides of a book, and what is computed of them: integers, then one division.

use super::levels::{Level, Levels};

/// Both sides of a book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// Bids and asks.
    pub(super) sides: [Levels; 2],
}

/// A side of a book, and its place among both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookSide {
    /// Who wants to buy.
    Bid = 0,
    /// Who wants to sell.
    Ask = 1,
}

impl Book {
    /// The levels of a side.
    #[inline]
    #[must_use]
    pub fn side(&self, side: BookSide) -> &Levels {
        &self.sides[side as usize]
    }

    /// The best bid and the best ask, if there are both.
    #[inline]
    #[must_use]
    pub fn best(&self) -> Option<(Level, Level)> {
        self.side(BookSide::Bid).get(0).zip(self.side(BookSide::Ask).get(0))
    }

    /// Whether the best bid is at the best ask or above it.
    #[inline]
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        let [bids, asks] = &self.sides;
        // A missing level is far below any price, in the key of either side.
        !bids.is_empty() && !asks.is_empty() && bids.best() >= -asks.best()
    }

    /// The best bid and ask added up: two mids.
    #[must_use]
    pub fn two_mids(&self) -> Option<i128> {
        self.best().map(|(bid, ask)| i128::from(bid.price) + i128::from(ask.price))
    }

    /// The best ask less the best bid.
    #[must_use]
    pub fn spread(&self) -> Option<i128> {
        self.best().map(|(bid, ask)| i128::from(ask.price) - i128::from(bid.price))
    }

    /// The spread over the mid.
    #[must_use]
    pub fn relative_spread(&self) -> Option<f64> {
        Some((2 * self.spread()?) as f64 / self.two_mids()? as f64)
    }

    /// The weighted mid, in raw units of the price: each price weighs as much as the other side offers. It is never
    /// outside the quote, and with equal quantities it is the mid to the last bit.
    #[must_use]
    pub fn microprice(&self) -> Option<f64> {
        let (bid, ask) = self.best()?;
        let [of_bid, of_ask] = [bid.quantity, ask.quantity].map(i128::from);
        let (weighted, weights) = (i128::from(bid.price) * of_ask + i128::from(ask.price) * of_bid, of_bid + of_ask);
        Some((weighted / weights) as f64 + (weighted % weights) as f64 / weights as f64)
    }

    /// What the best levels offer, bids less asks, over their sum.
    #[must_use]
    pub fn imbalance(&self, levels: usize) -> Option<f64> {
        self.best()?;
        let [bids, asks] = [BookSide::Bid, BookSide::Ask].map(|side| self.side(side).quantity_of(levels));
        Some((bids - asks) as f64 / (bids + asks) as f64)
    }

    /// What the best levels offer, each over its distance from the mid, bids less asks, over their sum. None if a level lies
    /// at the mid or beyond it, as in a crossed book.
    #[must_use]
    pub fn pressure(&self, levels: usize) -> Option<f64> {
        let mids = self.two_mids()?;
        let mut sums = [0.0; 2];
        for ((side, sum), sign) in self.sides.iter().zip(&mut sums).zip([1, -1]) {
            for level in side.iter().take(levels) {
                let two_ways = sign * (mids - 2 * i128::from(level.price));
                if two_ways <= 0 {
                    return None;
                }
                *sum += level.quantity as f64 / two_ways as f64;
            }
        }
        let [bids, asks] = sums;
        Some((bids - asks) / (bids + asks))
    }

    /// What the best levels of a side offer, and twice the way from the mid to the last of them. No way: the last one is at
    /// the mid or beyond it, as in a crossed book.
    #[must_use]
    pub fn slope(&self, side: BookSide, levels: usize) -> Option<(i128, i128)> {
        let mids = self.two_mids()?;
        let side_levels = self.side(side);
        let last = side_levels.get(levels.min(side_levels.len()).checked_sub(1)?)?;
        let way = (2 * i128::from(last.price) - mids) * if side == BookSide::Ask { 1 } else { -1 };
        (way > 0).then(|| (side_levels.quantity_of(levels), way))
    }

    /// What it costs to trade a quantity, above zero, at once against a side, over what it is worth at the mid; none if the
    /// side does not offer as much.
    #[must_use]
    pub fn cost(&self, against: BookSide, quantity: i64) -> Option<f64> {
        let mids = self.two_mids()?;
        let (mut left, mut paid) = (quantity, 0_i128);
        for level in self.side(against).iter() {
            let taken = level.quantity.min(left);
            // Below 2^126, as all of the quantity at the highest price is.
            paid += i128::from(level.price) * i128::from(taken);
            left -= taken;
            if left == 0 {
                let worth = mids * i128::from(quantity);
                let more = (2 * paid - worth) * if against == BookSide::Ask { 1 } else { -1 };
                return Some(more as f64 / worth as f64);
            }
        }
        None
    }
}
