//! A frame of few bars on its way into Python. The cost of such a frame is that of its columns: some thirty, of which each
//! is a dozen pieces of memory in Polars before it crosses, and as many on the other side. Here the columns of words lie
//! in one piece of memory, and what says their names and dtypes is made once for a stream. That made a bar three times as
//! fast.
//!
//! What crosses are the structs of the C data interface of Arrow, and around them those by which Polars' own plugins get
//! their columns. Both have a fixed layout. Python takes an array over by moving it: from then on `release` is called
//! once, on whatever thread frees the column.
#![expect(unsafe_code, reason = "the C data interface is one of pointers")]

use std::ffi::c_void;
use std::ptr::{null, null_mut, with_exposed_provenance};
use std::sync::{Arc, Mutex};

use polars::prelude::*;
use pyo3::prelude::*;

use super::cells::{Cell, Scratch, has_words};
use super::crossing::import_columns;
use super::ended::{Ended, Shape};
use super::keys::keys_of;
use crate::core::ClosedBar;
use crate::frame::FrameError;
use crate::frame::polars_internals::{ArrowArray, ArrowSchema, export_array_to_c, export_field_to_c};

/// The most bars of such a frame: the bits that say which values are null are one word.
pub const MOST_BARS: usize = 64;

/// The names and dtypes of columns, for Arrow.
pub struct Schemas {
    addresses: Vec<usize>,
    /// What owns them. Nobody locks it: a lock may be shared between threads, which they may not.
    _owned: Mutex<Box<[ArrowSchema]>>,
}

/// `ArrowArray` of the C data interface.
#[repr(C)]
struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *const *const c_void,
    children: *mut *mut Array,
    dictionary: *mut Array,
    release: Option<unsafe extern "C" fn(*mut Array)>,
    private_data: *mut c_void,
}

/// A column as Polars exports it: its schema, and where its arrays are.
#[repr(C)]
struct Export {
    field: *const ArrowSchema,
    arrays: *mut *mut Array,
    len: usize,
    release: Option<unsafe extern "C" fn(*mut Export)>,
    private_data: *mut c_void,
}

/// The memory of all arrays of a frame, which each of them owns a share of.
struct Block {
    /// Column by column: a word for each bar, then, in the bits of one word, which of them are there.
    _words: Box<[u64]>,
    columns: Box<[BlockColumn]>,
}

/// A column of a block.
struct BlockColumn {
    null_count: usize,
    /// Where those bits are, if any is missing, and where the words are.
    buffers: [*const c_void; 2],
}

// SAFETY: the pointers lead into memory that the block owns and that nobody alters, whichever thread frees the last share.
unsafe impl Send for BlockColumn {}
// SAFETY: as above.
unsafe impl Sync for BlockColumn {}

impl Schemas {
    /// Of the keys, then of the columns of bars.
    fn new(keys: &DataFrame, shape: &Shape) -> Self {
        let keys = keys.columns().iter().map(|key| (key.name().clone(), key.dtype().clone()));
        let columns = shape.columns.iter();
        let columns = columns.map(|column| (PlSmallStr::from_static(column.name), column.dtype(&shape.time)));
        let schemas: Box<[_]> = keys
            .chain(columns)
            .map(|(name, dtype)| export_field_to_c(&dtype.to_arrow_field(name, CompatLevel::newest())))
            .collect();
        let addresses = schemas.iter().map(|schema| (&raw const *schema).expose_provenance()).collect();
        Self { addresses, _owned: Mutex::new(schemas) }
    }
}

