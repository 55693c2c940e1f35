//! One trade at a time.

use polars::prelude::*;

use super::keys::KeyValue;
use super::options::Parts;
use super::{Emitted, GroupedBars};
use crate::core::{Column as Part, Trade};
use crate::frame::FrameError;
use crate::frame::inputs::PARTS;

/// The parts that a trade has.
pub fn parts_of(trade: &Trade) -> Parts {
    let mut parts = Parts::default().with(Part::Time).with(Part::Price).with(Part::Quantity);
    if trade.is_buyer_maker.is_some() {
        parts = parts.with(Part::IsBuyerMaker);
    }
    if trade.agg_trade_id.is_some() {
        parts = parts.with(Part::AggTradeId);
    }
    if trade.individual_ids.is_some() {
        parts = parts.with(Part::FirstTradeId).with(Part::LastTradeId);
    }
    parts
}

impl GroupedBars {
    /// A frame or a trade must have the parts that the trades before had.
    ///
    /// # Errors
    ///
    /// It has not, or has others.
    pub fn same_parts(&self, parts: Parts) -> Result<(), FrameError> {
        if parts == self.plan.parts { Ok(()) } else { Err(self.other_parts(parts)) }
    }

    #[cold]
    fn other_parts(&self, parts: Parts) -> FrameError {
        let differing = PARTS.into_iter().find(|&part| parts.contains(part) != self.plan.has(part));
        let part = differing.unwrap_or(Part::Time);
        let name = self.plan.names.get(part);
        let (now, before) = if parts.contains(part) { ("have", "had not") } else { ("lack", "had") };
        FrameError(format!("the trades pushed {now} `{name}`, which those before {before}: all have it or none"))
    }

    /// Unit of the time column.
    pub fn time_unit(&self) -> &'static str {
        self.time.unit.name()
    }

    /// The key columns, without rows.
    pub fn empty_keys(&self) -> DataFrame {
        self.groups.keys().clear()
    }

    /// Adds a trade and returns how many ended bars wait to be taken; none if its group cannot be found by its key alone,
    /// without a frame that holds it.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::push`].
    pub fn push_trade(
        &mut self,
        trade: &Trade,
        key: &[KeyValue<'_>],
        frame: Option<&DataFrame>,
    ) -> Result<Option<usize>, FrameError> {
        let known = self.groups.len();
        self.machines.begin();
        let result = match (self.groups.find(key), frame) {
            (Some(group), _) => self.push_to_group(trade, group),
            (None, None) => return Ok(None),
            (None, Some(frame)) => self.push_to_new_group(trade, frame),
        };
        match result {
            Ok(()) => self.rows += 1,
            Err(_) => self.roll_back(known)?,
        }
        result.map(|()| Some(self.waiting.len()))
    }

    #[cold]
    fn push_to_new_group(&mut self, trade: &Trade, key: &DataFrame) -> Result<(), FrameError> {
        let group = self.groups.assign(key)?.first().copied();
        self.machines.grow(self.groups.len());
        self.push_to_group(trade, group.ok_or_else(|| FrameError("the trade has no key".to_owned()))?)
    }

    fn push_to_group(&mut self, trade: &Trade, group: IdxSize) -> Result<(), FrameError> {
        let Self { plan, machines, waiting, groups, .. } = self;
        match machines.push_trade(group, trade) {
            Ok([]) => Ok(()),
            Ok(closed) => {
                let wanted = closed.iter_mut().filter(|closed| plan.wants(closed));
                waiting.extend(wanted.map(|closed| Emitted { group, row: closed.row, bar: plan.output(closed) }));
                Ok(())
            }
            Err(error) => {
                let in_all = || " in all".to_owned();
                let of_group = if plan.by.is_empty() { in_all() } else { format!(" of {}", groups.describe(group)) };
                Err(self.error(&error, &format!("the trade pushed (row {}{of_group})", error.row)))
            }
        }
    }
}
