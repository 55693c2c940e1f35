//! The machine of one group as bytes, and back with every step checked.

use super::activity::Activity;
use super::builder::{BookBuilder, Event};
use super::flow::{Flow, are_tops};
use super::levels::{Levels, Tops};
use super::options::Sampling;
use crate::core::checkpoint::{CheckpointError, Put, Reader};

/// More rows than this no group has: what rows are counted by can then not overflow.
const MAX_ROWS: u64 = 1 << 62;

/// No flow is larger: so many rows of the largest quantity.
const MAX_FLOW: u128 = 1 << 126;

impl BookBuilder {
    /// Appends the state.
    pub fn save(&self, out: &mut Vec<u8>) {
        out.put(self.rows);
        put(out, self.time);
        put(out, self.event.map(|event| event.time));
        if let Some(event) = self.event {
            out.put(event.key);
            out.put(event.is_snapshot);
        }
        self.touched.iter().for_each(|&rank| out.put(u64::try_from(rank).unwrap_or(u64::MAX)));
        out.put(self.newest == 1);
        out.put(self.is_valid);
        put(out, self.id);
        out.put(self.is_fresh);
        out.put(self.is_stale);
        put(out, self.next_sample);
        out.put(self.rows_shown);
        out.put(self.holes);
        out.put(self.dropped);
        out.put(self.was_crossed);
        let (sums, is_whole) = self.flow.parts();
        out.put(is_whole);
        sums.iter().for_each(|&sum| out.put(sum));
        put_tops(out, self.flow.before());
        if self.options.has_activity {
            self.activity.save(out);
        }
        out.put(self.shown.as_ref().is_some_and(|(was_valid, _)| *was_valid));
        put_tops(out, self.shown.as_ref().map(|(_, tops)| tops));
        for side in &self.book.sides {
            out.put(side.len() as u64);
            side.entries().for_each(|(key, quantity)| {
                out.put(key);
                out.put(quantity);
            });
        }
    }

    /// Takes a state off the front; this builder has the same options and has seen nothing.
    ///
    /// # Errors
    ///
    /// Too few bytes, or a state that no updates lead to.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        let options = self.options;
        self.rows = from.take()?;
        self.time = take(from)?;
        let event_time = take(from)?;
        self.event = match event_time {
            Some(time) => Some(Event { time, key: from.take()?, is_snapshot: from.take()? }),
            None => None,
        };
        for rank in &mut self.touched {
            *rank = usize::try_from(from.take::<u64>()?).map_err(|_| CheckpointError::Impossible)?;
        }
        self.newest = usize::from(from.take::<bool>()?);
        self.is_valid = from.take()?;
        self.id = take(from)?;
        self.is_fresh = from.take()?;
        self.is_stale = from.take()?;
        self.next_sample = take(from)?;
        self.rows_shown = from.take()?;
        self.holes = from.take()?;
        self.dropped = from.take()?;
        self.was_crossed = from.take()?;
        let is_whole = from.take()?;
        let sums = (0..options.flow_levels).map(|_| from.take()).collect::<Result<Vec<i128>, _>>()?;
        let before = take_tops(from, options.flow_levels)?;
        let is_no_flow = is_whole && before.is_none() || sums.iter().any(|sum| sum.unsigned_abs() > MAX_FLOW);
        self.flow = Flow::of_parts(sums, is_whole, before);
        if options.has_activity {
            self.activity = Activity::load(from, self.rows, self.time, options.depth)?;
        }
        let was_valid = from.take()?;
        self.shown = take_tops(from, options.depth)?.map(|tops| (was_valid, tops));
        for (side, is_bid) in self.book.sides.iter_mut().zip([true, false]) {
            let len: u64 = from.take()?;
            let entry = |_| Ok((from.take()?, from.take()?));
            let entries = (0..len).map(entry).collect::<Result<Vec<_>, CheckpointError>>()?;
            *side = Levels::of_entries(&entries, is_bid).ok_or(CheckpointError::Impossible)?;
        }
        let is_empty = self.book.sides.iter().all(Levels::is_empty);
        let could_be = self.rows <= MAX_ROWS
            && self.rows_shown <= self.rows
            && self.holes <= self.rows
            && self.dropped <= self.rows
            && options.max_levels.is_none_or(|most| self.book.sides.iter().all(|side| side.len() <= most))
            && self.time.is_some() == (self.rows > 0)
            && self.event.is_none_or(|event| Some(event.time) == self.time)
            && (self.is_valid || is_empty)
            && (self.rows > 0 || is_empty)
            && !is_no_flow
            && (self.shown.is_none() || options.sampling == Sampling::Change)
            && (self.next_sample.is_none() || matches!(options.sampling, Sampling::Every(_)))
            && self.next_sample.is_none_or(|at| self.time.is_some_and(|time| at > time));
        if could_be { Ok(()) } else { Err(CheckpointError::Impossible) }
    }
}

fn put(out: &mut Vec<u8>, value: Option<i64>) {
    out.put(value.is_some());
    if let Some(value) = value {
        out.put(value);
    }
}

fn take(from: &mut Reader<'_>) -> Result<Option<i64>, CheckpointError> {
    if from.take()? { from.take().map(Some) } else { Ok(None) }
}

fn put_tops(out: &mut Vec<u8>, tops: Option<&Tops>) {
    out.put(tops.is_some());
    for (key, quantity) in tops.into_iter().flatten().flatten() {
        out.put(*key);
        out.put(*quantity);
    }
}

fn take_tops(from: &mut Reader<'_>, levels: usize) -> Result<Option<Tops>, CheckpointError> {
    if !from.take()? {
        return Ok(None);
    }
    let mut tops = [Vec::new(), Vec::new()];
    for side in &mut tops {
        *side = (0..levels).map(|_| Ok((from.take()?, from.take()?))).collect::<Result<_, CheckpointError>>()?;
        if !are_tops(side) {
            return Err(CheckpointError::Impossible);
        }
    }
    Ok(Some(tops))
}
