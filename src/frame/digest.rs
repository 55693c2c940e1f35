//! Digests of columns: what they hold, whatever chunks or frames they come in.

use blake3::Hasher;
use polars::prelude::*;
use pyo3::prelude::*;
use pyo3_polars::PyDataFrame;

use super::error::FrameError;

/// Bytes that are hashed at a time: so many that the hash uses all lanes of the CPU, and they stay in its cache.
const PIECE: usize = 1 << 14;

/// The digests of the columns of frames with one schema, in their order.
///
/// A digest is BLAKE3 over the little-endian values of a column, zero where it is null, and over the numbers of the rows
/// that are null. A Boolean is a byte; a text is its length and its bytes; the levels of a footprint are their number and
/// then, level by level, what is said of each.
#[pyclass(module = "rangebar_polars._internal")]
#[derive(Default)]
pub struct Digests {
    columns: Vec<Column>,
    rows: u64,
}

struct Column {
    name: String,
    dtype: DataType,
    values: Hasher,
    nulls: Hasher,
}

#[pymethods]
impl Digests {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Adds the rows of a frame.
    fn update(&mut self, py: Python<'_>, frame: PyDataFrame) -> PyResult<()> {
        Ok(py.detach(|| self.add(&frame.0))?)
    }

    /// How many rows were added, and the digest of each column in hexadecimal digits.
    fn digests(&self) -> (u64, Vec<(String, String)>) {
        let columns = self.columns.iter().map(|column| {
            let mut all = column.values.clone();
            all.update(column.nulls.finalize().as_bytes());
            all.update(&self.rows.to_le_bytes());
            (column.name.clone(), all.finalize().to_hex().as_str()[..32].to_owned())
        });
        (self.rows, columns.collect())
    }
}

impl Digests {
    fn add(&mut self, frame: &DataFrame) -> Result<(), FrameError> {
        if self.columns.is_empty() {
            self.columns = frame
                .columns()
                .iter()
                .map(|column| Column {
                    name: column.name().to_string(),
                    dtype: column.dtype().clone(),
                    values: Hasher::new(),
                    nulls: Hasher::new(),
                })
                .collect();
        }
        if self.columns.len() != frame.width() {
            return Err(FrameError(format!("expected {} columns, got {}", self.columns.len(), frame.width())));
        }
        for (column, given) in self.columns.iter_mut().zip(frame.columns()) {
            if column.name != given.name().as_str() || column.dtype != *given.dtype() {
                return Err(FrameError(format!(
                    "expected column `{}` of {:?}, got `{}` of {:?}",
                    column.name,
                    column.dtype,
                    given.name(),
                    given.dtype()
                )));
            }
            column.add(given.as_materialized_series(), self.rows)?;
        }
        self.rows += frame.height() as u64;
        Ok(())
    }
}

impl Column {
    fn add(&mut self, s: &Series, first_row: u64) -> Result<(), FrameError> {
        if s.null_count() > 0 {
            for (row, is_null) in s.is_null().iter().enumerate() {
                if is_null == Some(true) {
                    self.nulls.update(&(first_row + row as u64).to_le_bytes());
                }
            }
        }
        let physical = s.to_physical_repr();
        let hasher = &mut self.values;
        match physical.dtype() {
            DataType::Boolean => {
                hash(hasher, physical.bool()?.iter().map(|x| [u8::from(x.unwrap_or(false))]));
            }
            DataType::Int8 => numbers(hasher, physical.i8()?, i8::to_le_bytes),
            DataType::Int32 => numbers(hasher, physical.i32()?, i32::to_le_bytes),
            DataType::Int64 => numbers(hasher, physical.i64()?, i64::to_le_bytes),
            DataType::Int128 => numbers(hasher, physical.i128()?, i128::to_le_bytes),
            DataType::UInt8 => numbers(hasher, physical.u8()?, u8::to_le_bytes),
            DataType::UInt32 => numbers(hasher, physical.u32()?, u32::to_le_bytes),
            DataType::UInt64 => numbers(hasher, physical.u64()?, u64::to_le_bytes),
            DataType::Float64 => numbers(hasher, physical.f64()?, f64::to_le_bytes),
            DataType::String => {
                for text in physical.str()?.iter() {
                    let text = text.unwrap_or("");
                    hasher.update(&(text.len() as u64).to_le_bytes());
                    hasher.update(text.as_bytes());
                }
            }
            DataType::List(_) => levels(hasher, physical.list()?)?,
            dtype => {
                return Err(FrameError(format!("column `{}` has {dtype:?}, of which there is no digest", self.name)));
            }
        }
        Ok(())
    }
}

/// Hashes lists of Structs of numbers, row by row: so it does not show which rows came together.
fn levels(hasher: &mut Hasher, column: &ListChunked) -> Result<(), FrameError> {
    let column = column.rechunk();
    let inner = column.get_inner();
    let fields = inner.struct_()?.fields_as_series();
    let fields = fields.iter().map(|field| Ok(field.f64()?.cont_slice()?)).collect::<Result<Vec<_>, FrameError>>()?;
    let of_level = |level: usize| fields.iter().map(move |field: &&[f64]| field[level].to_le_bytes());
    for list in column.downcast_iter() {
        for row in list.offsets().windows(2) {
            let (start, end) = (row[0] as usize, row[1] as usize);
            hasher.update(&((end - start) as u64).to_le_bytes());
            hash(hasher, (start..end).flat_map(of_level));
        }
    }
    Ok(())
}

/// Hashes numbers; where there are nulls, zero.
fn numbers<T: PolarsNumericType, const BYTES: usize>(
    hasher: &mut Hasher,
    column: &ChunkedArray<T>,
    bytes: impl Fn(T::Native) -> [u8; BYTES],
) {
    if column.null_count() == 0 {
        for chunk in column.downcast_iter() {
            hash(hasher, chunk.values_iter().map(|x| bytes(*x)));
        }
    } else {
        hash(hasher, column.iter().map(|x| bytes(x.unwrap_or_default())));
    }
}

/// Hashes values in pieces.
fn hash<const BYTES: usize>(hasher: &mut Hasher, values: impl Iterator<Item = [u8; BYTES]>) {
    let mut piece = Vec::with_capacity(PIECE + BYTES);
    for value in values {
        piece.extend_from_slice(&value);
        if piece.len() >= PIECE {
            hasher.update(&piece);
            piece.clear();
        }
    }
    hasher.update(&piece);
}
