//! What we use of Polars beyond its public interface, so that a new version of Polars is one file to look at.

pub use polars::prelude::row_encode::encode_rows_unordered;
pub use pyo3_polars::export::polars_arrow::array::{Array, ListArray, View};
pub use pyo3_polars::export::polars_arrow::bitmap::Bitmap;
pub use pyo3_polars::export::polars_arrow::ffi::{ArrowArray, ArrowSchema, export_array_to_c, export_field_to_c};
pub use pyo3_polars::export::polars_arrow::offset::Offsets;
pub use pyo3_polars::export::polars_core::runtime::RAYON;
pub use pyo3_polars::export::polars_ffi::version_0::{SeriesExport, export_column, import_series};
