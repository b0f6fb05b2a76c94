//! What this node is doing now: the leases it must renew, and the calls it may have to drop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_domain::AddonId;
use larder_domain::work::{Lease, Subject};
use tokio::sync::Notify;

use super::Stop;

/// The node's leases, each with the means to stop its work.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<HashMap<Subject, (Lease, Stop)>>);

impl Running {
    /// Work has begun under this lease.
    pub(crate) fn begin(&self, lease: Lease) -> Stop {
        let stop = Arc::new(Notify::new());
        self.lock().insert(lease.subject.clone(), (lease, Arc::clone(&stop)));
        stop
    }

    /// Work has ended.
    pub(crate) fn end(&self, lease: &Lease) {
        let mut running = self.lock();
        // The same subject may have been leased again meanwhile.
        if running.get(&lease.subject).is_some_and(|(held, _)| held.token == lease.token) {
            running.remove(&lease.subject);
        }
    }

    /// Drops the addon's call, if one is under way here.
    pub(crate) fn cancel(&self, addon: AddonId) {
        self.stop(&Subject::Addon(addon));
    }

    /// Drops the call about this subject.
    pub(crate) fn stop(&self, subject: &Subject) {
        if let Some((_, stop)) = self.lock().get(subject) {
            // One permit is kept, so that it is not lost on work that has not begun to listen.
            stop.notify_one();
        }
    }

    /// Every lease that is held.
    pub(crate) fn all(&self) -> Vec<Lease> {
        self.lock().values().map(|(lease, _)| lease.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, (Lease, Stop)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
