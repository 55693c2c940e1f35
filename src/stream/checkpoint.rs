//! The envelope of a checkpoint: what is in the bytes, and which bytes are refused.
//!
//! ```text
//! rangebar_polars checkpoint 1\n     the format and its version
//! {"library": ..., "request": ...}\n  JSON: what the stream was told, and what it has learnt of its input
//! keys                               column by column, value by value
//! groups                             machine by machine, as the core writes them
//! checksum                           CRC-64/XZ of all before, eight bytes
//! ```
//!
//! The request and the input say what a group's state is made of: where windows are asked for, the rows that they still
//! need stand behind the machine of the group, and where the trades have ids, those that were seen. Where footprints are
//! asked for, the levels of the forming bars are part of the machine. A library that does not know an option refuses the
//! checkpoint.

use polars::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::grouped::GroupedBars;
use crate::core::checkpoint::{Put, Reader, checksum};
use crate::core::{CheckpointError, Role};
use crate::frame::error::instant;
use crate::frame::resets::ResetForm;
use crate::frame::{FrameError, Reach, Request};

/// What every checkpoint begins with; the version follows.
const FORMAT: &[u8] = b"rangebar_polars checkpoint ";
const VERSION: &str = "1";
const CHECKSUM_BYTES: usize = 8;

/// The JSON line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header<R = Request> {
    /// Version of the library that wrote the checkpoint.
    library: String,
    /// What the stream was told.
    pub request: R,
    /// What it knows of its input, once it has seen any.
    pub input: Option<Input>,
}

/// What a stream knows of its input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The roles that the input has.
    #[serde(rename = "parts")]
    pub roles: Vec<String>,
    /// Dtype of time.
    time: KeyType,
    /// Dtypes of the key columns.
    keys: Vec<KeyType>,
    /// Number of groups.
    groups: u64,
    /// The time before which no trade may come any more, where time was advanced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advanced_to: Option<i64>,
}

/// A dtype that a checkpoint can hold, as words: its name, then what there is to say of it.
pub(super) type KeyType = Vec<String>;

const PLAIN: [(&str, DataType); 15] = [
    ("String", DataType::String),
    ("Boolean", DataType::Boolean),
    ("Date", DataType::Date),
    ("Time", DataType::Time),
    ("Int8", DataType::Int8),
    ("Int16", DataType::Int16),
    ("Int32", DataType::Int32),
    ("Int64", DataType::Int64),
    ("Int128", DataType::Int128),
    ("UInt8", DataType::UInt8),
    ("UInt16", DataType::UInt16),
    ("UInt32", DataType::UInt32),
    ("UInt64", DataType::UInt64),
    ("Binary", DataType::Binary),
    ("Null", DataType::Null),
];

const UNITS: [(&str, TimeUnit); 3] =
    [("ms", TimeUnit::Milliseconds), ("us", TimeUnit::Microseconds), ("ns", TimeUnit::Nanoseconds)];

const PHYSICALS: [(&str, CategoricalPhysical); 3] =
    [("u8", CategoricalPhysical::U8), ("u16", CategoricalPhysical::U16), ("u32", CategoricalPhysical::U32)];

fn word_of<T: PartialEq>(table: &[(&str, T)], value: &T) -> Option<String> {
    table.iter().find(|(_, known)| known == value).map(|(word, _)| (*word).to_owned())
}

fn value_of<T: Clone>(table: &[(&str, T)], word: &str) -> Result<T, CheckpointError> {
    table.iter().find(|(known, _)| *known == word).map(|(_, value)| value.clone()).ok_or(CheckpointError::Impossible)
}

