//! One trade at a time.

use polars::prelude::*;

use super::group_index::KeyValue;
use super::grouped::GroupedBars;
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
        let known = self.groups.find(key);
        // Most trades neither fail nor end a bar: nothing of them is ever taken back, so no push begins. This saves a tenth.
        if known.is_some_and(|group| self.machines.extend(group, trade)) {
            self.rows += 1;
            return Ok(Some(self.outbox.len()));
        }
        self.begin_push();
        let result = match (known, frame) {
            (Some(group), _) => self.push_to_group(trade, group),
            (None, Some(frame)) => {
                self.groups.assign(frame).and_then(|groups| self.push_to_new_group(trade, groups.first()))
            }
            (None, None) => match self.groups.add(key) {
                Ok(None) => return Ok(None),
                added => added.and_then(|group| self.push_to_new_group(trade, group.as_ref())),
            },
        };
        self.end_push(result.map(|()| 1))?;
        Ok(Some(self.outbox.len()))
    }

    #[cold]
    fn push_to_new_group(&mut self, trade: &Trade, group: Option<&IdxSize>) -> Result<(), FrameError> {
        self.check_groups()?;
        self.machines.grow(self.groups.len());
        self.push_to_group(trade, *group.ok_or_else(|| FrameError("the trade has no key".to_owned()))?)
    }

    fn push_to_group(&mut self, trade: &Trade, group: IdxSize) -> Result<(), FrameError> {
        let Self { plan, machines, outbox, groups, .. } = self;
        match machines.push_trade(group, trade) {
            Ok([]) => Ok(()),
            Ok(closed) => {
                outbox.add(plan, group, closed, |row| row);
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
