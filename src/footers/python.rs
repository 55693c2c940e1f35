//! The Python face of reading footers. The GIL is free while files are read.

use std::io;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::files::{Found, Names, Reading};

/// How long Ctrl-C may have to wait for us; a file that hangs, for as long as it does.
const PATIENCE: Duration = Duration::from_millis(100);

/// For each file, what its footer has under some names, in the order of these: a text, or the value that a text in JSON is.
///
/// None, where the end of a file is no footer with all of them, or a value is none of ours; an `OSError`, where a file
/// cannot be opened or read, as `os` would raise it: with the name of the file if it cannot be opened.
#[pyfunction]
pub fn read_entries<'py>(
    py: Python<'py>,
    files: Vec<String>,
    names: Vec<(String, bool)>,
) -> PyResult<Bound<'py, PyList>> {
    let (names, are_values) = names.into_iter().unzip();
    let names = Names { names, are_values };
    let mut found = Vec::new();
    let reading = Reading::new(&files, &names, &mut found);
    while !py.detach(|| reading.read_until(Instant::now() + PATIENCE)) {
        py.check_signals()?;
    }
    let told = PyList::empty(py);
    for (found, file) in found.into_iter().zip(&files) {
        match found {
            Found::Entries(values) => told.append(PyTuple::new(py, values)?)?,
            Found::Closed(error) => told.append(os_error(py, &error, Some(file))?)?,
            Found::Unreadable(error) => told.append(os_error(py, &error, None)?)?,
            Found::Strange => told.append(py.None())?,
        }
    }
    Ok(told)
}

/// An error of the system as Python has it, which makes the class that belongs to its number.
fn os_error<'py>(py: Python<'py>, error: &io::Error, file: Option<&String>) -> PyResult<Bound<'py, PyAny>> {
    let (number, told) = (error.raw_os_error(), error.to_string());
    let told = told.split(" (os error").next();
    // On Windows, the last number counts, elsewhere the first.
    py.get_type::<PyOSError>().call1((number, told, file, number))
}
