//! What Python sees of order books: those of one input, and those of frames that are pushed.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_polars::PyDataFrame;

use super::book::GroupedBooks;
use super::plan::RowNaming;
use crate::frame::FrameError;
use crate::frame::book::BookRequest;

/// The books of batches of one input.
#[pyclass(module = "rangebar_polars._internal")]
pub struct DepthStream(GroupedBooks);

#[pymethods]
impl DepthStream {
    /// `schema` is a frame without rows, `parts` say what its columns are; only `columns` of the books are made.
    #[new]
    #[pyo3(signature = (request, *, parts, columns, schema, rows_are_of_input=true))]
    fn new(
        request: &str,
        parts: Vec<String>,
        columns: Vec<String>,
        schema: PyDataFrame,
        rows_are_of_input: bool,
    ) -> PyResult<Self> {
        let request = BookRequest::from_json(request)?;
        let row_naming = if rows_are_of_input { RowNaming::Input } else { RowNaming::Groups };
        let mut books = GroupedBooks::new(request, &parts, &columns, row_naming, &schema.0)?;
        books.push(&schema.0.clear())?;
        Ok(Self(books))
    }

    /// Adds the first rows of a batch; returns how many rows wait to be taken, and how many were added.
    fn push(&mut self, py: Python<'_>, batch: PyDataFrame) -> PyResult<(usize, usize)> {
        Ok(py.detach(|| self.0.push(&batch.0))?)
    }

    /// Takes the rows that wait.
    fn take(&mut self, py: Python<'_>) -> PyResult<PyDataFrame> {
        Ok(PyDataFrame(py.detach(|| self.0.take())?))
    }

    /// No more updates come; the last rows wait to be taken.
    fn finish(&mut self) -> PyResult<()> {
        Ok(self.0.finish()?)
    }
}

impl BookPush {
    /// Ends something, and takes the rows that come out.
    fn end(
        &mut self,
        py: Python<'_>,
        end: impl FnOnce(&mut GroupedBooks) -> Result<(), FrameError> + Send,
    ) -> PyResult<PyDataFrame> {
        self.is_first = false;
        let books = self.books.as_mut().ok_or_else(|| {
            FrameError("the stream has seen no updates: it does not know the dtypes of its rows".to_owned())
        })?;
        Ok(PyDataFrame(py.detach(|| {
            books.begin();
            end(books)?;
            books.take_all()
        })?))
    }
}

/// Books of frames that are pushed as they come. `BookStream` has a lock around it.
#[pyclass(module = "rangebar_polars._internal")]
pub struct BookPush {
    request: BookRequest,
    books: Option<GroupedBooks>,
    /// Whether the last push was the first one.
    is_first: bool,
}

#[pymethods]
impl BookPush {
    /// A stream for a `request`, or one that goes on from a `checkpoint`.
    #[new]
    #[pyo3(signature = (request=None, checkpoint=None))]
    fn new(request: Option<&str>, checkpoint: Option<&[u8]>) -> PyResult<Self> {
        let (request, books) = match (request, checkpoint) {
            (_, Some(data)) => GroupedBooks::restore(data)?,
            (request, None) => (BookRequest::from_json(request.unwrap_or_default())?, None),
        };
        request.check()?;
        Ok(Self { request, books, is_first: false })
    }

    /// The request, as JSON.
    fn request(&self) -> PyResult<String> {
        Ok(serde_json::to_string(&self.request).map_err(|error| FrameError(error.to_string()))?)
    }

    /// Adds a frame, whose columns play some parts; returns the rows that came out. What raises changes nothing, if
    /// `roll_back` is called.
    fn push(&mut self, py: Python<'_>, parts: Vec<String>, frame: PyDataFrame) -> PyResult<PyDataFrame> {
        self.is_first = self.books.is_none();
        Ok(PyDataFrame(py.detach(|| {
            let books = match &mut self.books {
                Some(books) => books,
                None => {
                    let wanted: Vec<_> = self.request.columns()?.into_iter().map(|column| column.name).collect();
                    let schema = frame.0.clear();
                    let books = GroupedBooks::new(self.request.clone(), &parts, &wanted, RowNaming::Frames, &schema)?;
                    self.books.insert(books)
                }
            };
            books.begin();
            books.push_frame(&parts, &frame.0)?;
            books.take_all()
        })?))
    }

    /// All events are whole; returns their rows, and with `is_end` the last ones.
    fn flush(&mut self, py: Python<'_>, is_end: bool) -> PyResult<PyDataFrame> {
        self.end(py, |books| if is_end { books.finish() } else { books.flush() })
    }

    /// No update before a time will come; returns the rows that come out.
    fn advance(&mut self, py: Python<'_>, time: i64) -> PyResult<PyDataFrame> {
        self.end(py, |books| books.advance(time))
    }

    /// Unit of the times, once there was one.
    fn time_unit(&self) -> Option<&'static str> {
        self.books.as_ref().map(|books| books.time.unit.name())
    }

    /// Undoes the last push or flush.
    fn roll_back(&mut self) {
        if std::mem::take(&mut self.is_first) {
            self.books = None;
        } else if let Some(books) = &mut self.books {
            books.roll_back();
        }
    }

    /// The state, as bytes.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &GroupedBooks::checkpoint(&self.request, self.books.as_ref())?))
    }
}
