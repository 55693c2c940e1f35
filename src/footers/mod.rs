//! What stands in the footers of Parquet files under the names of a lake, of many files at a time.
//!
//! [`entries`] is what the bytes of a footer say; `files` reads them, on several threads. Neither knows Polars.

pub mod entries;
#[cfg(feature = "plugin")]
mod files;
#[cfg(feature = "plugin")]
mod python;

#[cfg(feature = "plugin")]
pub(crate) use python::read_entries;
