//! The statistics of a window by name, sets of them, and their values.

/// A statistic of the trades of a window (SPEC 6 and 7, and the times of the extremes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "SPEC 6 and 7 say what each is; the table of columns says it to users")]
pub enum Statistic {
    TradeCount,
    Ofi,
    DurationUs,
    Intensity,
    Vwap,
    VwapPosition,
    CountImbalance,
    KyleLambda,
    Burstiness,
    VolumeSkew,
    VolumeKurt,
    PriceRange,
    GarmanKlassVol,
    KaufmanEr,
    Hurst,
    PermutationEntropy,
    BullEpochDensity,
    BearEpochDensity,
    BullExcessGain,
    BearExcessGain,
    BullCv,
    BearCv,
    MaxDrawdown,
    MaxRunup,
    HighTime,
    LowTime,
}

/// Every statistic, in the order of the discriminants.
const ALL: [Statistic; 26] = [
    Statistic::TradeCount,
    Statistic::Ofi,
    Statistic::DurationUs,
    Statistic::Intensity,
    Statistic::Vwap,
    Statistic::VwapPosition,
    Statistic::CountImbalance,
    Statistic::KyleLambda,
    Statistic::Burstiness,
    Statistic::VolumeSkew,
    Statistic::VolumeKurt,
    Statistic::PriceRange,
    Statistic::GarmanKlassVol,
    Statistic::KaufmanEr,
    Statistic::Hurst,
    Statistic::PermutationEntropy,
    Statistic::BullEpochDensity,
    Statistic::BearEpochDensity,
    Statistic::BullExcessGain,
    Statistic::BearExcessGain,
    Statistic::BullCv,
    Statistic::BearCv,
    Statistic::MaxDrawdown,
    Statistic::MaxRunup,
    Statistic::HighTime,
    Statistic::LowTime,
];

/// Number of statistics.
const COUNT: usize = ALL.len();

/// A set of statistics, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics(u32);

impl Statistics {
    /// The set of some statistics.
    #[must_use]
    pub const fn of(some: &[Statistic]) -> Self {
        let mut set = 0;
        let mut index = 0;
        while index < some.len() {
            set |= 1 << some[index] as u32;
            index += 1;
        }
        Self(set)
    }

    /// With one statistic more.
    #[must_use]
    pub fn with(self, one: Statistic) -> Self {
        Self(self.0 | 1 << one as u32)
    }

    /// Whether a statistic is among them.
    #[must_use]
    pub fn has(self, one: Statistic) -> bool {
        self.0 & 1 << one as u32 != 0
    }

    /// Whether one of others is among them.
    #[must_use]
    pub fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// The statistics of the set, in their order.
    pub fn iter(self) -> impl Iterator<Item = Statistic> {
        ALL.into_iter().filter(move |&statistic| self.has(statistic))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Values of statistics of one window: those that are neither undefined nor left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Values {
    present: u32,
    /// Doubles and integers as their bits.
    bits: [u64; COUNT],
}

impl Values {
    /// Sets the bits of a value, or none where it is undefined.
    pub fn set(&mut self, statistic: Statistic, bits: Option<u64>) {
        if let Some(bits) = bits {
            self.set_bits(statistic as usize, bits);
        }
    }

    fn set_bits(&mut self, index: usize, bits: u64) {
        self.present |= 1 << index;
        self.bits[index] = bits;
    }

    /// A double, if it is defined.
    #[must_use]
    pub fn get(&self, statistic: Statistic) -> Option<f64> {
        self.get_bits(statistic).map(f64::from_bits)
    }

    /// An integer, if it is defined.
    #[must_use]
    pub fn get_integer(&self, statistic: Statistic) -> Option<i64> {
        self.get_bits(statistic).map(|bits| bits as i64)
    }

    fn get_bits(&self, statistic: Statistic) -> Option<u64> {
        let index = statistic as usize;
        (self.present >> index & 1 != 0).then(|| self.bits[index])
    }

    /// The bits of what is defined, with the index of each.
    pub(in crate::core) fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let there = (0..COUNT).filter(|index| self.present >> index & 1 != 0);
        there.map(|index| (index, self.bits[index]))
    }

    /// Which are defined, as bits.
    pub(in crate::core) fn present(&self) -> u32 {
        self.present
    }

    /// Values of which some are defined; the bits of each come in their order. `None` where more are than there can be.
    pub(in crate::core) fn load<E>(present: u32, mut next: impl FnMut() -> Result<u64, E>) -> Result<Option<Self>, E> {
        if present >> COUNT != 0 {
            return Ok(None);
        }
        let mut values = Self::default();
        for index in (0..COUNT).filter(|index| present >> index & 1 != 0) {
            values.set_bits(index, next()?);
        }
        Ok(Some(values))
    }
}