/// The words of a dtype.
pub(super) fn words(name: &str, dtype: &DataType) -> Result<KeyType, FrameError> {
    let unit = |unit| word_of(&UNITS, unit);
    let found = match dtype {
        DataType::Datetime(of, zone) => unit(of)
            .map(|unit| [vec!["Datetime".into(), unit], zone.iter().map(|zone| zone.to_string()).collect()].concat()),
        DataType::Duration(of) => unit(of).map(|unit| vec!["Duration".into(), unit]),
        DataType::Categorical(cats, _) => word_of(&PHYSICALS, &cats.physical()).map(|physical| {
            vec!["Categorical".into(), cats.name().to_string(), cats.namespace().to_string(), physical]
        }),
        DataType::Enum(cats, _) => {
            Some(std::iter::once("Enum").chain(cats.categories().values_iter()).map(str::to_owned).collect())
        }
        dtype => word_of(&PLAIN, dtype).map(|word| vec![word]),
    };
    found.ok_or_else(|| {
        FrameError(format!(
            "a checkpoint cannot hold the key column `{name}` of dtype {dtype:?}: cast it to String or an integer before"
        ))
    })
}

/// The dtype of some words.
pub(super) fn dtype(words: &KeyType) -> Result<DataType, FrameError> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    Ok(match words[..] {
        ["Datetime", unit] => DataType::Datetime(value_of(&UNITS, unit)?, None),
        ["Datetime", unit, zone] => DataType::Datetime(value_of(&UNITS, unit)?, TimeZone::opt_try_new(Some(zone))?),
        ["Duration", unit] => DataType::Duration(value_of(&UNITS, unit)?),
        ["Categorical", name, namespace, physical] => {
            let physical = value_of(&PHYSICALS, physical)?;
            DataType::from_categories(Categories::new(name.into(), namespace.into(), physical))
        }
        ["Enum", ref categories @ ..] => {
            DataType::from_frozen_categories(FrozenCategories::new(categories.iter().copied())?)
        }
        [word] => value_of(&PLAIN, word)?,
        _ => return Err(CheckpointError::Impossible.into()),
    })
}

impl Header {
    /// The time zones of the columns.
    pub fn zones(&self) -> impl Iterator<Item = &str> {
        let dtypes = self.input.iter().flat_map(|input| std::iter::once(&input.time).chain(&input.keys));
        dtypes.filter_map(|words| match &words[..] {
            [name, _, zone] if name == "Datetime" => Some(zone.as_str()),
            _ => None,
        })
    }

    /// The bytes of a checkpoint.
    ///
    /// # Errors
    ///
    /// A key column of a dtype that a checkpoint cannot hold.
    pub fn save(request: &Request, stream: Option<&GroupedBars>) -> Result<Vec<u8>, FrameError> {
        let input = stream.map(GroupedBars::input).transpose()?;
        let header = Header { library: env!("CARGO_PKG_VERSION").to_owned(), request, input };
        sealed(FORMAT, &header, |out| stream.map_or(Ok(()), |stream| stream.save(out)))
    }

    /// Reads the header of a checkpoint; the state stands behind it.
    ///
    /// # Errors
    ///
    /// Bytes that are no checkpoint of this version, or not those that were written.
    pub fn load(bytes: &[u8]) -> Result<(Self, Reader<'_>), FrameError> {
        opened(FORMAT, bytes)
    }
}

/// The bytes of a checkpoint of a format.
///
/// # Errors
///
/// As `save`, which appends the state.
pub(super) fn sealed(
    format: &[u8],
    header: &impl Serialize,
    save: impl FnOnce(&mut Vec<u8>) -> Result<(), FrameError>,
) -> Result<Vec<u8>, FrameError> {
    let mut out = [format, VERSION.as_bytes(), b"\n"].concat();
    serde_json::to_writer(&mut out, header).map_err(|error| FrameError(error.to_string()))?;
    out.push(b'\n');
    save(&mut out)?;
    let sum = checksum(&out);
    out.put(sum);
    Ok(out)
}

