//! The time in which a deleted addon can be had back: what it holds is kept until it is over, and then cleaned up.
//!
//! It is fixed when the addon is deleted. What the operator says later is about addons that are deleted later.

use crate::time::{StoreTime, WallTime};

/// Until when what a deleted addon holds is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// The moment that decides.
    pub until: StoreTime,
    /// The same for people. The store's clock stands still while the host is off, so it may well be kept longer.
    pub shown: WallTime,
}

impl Grace {
    /// The longest that an operator may give, in milliseconds.
    pub const MS_MAX: u64 = 30 * 24 * 3_600_000;

    /// What is left at least after an addon could not be had back, in milliseconds.
    pub const AGAIN_MS: u64 = 24 * 3_600_000;

    /// So many milliseconds from now, at most [`Grace::MS_MAX`]; none at all for zero.
    #[must_use]
    pub fn of(ms: u64, now: StoreTime, wall: WallTime) -> Option<Self> {
        let ms = ms.min(Self::MS_MAX);
        (ms > 0).then(|| Self { until: now.plus_ms(ms), shown: wall.plus_ms(ms) })
    }

    /// Put off, if it would end before [`Grace::AGAIN_MS`] have passed.
    #[must_use]
    pub fn prolonged(self, now: StoreTime) -> Self {
        let until = self.until.max(now.plus_ms(Self::AGAIN_MS));
        Self { until, shown: self.shown.plus_ms(until.since_ms(self.until)) }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self, now: StoreTime) -> bool {
        self.until <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_bounded_and_ends_at_its_moment() {
        let of = |ms| Grace::of(ms, StoreTime(10), WallTime(1_000));
        assert_eq!(of(0), None);
        assert_eq!(of(5), Some(Grace { until: StoreTime(15), shown: WallTime(1_005) }));
        assert_eq!(of(u64::MAX), of(Grace::MS_MAX));
        let [before, after] = [14, 15].map(|now| of(5).unwrap().is_over(StoreTime(now)));
        assert!(!before && after);
    }

    #[test]
    fn a_grace_is_prolonged_to_a_day_and_never_cut_short() {
        let of = |until, shown| Grace { until: StoreTime(until), shown: WallTime(shown) };
        let day = Grace::AGAIN_MS;
        let end = of(day, 500);
        assert_eq!(end.prolonged(StoreTime(0)), end);
        assert_eq!(end.prolonged(StoreTime(30)), of(day + 30, 530));
        assert_eq!(end.prolonged(StoreTime(2 * day)), of(3 * day, 500 + 2 * i64::try_from(day).unwrap()));
    }
}
