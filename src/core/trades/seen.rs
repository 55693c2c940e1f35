//! The position behind which the next row of a group must lie.

use super::columns::Trades;
use crate::core::error::{Role, Rule};
use crate::core::numbers::simd::vectorised;

/// The position behind which the next row must lie, and how many rows came before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Time and id of the last row; the id is 0 where the input has none.
    pub last: Option<(i64, i64)>,
    /// Rows so far.
    pub rows: u64,
}

impl Seen {
    /// How many of these trades of the same group, from the first on, lie at or before the last row: with ids by time
    /// and id, without them those of an earlier time.
    #[must_use]
    pub fn overlap(&self, trades: &Trades<'_>) -> usize {
        let holds = |row: &usize| self.holds(trades.time[*row], trades.agg_trade_id.map(|ids| ids[*row]));
        (0..trades.len()).take_while(holds).count()
    }

    /// Whether a row at a position lies at or before the last row.
    #[must_use]
    pub fn holds(&self, time: i64, id: Option<i64>) -> bool {
        self.last.is_some_and(|(last, last_id)| time < last || time == last && id.is_some_and(|id| id <= last_id))
    }
}

vectorised! {
    /// Whether every row lies behind the one before: [`out_of_order`] of all, without a branch.
    pub(in crate::core) fn is_ordered(trades: &Trades<'_>, last: Option<(i64, i64)>) -> bool {
        let Some((first, rest)) = trades.time.split_first() else { return true };
        let id = trades.agg_trade_id.map(|ids| ids[0]);
        let follows = |(time, before)| out_of_order(*first, id, time, before).is_none();
        let mut broken = !last.is_none_or(follows);
        match trades.agg_trade_id {
            None => {
                for (before, time) in trades.time.iter().zip(rest) {
                    broken |= time < before;
                }
            }
            Some(ids) => {
                for ((before, time), (id_before, id)) in trades.time.iter().zip(rest).zip(ids.iter().zip(&ids[1..])) {
                    broken |= (time < before) | (time == before) & (id <= id_before);
                }
            }
        }
        !broken
    }
}

/// The first row that does not lie behind the one before, and the rule that it breaks.
pub(in crate::core) fn first_out_of_order(
    trades: &Trades<'_>,
    last: Option<(i64, i64)>,
) -> Option<(usize, Role, Rule)> {
    let mut before = last;
    (0..trades.len()).find_map(|row| {
        let (time, id) = (trades.time[row], trades.agg_trade_id.map(|ids| ids[row]));
        let (previous, previous_id) = before.replace((time, id.unwrap_or(0)))?;
        out_of_order(time, id, previous, previous_id).map(|(column, rule)| (row, column, rule))
    })
}

/// The rule that a row breaks by its position.
#[inline]
pub(in crate::core) fn out_of_order(
    time: i64,
    id: Option<i64>,
    previous: i64,
    previous_id: i64,
) -> Option<(Role, Rule)> {
    match id {
        _ if time < previous => Some((Role::Time, Rule::TimeOrder { time, previous })),
        Some(id) if time == previous && id <= previous_id => {
            Some((Role::AggTradeId, Rule::IdOrder { id, previous: previous_id, time: previous }))
        }
        _ => None,
    }
}
