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

    /// Number of key columns.
    pub fn key_count(&self) -> usize {
        self.plan.by.len()
    }

    /// Unit of the time column.
    pub fn time_unit(&self) -> &'static str {
        self.time.unit.name()
    }

    /// Adds a trade and returns whether ended bars wait to be taken. `frame` makes a frame of the key, given one
    /// without rows, for groups that are not found otherwise.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::push`].
    pub fn push_trade(
        &mut self,
        trade: &Trade,
        key: &[KeyValue<'_>],
        frame: impl FnOnce(DataFrame) -> Result<DataFrame, FrameError>,
    ) -> Result<bool, FrameError> {
        let known = self.groups.len();
        let result = match self.groups.find(key) {
            Some(group) => self.push_to_group(trade, group),
            None => frame(self.groups.keys().clear()).and_then(|frame| {
                let group = self.groups.assign(&frame)?.first().copied();
                self.push_to_group(trade, group.ok_or_else(|| FrameError("the trade has no key".to_owned()))?)
            }),
        };
        match result {
            Ok(()) => self.rows += 1,
            Err(_) => self.roll_back(known)?,
        }
        result.map(|()| !self.waiting.is_empty())
    }

    fn push_to_group(&mut self, trade: &Trade, group: IdxSize) -> Result<(), FrameError> {
        let Self { plan, machines, waiting, groups, .. } = self;
        machines.begin(groups.len());
        match machines.push_trade(group, trade) {
            Ok([]) => Ok(()),
            Ok(closed) => {
                let wanted = closed.iter().filter(|closed| plan.wants(closed));
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
