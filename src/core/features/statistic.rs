//! Sets of statistics, and their values.

pub use super::table::{Definition, Kind, Need, Statistic};
use crate::core::checkpoint::{CheckpointError, Put, Reader};
use crate::core::error::Role;

/// One more than the largest code.
const CODES: usize = {
    let (mut most, mut index) = (0, 0);
    while index < Statistic::ALL.len() {
        if Statistic::ALL[index].code() >= most {
            most = Statistic::ALL[index].code() + 1;
        }
        index += 1;
    }
    most as usize
};

const _: () = assert!(CODES <= u32::BITS as usize, "sets need more bits, and checkpoints a new version");

/// A set of statistics. The bit of a statistic is at the place of its code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics(u32);

impl Statistics {
    /// Every statistic.
    pub const ALL: Self = Self::of(&Statistic::ALL);

    /// The set of some statistics.
    #[must_use]
    pub const fn of(some: &[Statistic]) -> Self {
        let mut set = Self(0);
        let mut index = 0;
        while index < some.len() {
            set = set.with(some[index]);
            index += 1;
        }
        set
    }

    /// The statistics with this need.
    #[must_use]
    pub const fn needing(need: Need) -> Self {
        let mut set = Self(0);
        let mut index = 0;
        while index < Statistic::ALL.len() {
            if Statistic::ALL[index].definition().need as u8 == need as u8 {
                set = set.with(Statistic::ALL[index]);
            }
            index += 1;
        }
        set
    }

    /// The statistics that read a column of the trades.
    #[must_use]
    pub const fn reading(column: Role) -> Self {
        let mut set = Self(0);
        let mut index = 0;
        while index < Statistic::ALL.len() {
            let reads = Statistic::ALL[index].definition().reads;
            let mut read = 0;
            while read < reads.len() {
                if reads[read] as u8 == column as u8 {
                    set = set.with(Statistic::ALL[index]);
                }
                read += 1;
            }
            index += 1;
        }
        set
    }

    /// With one statistic more.
    #[must_use]
    pub const fn with(self, one: Statistic) -> Self {
        Self(self.0 | 1 << one.code())
    }

    /// The statistics that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The statistics that are not in another set.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a statistic is among them.
    #[must_use]
    pub const fn has(self, one: Statistic) -> bool {
        self.0 & 1 << one.code() != 0
    }

    /// Whether one of others is among them.
    #[must_use]
    pub const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// The statistics of the set, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Statistic> {
        Statistic::ALL.into_iter().filter(move |&statistic| self.has(statistic))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A value of a statistic, with one variant for each [`Kind`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A number of rows.
    Count(u64),
    /// Whole microseconds.
    Microseconds(i64),
    /// An instant on the clock of the trades.
    Time(i64),
    /// A double.
    Float(f64),
}

impl Value {
    fn kind(self) -> Kind {
        match self {
            Self::Count(_) => Kind::Count,
            Self::Microseconds(_) => Kind::Microseconds,
            Self::Time(_) => Kind::Time,
            Self::Float(_) => Kind::Float,
        }
    }

    fn to_bits(self) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Microseconds(integer) | Self::Time(integer) => integer as u64,
            Self::Float(double) => double.to_bits(),
        }
    }
}

/// Values of statistics of one window: those that are neither undefined nor left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Values {
    present: Statistics,
    /// The bits of each at the place of its code.
    bits: [u64; CODES],
}

impl Values {
    /// Sets a value, or none where it is undefined.
    pub fn set(&mut self, statistic: Statistic, value: Option<Value>) {
        if let Some(value) = value {
            debug_assert_eq!(value.kind(), statistic.definition().kind, "{statistic:?}");
            self.set_bits(statistic.code().into(), value.to_bits());
        }
    }

    fn set_bits(&mut self, code: usize, bits: u64) {
        self.present.0 |= 1 << code;
        self.bits[code] = bits;
    }

    /// A double, if it is defined.
    #[must_use]
    pub fn get(&self, statistic: Statistic) -> Option<f64> {
        debug_assert_eq!(statistic.definition().kind, Kind::Float, "{statistic:?}");
        self.get_bits(statistic).map(f64::from_bits)
    }

    /// An integer, if it is defined.
    #[must_use]
    pub fn get_integer(&self, statistic: Statistic) -> Option<i64> {
        debug_assert_ne!(statistic.definition().kind, Kind::Float, "{statistic:?}");
        self.get_bits(statistic).map(|bits| bits as i64)
    }

