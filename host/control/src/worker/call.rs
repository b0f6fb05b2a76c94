//! What one call may reach of the host: its own addon's state, as long as it holds the lease.

use std::sync::Arc;

use async_trait::async_trait;
use larder_domain::AddonId;
use larder_domain::ports::runtime::{CallContext, ContextError, GuestState};
use larder_domain::ports::{Store, StoreError};
use larder_domain::work::Lease;

pub(super) struct Context {
    pub(super) store: Arc<dyn Store>,
    pub(super) addon: AddonId,
    pub(super) lease: Lease,
}

#[async_trait]
impl CallContext for Context {
    async fn load_state(&self) -> Result<GuestState, ContextError> {
        self.store.guest_state(self.addon).await.map_err(context_error)
    }

    async fn checkpoint(&self, state: &GuestState) -> Result<(), ContextError> {
        self.store.checkpoint(&self.lease, self.addon, state).await.map_err(context_error)
    }
}

fn context_error(error: StoreError) -> ContextError {
    match error {
        StoreError::Fenced => ContextError::Superseded,
        // The cause is the operator's to know, not the guest's.
        other => {
            tracing::warn!(error = %other, "a guest's state could not be reached");
            ContextError::Unavailable("the host's store failed".into())
        }
    }
}
