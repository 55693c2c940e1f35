//! One rule and its forming bar.

use std::ops::Range;

use crate::core::bars::bar::{CloseReason, RangeBar};
use crate::core::block::Block;
use crate::core::error::RowError;
use crate::core::footprint::{Footprint, Ladder};
use crate::core::rules::{AnyRule, CloseRule};
use crate::core::time::clock::TimeUnit;
use crate::core::windows::Windows;

/// One rule and its forming bar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    pub rule: AnyRule,
    pub closed: u64,
    pub forming: Option<RangeBar>,
}

impl Track {
    /// Ends the forming bar, if any, as an orphan.
    pub fn end(&mut self, reason: CloseReason) -> Option<RangeBar> {
        self.rule.start_anew();
        self.take(reason)
    }

    /// Ends the forming bar, if any.
    pub fn take(&mut self, reason: CloseReason) -> Option<RangeBar> {
        let mut bar = self.forming.take()?;
        bar.close_reason = reason;
        self.closed += 1;
        Some(bar)
    }

    /// Whether the forming bar, if any, ends before a trade at a time.
    pub fn is_too_late(&self, time: i64) -> bool {
        self.forming.is_some() && !self.rule.holds(time)
    }

    /// Adds rows and emits every bar that they close, with its closing row and its footprint; the windows with the number
    /// of the rule are informed.
    pub fn add(
        &mut self,
        block: &Block<'_>,
        rows: Range<usize>,
        unit: TimeUnit,
        mut windows: Option<(usize, &mut Windows)>,
        mut ladder: Option<&mut Ladder>,
        mut emit: impl FnMut(usize, &RangeBar, Option<Box<Footprint>>),
    ) -> Result<(), RowError> {
        let mut row = rows.start;
        while row < rows.end {
            if self.is_too_late(block.trades.time[row])
                && let Some(bar) = self.take(CloseReason::Time)
            {
                if let Some((rule, windows)) = &mut windows {
                    windows.end(*rule, &bar, block.first_row + row as u64);
                }
                emit(row, &bar, ladder.as_mut().map(|ladder| ladder.take()));
            }
            let mut search = row;
            let bar = match &mut self.forming {
                Some(bar) => bar,
                None => {
                    let opened = self.rule.open(block.price[row], block.decimals, block.trades.time[row]);
                    opened.map_err(|broken| block.error(broken.at_open(), row, broken))?;
                    if let Some((rule, windows)) = &mut windows {
                        windows.open(*rule, block, row)?;
                    }
                    search += usize::from(!self.rule.may_close_at_open());
                    self.forming.insert(RangeBar::begin(block, row))
                }
            };
            let time = &block.trades.time[..rows.end];
            let held = if self.rule.holds(time[rows.end - 1]) {
                rows.end
            } else {
                row + time[row..].partition_point(|&time| self.rule.holds(time))
            };
            let closing = self.rule.closing_row(bar, block, search..held);
            let end = closing.map_or(held, |closing| closing + 1);
            let taken = row..end;
            let contribution = block.contribution(taken.clone());
            bar.extend(block, taken.clone(), &contribution, unit)?;
            if let Some(ladder) = &mut ladder {
                ladder.add(block, taken);
            }
            if closing.is_some() {
                bar.close_reason = CloseReason::Threshold;
                if let Some((rule, windows)) = &mut windows {
                    windows.end(*rule, bar, block.first_row + end as u64);
                }
                emit(end - 1, bar, ladder.as_mut().map(|ladder| ladder.take()));
                self.closed += 1;
                self.forming = None;
            }
            row = end;
        }
        Ok(())
    }
}
