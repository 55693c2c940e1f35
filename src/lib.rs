//! Range bars as native Polars operations.
//!
//! Four layers, and arrows point one way: [`core`] (bars over slices, standard library only) is driven by
//! `frame` (Polars columns in and out), on which stand `plugin` (expressions) and `stream` (batches).
//! `cargo test --no-default-features` builds and tests the core alone.

#![deny(missing_docs, rustdoc::broken_intra_doc_links)]

pub mod core;
#[cfg(feature = "plugin")]
mod frame;
#[cfg(feature = "plugin")]
mod plugin;
#[cfg(feature = "plugin")]
mod stream;

/// Columns that we make are freed by Polars, and the other way round: one allocator for both.
#[cfg(feature = "plugin")]
#[global_allocator]
static ALLOCATOR: pyo3_polars::PolarsAllocator = pyo3_polars::PolarsAllocator::new();

#[cfg(feature = "plugin")]
#[pyo3::pymodule]
mod _internal {
    #[pymodule_export]
    use crate::stream::{
        GapStream, PushStream, TradeStream, bar_columns, check_lookback, check_max_gap, check_threshold, period_bounds,
    };

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
