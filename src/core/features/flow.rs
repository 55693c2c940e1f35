//! Order flow: who was the aggressor.

use super::EPS;
use crate::core::bars::bar::RangeBar;
use crate::core::numbers::division::double;

/// Order-flow imbalance `(B - S) / (B + S)` of the volumes; 0 without volume. Easley, López de Prado, O'Hara (2012).
#[must_use]
pub fn imbalance(buy: f64, sell: f64) -> f64 {
    if buy + sell > EPS { (buy - sell) / (buy + sell) } else { 0.0 }
}

/// `(buys - sells) / n` of the rows.
#[must_use]
pub fn count_imbalance(rows: u64, sells: u64) -> f64 {
    (rows as f64 - 2.0 * sells as f64) / rows as f64
}

/// Individual buys per sell, at most 100; 100 without sells, 1 without trades.
#[must_use]
pub fn aggression_ratio(bar: &RangeBar) -> f64 {
    match (bar.buy_trade_count(), bar.sell_trade_count) {
        (0, 0) => 1.0,
        (_, 0) => 100.0,
        (buy, sell) => (buy as f64 / sell as f64).min(100.0),
    }
}

/// `(tb - ts) / (tb + ts)` of the raw turnovers; 0 without turnover.
#[must_use]
pub fn turnover_imbalance(bar: &RangeBar) -> f64 {
    let [buy, sell, sum] = [bar.buy_turnover(), bar.sell_turnover(), bar.turnover()].map(double);
    if sum > EPS { (buy - sell) / sum } else { 0.0 }
}
