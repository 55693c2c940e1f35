//! Batches of trades in, ended bars out, one state per group.
//!
//! A *machine* builds the bars of one group, a *stream* those of all groups. `grouped` is the stream, which drives
//! `machines` over what `group_index` makes of the keys; `worker` is what one thread does. `python` shows it to lazy
//! queries and `push_stream` to live ones, which also give it single trades (`trade`, of `arguments`) and take the bars that
//! these `ended` as `rows` or in a `thin_frame`. What goes into Python goes by `crossing`.

mod arguments;
mod book;
mod book_python;
mod cells;
mod checkpoint;
mod coded_keys;
mod crossing;
mod ended;
mod gaps;
mod group_index;
mod grouped;
mod keys;
mod live;
mod machine;
mod machines;
mod outbox;
mod plan;
mod push_stream;
mod python;
mod renko;
mod rows;
mod strides;
mod thin_frame;
mod threads;
mod trade;
mod worker;

pub use self::book_python::{BookPush, DepthStream};
pub use self::push_stream::PushStream;
pub use self::python::{GapStream, RenkoStream, TradeStream, checkpoint_request};
