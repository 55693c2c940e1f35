//! Renko bricks: what a request for them says, and their columns.

use polars::prelude::*;

use super::output::times;
use super::{FrameError, Request, TimeColumn};
use crate::core::{AnyRule, Brick, BrickBuilder, Decimals};

/// A builder of the bricks of one group: the rule of the request is a range, which is the size of a brick.
///
/// # Errors
///
/// A size that no brick can have, or another invalid parameter.
pub fn brick_builder(request: &Request, time: &TimeColumn) -> Result<BrickBuilder, FrameError> {
    let decimals = request.price_decimals()?;
    let [AnyRule::Range(range)] = request.rules()?[..] else {
        return Err(FrameError(format!("the size of a brick must be one range, got {}", request.rules)));
    };
    let builder = BrickBuilder::new(range.distance(), decimals, time.unit);
    Ok(builder.with_max_step(request.max_step(time.unit)?))
}

/// Names and dtypes of the columns of bricks.
pub fn brick_fields(time: &DataType) -> Vec<Field> {
    let dtypes = [
        ("open", DataType::Float64),
        ("close", DataType::Float64),
        ("direction", DataType::Int8),
        ("row", DataType::UInt64),
        ("time", time.clone()),
    ];
    dtypes.into_iter().map(|(name, dtype)| Field::new(name.into(), dtype)).collect()
}

/// The columns of bricks whose prices have some decimals.
pub fn brick_series(bricks: &[Brick], decimals: Decimals, time: &DataType) -> Vec<Series> {
    let price = |name: &'static str, get: fn(&Brick) -> i64| {
        let prices = bricks.iter().map(|brick| decimals.double(get(brick)));
        Float64Chunked::from_iter_values(PlSmallStr::from_static(name), prices).into_series()
    };
    let ways = bricks.iter().map(|brick| if brick.close > brick.open { 1_i8 } else { -1 });
    let rows = bricks.iter().map(|brick| brick.row_in_group);
    vec![
        price("open", |brick| brick.open),
        price("close", |brick| brick.close),
        Int8Chunked::from_iter_values("direction".into(), ways).into_series(),
        UInt64Chunked::from_iter_values("row".into(), rows).into_series(),
        times("time".into(), bricks.iter().map(|brick| brick.time).collect(), time),
    ]
}
