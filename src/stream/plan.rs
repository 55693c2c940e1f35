//! A request made ready for one input: everything is checked, and the columns are known.

use std::sync::Arc;

use polars::prelude::PlSmallStr;

use crate::core::{AnyRule, ClosedBar, Role, TimeUnit};
use crate::frame::inputs::ROLES;
use crate::frame::request::{MissingSide, Overlap};
use crate::frame::schema::BarColumn;
use crate::frame::{ColumnNames, FrameError, Request};

/// How an error names the position of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowNaming {
    /// The rows of the input, all of them.
    Input,
    /// All rows of some groups of the input.
    Groups,
    /// The rows of some groups from this instant on.
    Since(String),
    /// Frames that are pushed one after the other.
    Frames,
}

/// A set of roles, a bit each: compared for every trade that comes by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// The roles of some names.
    pub fn named(names: &[String]) -> Self {
        ROLES.into_iter().filter(|role| names.iter().any(|name| name == role.name())).fold(Self::default(), Self::with)
    }

    /// With one role more.
    #[must_use]
    pub fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role as u8)
    }

    /// Whether a role is among them.
    pub fn contains(self, role: Role) -> bool {
        self.0 & 1 << role as u8 != 0
    }

    /// The roles of both.
    #[must_use]
    pub fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// The roles in their order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        ROLES.into_iter().filter(move |role| self.contains(*role))
    }
}

/// A request for the bars of an input.
pub struct Plan {
    /// What was asked for; a stream has the same one.
    pub request: Arc<Request>,
    /// The rules that close bars.
    pub rules: Vec<AnyRule>,
    /// Unit of Int64 times.
    pub time_unit: Option<TimeUnit>,
    /// The roles that the input has.
    pub roles: Roles,
    /// Those of them that a frame or a trade may be without.
    pub optional: Roles,
    /// Names of the columns.
    pub names: ColumnNames,
    /// Columns whose values form the groups.
    pub by: Vec<PlSmallStr>,
    /// Columns of the bars to compute.
    pub columns: Vec<&'static BarColumn>,
    /// How errors name a row.
    pub row_naming: RowNaming,
    /// Whether a checkpoint of the state will be wanted.
    pub keeps_state: bool,
}

impl Plan {
    /// A plan for an input that has some roles, to compute some columns.
    ///
    /// # Errors
    ///
    /// An invalid parameter, or one that the input does not allow.
    pub fn new(
        request: &Arc<Request>,
        roles: &[String],
        columns: Vec<&'static BarColumn>,
        row_naming: RowNaming,
        keeps_state: bool,
    ) -> Result<Self, FrameError> {
        let (mut roles, names) = (Roles::named(roles), request.names()?);
        let mut optional = Roles::default();
        // Trades with and without a side may follow each other, so the state is the same whichever comes first.
        if keeps_state && request.missing_side == MissingSide::Null {
            optional = optional.with(Role::IsBuyerMaker);
            roles = roles.union(optional);
        }
        if request.overlap == Overlap::Skip && !roles.contains(Role::AggTradeId) {
            return Err(FrameError(format!(
                "`overlap=\"skip\"` needs the ids of the trades: without `{}`, trades of one time cannot be told apart",
                names.get(Role::AggTradeId)
            )));
        }
        request.check_roles(|role| roles.contains(role), &names)?;
        Ok(Self {
            rules: request.rules()?,
            time_unit: request.time_unit()?,
            roles,
            optional,
            names,
            by: request.by.iter().map(PlSmallStr::from).collect(),
            columns,
            row_naming,
            keeps_state,
            request: Arc::clone(request),
        })
    }

    /// Whether the input has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(role)
    }

    /// Whether a trade may lack a side, and it matters.
    pub fn may_lack_side(&self) -> bool {
        let is_read = self.keeps_state || self.columns.iter().any(|column| column.needs_side());
        is_read && self.has(Role::IsBuyerMaker) && self.request.missing_side == MissingSide::Null
    }

    /// Whether a bar comes out.
    pub fn wants(&self, closed: &ClosedBar) -> bool {
        self.request.include_orphans || !closed.bar.close_reason.is_orphan()
    }
}
