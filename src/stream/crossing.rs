//! What crosses from Python and into it: frames, columns, bytes.
#![expect(unsafe_code, reason = "columns cross as pointers")]

use std::mem::ManuallyDrop;

use polars::prelude::*;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList};
use pyo3_polars::PySeries;

use crate::frame::FrameError;
use crate::frame::polars_internals::{SeriesExport, export_column, import_series};

/// Bytes that are copied at once while other threads wait: what takes a millisecond or two.
const BYTES_AT_ONCE: usize = 4 << 20;

/// A frame of Python. All columns cross in one call: one by one, they took eight times as long, as one of structs twice.
pub fn frame_of_python<'py>(py: Python<'py>, frame: &DataFrame) -> PyResult<Bound<'py, PyAny>> {
    // Python takes them over, as it does each by itself in `PySeries`.
    let columns: Vec<_> = frame.columns().iter().map(|column| ManuallyDrop::new(export_column(column))).collect();
    import_columns(py, columns.as_ptr().addr(), columns.len())
}

/// The frame of Python of so many columns that are exported at an address.
pub fn import_columns(py: Python<'_>, address: usize, columns: usize) -> PyResult<Bound<'_, PyAny>> {
    static IMPORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let import = || PyResult::Ok(py.import("polars")?.getattr("DataFrame")?.getattr("_import_columns")?.unbind());
    IMPORT.get_or_try_init(py, import)?.bind(py).call1((address, columns))
}

/// Columns of a frame of Python. They cross in one call: one by one, seven took ten microseconds longer.
pub fn columns_of_python(frame: &Bound<'_, PyAny>, names: &Bound<'_, PyList>) -> PyResult<Vec<Column>> {
    // A frame of its own, which nobody alters meanwhile, and which has exactly these columns.
    let frame = frame.getattr(intern!(frame.py(), "_df"))?.call_method1(intern!(frame.py(), "select"), (names,))?;
    let mut exports: Vec<_> = names.iter().map(|_| SeriesExport::empty()).collect();
    frame.call_method1(intern!(frame.py(), "_export_columns"), (exports.as_mut_ptr().addr(),))?;
    let columns = exports.into_iter().map(|column| {
        if column.is_null() {
            return Err(FrameError(
                "a column of the frame did not cross: this is a fault of the library, please report it".to_owned(),
            )
            .into());
        }
        // SAFETY: Polars wrote it there, and it is taken once.
        let column = unsafe { import_series(column) }.map_err(FrameError::from)?;
        Ok(column.into_column())
    });
    columns.collect()
}

/// A column of Python.
pub fn series_of_python(py: Python<'_>, column: Series) -> PyResult<Bound<'_, PyAny>> {
    PySeries(column).into_pyobject(py)
}

/// Bytes of Python. Other threads run between the parts that are copied: of half a gigabyte they would stand still for
/// a quarter of a second.
pub fn bytes_of_python<'py>(py: Python<'py>, bytes: Vec<u8>) -> PyResult<Bound<'py, PyBytes>> {
    if bytes.len() <= BYTES_AT_ONCE {
        return Ok(PyBytes::new(py, &bytes));
    }
    let all = py.import("io")?.getattr("BytesIO")?.call0()?;
    for part in bytes.chunks(BYTES_AT_ONCE) {
        all.call_method1("write", (PyBytes::new(py, part),))?;
        py.detach(|| ());
    }
    py.detach(|| drop(bytes)); // which takes time, too
    Ok(all.call_method0("getvalue")?.cast_into()?) // the bytes that were written, not a copy of them
}

/// Frees what takes long to be freed, while other threads of Python run.
pub fn drop_apart<T: Send>(mut what: Option<T>) {
    if what.is_some() {
        // Without an interpreter there is nobody who waits.
        let _ = Python::try_attach(|py| py.detach(|| what = None));
    }
}
