//! The statistics of a window of trades: exact totals and the rows themselves in, values out.

use std::cell::LazyCell;

use super::complexity::Patterns;
use super::statistic::{Need, Statistic, Statistics, Value, Values};
use super::{arrival, complexity, flow, horizon, impact, moments, volatility};
use crate::core::bars::bar::RangeBar;
use crate::core::block::Quantities;
use crate::core::error::Role;
use crate::core::numbers::decimals::Decimals;
use crate::core::numbers::division::quotient;
use crate::core::trades::sides::Side;

/// Statistics for which the totals of a bar are not enough, because they look at the rows.
pub const OF_ROWS: Statistics =
    Statistics::ALL.without(Statistics::needing(Need::Totals)).without(Statistics::needing(Need::Turnover));

/// Statistics of the sum of prices times quantities.
pub const OF_TURNOVER: Statistics = Statistics::needing(Need::Turnover);

/// Statistics of the number of sells.
const OF_SELLS: Statistics = Statistics::needing(Need::Sells);

/// Statistics of the sides.
const OF_SIDE: Statistics = Statistics::reading(Role::IsBuyerMaker);

/// Statistics of the sum of the price changes.
pub const OF_PATH: Statistics = Statistics::needing(Need::Path);

/// Statistics of the order patterns.
pub const OF_PATTERNS: Statistics = Statistics::needing(Need::Patterns);

/// The rows of a window, as far as they are held.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Times.
    pub time: &'a [i64],
    /// Raw prices.
    pub price: &'a [i64],
    /// Raw quantities.
    pub quantity: Quantities<'a>,
    /// Sides.
    pub side: &'a [Side],
}

/// What is known about a window besides its rows, all in exact integers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Decimals of the prices.
    pub price_decimals: Decimals,
    /// Rows; at least one.
    pub rows: u64,
    /// From the first to the last trade, microseconds.
    pub duration_us: i64,
    /// First price.
    pub first: i64,
    /// Last price.
    pub last: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Sum of the quantities.
    pub volume: i128,
    /// Sum of price times quantity.
    pub turnover: i128,
    /// Volume whose aggressor sold.
    pub sell_volume: i128,
    /// Rows whose aggressor sold.
    pub sells: u64,
    /// Whether the side of a row is not known: then what is said of the sides means nothing.
    pub lacks_side: bool,
    /// Sum of the absolute price changes.
    pub path: u128,
    /// Order patterns of the prices.
    pub patterns: Patterns,
}

impl Totals {
    /// Totals of all rows of a bar; of those that only the rows can give, the wanted ones.
    #[must_use]
    pub fn of_bar(bar: &RangeBar, rows: &Window<'_>, wanted: Statistics) -> Self {
        Self {
            price_decimals: bar.price_decimals,
            rows: bar.agg_record_count,
            duration_us: bar.duration_us,
            first: bar.open,
            last: bar.close,
            high: bar.high,
            low: bar.low,
            volume: bar.volume(),
            turnover: bar.turnover(),
            sell_volume: bar.sell_volume(),
            sells: if wanted.has_any(OF_SELLS) { sells(rows.side) } else { 0 },
            lacks_side: bar.lacks_side,
            path: if wanted.has_any(OF_PATH) { volatility::path_length(rows.price) } else { 0 },
            patterns: if wanted.has_any(OF_PATTERNS) { Patterns::of(rows.price) } else { Patterns::default() },
        }
    }

    /// Volume-weighted average price, truncated in raw units; none without volume.
    fn vwap(&self) -> Option<f64> {
        quotient(self.turnover, self.volume).map(|raw| self.price_decimals.double(raw))
    }

    fn ofi(&self) -> f64 {
        let [buy, sell] =
            [self.volume - self.sell_volume, self.sell_volume].map(|raw| Decimals::OF_QUANTITIES.double(raw));
        flow::imbalance(buy, sell)
    }
}

/// Rows whose aggressor sold, counted in bytes, many at a time.
fn sells(side: &[Side]) -> u64 {
    const AT_ONCE: usize = 240; // what a byte counts
    let count = |sides: &[Side]| sides.iter().map(|&side| u8::from(side == Side::Sold)).sum::<u8>();
    side.chunks(AT_ONCE).map(|sides| u64::from(count(sides))).sum()
}

/// The wanted statistics of a window. Those of the side are undefined if one of its rows has none, and arbitrary if the
/// input has none.
#[must_use]
pub fn statistics(rows: &Window<'_>, totals: &Totals, wanted: Statistics) -> Values {
    let mut values = Values::default();
    let wanted = if totals.lacks_side { wanted.without(OF_SIDE) } else { wanted };
    // Kernels that give several values run once, and only if one of them is asked for.
    let moments = LazyCell::new(|| moments::skew_and_kurt(rows.quantity));
    let decimals = totals.price_decimals;
    let max_drawdown = LazyCell::new(|| horizon::max_drawdown(rows.price, decimals));
    let max_runup = LazyCell::new(|| horizon::max_runup(rows.price, decimals));
    let bull = LazyCell::new(|| horizon::bull(rows.price, decimals, *max_drawdown));
    let bear = LazyCell::new(|| horizon::bear(rows.price, decimals, *max_runup));
    let n = totals.rows;
    let [first, last, high, low] = [totals.first, totals.last, totals.high, totals.low].map(|raw| decimals.double(raw));
    let float = |value: f64| Some(Value::Float(value));
    let maybe = |value: Option<f64>| value.map(Value::Float);
    let first_time = |of: i64| Some(Value::Time(rows.time[volatility::first_row(rows.price, of)]));
    for statistic in wanted.iter() {
        let value = match statistic {
            Statistic::TradeCount => Some(Value::Count(n)),
            Statistic::Ofi => float(totals.ofi()),
            Statistic::DurationUs => Some(Value::Microseconds(totals.duration_us)),
            Statistic::Intensity => float(arrival::intensity(n, totals.duration_us)),
            Statistic::Vwap => maybe(totals.vwap()),
            Statistic::VwapPosition => maybe(totals.vwap().map(|vwap| impact::position(vwap, high, low))),
            Statistic::CountImbalance => float(flow::count_imbalance(n, totals.sells)),
            Statistic::KyleLambda => maybe(impact::kyle_lambda(n, first, last, totals.ofi())),
            Statistic::Burstiness => maybe(arrival::burstiness(rows.time)),
            Statistic::VolumeSkew => maybe(moments.0),
            Statistic::VolumeKurt => maybe(moments.1),
            Statistic::PriceRange => float(volatility::price_range(high, low, first)),
            Statistic::GarmanKlassVol => float(volatility::garman_klass_vol(high, low, first, last)),
            Statistic::KaufmanEr => maybe(volatility::kaufman_er(totals.first, totals.last, totals.path)),
            Statistic::Hurst => maybe(complexity::hurst(rows.price)),
            Statistic::PermutationEntropy => maybe(totals.patterns.entropy()),
            Statistic::BullEpochDensity => float(bull.density),
            Statistic::BearEpochDensity => float(bear.density),
            Statistic::BullExcessGain => float(bull.excess_gain),
            Statistic::BearExcessGain => float(bear.excess_gain),
            Statistic::BullCv => float(bull.cv),
            Statistic::BearCv => float(bear.cv),
            Statistic::MaxDrawdown => float(*max_drawdown),
            Statistic::MaxRunup => float(*max_runup),
            Statistic::HighTime => first_time(totals.high),
            Statistic::LowTime => first_time(totals.low),
        };
        values.set(statistic, value);
    }
    values
}
