//! The ten bar features and the statistics of windows, which `docs/columns.md` defines, one small file per family: a
//! bar or slices in, a value out. The [`table`] lists the statistics of windows, and [`window`] calls their kernels.
//!
//! Every ratio is one division of doubles. Functions that need the side are only called if there is one.

pub mod arrival;
pub mod complexity;
pub mod flow;
pub mod horizon;
pub mod impact;
pub mod moments;
pub mod statistic;
pub mod table;
pub mod volatility;
pub mod window;

/// Below this a denominator counts as zero: the gap between 1 and the next double.
pub const EPS: f64 = f64::EPSILON;

#[cfg(test)]
mod tests {
    use super::{arrival, flow, impact};
    use crate::core::block::convert::Buffers;
    use crate::core::{
        BarBuilder, Bits, Breaks, Decimals, Numbers, RangeBar, RangeRule, Sides, TimeUnit, Trades, WindowOptions,
    };

    /// The forming bar of some trades, each of which stands for two; a set bit is a sale.
    fn bar(price: &[f64], quantity: &[f64], sales: u8) -> RangeBar {
        let time: Vec<_> = (0..price.len() as i64).map(|row| row * 500).collect();
        let first: Vec<_> = (0..price.len() as i64).map(|row| row * 2).collect();
        let last: Vec<_> = first.iter().map(|id| id + 1).collect();
        let sides = [sales];
        let trades = Trades {
            time: &time,
            price: Numbers::F64(price),
            quantity: Some(Numbers::F64(quantity)),
            is_buyer_maker: Bits::new(&sides, 0, price.len()).map(Sides::from),
            agg_trade_id: None,
            individual_ids: Some((&first, &last)),
        };
        let rule = RangeRule::dbps(50_000, true).expect("a valid threshold");
        let mut builder = BarBuilder::new(&[rule], Breaks::default(), TimeUnit::Milliseconds, WindowOptions::default());
        builder.push(trades, &mut Buffers::default(), &mut vec![]).expect("valid trades");
        *builder.forming().next().expect("no trade leaves half and double").1
    }

    /// What features take from a bar, in units.
    struct Units {
        open: f64,
        high: f64,
        low: f64,
        close: f64,
        vwap: f64,
        volume: f64,
        ofi: f64,
    }

    fn units(bar: &RangeBar) -> Units {
        let quantity = |raw| Decimals::OF_QUANTITIES.double(raw);
        let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(|raw| bar.price(raw));
        let ofi = flow::imbalance(quantity(bar.buy_volume()), quantity(bar.sell_volume()));
        Units { open, high, low, close, vwap: bar.price(bar.vwap()), volume: quantity(bar.volume()), ofi }
    }

    #[test]
    fn a_bar_worked_out_by_hand() {
        let bar = bar(&[100.0, 104.0, 98.0], &[1.0, 2.0, 1.0], 0b100);
        let of = units(&bar);
        assert_eq!(of.ofi, (3.0 - 1.0) / 4.0);
        assert_eq!(flow::aggression_ratio(&bar), 2.0);
        assert_eq!(flow::turnover_imbalance(&bar), (308.0 - 98.0) / 406.0);
        assert_eq!(impact::vwap_close_deviation(of.close, of.vwap, of.high, of.low), (98.0 - 101.5) / 6.0);
        assert_eq!(impact::price_impact(of.open, of.close, of.volume), 2.0 / 4.0);
        assert_eq!(impact::kyle_lambda_proxy(of.open, of.close, of.ofi), (-2.0 / 100.0) / 0.5);
        assert_eq!(arrival::trade_intensity(&bar), 6.0);
        assert_eq!(arrival::volume_per_trade(of.volume, bar.individual_trade_count), 4.0 / 6.0);
        assert_eq!(arrival::aggregation_density(&bar), 2.0);
    }

    #[test]
    fn guards_where_a_denominator_is_zero() {
        let one = bar(&[100.0], &[0.0], 0);
        let of = units(&one);
        assert_eq!((of.ofi, flow::turnover_imbalance(&one)), (0.0, 0.0));
        assert_eq!(impact::vwap_close_deviation(of.close, of.vwap, of.high, of.low), 0.0);
        assert_eq!(impact::price_impact(of.open, of.close, of.volume), 0.0);
        assert_eq!(impact::kyle_lambda_proxy(of.open, of.close, of.ofi), 0.0);
        assert_eq!(arrival::volume_per_trade(of.volume, 0), 0.0);
        assert_eq!((flow::aggression_ratio(&one), arrival::trade_intensity(&one)), (100.0, 2.0));
        assert_eq!(flow::aggression_ratio(&bar(&[100.0], &[1.0], 1)), 0.0);
    }
}
