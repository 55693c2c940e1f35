//! The statistics of a window of trades: exact totals and the rows themselves in, values out (SPEC 6 and 7).

use super::complexity::Patterns;
use super::statistic::{Statistic, Statistics, Values};
use super::{arrival, complexity, flow, horizon, impact, moments, volatility};
use crate::core::bar::RangeBar;
use crate::core::block::Quantities;
use crate::core::fixed::from_fixed;

/// Statistics for which the totals of a bar are not enough: they look at the rows.
pub const OF_ROWS: Statistics = Statistics::of(&[
    Statistic::CountImbalance,
    Statistic::Burstiness,
    Statistic::VolumeSkew,
    Statistic::VolumeKurt,
    Statistic::KaufmanEr,
    Statistic::Hurst,
    Statistic::PermutationEntropy,
    Statistic::BullEpochDensity,
    Statistic::BearEpochDensity,
    Statistic::BullExcessGain,
    Statistic::BearExcessGain,
    Statistic::BullCv,
    Statistic::BearCv,
    Statistic::MaxDrawdown,
    Statistic::MaxRunup,
    Statistic::HighTime,
    Statistic::LowTime,
]);

/// Statistics of the quantities themselves.
pub const OF_QUANTITIES: Statistics = Statistics::of(&[Statistic::VolumeSkew, Statistic::VolumeKurt]);

const MOMENTS: Statistics = OF_QUANTITIES;
const BULL: Statistics = Statistics::of(&[Statistic::BullEpochDensity, Statistic::BullExcessGain, Statistic::BullCv]);
const BEAR: Statistics = Statistics::of(&[Statistic::BearEpochDensity, Statistic::BearExcessGain, Statistic::BearCv]);

/// Rows of a window, as far as they are held.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Times.
    pub time: &'a [i64],
    /// Raw prices.
    pub price: &'a [i64],
    /// Raw quantities.
    pub quantity: Quantities<'a>,
    /// Where the seller was the aggressor.
    pub sold: &'a [bool],
}

/// What is known of a window beside its rows, all in exact integers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
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
    /// Sum of the absolute price changes.
    pub path: u128,
    /// Order patterns of the prices.
    pub patterns: Patterns,
}

impl Totals {
    /// Totals of all rows of a bar; of those that only the rows tell, the ones that are wanted.
    #[must_use]
    pub fn of_bar(bar: &RangeBar, rows: &Window<'_>, wanted: Statistics) -> Self {
        let only = |statistic| wanted.has(statistic);
        Self {
            rows: bar.agg_record_count,
            duration_us: bar.duration_us,
            first: bar.open,
            last: bar.close,
            high: bar.high,
            low: bar.low,
            volume: bar.volume(),
            turnover: bar.turnover(),
            sell_volume: bar.sell_volume(),
            sells: if only(Statistic::CountImbalance) {
                rows.sold.iter().map(|&sold| u64::from(sold)).sum()
            } else {
                0
            },
            path: if only(Statistic::KaufmanEr) { volatility::path_length(rows.price) } else { 0 },
            patterns: if only(Statistic::PermutationEntropy) { Patterns::of(rows.price) } else { Patterns::default() },
        }
    }

    /// Volume-weighted average price in raw units, truncated; none without volume.
    fn vwap(&self) -> Option<i128> {
        self.turnover.checked_div(self.volume)
    }

    fn ofi(&self) -> f64 {
        flow::imbalance(self.volume - self.sell_volume, self.sell_volume)
    }
}

/// The wanted statistics of a window. Those of the side are arbitrary where there is none.
#[must_use]
pub fn statistics(rows: &Window<'_>, totals: &Totals, wanted: Statistics) -> Values {
    let mut values = Values::default();
    // Kernels that give several values run once, and only if one of them is wanted.
    let moments = if wanted.has_any(MOMENTS) { moments::skew_and_kurt(rows.quantity) } else { (None, None) };
    let needs_drawdown = wanted.has_any(BULL.with(Statistic::MaxDrawdown));
    let max_drawdown = if needs_drawdown { horizon::max_drawdown(rows.price) } else { 0.0 };
    let needs_runup = wanted.has_any(BEAR.with(Statistic::MaxRunup));
    let max_runup = if needs_runup { horizon::max_runup(rows.price) } else { 0.0 };
    let bull = wanted.has_any(BULL).then(|| horizon::bull(rows.price, max_drawdown));
    let bear = wanted.has_any(BEAR).then(|| horizon::bear(rows.price, max_runup));
    let Totals { rows: n, first, last, high, low, .. } = *totals;
    let float = |value: f64| Some(value.to_bits());
    let maybe = |value: Option<f64>| value.map(f64::to_bits);
    for statistic in wanted.iter() {
        let bits = match statistic {
            Statistic::TradeCount => Some(n),
            Statistic::Ofi => float(totals.ofi()),
            Statistic::DurationUs => Some(totals.duration_us as u64),
            Statistic::Intensity => float(arrival::intensity(n, totals.duration_us)),
            Statistic::Vwap => maybe(totals.vwap().map(from_fixed)),
            Statistic::VwapPosition => maybe(totals.vwap().map(|vwap| impact::position(vwap, high, low))),
            Statistic::CountImbalance => float(flow::count_imbalance(n, totals.sells)),
            Statistic::KyleLambda => maybe(impact::kyle_lambda(n, first, last, totals.ofi())),
            Statistic::Burstiness => maybe(arrival::burstiness(rows.time)),
            Statistic::VolumeSkew => maybe(moments.0),
            Statistic::VolumeKurt => maybe(moments.1),
            Statistic::PriceRange => float(volatility::price_range(high, low, first)),
            Statistic::GarmanKlassVol => float(volatility::garman_klass_vol(high, low, first, last)),
            Statistic::KaufmanEr => maybe(volatility::kaufman_er(first, last, totals.path)),
            Statistic::Hurst => maybe(complexity::hurst(rows.price)),
            Statistic::PermutationEntropy => maybe(totals.patterns.entropy()),
            Statistic::BullEpochDensity => maybe(bull.as_ref().map(|epochs| epochs.density)),
            Statistic::BearEpochDensity => maybe(bear.as_ref().map(|epochs| epochs.density)),
            Statistic::BullExcessGain => maybe(bull.as_ref().map(|epochs| epochs.excess_gain)),
            Statistic::BearExcessGain => maybe(bear.as_ref().map(|epochs| epochs.excess_gain)),
            Statistic::BullCv => maybe(bull.as_ref().map(|epochs| epochs.cv)),
            Statistic::BearCv => maybe(bear.as_ref().map(|epochs| epochs.cv)),
            Statistic::MaxDrawdown => float(max_drawdown),
            Statistic::MaxRunup => float(max_runup),
            Statistic::HighTime => Some(rows.time[volatility::first_row(rows.price, high)] as u64),
            Statistic::LowTime => Some(rows.time[volatility::first_row(rows.price, low)] as u64),
        };
        values.set(statistic, bits);
    }
    values
}
