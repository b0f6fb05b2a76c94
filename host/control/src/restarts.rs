//! How often containers were started again, and their images asked for in vain, so that neither one that ends at once nor a registry
//! that is down keeps an engine busy.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_domain::AddonId;
use larder_domain::docker::LocalName;
use larder_domain::retry::Backoff;
use tokio::time::{Duration, Instant};

/// The pauses between starts.
const PAUSES: Backoff = Backoff { first_ms: 500, longest_ms: 60_000 };
/// The pauses after pulls that failed.
const PULL_PAUSES: Backoff = Backoff { first_ms: 2_000, longest_ms: 60_000 };
/// A container that has run for so long has recovered.
const RECOVERED_AFTER: Duration = Duration::from_secs(120);
/// Containers that are remembered; beyond that, all are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Whether a container may be started again.
pub(crate) enum Due {
    /// It may.
    Now,
    /// In so many milliseconds.
    In(u64),
}

/// What this node remembers of it.
#[derive(Debug, Default)]
pub(crate) struct Restarts(Mutex<HashMap<(AddonId, LocalName), (u32, Instant)>>);

impl Restarts {
    /// Whether a container that has ended may be started again. If so, that is counted.
    pub(crate) fn due(&self, addon: AddonId, name: &LocalName) -> Due {
        let mut all = self.all();
        let now = Instant::now();
        let (count, last) = all.entry((addon, name.clone())).or_insert((0, now));
        let since = now.duration_since(*last);
        if since > RECOVERED_AFTER {
            *count = 0;
        }
        let pause = Duration::from_millis(if *count == 0 { 0 } else { PAUSES.wait_ms(*count) });
        if since < pause {
            return Due::In(u64::try_from((pause - since).as_millis()).unwrap_or(u64::MAX).max(1));
        }
        (*count, *last) = (*count + 1, now);
        Due::Now
    }

    /// A pull of its image has failed: in how many milliseconds it may be tried again.
    pub(crate) fn not_pulled(&self, addon: AddonId, name: &LocalName) -> u64 {
        let mut all = self.all();
        let (count, last) = all.entry((addon, name.clone())).or_insert((0, Instant::now()));
        (*count, *last) = (count.saturating_add(1), Instant::now());
        PULL_PAUSES.wait_ms(*count)
    }

    /// The container is not wanted any more, or its image is there.
    pub(crate) fn forget(&self, addon: AddonId, name: &LocalName) {
        self.all().remove(&(addon, name.clone()));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(AddonId, LocalName), (u32, Instant)>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > REMEMBERED_MAX {
            all.clear();
        }
        all
    }
}
