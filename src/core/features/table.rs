//! The table of window statistics. A row says everything about a statistic except how it is computed.
//!
//! A new statistic is a row here and a kernel that [`super::window`] calls; the compiler demands the call. The rest
//! follows from the row: the columns of the bars and their dtypes, which rows a window holds, the bytes of a
//! checkpoint, and what the fuzz targets draw.

use crate::core::error::Role;

/// The type of a statistic's values. It decides the dtype of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number of rows.
    Count,
    /// A length of time in whole microseconds.
    Microseconds,
    /// An instant on the clock of the trades.
    Time,
    /// A double.
    Float,
}

/// What a statistic needs to know about its window. A bar keeps its totals anyway; everything else needs the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The number of rows, the duration, the extreme prices and the sums of the quantities.
    Totals,
    /// The totals and the sum of price times quantity.
    Turnover,
    /// The totals and the number of rows whose aggressor sold.
    Sells,
    /// The totals and the sum of the absolute price changes.
    Path,
    /// The totals and the number of times that each order pattern of the prices occurs.
    Patterns,
    /// The rows themselves.
    Rows,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The name of the expression that computes it over any trades.
    pub name: &'static str,
    /// The column that holds it for the bar's own trades, if there is one.
    pub intra: Option<&'static str>,
    /// The column that holds it for the trades before the bar, if there is one.
    pub lookback: Option<&'static str>,
    /// The type of its values.
    pub kind: Kind,
    /// The optional columns of the trades that it reads. Time and price are always there.
    pub reads: &'static [Role],
    /// What it needs to know about its window.
    pub need: Need,
}

const NOTHING: &[Role] = &[];
const QUANTITY: &[Role] = &[Role::Quantity];
const SIDE: &[Role] = &[Role::IsBuyerMaker];
const QUANTITY_SIDE: &[Role] = &[Role::Quantity, Role::IsBuyerMaker];

/// The name of a column: with a prefix, without one (`bare`), or none (`-`).
macro_rules! column {
    (- $name:literal) => {
        None
    };
    (bare $name:literal) => {
        Some($name)
    };
    ($prefix:ident $name:literal) => {
        Some(concat!(stringify!($prefix), $name))
    };
}

