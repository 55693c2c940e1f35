//! Bars on their way into columns, and the numbers that several columns take from them.

use std::cell::OnceCell;

use crate::core::features::flow;
use crate::core::{ClosedBar, Decimals, RangeBar};

/// Bars that are read column by column at once: few enough to stay in the nearest cache for all columns, which made
/// bars of ten trades three times as fast.
pub const STAGED_BARS: usize = 64;

/// A number for each bar, once a column has asked for it.
type Once = OnceCell<[f64; STAGED_BARS]>;

/// The numbers of a bar that become doubles, and how.
macro_rules! doubles {
    ($($(#[$doc:meta])* $name:ident: $get:expr,)*) => {
        /// A few bars, at most [`STAGED_BARS`], and what several columns take from each of them: it is computed once,
        /// and only if it is asked for.
        pub struct Staged<'a> {
            /// The bars.
            pub bars: &'a [ClosedBar],
            $($name: Once,)*
            ofi: Once,
        }

        impl<'a> Staged<'a> {
            /// Bars of which nothing was computed.
            pub fn new(bars: &'a [ClosedBar]) -> Self {
                debug_assert!(bars.len() <= STAGED_BARS, "too many at once");
                Self { bars, $($name: Once::new(),)* ofi: Once::new() }
            }

            $($(#[$doc])*
            pub fn $name(&self) -> &[f64] {
                self.each(&self.$name, $get)
            })*
        }
    };
}

doubles! {
    /// Prices of the first trades.
    open: |bar| bar.price(bar.open),
    /// Highest prices.
    high: |bar| bar.price(bar.high),
    /// Lowest prices.
    low: |bar| bar.price(bar.low),
    /// Prices of the last trades.
    close: |bar| bar.price(bar.close),
    /// Volume-weighted average prices.
    vwap: |bar| bar.price(bar.vwap()),
    /// Sums of the quantities.
    volume: |bar| Decimals::OF_QUANTITIES.double(bar.volume()),
    /// Of those whose aggressor bought.
    buy_volume: |bar| Decimals::OF_QUANTITIES.double(bar.buy_volume()),
    /// Of those whose aggressor sold.
    sell_volume: |bar| Decimals::OF_QUANTITIES.double(bar.sell_volume()),
}

impl Staged<'_> {
    /// Order-flow imbalances of the volumes.
    pub fn ofi(&self) -> &[f64] {
        let (buy, sell) = (self.buy_volume(), self.sell_volume());
        self.once(&self.ofi, |row| flow::imbalance(buy[row], sell[row]))
    }

    #[inline(always)]
    fn each<'a>(&'a self, once: &'a Once, get: impl Fn(&RangeBar) -> f64) -> &'a [f64] {
        self.once(once, |row| get(&self.bars[row].bar))
    }

    #[inline(always)]
    fn once<'a>(&'a self, once: &'a Once, get: impl Fn(usize) -> f64) -> &'a [f64] {
        let count = self.bars.len();
        let doubles = once.get_or_init(|| match count {
            // Most often: without a test for each row.
            STAGED_BARS => std::array::from_fn(get),
            _ => std::array::from_fn(|row| if row < count { get(row) } else { 0.0 }),
        });
        &doubles[..count]
    }
}