impl Ended {
    /// The frame of [`Ended::frame`] for Python, of few bars.
    ///
    /// # Errors
    ///
    /// Polars cannot make the keys, or Python cannot take the columns.
    pub fn thin_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Self { shape, keys, bars } = self;
        let schemas = shape.schemas.get_or_init(|| Schemas::new(keys, shape));
        let groups: Vec<_> = bars.iter().map(|(group, _)| *group).collect();
        let keys = keys_of(keys, &groups).map_err(FrameError::from)?;
        let others: Vec<_> = shape.columns.iter().copied().filter(|column| !has_words(column)).collect();
        // The windows of a bar are all of words.
        let bare = |(_, of): &(_, ClosedBar)| ClosedBar { windows: None, footprint: of.footprint.clone(), ..*of };
        let mut others = shape.series(&mut bars.iter().map(bare).collect::<Vec<_>>(), &others).into_iter();
        let block = Arc::new(Block::new(self));
        let mut words = block.columns.iter();
        let columns = shape.columns.iter().filter_map(|column| {
            if has_words(column) {
                words.next().map(|column| Array::new(&block, column, bars.len()))
            } else {
                others.next().map(|other| Array::of_polars(&other))
            }
        });
        let keys = keys.iter().map(|key| Array::of_polars(key.as_materialized_series()));
        let mut arrays: Vec<_> = keys.chain(columns).collect();
        let mut places: Vec<_> = arrays.iter_mut().map(|array| &raw mut *array).collect();
        let exports = schemas.addresses.iter().zip(&mut places).map(|(schema, place)| Export::new(*schema, place));
        let exports: Vec<_> = exports.collect();
        import_columns(py, exports.as_ptr().addr(), exports.len())
    }
}

impl Block {
    fn new(ended: &Ended) -> Self {
        let Ended { shape, bars, .. } = ended;
        let width = bars.len() + 1;
        let mut words = Vec::with_capacity(width * shape.columns.len());
        let mut scratch = Scratch::default();
        for column in shape.columns.iter().filter(|column| has_words(column)) {
            let mut present = 0_u64;
            for (place, (_, bar)) in bars.iter().enumerate() {
                let word = Cell::of(column, bar, shape, &mut scratch).word();
                present |= u64::from(word.is_some()) << place;
                words.push(word.unwrap_or_default());
            }
            words.push(present.to_le()); // whose first byte has the bits of the first bars
        }
        let words = words.into_boxed_slice();
        let columns = words.chunks_exact(width).map(|column| {
            let (cells, present) = column.split_at(bars.len());
            let null_count = bars.len() - present[0].count_ones() as usize;
            let validity = if null_count == 0 { null() } else { present.as_ptr().cast() };
            BlockColumn { null_count, buffers: [validity, cells.as_ptr().cast()] }
        });
        Self { columns: columns.collect(), _words: words }
    }
}

impl Array {
    fn new(block: &Arc<Block>, column: &BlockColumn, bars: usize) -> Self {
        Self {
            length: bars as i64,
            null_count: column.null_count as i64,
            offset: 0,
            n_buffers: column.buffers.len() as i64,
            n_children: 0,
            buffers: column.buffers.as_ptr(),
            children: null_mut(),
            dictionary: null_mut(),
            release: Some(release),
            private_data: Arc::into_raw(Arc::clone(block)).cast_mut().cast(),
        }
    }

    /// That of a column which Polars made, of one chunk.
    fn of_polars(column: &Series) -> Self {
        let array = export_array_to_c(column.rechunk().to_arrow(0, CompatLevel::newest()));
        // SAFETY: both have the layout of the C data interface, and nobody releases what is moved.
        unsafe { std::mem::transmute::<ArrowArray, Self>(array) }
    }
}

/// Gives back the share of the memory that an array owns.
unsafe extern "C" fn release(array: *mut Array) {
    // SAFETY: whoever owns the array calls this once, and it is one of `Array::new`.
    let share = unsafe {
        (*array).release = None;
        Arc::from_raw((*array).private_data.cast::<Block>())
    };
    drop(share);
}

impl Export {
    /// A column of one array, which owns itself.
    fn new(schema: usize, array: &mut *mut Array) -> Self {
        Self { field: with_exposed_provenance(schema), arrays: array, len: 1, release: None, private_data: null_mut() }
    }
}
