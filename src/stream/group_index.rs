//! Group keys of any hashable dtype become small integers, in the order of their first appearance.

use polars::prelude::*;

use super::coded_keys::CodedKey;
use super::keys::{KeyValue, alone, appended, keys_of};
use crate::frame::FrameError;
use crate::frame::error::instant;
use crate::frame::polars_internals::{Array, View, encode_rows_unordered};

/// Numbers the groups.
pub struct GroupIndex {
    /// One index per key column.
    columns: Vec<(ColumnIndex, Pairs)>,
    /// One row per group, in the order of the numbers, in few chunks. Without keys, one group has no columns.
    keys: DataFrame,
    len: usize,
}

/// What a [`GroupIndex`] knew at some time: the number of groups, and for each column how much it had added by then.
#[derive(Default)]
pub struct Mark {
    len: usize,
    /// For each column the words, the other values and the pairs.
    added: Vec<[usize; 3]>,
}

/// Joins the number of the columns so far with the code of the next one.
#[derive(Default)]
struct Pairs {
    numbers: PlHashMap<(IdxSize, IdxSize), IdxSize>,
    /// Those that are new since the last push began, in their order.
    added: Vec<(IdxSize, IdxSize)>,
}

/// Numbers the values of one key column.
#[derive(Default)]
struct ColumnIndex {
    /// Values that fit a word: integers and what they stand for, short strings.
    words: WordIndex,
    /// Other values, row-encoded.
    encoded: PlHashMap<Box<[u8]>, IdxSize>,
    len: IdxSize,
    /// Those of `encoded` that are new since the last push began.
    added: Vec<Box<[u8]>>,
}

/// Numbers words. A word that was seen lately is found without a search: where keys interleave, that is a
/// word for every row.
struct WordIndex {
    numbers: PlHashMap<u128, IdxSize>,
    recent: Box<[(u128, IdxSize)]>,
    /// Those that are new since the last push began.
    added: Vec<u128>,
}

/// Words that may be remembered at once, a power of two.
const RECENT: usize = 1024;

/// Rows that are tested at once for being of the run before.
const TESTED_AT_ONCE: usize = 64;

/// Stands for null among the views of strings: no string is as long as this says.
const NULL_STRING: u128 = u128::MAX;

