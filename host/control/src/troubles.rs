//! What keeps addons' objects from being what they are to be: told when it is news, and tried again after longer and longer pauses.
//! An engine that answers wrongly for a day fills no log.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder_domain::AddonId;
use larder_domain::retry::Backoff;

/// Troubles that are remembered; beyond that, all are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// How long what concerns engines is left alone.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// The installation's network when nothing is in it: who comes meanwhile need not wait for another one.
    pub empty_network: Duration,
    /// An app's network that there was not, in milliseconds: engines say nothing of those that are not Larder's own.
    pub no_network_ms: u64,
    /// What failed on an engine.
    pub failed: Backoff,
}

impl Default for Pauses {
    fn default() -> Self {
        let failed = Backoff { first_ms: 2_000, longest_ms: 30_000 };
        Self { empty_network: Duration::from_secs(5), no_network_ms: 5_000, failed }
    }
}

impl Pauses {
    /// How long an engine that failed itself is left alone: whoever asks it is one, and all wait for what they hear.
    pub(crate) const fn engine(&self) -> Duration {
        Duration::from_millis(self.failed.first_ms)
    }
}

/// What this node remembers of it.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Mutex<HashMap<AddonId, (u32, String)>>);

impl Troubles {
    /// A try has failed: how often in a row by now, and whether the reason is news.
    pub(crate) fn met(&self, addon: AddonId, why: &str) -> (u32, bool) {
        let mut all = self.all();
        let (count, told) = all.entry(addon).or_default();
        *count = count.saturating_add(1);
        let is_news = told != why;
        why.clone_into(told);
        (*count, is_news)
    }

    /// There is nothing left to be done.
    pub(crate) fn over(&self, addon: AddonId) {
        self.all().remove(&addon);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AddonId, (u32, String)>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > REMEMBERED_MAX {
            all.clear();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_over_and_over_is_told_once() {
        let (troubles, addon) = (Troubles::default(), AddonId::generate());
        assert_eq!(troubles.met(addon, "500"), (1, true));
        assert_eq!(troubles.met(addon, "500"), (2, false));
        assert_eq!(troubles.met(addon, "404"), (3, true));
        assert_eq!(troubles.met(AddonId::generate(), "404"), (1, true));
        troubles.over(addon);
        assert_eq!(troubles.met(addon, "404"), (1, true));
    }

    #[test]
    fn memory_is_bounded() {
        let troubles = Troubles::default();
        for _ in 0..REMEMBERED_MAX * 2 {
            troubles.met(AddonId::generate(), "500");
            assert!(troubles.0.lock().unwrap().len() <= REMEMBERED_MAX + 1);
        }
    }
}
