//! What Python asks before it asks for bars: whether a value may be given, and which columns come out.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

use super::error::FrameError;
use super::parameters::{PriceDecimals, Reach, max_gap as parse_gap, max_step as parse_step};
use super::request::Request;
use super::resets::ResetForm;
use super::rules::{Label, RuleForm};
use super::schema::Choice;
use super::{inputs, schema};
use crate::core::{CloseRule, Lookback, Move, Number, ThresholdError, Tick, TimeUnit};

/// The threshold as an integer in 1..100000; a `RangeBarError` for everything else.
#[pyfunction]
pub fn check_threshold(value: &Bound<'_, PyAny>) -> PyResult<u32> {
    let refuse = || FrameError::from(ThresholdError(value.repr().map_or_else(|_| "?".into(), |r| r.to_string())));
    let index = value.call_method0("__index__");
    let integer = index.ok().filter(|_| !value.is_instance_of::<PyBool>());
    let threshold = integer.filter(|i| i.is_instance_of::<PyInt>()).and_then(|i| i.extract::<u32>().ok());
    let threshold = threshold.ok_or_else(refuse)?;
    Move::dbps(threshold).map_err(|_| refuse())?;
    Ok(threshold)
}

/// A distance of prices, rounded to their decimals; a `RangeBarError` for one that no bar can have.
#[pyfunction]
pub fn check_points(value: f64, price_decimals: u32) -> PyResult<f64> {
    let decimals = PriceDecimals::new(price_decimals).decimals()?;
    let distance = Move::points(Number::Float(value), decimals).map_err(FrameError::from)?;
    Ok(if let Move::Points(raw) = distance { decimals.double(raw) } else { value })
}

/// The height of the levels of footprints, rounded to the decimals of prices; a `RangeBarError` for one that no level has.
#[pyfunction]
pub fn check_footprint(value: f64, price_decimals: u32) -> PyResult<f64> {
    let decimals = PriceDecimals::new(price_decimals).decimals()?;
    let tick = Tick::of(Number::Float(value), decimals).map_err(FrameError::from)?;
    Ok(decimals.double(tick.raw()))
}

/// A rule in the form of requests, with its numbers rounded as they are taken for prices of some decimals; a
/// `RangeBarError` for one that no bars can have.
#[pyfunction]
pub fn check_rule(rule: &str, price_decimals: u32) -> PyResult<String> {
    let refuse = |error: serde_json::Error| FrameError(format!("the rule: {error}"));
    let form: RuleForm = serde_json::from_str(rule).map_err(refuse)?;
    let rounded = form.rounded(PriceDecimals::new(price_decimals).decimals()?)?;
    Ok(serde_json::to_string(&rounded).map_err(refuse)?)
}

/// A rule as a user writes it.
#[pyfunction]
pub fn written_rule(rule: &str) -> PyResult<String> {
    let form: RuleForm = serde_json::from_str(rule).map_err(|error| FrameError(format!("the rule: {error}")))?;
    Ok(form.to_string())
}

/// Calendar months and nanoseconds of a duration string; refuses what is none, or what no gap can be.
#[pyfunction]
pub fn check_max_gap(value: &str) -> PyResult<(u32, i64)> {
    let gap = parse_gap(value, TimeUnit::Nanoseconds)?;
    Ok((gap.months(), gap.span()))
}

/// Calendar months and nanoseconds of a duration string; refuses what is none, or what no step can be.
#[pyfunction]
pub fn check_max_step(value: &str) -> PyResult<(u32, i64)> {
    let step = parse_step(value, TimeUnit::Nanoseconds)?;
    Ok((step.months(), step.span()))
}

/// Calendar months and nanoseconds of a duration string; refuses one over which no window can reach back.
#[pyfunction]
pub fn check_lookback(value: &str) -> PyResult<(u32, i64)> {
    match (Reach::Time { time: value.to_owned() }).lookback(TimeUnit::Nanoseconds)? {
        Lookback::Time(length) if (length.months(), length.span()) != (0, 0) => Ok((length.months(), length.span())),
        _ => Err(FrameError(format!("`lookback` must be longer than zero, got {value:?}")).into()),
    }
}

/// Refuses what is no reset; as a request has it, in JSON.
#[pyfunction]
pub fn check_reset(reset: &str) -> PyResult<()> {
    ResetForm::from_json(reset)?.reset()?;
    Ok(())
}

/// First and last instant of the period that holds an instant, and the date that names it in days since 1970; the reset
/// as a request has it, in JSON.
#[pyfunction]
pub fn period_bounds(time: i64, time_unit: &str, reset: &str) -> PyResult<(i64, i64, i64)> {
    let session = ResetForm::from_json(reset)?.reset()?.session(time, inputs::time_unit(time_unit)?);
    Ok((session.period.first, session.period.last, session.date))
}

/// A column's name, whether it is a feature, and the optional input columns that it reads.
type ColumnInfo = (&'static str, bool, Vec<&'static str>);

/// Every column of the bars: the base columns, the one that tells several rules apart, then the named features, or the ten
/// and the wanted families.
#[pyfunction]
#[pyo3(signature = (features=None, *, several=false, intra=false, lookback=false))]
pub fn bar_columns(
    features: Option<Vec<String>>,
    several: bool,
    intra: bool,
    lookback: bool,
) -> PyResult<Vec<ColumnInfo>> {
    let label = several.then_some(Label::Threshold);
    Ok(info(&schema::bar_columns(Choice {
        features: features.as_deref(),
        label,
        has_time: false,
        session: false,
        intra,
        lookback,
        footprint: false,
    })?))
}

/// Every column of the bars of a request, which is checked, and the optional input columns that its rules look at.
#[pyfunction]
pub fn request_facts(request: &str) -> PyResult<(Vec<ColumnInfo>, Vec<&'static str>)> {
    let request = Request::from_json(request)?;
    let mut roles: Vec<_> = request.rules()?.iter().flat_map(CloseRule::reads).map(|role| role.name()).collect();
    roles.dedup();
    request.breaks(TimeUnit::Nanoseconds)?;
    request.max_step(TimeUnit::Nanoseconds)?;
    request.time_unit()?;
    let columns = request.columns()?;
    request.footprint_options(&columns)?;
    Ok((info(&columns), roles))
}

fn info(columns: &[&'static schema::BarColumn]) -> Vec<ColumnInfo> {
    let info = |column: &&'static schema::BarColumn| {
        (column.name, column.is_feature(), column.reads.iter().map(|role| role.name()).collect())
    };
    columns.iter().map(info).collect()
}
