//! How far the checks of versions have come on this node: for whoever waits. Nothing depends on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_domain::Digest;
use larder_domain::provider::CheckStage;

use crate::Control;

/// The checks under way.
#[derive(Debug, Default)]
pub(crate) struct Checks(Mutex<HashMap<Digest, CheckStage>>);

/// A check under way, which is forgotten with this.
pub(crate) struct Check {
    checks: Arc<Checks>,
    digest: Digest,
}

impl Checks {
    /// One begins.
    pub(crate) fn begin(self: &Arc<Self>, digest: Digest) -> Check {
        let check = Check { checks: Arc::clone(self), digest };
        check.is(CheckStage::Compiling);
        check
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, CheckStage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// It has come so far.
    pub(crate) fn is(&self, stage: CheckStage) {
        self.checks.lock().insert(self.digest, stage);
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.checks.lock().remove(&self.digest);
    }
}

impl Control {
    /// How far the check of a version that is being checked has come, as far as this node knows.
    #[must_use]
    pub fn check_stage(&self, digest: Digest) -> CheckStage {
        self.checks.lock().get(&digest).copied().unwrap_or(CheckStage::Waiting)
    }
}
