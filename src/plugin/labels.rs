//! Labels of bars: a Struct of bars in, a Struct of labels out, row by row.

use std::cmp::Ordering;
use std::collections::HashMap;

use polars::prelude::*;
use pyo3_polars::derive::polars_expr;
use serde::Deserialize;

use crate::core::{Barriers, Distance, Entry, Exit, Path, TimeUnit as CoreUnit, Touched, triple_barrier as exits};
use crate::frame::bar_inputs::BarFields;
use crate::frame::inputs::time_unit;
use crate::frame::output::in_time;
use crate::frame::parameters::max_time;
use crate::frame::{FrameError, TimeColumn};

/// Name of what `triple_barrier` returns.
const TRIPLE_BARRIER: PlSmallStr = PlSmallStr::from_static("triple_barrier");

/// The price at which a label enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EntryWord {
    Close,
    Open,
}

/// What a bar is that touches two barriers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BothWord {
    Stop,
    Null,
}

/// Parameters of `triple_barrier`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TripleBarrierKwargs {
    /// The names of the columns in the user's frame, by their roles.
    names: HashMap<String, String>,
    /// One distance for all bars; distances of each bar are a field of the Struct.
    take_profit: Option<f64>,
    /// Likewise.
    stop_loss: Option<f64>,
    /// Bars until the third barrier.
    max_bars: Option<u64>,
    /// Time until the third barrier, as a Polars duration string.
    max_time: Option<String>,
    /// Unit of Int64 times.
    time_unit: Option<String>,
    /// The price of the entry.
    entry: EntryWord,
    /// What a bar is that touches two barriers.
    both: BothWord,
}

/// For each bar, which of three barriers the bars after it touch first.
#[polars_expr(output_type_func_with_kwargs=triple_barrier_field)]
fn triple_barrier(inputs: &[Series], kwargs: TripleBarrierKwargs) -> PolarsResult<Series> {
    Ok(labels(&inputs[0], &kwargs)?)
}

fn triple_barrier_field(inputs: &[Field], kwargs: TripleBarrierKwargs) -> PolarsResult<Field> {
    let empty = inputs.first().map(|field| Series::new_empty(field.name.clone(), &field.dtype)).unwrap_or_default();
    Ok(labels(&empty, &kwargs)?.field().into_owned())
}

fn labels(bars: &Series, kwargs: &TripleBarrierKwargs) -> Result<Series, FrameError> {
    let bars = BarFields::new(bars, &kwargs.names)?;
    let clock = clock(&bars, kwargs)?;
    let [open, high, low, close] = ["open", "high", "low", "close"].map(|role| bars.prices(role));
    let (open, high, low, close) = (open?, high?, low?, close?);
    in_order(&bars, &low, &high)?;
    let close_time = bars.ordered_times("close_time", &clock.dtype)?;
    let open_time = bars.find("open_time").map(|_| bars.ordered_times("open_time", &clock.dtype)).transpose()?;
    let high_to_low = high_to_low(&bars, &clock)?;
    let (take_profit, stop_loss) = (distances(&bars, "take_profit")?, distances(&bars, "stop_loss")?);
    let path = Path {
        open: &open,
        high: &high,
        low: &low,
        close: &close,
        open_time: open_time.as_deref(),
        close_time: &close_time,
        high_to_low: high_to_low.as_deref(),
    };
    let unit = clock.unit;
    let max_time = kwargs.max_time.as_deref().map(|text| max_time(text, unit)).transpose()?;
    let barriers = Barriers {
        take_profit: distance(take_profit.as_deref(), kwargs.take_profit),
        stop_loss: distance(stop_loss.as_deref(), kwargs.stop_loss),
        max_bars: kwargs.max_bars.map(|bars| usize::try_from(bars).unwrap_or(usize::MAX)),
        max_time: max_time.map(|length| (length, unit)),
        entry: if kwargs.entry == EntryWord::Close { Entry::Close } else { Entry::Open },
        both_stop: kwargs.both == BothWord::Stop,
    };
    output(&exits(&path, &barriers), &close_time, &clock.dtype)
}

