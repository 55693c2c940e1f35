//! The way out: bars become columns.

use polars::prelude::*;

use super::polars_internals::{Bitmap, ListArray, Offsets};
use super::rules::RuleForm;
use super::schema::{BarColumn, Family, LEVEL, Value};
use super::staged::{STAGED_BARS, Staged};
use crate::core::features::statistic::{Kind, Values};
use crate::core::{BarBuilder, ClosedBar, Decimals, Footprint, RangeBar, Reset, Session, TimeUnit};

/// The forming bar of a rule, as if it had ended.
pub fn forming_bar(rule: usize, bar: &RangeBar, builder: &BarBuilder) -> ClosedBar {
    let (windows, footprint) = (builder.forming_windows(rule, bar), builder.forming_footprint(rule));
    ClosedBar { row: 0, rule, bar: *bar, windows, footprint }
}

fn window(of: &ClosedBar, family: Family) -> Option<&Values> {
    of.windows.as_ref().map(|windows| match family {
        Family::Intra => &windows.intra,
        Family::Lookback => &windows.lookback,
    })
}

/// The footprint of a bar, unless what is taken from it needs the side and the bar lacks one.
fn footprint(of: &ClosedBar, needs_side: bool) -> Option<&Footprint> {
    of.footprint.as_deref().filter(|_| !(needs_side && of.bar.lacks_side))
}

/// The levels of its footprint, in units of the price and of the quantity.
fn levels(of: &ClosedBar) -> Option<Levels> {
    let quantity = |raw| Decimals::OF_QUANTITIES.double(raw);
    let levels = footprint(of, true)?.levels();
    Some(levels.map(|at| [of.bar.price(at.price), quantity(at.buy_volume), quantity(at.sell_volume)]).collect())
}

/// The levels of a footprint: a value for each of the fields.
type Levels = Box<[[f64; LEVEL.len()]]>;

/// Bars of one run from which on they go into their columns at once, without being moved together with others.
const DIRECT_BARS: usize = 16;

/// Rows by which the number of bars of a batch is estimated, at least.
const LEAST_ROWS_TO_GO_BY: usize = 65_536;

/// Room for some bars, which end by a row of a batch and follow others of it, and for as many more as its rows left will end
/// if they are like those so far: to grow column by column as bars come took a tenth of the time of short ones.
pub fn room_for(bars: usize, before: usize, row: usize, rows: usize) -> usize {
    let done = row.max(LEAST_ROWS_TO_GO_BY);
    let expected = (before + bars) as u128 * rows.saturating_sub(done) as u128 / done as u128;
    bars + (expected + expected / 16) as usize // a little more: if it is too little, all of it is copied
}

