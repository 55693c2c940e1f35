//! The columns of a book: their names, and how a state of the book becomes their cells.

use polars::prelude::*;

use crate::core::{BookSample, BookSide, Change, Decimals, Level, TimeUnit};
use crate::frame::FrameError;
use crate::frame::output::times;
use crate::frame::polars_internals::Bitmap;

/// A column beside the keys and the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookColumn {
    /// Its name.
    pub name: String,
    value: BookValue,
}

/// What a cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BookValue {
    IsValid,
    IsCrossed,
    UpdateCount,
    HoleCount,
    DroppedCount,
    /// Of a rank, from 0.
    Price(BookSide, usize),
    Size(BookSide, usize),
    Mid,
    Spread,
    RelativeSpread,
    Microprice,
    /// Of so many levels.
    Imbalance(usize),
    Pressure,
    Depth(BookSide),
    Slope(BookSide),
    /// Of a rank.
    Flow(usize),
    /// How many updates did something to a side, and how many in a second.
    Count(BookSide, Change),
    Rate(BookSide, Change),
    Resiliency(BookSide),
    /// Of a raw quantity, taken from this side.
    Cost(BookSide, i64),
}

/// The features, each of one or several columns.
const FEATURES: [&str; 21] = [
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "mid",
    "spread",
    "relative_spread",
    "microprice",
    "book_imbalance",
    "book_pressure",
    "bid_depth",
    "ask_depth",
    "bid_slope",
    "ask_slope",
    "quote_ofi",
    "update_counts",
    "update_rates",
    "resiliency",
    "buy_cost",
    "sell_cost",
    "levels",
];

/// Numbers of levels whose imbalance is told, beside all that are looked at.
const IMBALANCES: [usize; 2] = [1, 5];

/// What updates do, in words of columns.
const CHANGES: [(Change, &str); 3] = [(Change::Add, "add"), (Change::Reduce, "reduce"), (Change::Delete, "delete")];

/// All columns of some features.
pub(super) fn columns(
    depth: usize,
    features: Option<&[String]>,
    cost_of: &[i64],
    quantity_decimals: Decimals,
) -> Result<Vec<BookColumn>, FrameError> {
    use BookSide::{Ask, Bid};
    use BookValue as V;
    for (position, name) in features.unwrap_or_default().iter().enumerate() {
        if !FEATURES.contains(&name.as_str()) {
            return Err(FrameError(format!(
                "there is no feature `{name}` of a book; the features are {}",
                FEATURES.join(", ")
            )));
        }
        if features.unwrap_or_default()[..position].contains(name) {
            return Err(FrameError(format!("`features` must not contain `{name}` twice: name each feature once")));
        }
        if name.ends_with("_cost") && cost_of.is_empty() {
            return Err(FrameError(format!("`{name}` needs `cost_of`: the quantities that are traded at once")));
        }
    }
    let sides = [(Bid, "bid"), (Ask, "ask")];
    let mut out = Vec::new();
    let mut add = |name: String, value| out.push(BookColumn { name, value });
    for (name, value) in [
        ("is_valid", V::IsValid),
        ("is_crossed", V::IsCrossed),
        ("update_count", V::UpdateCount),
        ("hole_count", V::HoleCount),
        ("dropped_count", V::DroppedCount),
    ] {
        add(name.to_owned(), value);
    }
    let names = features.map_or(FEATURES.to_vec(), |names| names.iter().map(String::as_str).collect());
    for feature in names {
        let costs = cost_of.iter().map(|&raw| (written(quantity_decimals, raw), raw));
        match feature {
            "bid" => add(feature.to_owned(), V::Price(Bid, 0)),
            "ask" => add(feature.to_owned(), V::Price(Ask, 0)),
            "bid_size" => add(feature.to_owned(), V::Size(Bid, 0)),
            "ask_size" => add(feature.to_owned(), V::Size(Ask, 0)),
            "mid" => add(feature.to_owned(), V::Mid),
            "spread" => add(feature.to_owned(), V::Spread),
            "relative_spread" => add(feature.to_owned(), V::RelativeSpread),
            "microprice" => add(feature.to_owned(), V::Microprice),
            "book_pressure" => add(feature.to_owned(), V::Pressure),
            "bid_depth" => add(feature.to_owned(), V::Depth(Bid)),
            "ask_depth" => add(feature.to_owned(), V::Depth(Ask)),
            "bid_slope" => add(feature.to_owned(), V::Slope(Bid)),
            "ask_slope" => add(feature.to_owned(), V::Slope(Ask)),
            "book_imbalance" => {
                let fewer = IMBALANCES.into_iter().filter(|&levels| levels < depth);
                fewer.chain([depth]).for_each(|levels| add(format!("{feature}_{levels}"), V::Imbalance(levels)));
            }
            "quote_ofi" => (0..depth).for_each(|rank| add(format!("{feature}_{}", rank + 1), V::Flow(rank))),
            "update_counts" => sides.into_iter().for_each(|(side, word)| {
                CHANGES.iter().for_each(|(change, does)| add(format!("{word}_{does}_count"), V::Count(side, *change)));
            }),
            "update_rates" => sides.into_iter().for_each(|(side, word)| {
                CHANGES.iter().for_each(|(change, does)| add(format!("{word}_{does}_rate"), V::Rate(side, *change)));
            }),
            "resiliency" => {
                sides.into_iter().for_each(|(side, word)| add(format!("{word}_resiliency"), V::Resiliency(side)));
            }
            "buy_cost" => costs.for_each(|(quantity, raw)| add(format!("{feature}_{quantity}"), V::Cost(Ask, raw))),
            "sell_cost" => costs.for_each(|(quantity, raw)| add(format!("{feature}_{quantity}"), V::Cost(Bid, raw))),
            _ => (0..depth).for_each(|rank| {
                for (side, word) in sides {
                    add(format!("{word}_{}", rank + 1), V::Price(side, rank));
                    add(format!("{word}_size_{}", rank + 1), V::Size(side, rank));
                }
            }),
        }
    }
    Ok(out)
}

