//! How often containers were started again, so that one that ends at once does not keep its engine busy.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use larder_domain::AddonId;
use larder_domain::docker::LocalName;
use larder_domain::retry::Backoff;
use tokio::time::{Duration, Instant};

/// The pauses between starts.
const PAUSES: Backoff = Backoff { first_ms: 500, longest_ms: 60_000 };
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
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > REMEMBERED_MAX {
            all.clear();
        }
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

    /// The container is not wanted any more.
    pub(crate) fn forget(&self, addon: AddonId, name: &LocalName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(addon, name.clone()));
    }
}