impl GroupIndex {
    /// No group yet; the frame has the key columns and no rows. Without keys, all rows are of one group.
    pub fn new(keys: DataFrame) -> Self {
        let columns = keys.columns().iter().map(|_| Default::default()).collect();
        let len = usize::from(keys.columns().is_empty());
        Self { columns, keys, len }
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The keys of the groups, one row each.
    pub fn keys(&self) -> &DataFrame {
        &self.keys
    }

    /// The group of each row of a batch.
    ///
    /// # Errors
    ///
    /// A key column that is missing, of another dtype than before, or that cannot be hashed.
    pub fn assign(&mut self, batch: &DataFrame) -> Result<Vec<IdxSize>, FrameError> {
        self.assign_coded(batch, &[])
    }

    /// The same for a batch in which the rows of some key columns are codes.
    ///
    /// # Errors
    ///
    /// As [`GroupIndex::assign`].
    pub fn assign_coded(&mut self, batch: &DataFrame, coded: &[CodedKey]) -> Result<Vec<IdxSize>, FrameError> {
        let height = batch.height();
        let mut groups = vec![0; height];
        if self.columns.is_empty() {
            return Ok(groups);
        }
        let keys = batch.select(self.keys.get_column_names_owned())?;
        for (known, new) in self.keys.columns().iter().zip(keys.columns()) {
            let dtype = CodedKey::find(coded, new.name()).map_or(new.dtype(), |key| key.values().dtype());
            if known.dtype() != dtype {
                let (name, was, is) = (known.name(), known.dtype(), dtype);
                return Err(FrameError(format!("`{name}` must stay {was:?} throughout the input, got {is:?}")));
            }
        }
        let mut codes = Vec::with_capacity(height);
        for (position, (key, (index, pairs))) in keys.columns().iter().zip(&mut self.columns).enumerate() {
            codes.clear();
            match CodedKey::find(coded, key.name()) {
                Some(coded) => {
                    let mut of_values = Vec::new();
                    index.codes(&coded.values().rechunk(), &mut of_values)?;
                    coded.of_rows(key.as_materialized_series(), &of_values, &mut codes)?;
                }
                None => index.codes(&key.as_materialized_series().rechunk(), &mut codes)?,
            }
            if position == 0 {
                groups.copy_from_slice(&codes);
            } else {
                join(&mut groups, &codes, pairs);
            }
        }
        self.remember(&keys, &groups, coded)?;
        Ok(groups)
    }

    /// The group of one key, if it is known and can be found without a frame; one value for each key column, null where
    /// there are none.
    pub fn find(&mut self, key: &[KeyValue<'_>]) -> Option<IdxSize> {
        if self.columns.is_empty() {
            return matches!(key, [] | [KeyValue::Null]).then_some(0);
        }
        let mut group = (key.len() == self.columns.len()).then_some(0)?;
        let columns = self.columns.iter_mut().zip(self.keys.columns()).zip(key);
        for (position, (((index, pairs), column), value)) in columns.enumerate() {
            let code = index.find(column.dtype(), value)?;
            group = if position == 0 { code } else { *pairs.numbers.get(&(group, code))? };
        }
        Some(group)
    }

    /// The group of a key that was not [found](Self::find), if it can be told without a frame.
    ///
    /// # Errors
    ///
    /// Polars cannot hold the keys.
    pub fn add(&mut self, key: &[KeyValue<'_>]) -> Result<Option<IdxSize>, FrameError> {
        if key.is_empty() || key.len() != self.columns.len() {
            return Ok(None);
        }
        let values = self.keys.columns().iter().zip(key).map(|(column, value)| alone(column, value));
        let Some(values) = values.collect() else { return Ok(None) };
        let groups = self.assign(&DataFrame::new(1, values)?)?;
        Ok(groups.first().copied())
    }

    /// Keeps the keys of groups that appear for the first time.
    fn remember(&mut self, keys: &DataFrame, groups: &[IdxSize], coded: &[CodedKey]) -> Result<(), FrameError> {
        let count = groups.iter().max().map_or(0, |&last| last as usize + 1);
        if count <= self.len {
            return Ok(());
        }
        let mut new = Vec::with_capacity(count - self.len);
        for (row, &group) in groups.iter().enumerate() {
            if group as usize == self.len {
                new.push(row as IdxSize);
                self.len += 1;
            }
        }
        let rows = IdxCa::from_vec(PlSmallStr::EMPTY, new);
        // Column by column: the frame's own methods wake up threads, which takes longer than a few keys.
        let columns = self.keys.columns().iter().zip(keys.columns()).map(|(known, new)| {
            let new = match CodedKey::find(coded, new.name()) {
                Some(coded) => coded.values_of(new.as_materialized_series(), &rows)?,
                None => new.as_materialized_series().take(&rows)?,
            };
            Ok(appended(known.as_materialized_series(), &new)?.into_column())
        });
        self.keys = DataFrame::new(self.len, columns.collect::<Result<_, FrameError>>()?)?;
        Ok(())
    }

    /// A push begins: nothing before it can be undone any more.
    pub fn begin(&mut self) {
        for (index, pairs) in &mut self.columns {
            index.added.clear();
            index.words.added.clear();
            pairs.added.clear();
        }
    }

    /// Where [`GroupIndex::back_to`] leads, until a push begins.
    pub fn mark(&self) -> Mark {
        let added =
            |(index, pairs): &(ColumnIndex, Pairs)| [index.words.added.len(), index.added.len(), pairs.added.len()];
        Mark { len: self.len, added: self.columns.iter().map(added).collect() }
    }

    /// Forgets the groups that are new since a mark. It takes as long as they are many, however many there are in all.
    pub fn back_to(&mut self, mark: &Mark) {
        for ((index, pairs), &[words, encoded, joined]) in self.columns.iter_mut().zip(&mark.added) {
            index.len -= index.words.back_to(words);
            for bytes in index.added.drain(encoded..) {
                index.encoded.remove(&bytes);
                index.len -= 1;
            }
            for pair in pairs.added.drain(joined..) {
                pairs.numbers.remove(&pair);
            }
        }
        self.len = mark.len;
        self.keys = self.keys.head(Some(mark.len));
    }

    /// Forgets the groups that are not kept; the others move up.
    ///
    /// # Errors
    ///
    /// The keys left cannot be numbered anew.
    pub fn keep(&mut self, kept: &[bool]) -> Result<(), FrameError> {
        let rows: Vec<_> = (0..).zip(kept).filter(|(_, kept)| **kept).map(|(row, _)| row).collect();
        let keys = DataFrame::new(rows.len(), self.take(&rows)?)?;
        *self = Self::new(keys.clear());
        self.assign(&keys)?;
        Ok(())
    }

    /// The key columns of some groups.
    ///
    /// # Errors
    ///
    /// A group that does not exist.
    pub fn take(&self, groups: &[IdxSize]) -> PolarsResult<Vec<Column>> {
        keys_of(&self.keys, groups)
    }

    /// A group for a reader: `symbol="BTCUSDT", market="spot"`.
    pub fn describe(&self, group: IdxSize) -> String {
        let value = |column: &Column| match column.get(group as usize) {
            // Our Polars cannot write an instant of a time zone.
            Ok(AnyValue::Datetime(time, ..) | AnyValue::DatetimeOwned(time, ..)) => instant(time, column.dtype()),
            value => value.map_or_else(|_| "?".to_owned(), |value| value.to_string()),
        };
        self.keys.columns().iter().map(|c| format!("{}={}", c.name(), value(c))).collect::<Vec<_>>().join(", ")
    }

    /// Where a row is, for a reader: its number in the input, if that is known, and that in its group.
    pub fn place(&self, row: Option<u64>, group: IdxSize, row_in_group: u64) -> String {
        match row {
            Some(row) if self.columns.is_empty() => format!("row {row}"),
            Some(row) => format!("row {row} ({})", self.place(None, group, row_in_group)),
            None if self.columns.is_empty() => format!("row {row_in_group}"),
            None => format!("row {row_in_group} of {}", self.describe(group)),
        }
    }
}

/// Replaces each group by the number of its pair with a code.
fn join(groups: &mut [IdxSize], codes: &[IdxSize], pairs: &mut Pairs) {
    let mut last = None;
    for (group, &code) in groups.iter_mut().zip(codes) {
        let pair = (*group, code);
        *group = match last {
            Some((known, number)) if known == pair => number,
            _ => {
                let next = pairs.numbers.len() as IdxSize;
                *pairs.numbers.entry(pair).or_insert_with(|| {
                    pairs.added.push(pair);
                    next
                })
            }
        };
        last = Some((pair, *group));
    }
}

impl ColumnIndex {
    /// Code of a value that was seen, where it can be told without a column.
    fn find(&mut self, dtype: &DataType, value: &KeyValue<'_>) -> Option<IdxSize> {
        match (dtype, *value) {
            (DataType::String, KeyValue::Null) => self.words.find(NULL_STRING),
            (DataType::String, KeyValue::Text(text)) if text.len() <= View::MAX_INLINE_SIZE as usize => {
                self.words.find(View::new_inline(text.as_bytes()).as_u128())
            }
            (DataType::String, KeyValue::Text(text)) => self.encoded.get(text.as_bytes()).copied(),
            (DataType::Categorical(_, mapping) | DataType::Enum(_, mapping), KeyValue::Text(text)) => {
                self.words.find(word(Some(mapping.get_cat(text)?.into())))
            }
            (dtype, KeyValue::Integer(value)) if dtype.is_integer() && is_word(dtype) => {
                self.words.find(word(Some(value)))
            }
            (dtype, KeyValue::Null) if is_word(dtype) => self.words.find(word(None)),
            _ => None,
        }
    }

    fn codes(&mut self, key: &Series, out: &mut Vec<IdxSize>) -> Result<(), FrameError> {
        match key.dtype() {
            DataType::String => self.codes_of_strings(key, out),
            dtype if is_word(dtype) => {
                let words = key.to_physical_repr().cast(&DataType::Int64)?;
                let words = words.i64()?;
                self.codes_of_words(words.iter().map(word), out);
                Ok(())
            }
            _ => self.codes_of_rows(key, out),
        }
    }

    fn codes_of_words(&mut self, words: impl Iterator<Item = u128>, out: &mut Vec<IdxSize>) {
        let mut last = None;
        for word in words {
            let code = match last {
                Some((known, code)) if known == word => code,
                _ => self.words.number(word, &mut self.len),
            };
            last = Some((word, code));
            out.push(code);
        }
    }

    /// A view of a short string holds the string; a long one is looked up where the view changes.
    fn codes_of_strings(&mut self, key: &Series, out: &mut Vec<IdxSize>) -> Result<(), FrameError> {
        for array in key.str()?.downcast_iter() {
            let mut last = None;
            let mut row = 0;
            for views in array.views().chunks(TESTED_AT_ONCE) {
                // Most of these lie within a run: one test for all.
                if let Some((word, code)) = last
                    && !array.has_nulls()
                    && views[0].as_u128() == word
                    && views.iter().fold(0, |differs, view| differs | (view.as_u128() ^ word)) == 0
                {
                    out.extend(std::iter::repeat_n(code, views.len()));
                    row += views.len();
                    continue;
                }
                // Where short strings interleave, no row waits for the one before.
                if !array.has_nulls() && views.iter().all(|view| view.is_inline()) {
                    out.extend(views.iter().map(|view| self.words.number(view.as_u128(), &mut self.len)));
                    last = views.last().map(|view| view.as_u128()).zip(out.last().copied());
                    row += views.len();
                    continue;
                }
                for view in views {
                    let word = if array.is_null(row) { NULL_STRING } else { view.as_u128() };
                    let code = if word == NULL_STRING || view.is_inline() {
                        self.words.number(word, &mut self.len)
                    } else {
                        match last {
                            Some((known, code)) if known == word => code,
                            _ => self.number_bytes(array.value(row).as_bytes()),
                        }
                    };
                    last = Some((word, code));
                    out.push(code);
                    row += 1;
                }
            }
        }
        Ok(())
    }

    fn number_bytes(&mut self, bytes: &[u8]) -> IdxSize {
        if let Some(&code) = self.encoded.get(bytes) {
            return code;
        }
        self.encoded.insert(bytes.into(), self.len);
        self.added.push(bytes.into());
        self.len += 1;
        self.len - 1
    }

    /// Any other dtype, through Polars' row encoding: equal values, and no others, have equal bytes.
    fn codes_of_rows(&mut self, key: &Series, out: &mut Vec<IdxSize>) -> Result<(), FrameError> {
        let rows = encode_rows_unordered(&[key.clone().into_column()])?;
        let mut last: Option<(&[u8], IdxSize)> = None;
        for bytes in rows.iter().flatten() {
            let code = match last {
                Some((known, code)) if known == bytes => code,
                _ => self.number_bytes(bytes),
            };
            last = Some((bytes, code));
            out.push(code);
        }
        Ok(())
    }
}

/// An integer as a word; bit 64 tells a value from null.
fn word(value: Option<i64>) -> u128 {
    value.map_or(0, |value| 1 << 64 | u128::from(value as u64))
}

/// Dtypes whose physical values are integers of at most 64 bits.
fn is_word(dtype: &DataType) -> bool {
    match dtype {
        DataType::UInt64 | DataType::Int128 | DataType::UInt128 => false,
        DataType::Boolean | DataType::Categorical(..) | DataType::Enum(..) => true,
        _ => dtype.is_integer() || dtype.is_temporal(),
    }
}

impl Default for WordIndex {
    fn default() -> Self {
        let recent = (0..RECENT).map(|slot| (elsewhere(slot), 0)).collect();
        Self { numbers: PlHashMap::default(), recent, added: Vec::new() }
    }
}

impl WordIndex {
    /// Number of a word; a new one gets `len`, which grows.
    #[inline(always)]
    fn number(&mut self, word: u128, len: &mut IdxSize) -> IdxSize {
        let (known, number) = self.recent[slot_of(word)];
        if known == word { number } else { self.search(word, len) }
    }

    #[cold]
    fn search(&mut self, word: u128, len: &mut IdxSize) -> IdxSize {
        let number = *self.numbers.entry(word).or_insert_with(|| {
            self.added.push(word);
            *len += 1;
            *len - 1
        });
        self.recent[slot_of(word)] = (word, number);
        number
    }

    /// Number of a word that was seen.
    fn find(&mut self, word: u128) -> Option<IdxSize> {
        let slot = &mut self.recent[slot_of(word)];
        if slot.0 != word {
            *slot = (word, *self.numbers.get(&word)?);
        }
        Some(slot.1)
    }

    /// Forgets the words that are new since so many were; says how many.
    fn back_to(&mut self, added: usize) -> IdxSize {
        let forgotten = self.added.drain(added..);
        let count = forgotten.len() as IdxSize;
        for word in forgotten {
            self.numbers.remove(&word);
            let slot = slot_of(word);
            if self.recent[slot].0 == word {
                self.recent[slot] = (elsewhere(slot), 0);
            }
        }
        count
    }
}

/// A word that is never remembered in a slot.
fn elsewhere(slot: usize) -> u128 {
    (0..).find(|&word| slot_of(word) != slot).unwrap_or(0)
}

/// Where a word may be remembered. Fibonacci hashing: the high bits of a product with 2^64 / golden ratio.
fn slot_of(word: u128) -> usize {
    let mixed = ((word as u64) ^ ((word >> 64) as u64)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 54) as usize % RECENT
}
