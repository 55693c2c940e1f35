//! Every rule as one value: the table of the rules.

use std::ops::Range;

use super::{
    AdaptiveRule, CloseRule, CusumRule, HighLowRule, ImbalanceRule, NeverRule, RangeRule, TimeRule, TotalRule,
};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Block;
use crate::core::checkpoint::{CheckpointError, Reader};
use crate::core::error::{Role, Rule};
use crate::core::numbers::decimals::Decimals;
use crate::core::time::clock::TimeUnit;
use crate::core::trades::trade::PlainTrade;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident($rule:ty),)*) => {
        /// Any of the rules. Which one it is, is asked once for a block of rows, not for each row.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub enum AnyRule {
            $($(#[$doc])* $variant($rule),)*
        }

        $(impl From<$rule> for AnyRule {
            fn from(rule: $rule) -> Self {
                Self::$variant(rule)
            }
        })*

        impl CloseRule for AnyRule {
            fn reads(&self) -> &'static [Role] {
                match self { $(Self::$variant(rule) => rule.reads(),)* }
            }

            fn may_close_at_open(&self) -> bool {
                match self { $(Self::$variant(rule) => rule.may_close_at_open(),)* }
            }

            fn on_clock(&mut self, unit: TimeUnit) {
                match self { $(Self::$variant(rule) => rule.on_clock(unit),)* }
            }

            fn open(&mut self, price: i64, decimals: Decimals, time: i64) -> Result<(), Rule> {
                match self { $(Self::$variant(rule) => rule.open(price, decimals, time),)* }
            }

            #[inline]
            fn closing_row(&mut self, bar: &RangeBar, block: &Block<'_>, rows: Range<usize>) -> Option<usize> {
                match self { $(Self::$variant(rule) => rule.closing_row(bar, block, rows),)* }
            }

            #[inline]
            fn holds(&self, time: i64) -> bool {
                match self { $(Self::$variant(rule) => rule.holds(time),)* }
            }

            #[inline]
            fn stays_open(&self, bar: &RangeBar, trade: &PlainTrade) -> bool {
                match self { $(Self::$variant(rule) => rule.stays_open(bar, trade),)* }
            }

            fn start_anew(&mut self) {
                match self { $(Self::$variant(rule) => rule.start_anew(),)* }
            }

            fn save(&self, out: &mut Vec<u8>) {
                match self { $(Self::$variant(rule) => rule.save(out),)* }
            }

            fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
                match self { $(Self::$variant(rule) => rule.load(from),)* }
            }
        }
    };
}

rules! {
    /// Closes when the price has moved a set distance away from the open.
    Range(RangeRule),
    /// Closes when the rows, the individual trades, the volume or the turnover of the bar reach a threshold.
    Total(TotalRule),
    /// Closes when high and low are a set distance apart.
    HighLow(HighLowRule),
    /// Closes when the price has turned a set distance, as a logarithm, away from the low or the high.
    Cusum(CusumRule),
    /// Ends before a trade of a later window of time.
    Time(TimeRule),
    /// Closes when the amounts of buyers and sellers differ by a threshold.
    Imbalance(ImbalanceRule),
    /// Closes when a measure of buyers and sellers reaches its average over blocks of trades.
    Adaptive(AdaptiveRule),
    /// Never closes: all trades are one bar.
    Never(NeverRule),
}