/// Columns that bars are added to, one row each. What needs the side is null if the input has none, and where a bar lacks
/// one.
#[derive(Default)]
pub struct BarColumns {
    columns: Vec<(&'static BarColumn, Cells)>,
    has_side: bool,
    /// Which of the rows lack a side.
    lacking_side: Vec<bool>,
    /// Bars that are in no column yet.
    waiting: Vec<ClosedBar>,
}

/// The cells of a column so far.
enum Cells {
    /// All of them are null.
    Null,
    Floats(Vec<f64>),
    Integers(Vec<i64>),
    Counts(Vec<u64>),
    /// Reasons by their numbers.
    Reasons(Vec<u8>),
    /// Rules by their numbers.
    Rules(Vec<usize>),
    FloatsOrNull(Vec<Option<f64>>),
    IntegersOrNull(Vec<Option<i64>>),
    LevelCounts(Vec<Option<u32>>),
    Levels(Vec<Option<Levels>>),
}

/// Does the same with the vector of any cells but nulls.
macro_rules! of_any {
    ($cells:expr, $vec:ident => $do:expr) => {
        match $cells {
            Cells::Null => {}
            Cells::Floats($vec) => $do,
            Cells::Integers($vec) => $do,
            Cells::Counts($vec) => $do,
            Cells::Reasons($vec) => $do,
            Cells::Rules($vec) => $do,
            Cells::FloatsOrNull($vec) => $do,
            Cells::IntegersOrNull($vec) => $do,
            Cells::LevelCounts($vec) => $do,
            Cells::Levels($vec) => $do,
        }
    };
}

impl BarColumns {
    /// Columns without rows.
    pub fn new(columns: &[&'static BarColumn], has_side: bool) -> Self {
        let columns = columns.iter().map(|&column| (column, Cells::of(column, has_side))).collect();
        Self { columns, has_side, lacking_side: Vec::new(), waiting: Vec::new() }
    }

    /// Adds bars; takes their windows and footprints along.
    pub fn extend(&mut self, bars: &mut [ClosedBar]) {
        if bars.len() >= DIRECT_BARS {
            self.flush();
            bars.chunks(STAGED_BARS).for_each(|bars| self.add(bars));
            return;
        }
        for closed in bars {
            self.waiting.push(closed.take());
            if self.waiting.len() == STAGED_BARS {
                self.flush();
            }
        }
    }

    /// Makes room for so many bars more.
    pub fn reserve(&mut self, bars: usize) {
        let bars = bars + self.waiting.len();
        self.lacking_side.reserve(bars);
        for (_, cells) in &mut self.columns {
            of_any!(cells, cells => cells.reserve(bars));
        }
    }

    /// Takes the bars that are in no column yet, if they are all the bars there are, of which there is one at least.
    pub fn take_waiting(&mut self, all: usize) -> Option<Vec<ClosedBar>> {
        (all > 0 && self.waiting.len() == all).then(|| std::mem::take(&mut self.waiting))
    }

    /// Whether there are no columns.
    pub fn is_new(&self) -> bool {
        self.columns.is_empty()
    }

    /// Adds the rows of other columns of the same kinds, and leaves them without rows.
    pub fn append(&mut self, other: &mut Self) {
        self.flush();
        other.flush();
        self.lacking_side.append(&mut other.lacking_side);
        for ((_, cells), (_, more)) in self.columns.iter_mut().zip(&mut other.columns) {
            cells.append(more);
        }
    }

    /// Keeps only the first rows.
    pub fn truncate(&mut self, rows: usize) {
        self.flush();
        self.lacking_side.truncate(rows);
        for (_, cells) in &mut self.columns {
            of_any!(cells, cells => cells.truncate(rows));
        }
    }

    /// Puts the last rows into another order: row `order[i]` of them becomes row i of them.
    pub fn reorder(&mut self, order: &[usize]) {
        self.flush();
        let from = self.lacking_side.len() - order.len();
        reorder(&mut self.lacking_side[from..], order);
        for (_, cells) in &mut self.columns {
            of_any!(cells, cells => reorder(&mut cells[from..], order));
        }
    }

    /// Takes the columns and leaves them without rows.
    pub fn take(&mut self, means: Means<'_>) -> Vec<Series> {
        self.flush();
        let lacking_side = std::mem::take(&mut self.lacking_side);
        let valid = lacking_side.contains(&true).then(|| lacking_side.iter().map(|lacking| !lacking).collect());
        let has_side = self.has_side;
        let columns = self.columns.iter_mut().map(|(column, cells)| {
            let cells = std::mem::replace(cells, Cells::of(column, has_side));
            let valid = valid.clone().filter(|_| column.needs_side() && has_side);
            cells.into_series(column, lacking_side.len(), valid, means)
        });
        columns.collect()
    }

    fn flush(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.add(&waiting);
        waiting.clear();
        self.waiting = waiting;
    }

    /// Adds a row for each of a few bars.
    fn add(&mut self, bars: &[ClosedBar]) {
        let staged = Staged::new(bars);
        self.lacking_side.extend(bars.iter().map(|of| of.bar.lacks_side));
        for (column, cells) in &mut self.columns {
            cells.add(column, &staged);
        }
    }
}

/// What the integers of cells mean.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The rules by their numbers.
    pub rules: &'a [RuleForm],
    /// The time dtype of the input.
    pub time: &'a DataType,
    /// What ends bars, with the clock of the input, if the dates of the sessions are among the columns.
    pub sessions: Option<(Reset, TimeUnit)>,
}

/// Columns of some bars.
pub fn bar_series(
    bars: &mut [ClosedBar],
    columns: &[&'static BarColumn],
    has_side: bool,
    means: Means<'_>,
) -> Vec<Series> {
    let mut all = BarColumns::new(columns, has_side);
    all.extend(bars);
    all.take(means)
}

fn reorder<T: Default>(cells: &mut [T], order: &[usize]) {
    let mut before: Vec<_> = cells.iter_mut().map(std::mem::take).collect();
    cells.iter_mut().zip(order).for_each(|(cell, &from)| *cell = std::mem::take(&mut before[from]));
}

impl Cells {
    /// No cells of a column.
    fn of(column: &BarColumn, has_side: bool) -> Self {
        match column.value {
            _ if column.needs_side() && !has_side => Self::Null,
            Value::Float(_) => Self::Floats(Vec::new()),
            Value::Time(_) | Value::Integer(_) | Value::Session => Self::Integers(Vec::new()),
            Value::Count(_) => Self::Counts(Vec::new()),
            Value::Reason | Value::ReasonOrTime => Self::Reasons(Vec::new()),
            Value::Threshold | Value::Rule => Self::Rules(Vec::new()),
            Value::Window(_, statistic) if statistic.definition().kind == Kind::Float => Self::FloatsOrNull(Vec::new()),
            Value::Window(..) => Self::IntegersOrNull(Vec::new()),
            Value::OfFootprint(_) => Self::FloatsOrNull(Vec::new()),
            Value::LevelCount(_) => Self::LevelCounts(Vec::new()),
            Value::Levels => Self::Levels(Vec::new()),
        }
    }

    /// Adds a cell for each bar. Of a bar that lacks a side it means nothing where the column needs one.
    fn add(&mut self, column: &BarColumn, staged: &Staged<'_>) {
        let bars = staged.bars.iter();
        match (self, column.value) {
            (Self::Floats(cells), Value::Float(fill)) => fill(staged, cells),
            (Self::Integers(cells), Value::Time(fill) | Value::Integer(fill)) => fill(staged, cells),
            // The dates of sessions are told from these.
            (Self::Integers(cells), Value::Session) => cells.extend(bars.map(|of| of.bar.open_time)),
            (Self::Counts(cells), Value::Count(fill)) => fill(staged, cells),
            (Self::Reasons(cells), _) => cells.extend(bars.map(|of| of.bar.close_reason as u8)),
            (Self::Rules(cells), _) => cells.extend(bars.map(|of| of.rule)),
            // Statistics of windows that lack a side are undefined already.
            (Self::FloatsOrNull(cells), Value::Window(family, statistic)) => {
                cells.extend(bars.map(|of| window(of, family)?.get(statistic)));
            }
            (Self::IntegersOrNull(cells), Value::Window(family, statistic)) => {
                cells.extend(bars.map(|of| window(of, family)?.get_integer(statistic)));
            }
            (Self::FloatsOrNull(cells), Value::OfFootprint(get)) => {
                let needs_side = column.needs_side();
                cells.extend(bars.map(|of| Some(get(&of.bar, footprint(of, needs_side)?))));
            }
            (Self::LevelCounts(cells), Value::LevelCount(get)) => {
                let needs_side = column.needs_side();
                cells.extend(bars.map(|of| footprint(of, needs_side).map(get)));
            }
            (Self::Levels(cells), Value::Levels) => cells.extend(bars.map(levels)),
            (cells, _) => debug_assert!(matches!(cells, Self::Null), "cells of another column than `{}`", column.name),
        }
    }

    /// Adds cells of the same column, and leaves none of them.
    fn append(&mut self, other: &mut Self) {
        match (self, other) {
            (Self::Floats(cells), Self::Floats(more)) => cells.append(more),
            (Self::Integers(cells), Self::Integers(more)) => cells.append(more),
            (Self::Counts(cells), Self::Counts(more)) => cells.append(more),
            (Self::Reasons(cells), Self::Reasons(more)) => cells.append(more),
            (Self::Rules(cells), Self::Rules(more)) => cells.append(more),
            (Self::FloatsOrNull(cells), Self::FloatsOrNull(more)) => cells.append(more),
            (Self::IntegersOrNull(cells), Self::IntegersOrNull(more)) => cells.append(more),
            (Self::LevelCounts(cells), Self::LevelCounts(more)) => cells.append(more),
            (Self::Levels(cells), Self::Levels(more)) => cells.append(more),
            (cells, more) => {
                debug_assert!(matches!((cells, more), (Self::Null, Self::Null)), "cells of another column")
            }
        }
    }

    fn into_series(self, column: &BarColumn, rows: usize, valid: Option<Bitmap>, means: Means<'_>) -> Series {
        let (name, dtype) = (PlSmallStr::from_static(column.name), column.dtype(means.time));
        match self {
            Self::Null => Series::full_null(name, rows, &dtype),
            Self::Floats(cells) => Float64Chunked::from_vec_validity(name, cells, valid).into_series(),
            Self::Counts(cells) => UInt64Chunked::from_vec_validity(name, cells, valid).into_series(),
            Self::Integers(cells) if matches!(column.value, Value::Session) => dates(name, &cells, means.sessions),
            Self::Integers(cells) => in_time(Int64Chunked::from_vec(name, cells), &dtype),
            Self::Reasons(cells) => {
                Categorical8Chunked::from_cats_and_dtype(UInt8Chunked::from_vec(name, cells), dtype).into_series()
            }
            Self::Rules(cells) if matches!(column.value, Value::Threshold) => {
                let thresholds: Vec<_> = means.rules.iter().map(RuleForm::threshold_dbps).collect();
                let of_row = |rule: usize| thresholds.get(rule).copied().flatten();
                UInt32Chunked::from_iter_options(name, cells.into_iter().map(of_row)).into_series()
            }
            Self::Rules(cells) => {
                let written: Vec<_> = means.rules.iter().map(RuleForm::to_string).collect();
                let of_row = |&rule: &usize| written.get(rule).map(String::as_str);
                StringChunked::from_iter_options(name, cells.iter().map(of_row)).into_series()
            }
            Self::FloatsOrNull(cells) => Float64Chunked::from_iter_options(name, cells.into_iter()).into_series(),
            Self::IntegersOrNull(cells) if dtype == DataType::UInt64 => {
                let counts = cells.into_iter().map(|count| Some(count? as u64));
                UInt64Chunked::from_iter_options(name, counts).into_series()
            }
            Self::LevelCounts(cells) => UInt32Chunked::from_iter_options(name, cells.into_iter()).into_series(),
            Self::Levels(cells) => lists(name, &cells),
            Self::IntegersOrNull(cells) => in_time(Int64Chunked::from_iter_options(name, cells.into_iter()), &dtype),
        }
    }
}

/// The levels of footprints: a list for each bar, null where it has none to tell.
fn lists(name: PlSmallStr, rows: &[Option<Levels>]) -> Series {
    let levels = || rows.iter().flatten().flatten();
    let count = levels().count();
    let field = |(place, name): (usize, &str)| {
        Float64Chunked::from_iter_values(name.into(), levels().map(|level| level[place])).into_series()
    };
    let fields: Vec<_> = LEVEL.into_iter().enumerate().map(field).collect();
    let list = || {
        let levels = StructChunked::from_series(PlSmallStr::EMPTY, count, fields.iter())?.into_series();
        let values = levels.rechunk().to_arrow(0, CompatLevel::newest());
        let lengths = rows.iter().map(|row| row.as_ref().map_or(0, |levels| levels.len()));
        let list = ListArray::try_new(
            ListArray::<i64>::default_datatype(values.dtype().clone()),
            Offsets::<i64>::try_from_lengths(lengths)?.into(),
            values,
            Some(rows.iter().map(Option::is_some).collect::<Bitmap>()),
        )?;
        Ok::<_, PolarsError>(ListChunked::with_chunk(name, list).into_series())
    };
    #[expect(clippy::expect_used, reason = "columns of one length, and as many levels as the lengths add up to")]
    let list = list().expect("levels make a list");
    list
}

/// The dates of the sessions in which bars opened; null without sessions, and beyond what a Date can hold.
fn dates(name: PlSmallStr, open_times: &[i64], sessions: Option<(Reset, TimeUnit)>) -> Series {
    let mut last: Option<Session> = None;
    let of_time = |&time: &i64| {
        let known = last.filter(|session| session.period.holds(time));
        let session = known.or_else(|| sessions.map(|(reset, unit)| reset.session(time, unit)))?;
        last = Some(session);
        i32::try_from(session.date).ok()
    };
    Int32Chunked::from_iter_options(name, open_times.iter().map(of_time)).into_date().into_series()
}

/// Integers of the clock of the input, in the time dtype of the input.
pub fn times(name: PlSmallStr, times: Vec<i64>, dtype: &DataType) -> Series {
    in_time(Int64Chunked::from_vec(name, times), dtype)
}

/// Integers as instants, if the dtype is one of instants.
pub fn in_time(times: Int64Chunked, dtype: &DataType) -> Series {
    match dtype {
        DataType::Datetime(unit, zone) => times.into_datetime(*unit, zone.clone()).into_series(),
        _ => times.into_series(),
    }
}
