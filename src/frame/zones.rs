//! The clocks of places, from the database that this library was built with: so the same version makes the same bars on
//! every machine, and its clocks are those of Polars.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::core::Zone;

const DAY: i64 = 86_400;

/// Days since 1970 between which the changes of clocks are looked for: 1800, before the first time zone, to 2101. The
/// database foretells changes up to 2099.
const DAYS: std::ops::Range<i64> = -62_091..47_847;

/// The zones that were asked for. They are never forgotten; there are a few hundred.
static KNOWN: LazyLock<Mutex<HashMap<Tz, &'static Zone>>> = LazyLock::new(Mutex::default);

/// The clock of a time zone by its name; `None` if there is no such zone.
pub fn zone(name: &str) -> Option<&'static Zone> {
    let tz: Tz = name.parse().ok()?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(zone) = known.get(&tz) {
        return Some(zone);
    }
    let zone: &'static Zone = Box::leak(Box::new(read(tz)?));
    known.insert(tz, zone);
    Some(zone)
}

/// Asks for the clock once a day, which no change has followed another one within, and then for the second of each
/// change.
fn read(tz: Tz) -> Option<Zone> {
    let before = ahead(tz, DAYS.start * DAY)?;
    let (mut changes, mut last) = (Vec::new(), before);
    for day in DAYS {
        let (mut low, mut high) = (day * DAY, (day + 1) * DAY);
        let now = ahead(tz, high)?;
        if now == last {
            continue;
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if ahead(tz, middle)? == last { low = middle } else { high = middle }
        }
        changes.push((high, now));
        last = now;
    }
    Zone::new(before, changes)
}

/// Seconds by which a clock is ahead at an instant.
fn ahead(tz: Tz, second: i64) -> Option<i64> {
    let instant = DateTime::from_timestamp(second, 0)?.naive_utc();
    Some(tz.offset_from_utc_datetime(&instant).fix().local_minus_utc().into())
}