/// A raw quantity without the zeros that say nothing.
fn written(decimals: Decimals, raw: i64) -> String {
    let digits = decimals.number(raw).to_string();
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits,
    }
}

impl BookColumn {
    /// The level whose order flow it is, from 1.
    pub fn flow_level(&self) -> Option<usize> {
        if let BookValue::Flow(rank) = self.value { Some(rank + 1) } else { None }
    }

    /// Whether it tells what updates did, or which best levels came back.
    pub fn is_of_activity(&self) -> bool {
        matches!(self.value, BookValue::Count(..) | BookValue::Rate(..) | BookValue::Resiliency(_))
    }

    /// Whether it is there only where the number of levels is limited.
    pub fn is_of_limit(&self) -> bool {
        self.value == BookValue::DroppedCount
    }

    /// The side and the rank of the level whose price or quantity it is, and which of the two.
    fn level(&self) -> Option<(BookSide, usize, bool)> {
        match self.value {
            BookValue::Price(side, rank) => Some((side, rank, true)),
            BookValue::Size(side, rank) => Some((side, rank, false)),
            _ => None,
        }
    }

    /// Its dtype.
    pub fn dtype(&self) -> DataType {
        match self.value {
            BookValue::IsValid | BookValue::IsCrossed => DataType::Boolean,
            BookValue::UpdateCount | BookValue::HoleCount | BookValue::DroppedCount | BookValue::Count(..) => {
                DataType::UInt64
            }
            _ => DataType::Float64,
        }
    }
}

/// The name of the time of a row.
const TIME: &str = "time";

/// Rows whose levels become cells at once: few enough to stay in the nearest cache, whatever the columns. Ten levels of
/// each row took 450 ns cell by cell.
const STAGED_ROWS: usize = 64;

/// Doubles up to this hold every integer: then one division rounds once.
const EXACT: i64 = 1 << f64::MANTISSA_DIGITS;

