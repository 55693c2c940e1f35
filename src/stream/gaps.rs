//! Batches of trades or bars in, what is missing between their rows out, one state per group.

use polars::prelude::*;

use super::group_index::GroupIndex;
use crate::core::{Gap, GapFinder, Length, Role, RowError, Rule, Span};
use crate::frame::output::times;
use crate::frame::parameters::max_gap as parse_gap;
use crate::frame::{FrameError, TimeColumn};

/// Names of the columns that say what a row covers; both times, and both ids, may be of one column.
pub struct GapColumns {
    /// Time of the first and of the last trade.
    pub times: (String, String),
    /// Ids of the first and of the last trade.
    pub ids: Option<(String, String)>,
}

/// The gaps of any number of groups over any number of batches.
pub struct GroupedGaps {
    columns: GapColumns,
    max_gap: Option<Length>,
    time: TimeColumn,
    groups: GroupIndex,
    finders: Vec<GapFinder>,
    rows: u64,
}

impl GroupedGaps {
    /// A stream that has seen nothing; a frame tells it the dtypes.
    ///
    /// # Errors
    ///
    /// A column that is missing or of the wrong dtype.
    pub fn new(
        columns: GapColumns,
        by: &[String],
        max_gap: Option<&str>,
        time_unit: Option<crate::core::TimeUnit>,
        schema: &DataFrame,
    ) -> Result<Self, FrameError> {
        let time = TimeColumn::new(&columns.times.0, schema.column(&columns.times.0)?.dtype(), time_unit)?;
        let max_gap = max_gap.map(|text| parse_gap(text, time.unit)).transpose()?;
        let groups = GroupIndex::new(schema.clear().select(by.iter().map(PlSmallStr::from))?);
        let mut stream = Self { columns, max_gap, time, groups, finders: Vec::new(), rows: 0 };
        stream.push(&schema.clear())?;
        Ok(stream)
    }

    /// Adds a batch and returns its gaps: keys, then what is missing, in the order of the rows behind the gaps.
    ///
    /// # Errors
    ///
    /// A value that is null, a time that goes back, a column of the wrong dtype; the stream is then to be dropped.
    pub fn push(&mut self, batch: &DataFrame) -> Result<DataFrame, FrameError> {
        let GapColumns { times, ids } = &self.columns;
        let (first_times, last_times) = (self.times(batch, &times.0)?, self.times(batch, &times.1)?);
        let ids =
            ids.as_ref().map(|(first, last)| Ok::<_, FrameError>((id_column(batch, first)?, id_column(batch, last)?)));
        let ids = ids.transpose()?;
        self.groups.begin(); // nothing is undone
        let groups = self.groups.assign(batch)?;
        let mut finders = std::mem::take(&mut self.finders);
        finders.resize(self.groups.len(), GapFinder::new(self.max_gap, self.time.unit));
        let unreadable = self.unreadable(&first_times, &last_times, ids.as_ref());
        let (mut of, mut found) = (Vec::new(), Vec::new());
        let (first_time, last_time) = (values(&first_times), values(&last_times));
        let ids = ids.as_ref().map(|(first, last)| (values(first), values(last)));
        for (row, &group) in groups.iter().enumerate() {
            let finder = &mut finders[group as usize];
            if let Some((_, column, name)) = unreadable.filter(|(at, ..)| *at == row) {
                let error = RowError { column, row: finder.rows(), rule: Rule::NotNull };
                return Err(self.error(&error, name, row, group));
            }
            let ids = ids.map(|(first, last)| (first[row], last[row]));
            let span = Span { first_time: first_time[row], last_time: last_time[row], ids };
            if let Some(gap) = finder.next(span).map_err(|error| self.error(&error, &times.0, row, group))? {
                of.push(group);
                found.push(gap);
            }
        }
        self.finders = finders;
        self.rows += batch.height() as u64;
        self.frame(&of, &found)
    }

    /// The first row with a null, and the column that is null there.
    fn unreadable(
        &self,
        first_times: &Int64Chunked,
        last_times: &Int64Chunked,
        ids: Option<&(Int64Chunked, Int64Chunked)>,
    ) -> Option<(usize, Role, &str)> {
        let GapColumns { times, ids: id_names } = &self.columns;
        let mut columns = vec![(first_times, Role::Time, times.0.as_str()), (last_times, Role::Time, times.1.as_str())];
        if let (Some((first, last)), Some(names)) = (ids, id_names) {
            columns.push((first, Role::AggTradeId, names.0.as_str()));
            columns.push((last, Role::AggTradeId, names.1.as_str()));
        }
        let nulls = columns.into_iter().filter(|(values, ..)| values.null_count() > 0);
        let rows =
            nulls.filter_map(|(values, role, name)| Some((values.iter().position(|v| v.is_none())?, role, name)));
        rows.min_by_key(|(row, ..)| *row)
    }

    fn times(&self, batch: &DataFrame, name: &str) -> Result<Int64Chunked, FrameError> {
        let column = batch.column(name)?.as_materialized_series();
        if *column.dtype() != self.time.dtype {
            let (expected, got) = (&self.time.dtype, column.dtype());
            return Err(FrameError(format!("`{name}` must be {expected:?} throughout the input, got {got:?}")));
        }
        Ok(column.to_physical_repr().rechunk().i64()?.clone())
    }

    fn error(&self, error: &RowError, name: &str, row: usize, group: IdxSize) -> FrameError {
        let place = self.groups.place(Some(self.rows + row as u64), group, error.row);
        FrameError::of_row(error, name, &self.time.dtype, &place)
    }

    fn frame(&self, groups: &[IdxSize], gaps: &[Gap]) -> Result<DataFrame, FrameError> {
        let time = |name: &'static str, get: fn(&Gap) -> i64| {
            times(PlSmallStr::from_static(name), gaps.iter().map(get).collect(), &self.time.dtype)
        };
        let id = |name: &'static str, get: fn(&(i64, i64)) -> i64| {
            let ids = gaps.iter().map(|gap| gap.missing_ids.as_ref().map(get));
            Int64Chunked::from_iter_options(PlSmallStr::from_static(name), ids).into_series()
        };
        let silence = gaps.iter().map(|gap| gap.silence_us);
        let is_silent: Vec<_> = gaps.iter().map(|gap| gap.is_silent).collect();
        let counts = gaps.iter().map(Gap::missing_id_count);
        let mut columns = self.groups.take(groups)?;
        columns.extend(
            [
                time("last_time", |gap| gap.last_time),
                time("next_time", |gap| gap.next_time),
                Int64Chunked::from_iter_values("silence_us".into(), silence).into_series(),
                BooleanChunked::from_slice("is_silent".into(), &is_silent).into_series(),
                id("first_missing_id", |ids| ids.0),
                id("last_missing_id", |ids| ids.1),
                UInt64Chunked::from_iter_values("missing_id_count".into(), counts).into_series(),
            ]
            .map(Column::from),
        );
        Ok(DataFrame::new(gaps.len(), columns)?)
    }
}

/// The values of a column of one chunk; where it is null they are arbitrary.
fn values(column: &Int64Chunked) -> &[i64] {
    column.downcast_iter().next().map_or(&[], |array| array.values())
}

fn id_column(batch: &DataFrame, name: &str) -> Result<Int64Chunked, FrameError> {
    let column = batch.column(name)?.as_materialized_series();
    if !column.dtype().is_integer() {
        return Err(FrameError(format!("`{name}` must be an integer, got {:?}", column.dtype())));
    }
    Ok(column.strict_cast(&DataType::Int64)?.rechunk().i64()?.clone())
}
