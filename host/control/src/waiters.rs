//! People who wait for an addon to settle, woken by the node's own worker the moment it does, and told what it is then if that is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use larder_domain::{AddonId, AddonRecord};
use tokio::sync::Notify;

/// Who waits for what. Waiters that went away are forgotten at the next wake-up or registration for the same addon.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<AddonId, Arc<Waiting>>>);

/// Those who wait for one addon.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) woken: Notify,
    /// The addon as the worker left it. What others have changed beside that is not in it.
    pub(crate) settled: OnceLock<AddonRecord>,
}

impl Waiters {
    /// Registers; read the addon's state only after this.
    pub(crate) fn register(&self, addon: AddonId) -> Arc<Waiting> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(addon).or_default())
    }

    /// The addon has settled: it is ready or terminal. `record` says what it is, if that is known without looking.
    pub(crate) fn settled(&self, addon: AddonId, record: impl FnOnce() -> Option<AddonRecord>) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&addon);
        if let Some(waiting) = waiting {
            if let Some(record) = record() {
                // It was in the map, from which what settles is taken: so nobody has said so before.
                let _first = waiting.settled.set(record);
            }
            waiting.woken.notify_waiters();
        }
    }

    /// Something has settled, and who knows what.
    pub(crate) fn wake_all(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .for_each(|waiting| waiting.woken.notify_waiters());
    }

    /// A waiter gave up.
    pub(crate) fn leave(&self, addon: AddonId, waiting: &Arc<Waiting>) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Two holders are the map and this waiter: nobody else waits.
        let is_ours = waiters.get(&addon).is_some_and(|found| Arc::ptr_eq(found, waiting));
        if is_ours && Arc::strong_count(waiting) <= 2 {
            waiters.remove(&addon);
        }
    }
}
