//! Two kinds of time that must never be mixed.

mod shown;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds on the store's own clock, the clock of due work, leases and deadlines. It only runs
/// forward, goes on over restarts, and has nothing to do with the time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct StoreTime(pub u64);

impl StoreTime {
    /// This moment and so many milliseconds more.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 if it is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long it is from `now` until this moment; zero if it is past.
    #[must_use]
    pub const fn after(self, now: Self) -> Duration {
        Duration::from_millis(self.since_ms(now))
    }
}

/// Milliseconds since 1970 as the machine's clock tells them: shown to people, never decided upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime(pub i64);

impl WallTime {
    /// This moment and so many milliseconds more.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms))
    }
}
