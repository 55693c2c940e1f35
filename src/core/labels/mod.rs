//! What came of an entry at each bar: labels, which look ahead.

pub mod triple_barrier;
