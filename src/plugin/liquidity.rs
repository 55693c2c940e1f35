//! Liquidity and order flow of bars: a Struct of their columns in, a value for each bar or for all of them out.

use std::collections::HashMap;

use polars::prelude::*;
use pyo3_polars::derive::polars_expr;
use serde::Deserialize;

use crate::core::{Flow, Liquidity, Negative, Range, StudentT, Window, bulk_buy_volume};
use crate::frame::FrameError;
use crate::frame::bar_inputs::BarFields;

/// Which measure.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MeasureWord {
    Vpin,
    RollSpread,
    CorwinSchultz,
    AbdiRanaldo,
    Amihud,
    KyleRegression,
    HasbrouckLambda,
}

/// What becomes of an estimate below zero.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NegativeWord {
    Zero,
    Null,
    Keep,
}

/// Parameters of measures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeasureKwargs {
    /// The names of the columns in the user's frame, by their roles.
    names: HashMap<String, String>,
    /// Which measure.
    measure: MeasureWord,
    /// Bars of a window; all, if none is given.
    n: Option<u64>,
    /// What becomes of an estimate below zero.
    #[serde(default = "zero")]
    negative: NegativeWord,
    /// Whether squares are averaged, and not their roots.
    #[serde(default)]
    squares: bool,
    /// Whether a line may miss the origin.
    #[serde(default)]
    intercept: bool,
}

fn zero() -> NegativeWord {
    NegativeWord::Zero
}

/// A measure of the last n bars, for each bar.
#[polars_expr(output_type_func_with_kwargs=measure_field)]
fn rolling_measure(inputs: &[Series], kwargs: MeasureKwargs) -> PolarsResult<Series> {
    Ok(measure(&inputs[0], &kwargs)?)
}

/// A measure of all bars.
#[polars_expr(output_type_func_with_kwargs=measure_field)]
fn measure_of_all(inputs: &[Series], kwargs: MeasureKwargs) -> PolarsResult<Series> {
    Ok(measure(&inputs[0], &kwargs)?)
}

fn measure_field(inputs: &[Field], kwargs: MeasureKwargs) -> PolarsResult<Field> {
    Ok(measure(&empty(inputs), &kwargs)?.field().into_owned())
}

fn measure(bars: &Series, kwargs: &MeasureKwargs) -> Result<Series, FrameError> {
    let bars = BarFields::new(bars, &kwargs.names)?;
    let column = |role: &str| bars.values(role);
    let range = || Ok::<_, FrameError>((column("high")?, column("low")?));
    let negative = match kwargs.negative {
        NegativeWord::Zero => Negative::Zero,
        NegativeWord::Null => Negative::Null,
        NegativeWord::Keep => Negative::Keep,
    };
    let window = kwargs.n.map_or(Window::All, |n| Window::Last(usize::try_from(n).unwrap_or(usize::MAX)));
    let intercept = kwargs.intercept;
    let values = match kwargs.measure {
        MeasureWord::Vpin => {
            let (buy, sell) = (column("buy_volume")?, column("sell_volume")?);
            Liquidity::Vpin { buy: &buy, sell: &sell }.values(window)
        }
        MeasureWord::RollSpread => Liquidity::RollSpread { price: &column("price")? }.values(window),
        MeasureWord::CorwinSchultz => {
            let (high, low) = range()?;
            let close = bars.find("close").map(|_| column("close")).transpose()?;
            let range = Range { high: &high, low: &low };
            Liquidity::CorwinSchultz { range, close: close.as_deref(), negative }.values(window)
        }
        MeasureWord::AbdiRanaldo => {
            let ((high, low), close) = (range()?, column("close")?);
            let range = Range { high: &high, low: &low };
            Liquidity::AbdiRanaldo { range, close: &close, squares: kwargs.squares, negative }.values(window)
        }
        MeasureWord::Amihud => {
            let (price, turnover) = (column("price")?, column("turnover")?);
            Liquidity::Amihud { price: &price, turnover: &turnover }.values(window)
        }
        MeasureWord::KyleRegression => {
            let (price, buy, sell) = (column("price")?, column("buy_volume")?, column("sell_volume")?);
            Liquidity::KyleRegression { price: &price, buy: &buy, sell: &sell, intercept }.values(window)
        }
        MeasureWord::HasbrouckLambda => {
            let price = column("price")?;
            if bars.find("flow").is_some() {
                let flow = Flow::Given(&column("flow")?);
                Liquidity::HasbrouckLambda { price: &price, flow, intercept }.values(window)
            } else {
                let (buy, sell) = (column("buy_turnover")?, column("sell_turnover")?);
                let flow = Flow::Net { buy: &buy, sell: &sell };
                Liquidity::HasbrouckLambda { price: &price, flow, intercept }.values(window)
            }
        }
    };
    Ok(floats("measure", values))
}

/// Parameters of `bulk_volume`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BulkKwargs {
    /// The names of the columns in the user's frame, by their roles.
    names: HashMap<String, String>,
    /// Bars of a window.
    n: u64,
    /// Degrees of freedom of Student's t; none for the normal distribution.
    degrees: Option<f64>,
}

/// The two sides of the volume of each bar.
#[polars_expr(output_type_func_with_kwargs=bulk_volume_field)]
fn bulk_volume(inputs: &[Series], kwargs: BulkKwargs) -> PolarsResult<Series> {
    Ok(bulk(&inputs[0], &kwargs)?)
}

fn bulk_volume_field(inputs: &[Field], kwargs: BulkKwargs) -> PolarsResult<Field> {
    Ok(bulk(&empty(inputs), &kwargs)?.field().into_owned())
}

fn bulk(bars: &Series, kwargs: &BulkKwargs) -> Result<Series, FrameError> {
    let bars = BarFields::new(bars, &kwargs.names)?;
    let (price, volume) = (bars.values("price")?, bars.values("volume")?);
    let n = usize::try_from(kwargs.n).unwrap_or(usize::MAX);
    let bought = bulk_buy_volume(&price, &volume, n, kwargs.degrees.map(StudentT::new));
    let sold = bought.iter().zip(&volume).map(|(bought, volume)| Some(volume - (*bought)?)).collect();
    let rows = bought.len();
    let fields = [floats("bulk_buy_volume", bought), floats("bulk_sell_volume", sold)];
    Ok(StructChunked::from_series("bulk_volume".into(), rows, fields.iter())?.into_series())
}

fn floats(name: &'static str, values: Vec<Option<f64>>) -> Series {
    Float64Chunked::from_iter_options(PlSmallStr::from_static(name), values.into_iter()).into_series()
}

/// What is planned for: no rows.
fn empty(inputs: &[Field]) -> Series {
    inputs.first().map(|field| Series::new_empty(field.name.clone(), &field.dtype)).unwrap_or_default()
}
