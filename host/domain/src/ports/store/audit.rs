//! What was done to providers. Written by the transactions that do it; here it is only read.

use async_trait::async_trait;

use super::StoreError;
use crate::audit::AuditEntry;
use crate::names::ProviderName;

/// The audit log.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Entries, the newest first: of one provider or of all, from before the one with this number on.
    async fn audit(
        &self,
        provider: Option<ProviderName>,
        before: Option<u64>,
        count_max: usize,
    ) -> Result<Vec<AuditEntry>, StoreError>;
}
