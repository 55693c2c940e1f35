//! The input: the trades of one group as columns or one by one, and what may follow what was seen.

pub mod bits;
pub mod columns;
pub mod gaps;
pub mod seen;
pub mod seen_ids;
pub mod sides;
pub mod steps;
pub mod trade;