    fn get_bits(&self, statistic: Statistic) -> Option<u64> {
        self.present.has(statistic).then(|| self.bits[usize::from(statistic.code())])
    }

    /// Writes the set of those that are defined, then the bits of each in the order of the codes.
    pub(in crate::core) fn save(&self, out: &mut Vec<u8>) {
        out.put(self.present.0);
        self.codes().for_each(|code| out.put(self.bits[code]));
    }

    /// Reads what [`Values::save`] wrote.
    ///
    /// # Errors
    ///
    /// The bytes end too soon, or hold a code that no statistic has.
    pub(in crate::core) fn load(from: &mut Reader<'_>) -> Result<Self, CheckpointError> {
        let present = Statistics(from.take()?);
        if !present.without(Statistics::ALL).is_empty() {
            return Err(CheckpointError::Impossible);
        }
        let mut values = Self { present, ..Self::default() };
        for code in values.codes() {
            values.bits[code] = from.take()?;
        }
        Ok(values)
    }

    /// The codes of those that are defined, in rising order.
    fn codes(&self) -> impl Iterator<Item = usize> + use<> {
        let present = self.present.0;
        (0..CODES).filter(move |code| present >> code & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a window in version 1 of checkpoints: the set of the codes 2, 3 and 14, then their values.
    const VERSION_1: [u8; 28] = [
        0b0000_1100,
        0b0100_0000,
        0,
        0, //
        0x40,
        0x42,
        0x0f,
        0,
        0,
        0,
        0,
        0, // 1,000,000
        0,
        0,
        0,
        0,
        0,
        0,
        0x04,
        0x40, // 2.5
        0,
        0,
        0,
        0,
        0,
        0,
        0xe0,
        0x3f, // 0.5
    ];

    #[test]
    fn the_bytes_of_a_checkpoint_keep_their_meaning() {
        let mut from = Reader::new(&VERSION_1);
        let values = Values::load(&mut from).expect("bytes that were written");
        assert!(from.is_empty());
        assert_eq!(values.get_integer(Statistic::DurationUs), Some(1_000_000));
        assert_eq!(values.get(Statistic::Intensity), Some(2.5));
        assert_eq!(values.get(Statistic::Hurst), Some(0.5));
        assert_eq!(values.codes().collect::<Vec<_>>(), [2, 3, 14]);
        let mut written = Values::default();
        written.set(Statistic::Hurst, Some(Value::Float(0.5)));
        written.set(Statistic::DurationUs, Some(Value::Microseconds(1_000_000)));
        written.set(Statistic::Intensity, Some(Value::Float(2.5)));
        written.set(Statistic::Ofi, None);
        let mut out = vec![];
        written.save(&mut out);
        assert_eq!((written, &out[..]), (values, &VERSION_1[..]));
    }

    #[test]
    fn a_code_that_no_statistic_has_is_refused() {
        for code in 0..u32::BITS {
            let bytes = [&(1_u32 << code).to_le_bytes()[..], &[0; 8]].concat();
            let is_known = Statistic::ALL.iter().any(|statistic| u32::from(statistic.code()) == code);
            let expected = if is_known { None } else { Some(CheckpointError::Impossible) };
            assert_eq!(Values::load(&mut Reader::new(&bytes)).err(), expected, "{code}");
            let short = Values::load(&mut Reader::new(&bytes[..11])).err();
            assert_eq!(short, expected.or(Some(CheckpointError::Truncated)), "{code}");
        }
    }

    #[test]
    fn sets_follow_from_the_table() {
        for statistic in Statistic::ALL {
            let definition = statistic.definition();
            let needs = [Need::Totals, Need::Turnover, Need::Sells, Need::Path, Need::Patterns, Need::Rows];
            for need in needs {
                let is_needed = Statistics::needing(need).has(statistic);
                assert_eq!(is_needed, definition.need == need, "{statistic:?} {need:?}");
            }
            for column in [Role::Quantity, Role::IsBuyerMaker] {
                let reads = definition.reads.contains(&column);
                assert_eq!(Statistics::reading(column).has(statistic), reads, "{statistic:?} {column:?}");
            }
        }
        assert!(Statistics::ALL.iter().eq(Statistic::ALL));
    }
}
