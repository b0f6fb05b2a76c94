//! Leases on due work.

use async_trait::async_trait;

use super::StoreError;
use crate::addon::AddonRecord;
use crate::ids::NodeId;
use crate::names::ProviderName;
use crate::secret::{GuestState, SecretString, Seed};
use crate::time::StoreTime;
use crate::transition::Next;
use crate::work::Lease;

/// Work that has just been leased.
#[derive(Debug, Clone, PartialEq)]
pub enum Leased {
    /// An addon's next step: [`crate::Event::Woken`] has been applied in the same transaction, so that the intent is stored before
    /// the effect. `next` is always [`Next::Do`]; addons that needed nothing were put to rest on the way.
    Addon {
        /// The right to do it.
        lease: Lease,
        /// The addon as it is now.
        record: Box<AddonRecord>,
        /// The root of its passwords.
        seed: Seed,
        /// The passwords that its provider was given so far: each of its calls needs them.
        issued: Vec<SecretString>,
        /// Its provider's state, unless that is long: then it is to be asked for.
        state: Option<GuestState>,
        /// The step.
        next: Next,
    },
    /// Anything else.
    Other(Lease),
}

/// Due work.
#[async_trait]
pub trait WorkStore: Send + Sync + 'static {
    /// Leases up to `count_max` pieces of due work, round robin over providers, leaving out providers in `saturated`.
    async fn lease_due(
        &self,
        owner: NodeId,
        count_max: usize,
        saturated: Vec<ProviderName>,
    ) -> Result<Vec<Leased>, StoreError>;

    /// Renews leases; those that were lost come back.
    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, StoreError>;

    /// Gives a lease back without a result: the work is due again at `due`, or at once if that is earlier for another reason. Harmless for
    /// a lease that was lost; for one that a user's wish superseded, it says that the call has ended, so that the next may begin.
    async fn release(&self, lease: &Lease, due: StoreTime) -> Result<(), StoreError>;

    /// When the earliest work that can be leased is due, leaving out providers in `saturated`.
    async fn next_due(&self, saturated: Vec<ProviderName>) -> Result<Option<StoreTime>, StoreError>;

    /// Waits for commits that made work due, on whichever node, and for those on this one that planned it for later.
    fn watch_work(&self) -> Box<dyn super::Watcher>;
}
