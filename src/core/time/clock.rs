//! The unit of a clock.

/// Unit of the integers in a time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
}

impl TimeUnit {
    /// The unit's short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }

    /// Nanoseconds in one unit.
    #[must_use]
    pub fn nanoseconds(self) -> i128 {
        match self {
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }

    /// Units in a second.
    #[must_use]
    pub fn per_second(self) -> i64 {
        self.per_day() / 86_400
    }

    /// Units in a day.
    #[must_use]
    pub fn per_day(self) -> i64 {
        match self {
            Self::Milliseconds => 86_400_000,
            Self::Microseconds => 86_400_000_000,
            Self::Nanoseconds => 86_400_000_000_000,
        }
    }

    /// The span from `start` to `end` in whole microseconds (nanoseconds are truncated); `None` if 64 bits cannot hold
    /// it.
    #[must_use]
    pub fn span_us(self, start: i64, end: i64) -> Option<i64> {
        let span = i128::from(end) - i128::from(start);
        let us = match self {
            Self::Milliseconds => span * 1_000,
            Self::Microseconds => span,
            Self::Nanoseconds => span / 1_000,
        };
        i64::try_from(us).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_truncate_nanoseconds_and_never_wrap() {
        assert_eq!(TimeUnit::Nanoseconds.span_us(0, 1_999), Some(1));
        assert_eq!(TimeUnit::Milliseconds.span_us(1, 3), Some(2_000));
        assert_eq!(TimeUnit::Microseconds.span_us(i64::MIN, i64::MAX), None);
        assert_eq!(TimeUnit::Milliseconds.span_us(0, i64::MAX), None);
    }
}