/// The clock of the close times, whose unit matters only if time is counted.
fn clock(bars: &BarFields<'_>, kwargs: &TripleBarrierKwargs) -> Result<TimeColumn, FrameError> {
    let dtype = bars.get("close_time")?.dtype();
    let unit = kwargs.time_unit.as_deref().map(time_unit).transpose()?;
    let is_counted = kwargs.max_time.is_some();
    let unit = unit.or_else(|| (*dtype == DataType::Int64 && !is_counted).then_some(CoreUnit::Microseconds));
    TimeColumn::new(bars.name("close_time"), dtype, unit)
}

fn in_order(bars: &BarFields<'_>, lows: &[f64], highs: &[f64]) -> Result<(), FrameError> {
    let Some(row) = lows.iter().zip(highs).position(|(low, high)| low > high) else { return Ok(()) };
    let (low, high) = (bars.name("low"), bars.name("high"));
    Err(FrameError(format!(
        "`{low}` of bars must not be above `{high}`, got {:?} and {:?} at row {row}: are the columns swapped?",
        lows[row], highs[row]
    )))
}

/// How the times of highs and lows compare, if the bars have them.
fn high_to_low(bars: &BarFields<'_>, clock: &TimeColumn) -> Result<Option<Vec<Ordering>>, FrameError> {
    let (there, absent) = match (bars.find("high_time"), bars.find("low_time")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let (high, low) = (bars.times("high_time", &clock.dtype)?, bars.times("low_time", &clock.dtype)?);
            let order = |(high, low): (Option<i64>, Option<i64>)| match (high, low) {
                (Some(high), Some(low)) => high.cmp(&low),
                _ => Ordering::Equal,
            };
            return Ok(Some(high.into_iter().zip(low).map(order).collect()));
        }
        (Some(_), None) => ("high_time", "low_time"),
        (None, Some(_)) => ("low_time", "high_time"),
    };
    Err(FrameError(format!(
        "`high_time` and `low_time` come together: the bars have `{}` but no `{}`; name it, or pass {there}=None to \
         ignore the other",
        bars.name(there),
        bars.name(absent)
    )))
}

fn distances(bars: &BarFields<'_>, role: &str) -> Result<Option<Vec<f64>>, FrameError> {
    bars.find(role).map(|_| bars.distances(role)).transpose()
}

fn distance(each: Option<&[f64]>, same: Option<f64>) -> Distance<'_> {
    each.map_or(Distance::Same(same.unwrap_or(f64::INFINITY)), Distance::Each)
}

fn output(exits: &[Option<Exit>], close_time: &[i64], clock: &DataType) -> Result<Series, FrameError> {
    let each = || exits.iter().enumerate();
    let words = FrozenCategories::new(Touched::WORDS)?;
    let codes = each().map(|(_, exit)| Some(exit.as_ref()?.touched as u8));
    let codes = UInt8Chunked::from_iter_options("barrier".into(), codes);
    let barrier = Categorical8Chunked::from_cats_and_dtype(codes, DataType::from_frozen_categories(words));
    let label = each().map(|(_, exit)| Some(exit.as_ref()?.touched.label()));
    let bars = each().map(|(row, exit)| Some((exit.as_ref()?.row - row) as u32));
    let rate = each().map(|(_, exit)| Some(exit.as_ref()?.rate));
    let at = exits.iter().map(|exit| Some(close_time[exit.as_ref()?.row]));
    let at = Int64Chunked::from_iter_options("exit_time".into(), at);
    let fields = [
        Int8Chunked::from_iter_options("label".into(), label).into_series(),
        barrier.into_series(),
        UInt32Chunked::from_iter_options("exit_bars".into(), bars).into_series(),
        in_time(at, clock),
        Float64Chunked::from_iter_options("return".into(), rate).into_series(),
    ];
    // A bar without a label is null as a whole, so that `is_null` and `drop_nulls` find it.
    let is_known = fields[0].i8()?.is_not_null();
    let known = is_known.downcast_iter().next().map(|array| array.values().clone());
    let labels = StructChunked::from_series(TRIPLE_BARRIER, exits.len(), fields.iter())?;
    Ok(labels.with_outer_validity(known).into_series())
}