/// The header of a checkpoint of a format, and the state behind it.
///
/// # Errors
///
/// Bytes that are no such checkpoint of this version, or not those that were written.
pub(super) fn opened<'a, H: DeserializeOwned>(format: &[u8], bytes: &'a [u8]) -> Result<(H, Reader<'a>), FrameError> {
    let refuse = |what: &str| Err(FrameError(format!("not a checkpoint of rangebar_polars: {what}")));
    let Some(rest) = bytes.strip_prefix(format) else {
        return refuse(if format.starts_with(bytes) { "the bytes end too soon" } else { "it begins otherwise" });
    };
    let Some((version, rest)) = line(rest) else { return refuse("the bytes end too soon") };
    if version != VERSION.as_bytes() {
        return Err(FrameError(format!(
            "the checkpoint is of version {} of the format, and this library reads version {VERSION}: \
             restore it with the library that wrote it",
            String::from_utf8_lossy(version)
        )));
    }
    let Some((sealed, sum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return refuse("the bytes end too soon");
    };
    if checksum(sealed) != u64::from_le_bytes(*sum) {
        return Err(FrameError("the checkpoint is truncated or altered: its checksum does not match".to_owned()));
    }
    let Some((header, state)) = rest.strip_suffix(sum).and_then(line) else { return refuse("it has no header") };
    let header = serde_json::from_slice(header)
        .map_err(|error| FrameError(format!("the checkpoint's header cannot be read: {error}")))?;
    Ok((header, Reader::new(state)))
}

/// Up to the end of the line, and what follows.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

impl Input {
    /// A frame without rows that has the time and the key columns.
    pub fn empty(&self, request: &Request) -> Result<DataFrame, FrameError> {
        let time = request.names.get("timestamp").and_then(Option::as_deref).unwrap_or("timestamp");
        let mut columns = vec![Column::new_empty(time.into(), &dtype(&self.time)?)];
        for (name, key) in request.by.iter().zip(&self.keys).filter(|(name, _)| *name != time) {
            columns.push(Column::new_empty(name.into(), &dtype(key)?));
        }
        Ok(DataFrame::new(0, columns)?)
    }
}

impl GroupedBars {
    /// What the stream knows of its input.
    fn input(&self) -> Result<Input, FrameError> {
        let keys = self.groups.keys().columns().iter();
        Ok(Input {
            roles: self.plan.roles.iter().map(|role| role.name().to_owned()).collect(),
            time: words("time", &self.time.dtype)?,
            keys: keys.map(|key| words(key.name(), key.dtype())).collect::<Result<_, _>>()?,
            groups: self.machines.len() as u64,
            advanced_to: Some(self.machines.advanced_to()).filter(|&time| time > i64::MIN),
        })
    }

    fn save(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        for key in self.groups.keys().columns() {
            save_keys(&key.as_materialized_series().rechunk(), out)?;
        }
        for machine in self.machines.iter() {
            machine.builder.save(out);
            if let Some(ids) = &machine.ids {
                ids.save(out);
            }
        }
        Ok(())
    }

    /// A checkpoint to go on from must be of the same parameters and of the same input.
    ///
    /// # Errors
    ///
    /// It is not; the message names what differs.
    pub fn accept(&self, request: &Request, header: &Header) -> Result<(), FrameError> {
        let Some(there) = &header.input else { return Ok(()) };
        let differing = self.differences(request, header, there)?;
        if differing.is_empty() {
            return Ok(());
        }
        Err(FrameError(format!("the checkpoint was made with other parameters: {}", differing.join("; "))))
    }

    /// Takes the state of a checkpoint that is accepted; this stream has seen nothing.
    ///
    /// # Errors
    ///
    /// A state that cannot be.
    pub fn restore(&mut self, there: &Input, mut from: Reader<'_>) -> Result<(), FrameError> {
        let len = usize::try_from(there.groups).map_err(|_| CheckpointError::Impossible)?;
        let keys = self.groups.keys();
        let keys = keys.columns().iter().map(|key| load_keys(key.name(), key.dtype(), len, &mut from));
        let keys = keys.collect::<Result<Vec<_>, FrameError>>()?;
        let groups = if keys.is_empty() { vec![0] } else { self.groups.assign(&DataFrame::new(len, keys)?)? };
        if groups.len() != len || !groups.iter().enumerate().all(|(row, &group)| row == group as usize) {
            return Err(CheckpointError::Impossible.into());
        }
        self.machines.roll_back(0);
        for _ in 0..len {
            let machine = self.machines.add_group();
            machine.builder.load(&mut from).map_err(|error| refused(error, &self.time.dtype))?;
            if let Some(ids) = &mut machine.ids {
                ids.load(&mut from, machine.builder.seen())?;
            }
        }
        self.machines.set_advanced_to(there.advanced_to.unwrap_or(i64::MIN));
        if from.is_empty() { Ok(()) } else { Err(CheckpointError::Impossible.into()) }
    }

    /// What decides the future and is not as in the checkpoint.
    fn differences(&self, request: &Request, header: &Header, there: &Input) -> Result<Vec<String>, FrameError> {
        let here = self.input()?;
        let (ours, theirs) = (request, &header.request);
        let mut out = Vec::new();
        let mut compare = |name: &str, same: bool, theirs: String, ours: String| {
            if !same {
                out.push(format!("`{name}` was {theirs} and is {ours} here"));
            }
        };
        let same_rules = theirs.rules.as_slice() == ours.rules.as_slice();
        compare("threshold_dbps", same_rules, theirs.rules.to_string(), ours.rules.to_string());
        let decimals = (theirs.price_decimals, ours.price_decimals);
        compare("price_decimals", decimals.0 == decimals.1, decimals.0.to_string(), decimals.1.to_string());
        let gates = (theirs.same_timestamp_gate, ours.same_timestamp_gate);
        compare("same_timestamp_gate", gates.0 == gates.1, gates.0.to_string(), gates.1.to_string());
        let word = |text: &Option<String>| text.as_ref().map_or("None".to_owned(), |text| format!("{text:?}"));
        let told = |reset: &Option<ResetForm>| reset.as_ref().map_or("None".to_owned(), ResetForm::to_string);
        compare("reset", theirs.reset == ours.reset, told(&theirs.reset), told(&ours.reset));
        let finest = crate::core::TimeUnit::Nanoseconds;
        let same_gap = theirs.breaks(finest)?.max_gap == ours.breaks(finest)?.max_gap;
        compare("max_gap", same_gap, word(&theirs.max_gap), word(&ours.max_gap));
        let same_step = theirs.max_step(finest)? == ours.max_step(finest)?;
        compare("max_step", same_step, word(&theirs.max_step), word(&ours.max_step));
        let reach = |of: &Request| of.lookback.as_ref().map(|reach| reach.lookback(finest)).transpose();
        let told = |of: &Request| of.lookback.as_ref().map_or("None".to_owned(), Reach::to_string);
        compare("lookback", reach(theirs)? == reach(ours)?, told(theirs), told(ours));
        let windows = (window_columns(theirs)?, window_columns(ours)?);
        let same_windows = windows.0 == windows.1 || reach(theirs)? != reach(ours)?;
        if theirs.intra == ours.intra {
            compare("features", same_windows, windows.0.join(", "), windows.1.join(", "));
        } else {
            compare("intra", same_windows, theirs.intra.to_string(), ours.intra.to_string());
        }
        let tick = |of: &Request| of.footprint.map_or("None".to_owned(), |tick| format!("{tick:?}"));
        compare("footprint", theirs.footprint == ours.footprint, tick(theirs), tick(ours));
        // A state of trades that all have a side is also one of trades that may lack it.
        let sides = (theirs.missing_side, ours.missing_side);
        compare("missing_side", sides.0 == sides.1 || sides.0.is_error(), sides.0.to_string(), sides.1.to_string());
        let by = (&theirs.by, &ours.by);
        compare("by", by.0 == by.1, format!("{:?}", by.0), format!("{:?}", by.1));
        let told = |key: &KeyType| dtype(key).map(|dtype| format!("{dtype:?}"));
        compare("timestamp", there.time == here.time, told(&there.time)?, told(&here.time)?);
        for ((name, theirs), ours) in request.by.iter().zip(&there.keys).zip(&here.keys) {
            compare(name, theirs == ours, told(theirs)?, told(ours)?);
        }
        let roles = (&there.roles, &here.roles);
        compare("the columns", roles.0 == roles.1, roles.0.join(", "), roles.1.join(", "));
        let side = Role::IsBuyerMaker.name();
        if roles.0.iter().any(|role| role == side) != roles.1.iter().any(|role| role == side) {
            out.push(
                "trades with and without a side may follow each other if missing_side=\"null\" from the first on"
                    .into(),
            );
        }
        Ok(out)
    }
}

/// Why the state of a group is refused, with instants in place of the integers of a clock.
fn refused(error: CheckpointError, time: &DataType) -> FrameError {
    let CheckpointError::OtherSession { was, is } = error else { return error.into() };
    FrameError(format!(
        "the session of the last trade began at {} where the checkpoint was written, and begins at {} by the changes of \
         the clock that this version knows (IANA {}): make the bars of that session anew from its first trade",
        instant(was, time),
        instant(is, time),
        chrono_tz::IANA_TZDB_VERSION
    ))
}

/// The columns of windows, which tell what rows a state holds.
fn window_columns(request: &Request) -> Result<Vec<&'static str>, FrameError> {
    let windows = request.columns()?.into_iter().filter(|column| column.is_window());
    Ok(windows.map(|column| column.name).collect())
}

