//! The order book: updates of price levels in, the state of the book and its features out.
//!
//! What venues send are levels: a side, a price, its new quantity (0 deletes it), now and then a snapshot. Read in this
//! order:
//!
//! - [`levels`]: one side, sorted.
//! - [`sides`]: both sides, and what is computed of them.
//! - [`flow`]: what was added to the best levels and taken away.
//! - [`activity`]: what updates did, and which best levels came back.
//! - [`updates`]: columns of updates as integers.
//! - [`options`]: what is asked, and what is shown.
//! - [`builder`]: the machine of one group, which knows events, ids and when a row comes out.
//! - [`state`]: that machine as bytes.
//! - [`error`]: what is refused, and the sentence that says so.

pub mod activity;
pub mod builder;
pub mod error;
pub mod flow;
pub mod levels;
pub mod options;
pub mod sides;
pub mod state;
pub mod updates;

#[cfg(test)]
mod tests;
