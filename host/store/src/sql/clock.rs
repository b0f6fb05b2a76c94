//! The store's own time. It starts where the last commit of the last run left it and goes on by the machine's monotonic
//! clock, so it never goes back, and neither a jump of the time of day nor a night switched off moves it.
//!
//! Every group that stores anything stores the time with it, so no stored time can lie ahead of the clock after a restart.
//! What passed between the last commit and a crash is lost: something due waits that much longer, at most
//! [`CLOCK_SAVE_MS`] and the time without any job.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder_domain::{StoreTime, WallTime};

use crate::Clock;

/// How often the time alone is stored while nothing else is, in milliseconds.
pub(super) const CLOCK_SAVE_MS: u64 = 5_000;

#[derive(Clone)]
pub(super) struct StoreClock {
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Known>>,
}

/// A moment that is known.
struct Known {
    /// The store's time when it was opened, or when it was last heard of.
    base: StoreTime,
    /// The clock's then.
    start: Duration,
    /// The latest that anybody was told: it never goes back.
    told: StoreTime,
}

impl StoreClock {
    /// Goes on from the last time that was stored.
    pub(super) fn resume(clock: Arc<dyn Clock>, base: StoreTime) -> Self {
        let start = clock.elapsed();
        Self { clock, known: Arc::new(Mutex::new(Known { base, start, told: base })) }
    }

    pub(super) fn now(&self) -> StoreTime {
        let mut known = self.known();
        let elapsed = self.clock.elapsed().saturating_sub(known.start);
        let now = known.base.plus_ms(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        known.told = known.told.max(now);
        known.told
    }

    /// Goes on from what the time is where it is kept for several nodes.
    pub(super) fn hear(&self, now: StoreTime) {
        let mut known = self.known();
        (known.base, known.start) = (now, self.clock.elapsed());
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wall(&self) -> WallTime {
        self.clock.wall()
    }
}
