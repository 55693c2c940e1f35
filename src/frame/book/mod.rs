//! The order book: what a request for it says, its input and its columns.

pub mod columns;
pub mod request;
pub mod updates;

pub use columns::BookColumns;
pub use request::BookRequest;
pub use updates::{BookNames, UpdateColumns};

/// The columns of the rows of a book, without the keys; refuses a request that no book can have.
#[pyo3::pyfunction]
pub fn check_book(request: &str) -> pyo3::PyResult<Vec<String>> {
    let request = BookRequest::from_json(request)?;
    request.check()?;
    Ok(request.columns()?.into_iter().map(|column| column.name).collect())
}