macro_rules! statistics {
    ($(
        $(#[$doc:meta])+
        $variant:ident = $code:literal, $name:literal, $intra:tt $lookback:tt, $kind:ident, $reads:ident, $need:ident;
    )+) => {
        /// A statistic of the trades of a window.
        ///
        /// The discriminant is the code that checkpoints use for it. It never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Statistic {
            $($(#[$doc])+ $variant = $code,)+
        }

        impl Statistic {
            /// Every statistic in the order of the table, which is the order of the columns.
            pub const ALL: [Self; [$($code),+].len()] = [$(Self::$variant),+];

            /// Its row in the table.
            #[must_use]
            pub const fn definition(self) -> &'static Definition {
                match self {
                    $(Self::$variant => &Definition {
                        name: $name,
                        intra: column!($intra $name),
                        lookback: column!($lookback $name),
                        kind: Kind::$kind,
                        reads: $reads,
                        need: Need::$need,
                    },)+
                }
            }
        }
    };
}

// The number is the code that checkpoints use. It never changes, and the code of a statistic that is removed is never
// used again: a test below lists every code that there ever was. A new statistic takes the next code, wherever its row
// stands.
statistics! {
    // variant = code, name, prefix of the column of the bar's own trades and of the trades before it, kind, reads, need

    /// Number of rows.
    TradeCount = 0, "trade_count", intra_ lookback_, Count, NOTHING, Totals;

    /// Order-flow imbalance `(buy - sell) / (buy + sell)` of the quantities; 0 without volume.
    Ofi = 1, "ofi", intra_ lookback_, Float, QUANTITY_SIDE, Totals;

    /// Time from the first to the last trade in microseconds.
    DurationUs = 2, "duration_us", intra_ lookback_, Microseconds, NOTHING, Totals;

    /// Rows per second; the number of rows where the duration is 0.
    Intensity = 3, "intensity", intra_ lookback_, Float, NOTHING, Totals;

    /// Volume-weighted average price, truncated to the decimals of prices; undefined without volume.
    Vwap = 4, "vwap", - lookback_, Float, QUANTITY, Turnover;

    /// Position of the average price between the low (0) and the high (1); 0.5 without range, undefined without volume.
    VwapPosition = 5, "vwap_position", intra_ lookback_, Float, QUANTITY, Turnover;

    /// `(buys - sells) / n`, counted in rows.
    CountImbalance = 6, "count_imbalance", intra_ lookback_, Float, SIDE, Sells;

    /// Return from the first to the last trade over `ofi`; undefined with one row or in balanced flow. Kyle (1985).
    KyleLambda = 7, "kyle_lambda", intra_ lookback_, Float, QUANTITY_SIDE, Totals;

    /// Burstiness of the times between rows, -1 to 1; undefined with fewer than 3 rows or one time.
    Burstiness = 8, "burstiness", intra_ lookback_, Float, NOTHING, Rows;

    /// Skewness of the quantities; undefined with fewer than 3 rows or where all are equal.
    VolumeSkew = 9, "volume_skew", intra_ lookback_, Float, QUANTITY, Rows;

    /// Excess kurtosis of the quantities; undefined with fewer than 4 rows or where all are equal.
    VolumeKurt = 10, "volume_kurt", intra_ lookback_, Float, QUANTITY, Rows;

    /// `(high - low) / first` of the prices.
    PriceRange = 11, "price_range", - lookback_, Float, NOTHING, Totals;

    /// Volatility from the extremes, the first and the last price. Garman and Klass (1980).
    GarmanKlassVol = 12, "garman_klass_vol", intra_ lookback_, Float, NOTHING, Totals;

    /// Net change of the price over the length of its path; undefined where the price stood still. Kaufman (1995).
    KaufmanEr = 13, "kaufman_er", intra_ lookback_, Float, NOTHING, Path;

    /// Exponent of the detrended fluctuation of the log returns; undefined with fewer than 64 rows. Peng (1994).
    Hurst = 14, "hurst", intra_ lookback_, Float, NOTHING, Rows;

    /// Entropy of the order of three successive prices, 0 to 1; undefined with fewer than 60 rows.
    PermutationEntropy = 15, "permutation_entropy", intra_ lookback_, Float, NOTHING, Patterns;

    /// Density of the epochs in which the price rose by more than its largest drawdown, 0 to 1.
    BullEpochDensity = 16, "bull_epoch_density", intra_ -, Float, NOTHING, Rows;

    /// Density of the epochs in which the price fell by more than its largest run-up, 0 to 1.
    BearEpochDensity = 17, "bear_epoch_density", intra_ -, Float, NOTHING, Rows;

    /// Total gain of a buyer over the epochs, 0 to 1.
    BullExcessGain = 18, "bull_excess_gain", intra_ -, Float, NOTHING, Rows;

    /// Total gain of a seller over the epochs, 0 to 1.
    BearExcessGain = 19, "bear_excess_gain", intra_ -, Float, NOTHING, Rows;

    /// Variation of the distances between the epochs of a buyer, 0 to 1.
    BullCv = 20, "bull_cv", intra_ -, Float, NOTHING, Rows;

    /// Variation of the distances between the epochs of a seller, 0 to 1.
    BearCv = 21, "bear_cv", intra_ -, Float, NOTHING, Rows;

    /// Largest loss from the running maximum of the price, 0 to 1.
    MaxDrawdown = 22, "max_drawdown", intra_ -, Float, NOTHING, Rows;

    /// Largest rise from the running minimum of the price, 0 to 1.
    MaxRunup = 23, "max_runup", intra_ -, Float, NOTHING, Rows;

    /// Time of the first trade at the highest price.
    HighTime = 24, "high_time", bare -, Time, NOTHING, Rows;

    /// Time of the first trade at the lowest price.
    LowTime = 25, "low_time", bare -, Time, NOTHING, Rows;
}

impl Statistic {
    /// The code that checkpoints use for it.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code that a checkpoint ever held, with the name of its statistic. Only add to this list: the code of a
    /// statistic that is removed stays here.
    const EVER: [(u8, &str); 26] = [
        (0, "trade_count"),
        (1, "ofi"),
        (2, "duration_us"),
        (3, "intensity"),
        (4, "vwap"),
        (5, "vwap_position"),
        (6, "count_imbalance"),
        (7, "kyle_lambda"),
        (8, "burstiness"),
        (9, "volume_skew"),
        (10, "volume_kurt"),
        (11, "price_range"),
        (12, "garman_klass_vol"),
        (13, "kaufman_er"),
        (14, "hurst"),
        (15, "permutation_entropy"),
        (16, "bull_epoch_density"),
        (17, "bear_epoch_density"),
        (18, "bull_excess_gain"),
        (19, "bear_excess_gain"),
        (20, "bull_cv"),
        (21, "bear_cv"),
        (22, "max_drawdown"),
        (23, "max_runup"),
        (24, "high_time"),
        (25, "low_time"),
    ];

    #[test]
    fn no_code_changes_and_none_is_used_again() {
        for statistic in Statistic::ALL {
            let of_code: Vec<_> = EVER.iter().filter(|(code, _)| *code == statistic.code()).collect();
            assert_eq!(of_code, [&(statistic.code(), statistic.definition().name)], "{statistic:?}");
        }
        let mut codes = EVER.map(|(code, _)| code);
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "a code stands for two statistics");
    }

    #[test]
    fn every_name_and_column_is_of_one_statistic() {
        let unique = |mut names: Vec<&str>| {
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
            count
        };
        let definitions = Statistic::ALL.map(Statistic::definition);
        assert_eq!(unique(definitions.iter().map(|of| of.name).collect()), Statistic::ALL.len());
        let columns = definitions.iter().flat_map(|of| of.intra.into_iter().chain(of.lookback));
        assert!(unique(columns.collect()) >= Statistic::ALL.len());
        assert_eq!(Statistic::Ofi.definition().lookback, Some("lookback_ofi"));
        assert_eq!(Statistic::HighTime.definition().intra, Some("high_time"));
        assert_eq!(Statistic::HighTime.definition().lookback, None);
    }
}