/// Rows so far, column by column.
pub struct BookColumns {
    time: Vec<i64>,
    cells: Vec<(BookColumn, Cells)>,
    /// The best levels of each side that some column shows, and those of the last rows: bids, then asks, row by row.
    levels: usize,
    staged: Vec<Level>,
    price_decimals: Decimals,
    quantity_decimals: Decimals,
    unit: TimeUnit,
}

/// No count is as high: it stands for null.
const NO_COUNT: u64 = u64::MAX;

/// The cells of a column; of doubles, NaN stands for null: no feature is NaN.
enum Cells {
    Booleans(Vec<bool>),
    Counts(Vec<u64>),
    Floats(Vec<f64>),
}

impl Cells {
    fn of(column: &BookColumn) -> Self {
        match column.dtype() {
            DataType::Boolean => Self::Booleans(Vec::new()),
            DataType::UInt64 => Self::Counts(Vec::new()),
            _ => Self::Floats(Vec::new()),
        }
    }
}

impl BookColumns {
    /// No rows of some columns.
    pub fn new(columns: Vec<BookColumn>, [price_decimals, quantity_decimals]: [Decimals; 2], unit: TimeUnit) -> Self {
        let cells = columns.into_iter().map(|column| {
            let cells = Cells::of(&column);
            (column, cells)
        });
        let cells: Vec<_> = cells.collect();
        let ranks = cells.iter().filter_map(|(column, _)| column.level());
        let levels = ranks.map(|(_, rank, _)| rank + 1).max().unwrap_or(0);
        Self { time: Vec::new(), cells, levels, staged: Vec::new(), price_decimals, quantity_decimals, unit }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Adds a row.
    pub fn push(&mut self, sample: &BookSample<'_>) {
        self.time.push(sample.time);
        for side in [BookSide::Bid, BookSide::Ask] {
            sample.book.side(side).append_best(self.levels, &mut self.staged);
        }
        for (column, cells) in &mut self.cells {
            match (cells, column.value) {
                (_, BookValue::Price(..) | BookValue::Size(..)) => {}
                (Cells::Booleans(cells), BookValue::IsValid) => cells.push(sample.is_valid),
                (Cells::Booleans(cells), _) => cells.push(sample.is_crossed),
                (Cells::Counts(cells), BookValue::UpdateCount) => cells.push(sample.updates),
                (Cells::Counts(cells), BookValue::DroppedCount) => cells.push(sample.dropped),
                (Cells::Counts(cells), BookValue::Count(side, change)) => {
                    cells.push(sample.activity.count(side as usize, change).unwrap_or(NO_COUNT));
                }
                (Cells::Counts(cells), _) => cells.push(sample.holes),
                (Cells::Floats(cells), value) => {
                    let decimals = (self.price_decimals, self.quantity_decimals);
                    cells.push(value.cell(sample, decimals, self.unit).unwrap_or(f64::NAN));
                }
            }
        }
        if self.staged.len() >= 2 * self.levels * STAGED_ROWS {
            self.flush();
        }
    }

    /// The levels of the last rows become cells.
    fn flush(&mut self) {
        if self.levels == 0 {
            return;
        }
        for (column, cells) in &mut self.cells {
            let (Some((side, rank, is_price)), Cells::Floats(cells)) = (column.level(), cells) else { continue };
            let decimals = if is_price { self.price_decimals } else { self.quantity_decimals };
            let (place, scale) = (side as usize * self.levels + rank, decimals.scale());
            cells.extend(self.staged.chunks_exact(2 * self.levels).map(|levels| {
                let Level { price, quantity } = levels[place];
                match if is_price { price } else { quantity } {
                    0 => f64::NAN, // both are 0 where there is no level
                    raw if raw <= EXACT => raw as f64 / scale,
                    raw => decimals.double(raw),
                }
            }));
        }
        self.staged.clear();
    }

    /// Takes the rows: the time, then the columns.
    pub fn take(&mut self, time: &DataType) -> Vec<Series> {
        self.flush();
        let mut out = vec![times(TIME.into(), std::mem::take(&mut self.time), time)];
        for (column, cells) in &mut self.cells {
            let name = PlSmallStr::from_str(&column.name);
            out.push(match std::mem::replace(cells, Cells::of(column)) {
                Cells::Booleans(cells) => BooleanChunked::from_slice(name, &cells).into_series(),
                Cells::Counts(cells) if !cells.contains(&NO_COUNT) => {
                    UInt64Chunked::from_vec(name, cells).into_series()
                }
                Cells::Counts(mut cells) => {
                    let valid = |cell: &mut u64| {
                        let is_valid = *cell != NO_COUNT;
                        *cell = if is_valid { *cell } else { 0 };
                        is_valid
                    };
                    let valid = cells.iter_mut().map(valid).collect::<Bitmap>();
                    UInt64Chunked::from_vec_validity(name, cells, Some(valid)).into_series()
                }
                Cells::Floats(mut cells) => {
                    let valid = |cell: &mut f64| {
                        let is_valid = !cell.is_nan();
                        *cell = if is_valid { *cell } else { 0.0 };
                        is_valid
                    };
                    let valid = cells.iter_mut().map(valid).collect::<Bitmap>();
                    let valid = Some(valid).filter(|valid| valid.unset_bits() > 0);
                    Float64Chunked::from_vec_validity(name, cells, valid).into_series()
                }
            });
        }
        out
    }

    /// Forgets the rows.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Keeps only the first rows.
    pub fn truncate(&mut self, rows: usize) {
        self.flush();
        self.time.truncate(rows);
        for (_, cells) in &mut self.cells {
            match cells {
                Cells::Booleans(cells) => cells.truncate(rows),
                Cells::Counts(cells) => cells.truncate(rows),
                Cells::Floats(cells) => cells.truncate(rows),
            }
        }
    }
}

/// Names and dtypes of the time and some columns.
pub fn book_fields(columns: &[BookColumn], time: &DataType) -> Vec<Field> {
    let fields = columns.iter().map(|column| Field::new(PlSmallStr::from_str(&column.name), column.dtype()));
    std::iter::once(Field::new(TIME.into(), time.clone())).chain(fields).collect()
}

impl BookValue {
    /// A number, if there is one. Of an unknown book there is none: it has no levels.
    #[inline]
    fn cell(self, sample: &BookSample<'_>, (prices, quantities): (Decimals, Decimals), unit: TimeUnit) -> Option<f64> {
        let book = sample.book;
        match self {
            // Two mids are a whole number of units, and half of a double is exact.
            Self::Mid => Some(prices.double(book.two_mids()?) / 2.0),
            Self::Spread => Some(prices.double(book.spread()?)),
            Self::RelativeSpread => book.relative_spread(),
            Self::Microprice => Some(book.microprice()? / prices.scale()),
            Self::Imbalance(levels) => book.imbalance(levels),
            Self::Pressure => book.pressure(sample.depth),
            Self::Depth(side) => sample.is_valid.then(|| quantities.double(book.side(side).quantity_of(sample.depth))),
            Self::Slope(side) => {
                let (depth, two_ways) = book.slope(side, sample.depth)?;
                Some(quantities.double(depth) / (prices.double(two_ways) / 2.0))
            }
            Self::Flow(rank) => Some(quantities.double(*sample.flows?.get(rank)?)),
            Self::Rate(side, change) => {
                let count = sample.activity.count(side as usize, change)?;
                let span = sample.activity.span(sample.time).filter(|&span| span > 0)?;
                Some((i128::from(count) * i128::from(unit.per_second())) as f64 / span as f64)
            }
            Self::Resiliency(side) => {
                let back = sample.activity.returns(side as usize).filter(|back| back.count > 0)?;
                Some(back.away as f64 / (i128::from(back.count) * i128::from(unit.per_second())) as f64)
            }
            Self::Cost(side, quantity) => book.cost(side, quantity),
            // Those of levels are told together.
            Self::Price(..) | Self::Size(..) => None,
            Self::IsValid | Self::IsCrossed => None,
            Self::UpdateCount | Self::HoleCount | Self::DroppedCount | Self::Count(..) => None,
        }
    }
}
