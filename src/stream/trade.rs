//! One trade at a time.

use std::sync::Arc;

use polars::prelude::*;

use super::ended::Ended;
use super::grouped::GroupedBars;
use super::keys::KeyValue;
use super::plan::Roles;
use crate::core::{Role, Trade};
use crate::frame::FrameError;
use crate::frame::inputs::ROLES;

/// The roles that a trade has.
pub fn roles_of(trade: &Trade) -> Roles {
    let mut roles = Roles::default().with(Role::Time).with(Role::Price).with(Role::Quantity);
    if trade.is_buyer_maker.is_some() {
        roles = roles.with(Role::IsBuyerMaker);
    }
    if trade.agg_trade_id.is_some() {
        roles = roles.with(Role::AggTradeId);
    }
    if trade.individual_ids.is_some() {
        roles = roles.with(Role::FirstTradeId).with(Role::LastTradeId);
    }
    roles
}

/// What became of a trade that breaks no rule.
pub enum Taken {
    /// It is in; the bars that it ended, if any come out.
    In(Option<Box<Ended>>),
    /// Its group cannot be found by its key alone, without a frame that holds it.
    NeedsKey,
}

impl GroupedBars {
    /// A frame or a trade must have the roles that the trades before had, but for those that may be missing.
    ///
    /// # Errors
    ///
    /// It has not, or has others.
    pub fn same_roles(&self, roles: Roles) -> Result<(), FrameError> {
        if roles.union(self.plan.optional) == self.plan.roles { Ok(()) } else { Err(self.other_roles(roles)) }
    }

    #[cold]
    fn other_roles(&self, roles: Roles) -> FrameError {
        let roles = roles.union(self.plan.optional);
        let differing = ROLES.into_iter().find(|&role| roles.contains(role) != self.plan.has(role));
        let role = differing.unwrap_or(Role::Time);
        let name = self.plan.names.get(role);
        let (now, before) = if roles.contains(role) { ("have", "had not") } else { ("lack", "had") };
        let takes_both = "; missing_side=\"null\" takes trades with and without it";
        let remedy = if role == Role::IsBuyerMaker { takes_both } else { "" };
        FrameError(format!(
            "the trades pushed {now} `{name}`, which those before {before}: either all trades have it or none{remedy}"
        ))
    }

    /// Unit of the time column.
    pub fn time_unit(&self) -> &'static str {
        self.time.unit.name()
    }

    /// The key columns, without rows.
    pub fn empty_keys(&self) -> DataFrame {
        self.groups.keys().clear()
    }

    /// Adds a trade and returns the bars that it ended.
    ///
    /// # Errors
    ///
    /// As [`GroupedBars::push`].
    pub fn push_trade(
        &mut self,
        trade: &Trade,
        key: &[KeyValue<'_>],
        frame: Option<&DataFrame>,
    ) -> Result<Taken, FrameError> {
        let known = self.groups.find(key);
        // Most trades neither fail nor end a bar: nothing of them is ever taken back, so no push begins. This saves a tenth.
        if known.is_some_and(|group| self.machines.extend(group, trade)) {
            self.rows += 1;
            return Ok(Taken::In(None));
        }
        self.begin_push();
        let pushed = match (known, frame) {
            (Some(group), _) => self.push_to_group(trade, group),
            (None, Some(frame)) => {
                self.groups.assign(frame).and_then(|groups| self.push_to_new_group(trade, groups.first()))
            }
            (None, None) => match self.groups.add(key) {
                Ok(None) => return Ok(Taken::NeedsKey),
                added => added.and_then(|group| self.push_to_new_group(trade, group.as_ref())),
            },
        };
        let (ended, result) = pushed.map_or_else(|error| (None, Err(error)), |ended| (ended, Ok(1)));
        self.end_push(result)?;
        Ok(Taken::In(ended))
    }

    #[cold]
    fn push_to_new_group(&mut self, trade: &Trade, group: Option<&IdxSize>) -> Result<Option<Box<Ended>>, FrameError> {
        self.check_groups()?;
        self.machines.grow(self.groups.len());
        self.push_to_group(trade, *group.ok_or_else(|| FrameError("the trade has no key".to_owned()))?)
    }

    fn push_to_group(&mut self, trade: &Trade, group: IdxSize) -> Result<Option<Box<Ended>>, FrameError> {
        let Self { plan, machines, groups, shape, .. } = self;
        let pushed = machines.push_trade(group, trade).map(|closed| {
            let wanted = closed.iter_mut().filter(|closed| plan.wants(closed));
            wanted.map(|closed| (group, closed.take())).collect::<Vec<_>>()
        });
        match pushed {
            Ok(_) if machines.too_long().is_some() => Err(self.bar_too_long()),
            Ok(bars) if bars.is_empty() => Ok(None),
            Ok(bars) => {
                let keys = groups.keys().clone();
                Ok(Some(Box::new(Ended { shape: Arc::clone(shape), keys, bars })))
            }
            Err(error) => {
                let in_all = || " in all".to_owned();
                let of_group = if plan.by.is_empty() { in_all() } else { format!(" of {}", groups.describe(group)) };
                Err(self.error(&error, &format!("the trade pushed (row {}{of_group})", error.row)))
            }
        }
    }
}
