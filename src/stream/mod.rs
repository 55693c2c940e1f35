//! Batches of trades in, ended bars out, one state per group.
//!
//! A *machine* builds the bars of one group, a *stream* those of all groups. `grouped` is the stream, which drives
//! `machines` over what `group_index` makes of the keys; `worker` is what one thread does. `python` shows it to lazy
//! queries and `push_stream` to live ones, which also give it single trades (`trade`).

mod checkpoint;
mod coded_keys;
mod gaps;
mod group_index;
mod grouped;
mod machine;
mod machines;
mod outbox;
mod plan;
mod push_stream;
mod python;
mod renko;
mod strides;
mod threads;
mod trade;
mod worker;

pub use self::push_stream::PushStream;
pub use self::python::{GapStream, RenkoStream, TradeStream};