impl From<CheckpointError> for FrameError {
    fn from(error: CheckpointError) -> Self {
        Self(error.to_string())
    }
}

/// Keys as text or as integers, each behind a mark for null.
pub(super) fn save_keys(keys: &Series, out: &mut Vec<u8>) -> Result<(), FrameError> {
    if let DataType::Null = keys.dtype() {
        return Ok(());
    }
    if let DataType::Binary = keys.dtype() {
        keys.binary()?.iter().for_each(|value| save_key(value, out, |value, out| out.put_bytes(value)));
    } else if is_text(keys.dtype()) {
        let text = keys.cast(&DataType::String)?;
        text.str()?.iter().for_each(|value| save_key(value, out, |value, out| out.put_bytes(value.as_bytes())));
    } else {
        let integers = keys.to_physical_repr().cast(&DataType::Int128)?;
        integers.i128()?.iter().for_each(|value| save_key(value, out, |value, out| out.put(value)));
    }
    Ok(())
}

fn save_key<T>(value: Option<T>, out: &mut Vec<u8>, put: impl FnOnce(T, &mut Vec<u8>)) {
    out.put(value.is_some());
    if let Some(value) = value {
        put(value, out);
    }
}

pub(super) fn load_keys(
    name: &PlSmallStr,
    dtype: &DataType,
    len: usize,
    from: &mut Reader<'_>,
) -> Result<Column, FrameError> {
    let name = name.clone();
    let series = if let DataType::Null = dtype {
        if len > 1 {
            return Err(CheckpointError::Impossible.into()); // null is one group
        }
        Series::full_null(name, len, dtype)
    } else if *dtype == DataType::Binary || is_text(dtype) {
        let values = (0..len).map(|_| load_key(from, Reader::take_bytes)).collect::<Result<Vec<_>, _>>()?;
        if *dtype == DataType::Binary {
            BinaryChunked::from_iter_options(name, values.into_iter()).into_series()
        } else {
            let text = values.into_iter().map(|bytes| bytes.map(str::from_utf8).transpose());
            let text = text.collect::<Result<Vec<_>, _>>();
            let text = text.map_err(|_| CheckpointError::Impossible)?;
            StringChunked::from_iter_options(name, text.into_iter()).into_series().strict_cast(dtype)?
        }
    } else {
        let values = (0..len).map(|_| load_key(from, Reader::take)).collect::<Result<Vec<_>, _>>()?;
        let integers = Int128Chunked::from_iter_options(name, values.into_iter()).into_series();
        let integers = integers.strict_cast(&dtype.to_physical())?;
        match dtype {
            DataType::Datetime(unit, zone) => integers.i64()?.clone().into_datetime(*unit, zone.clone()).into_series(),
            dtype => integers.cast(dtype)?,
        }
    };
    Ok(series.into_column())
}

fn load_key<'a, T>(
    from: &mut Reader<'a>,
    take: impl FnOnce(&mut Reader<'a>) -> Result<T, CheckpointError>,
) -> Result<Option<T>, CheckpointError> {
    if from.take()? { take(from).map(Some) } else { Ok(None) }
}

fn is_text(dtype: &DataType) -> bool {
    matches!(dtype, DataType::String | DataType::Categorical(..) | DataType::Enum(..))
}
