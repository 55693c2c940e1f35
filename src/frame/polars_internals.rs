//! What we use of Polars beyond its public interface, so that a new version of Polars is one file to look at.

pub use polars::prelude::row_encode::encode_rows_unordered;
pub use pyo3_polars::export::polars_arrow::array::{Array, ListArray, View};
pub use pyo3_polars::export::polars_arrow::bitmap::Bitmap;
pub use pyo3_polars::export::polars_arrow::offset::Offsets;
pub use pyo3_polars::export::polars_core::runtime::RAYON;
