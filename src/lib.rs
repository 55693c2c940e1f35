//! Range bars as native Polars operations.
//!
//! Four layers, with dependencies in one direction: [`core`] (bars over slices, standard library only) is used by
//! `frame` (Polars columns in and out), on which `plugin` (expressions) and `stream` (batches) are built.
//! `cargo test --no-default-features` builds and tests the core alone. Beside them, [`footers`] reads what the files of a
//! lake say of themselves.

#![deny(missing_docs, rustdoc::broken_intra_doc_links)]

pub mod core;
pub mod footers;
#[cfg(feature = "plugin")]
mod frame;
#[cfg(feature = "plugin")]
mod plugin;
#[cfg(feature = "plugin")]
mod stream;

/// Polars frees columns that we allocate, and vice versa, so both need one allocator.
#[cfg(feature = "plugin")]
#[global_allocator]
static ALLOCATOR: pyo3_polars::PolarsAllocator = pyo3_polars::PolarsAllocator::new();

#[cfg(feature = "plugin")]
#[pyo3::pymodule]
mod _internal {
    #[pymodule_export]
    use crate::frame::checks::{
        bar_columns, check_footprint, check_lookback, check_max_gap, check_max_step, check_points, check_reset,
        check_rule, check_threshold, period_bounds, request_facts, written_rule,
    };

    #[pymodule_export]
    use crate::frame::book::check_book;

    #[pymodule_export]
    use crate::frame::text::count_newlines;

    #[pymodule_export]
    use crate::frame::digest::Digests;

    #[pymodule_export]
    use crate::footers::read_entries;

    #[pymodule_export]
    use crate::stream::{BookPush, DepthStream, GapStream, PushStream, RenkoStream, TradeStream, checkpoint_request};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
