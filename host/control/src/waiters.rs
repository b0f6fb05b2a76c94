//! People who wait for an addon to settle, woken by the node's own worker the moment it does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use larder_domain::AddonId;
use tokio::sync::Notify;

/// Who waits for what. Waiters that went away are forgotten at the next wake-up or registration for the same addon.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<AddonId, Arc<Notify>>>);

impl Waiters {
    /// Registers; read the addon's state only after this.
    pub(crate) fn register(&self, addon: AddonId) -> Arc<Notify> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(addon).or_default())
    }

    /// The addon has settled: it is ready or terminal.
    pub(crate) fn settled(&self, addon: AddonId) {
        if let Some(notify) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&addon) {
            notify.notify_waiters();
        }
    }

    /// Something has settled, and who knows what.
    pub(crate) fn wake_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|notify| notify.notify_waiters());
    }

    /// A waiter gave up.
    pub(crate) fn leave(&self, addon: AddonId, notify: &Arc<Notify>) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Two holders are the map and this waiter: nobody else waits.
        let is_ours = waiters.get(&addon).is_some_and(|found| Arc::ptr_eq(found, notify));
        if is_ours && Arc::strong_count(notify) <= 2 {
            waiters.remove(&addon);
        }
    }
}
