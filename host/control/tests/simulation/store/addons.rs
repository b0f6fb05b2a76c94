//! Addons and their work, with what has to hold of each single write.

use async_trait::async_trait;
use larder_domain::config::AddonConfig;
use larder_domain::history::StoredEntry;
use larder_domain::ids::NodeId;
use larder_domain::operation::Health;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::{
    AddonFilter, AddonStore, Applied, Change, Child, CreateRefusal, Created, Fence, Idempotency, InUse, Leased,
    NewAddon, ProtectRefusal, StoreError, StoredLog, UndeleteRefusal, Unless, Watcher, WorkStore,
};
use larder_domain::secret::Seed;
use larder_domain::work::{Lease, Subject, Token};
use larder_domain::{AddonId, AddonRecord, Grace, ProviderName, SecretString, StoreTime};

use super::{Kind, Shaky};
use crate::plants::Plant;

#[async_trait]
impl AddonStore for Shaky {
    async fn create_addon(&self, new: NewAddon) -> Result<Result<Created, CreateRefusal>, StoreError> {
        let id = new.spec.id;
        self.around("create_addon", Kind::Writes(Some(id)), self.inner.create_addon(new)).await
    }

    async fn apply(&self, change: Change) -> Result<Applied, StoreError> {
        let (id, what) = (change.addon, change.event.name());
        let write = async {
            let holds = match &change.fence {
                Fence::Lease(lease) => self.inner.holds(id, lease.token).await?,
                Fence::User => true,
            };
            let unfenced = (self.world.plant == Some(Plant::NoFence)).then(|| change.clone());
            let mut done = self.inner.apply(change).await;
            if let (Err(StoreError::Fenced), Some(change)) = (&done, unfenced) {
                done = self.inner.apply(Change { fence: Fence::User, ..change }).await;
            }
            match &done {
                Ok(applied) => self.world.say(Some(id), format_args!("{what} -> {:?}", applied.next)),
                Err(error) => self.world.say(Some(id), format_args!("{what}: {error}")),
            }
            self.world.holds("no_late_write", done.is_err() || holds, || format!("{what} was stored without a lease"));
            done
        };
        self.around("apply", Kind::Writes(Some(id)), write).await
    }

    async fn undelete(
        &self,
        id: AddonId,
        app_addons_max: u64,
    ) -> Result<Result<AddonRecord, UndeleteRefusal>, StoreError> {
        let write = async {
            let done = self.inner.undelete(id, app_addons_max).await;
            if matches!(done, Ok(Ok(_))) {
                self.world
                    .state()
                    .seen
                    .entry(id)
                    .and_modify(|seen| (seen.is_had_back, seen.was_had_back) = (true, true));
            }
            done
        };
        self.around("undelete", Kind::Writes(Some(id)), write).await
    }

    async fn delete_addon(
        &self,
        id: AddonId,
        grace: Option<Grace>,
        unless: Unless,
    ) -> Result<Result<Applied, InUse>, StoreError> {
        let write = async {
            if self.world.plant == Some(Plant::DeleteForgotten)
                && let Some(record) = self.inner.addon(id).await?
            {
                let next = larder_domain::Next::Unchanged;
                return Ok(Ok(Applied { addon: record.addon, updated_at: record.updated_at, next }));
            }
            self.inner.delete_addon(id, grace, unless).await
        };
        self.around("delete_addon", Kind::Writes(Some(id)), write).await
    }

    async fn created_before(
        &self,
        idempotency: &Idempotency,
    ) -> Result<Result<Option<AddonRecord>, CreateRefusal>, StoreError> {
        self.around("created_before", Kind::Reads, self.inner.created_before(idempotency)).await
    }

    async fn protect(&self, id: AddonId, protected: bool) -> Result<Result<AddonRecord, ProtectRefusal>, StoreError> {
        self.around("protect", Kind::Writes(Some(id)), self.inner.protect(id, protected)).await
    }

    async fn addon(&self, id: AddonId) -> Result<Option<AddonRecord>, StoreError> {
        self.around("addon", Kind::Reads, self.inner.addon(id)).await
    }

    async fn addons(&self, filter: AddonFilter) -> Result<Vec<AddonRecord>, StoreError> {
        self.around("addons", Kind::Reads, self.inner.addons(filter)).await
    }

    async fn addon_config(&self, id: AddonId) -> Result<Option<AddonConfig>, StoreError> {
        self.around("addon_config", Kind::Reads, self.inner.addon_config(id)).await
    }

    async fn issued(&self, id: AddonId) -> Result<Vec<SecretString>, StoreError> {
        self.around("issued", Kind::Reads, self.inner.issued(id)).await
    }

    async fn children(&self, id: AddonId) -> Result<Vec<Child>, StoreError> {
        self.around("children", Kind::Reads, self.inner.children(id)).await
    }

    async fn seed(&self, id: AddonId) -> Result<Option<Seed>, StoreError> {
        self.around("seed", Kind::Reads, self.inner.seed(id)).await
    }

    async fn guest_state(&self, id: AddonId) -> Result<GuestState, StoreError> {
        self.around("guest_state", Kind::Reads, self.inner.guest_state(id)).await
    }

    async fn transfer(&self, id: AddonId) -> Result<Option<SecretString>, StoreError> {
        self.around("transfer", Kind::Reads, self.inner.transfer(id)).await
    }

    async fn operating(&self) -> Result<Vec<AddonId>, StoreError> {
        self.around("operating", Kind::Reads, self.inner.operating()).await
    }

    async fn note_health(&self, id: AddonId, health: Health) -> Result<(), StoreError> {
        self.around("note_health", Kind::Writes(Some(id)), self.inner.note_health(id, health)).await
    }

    async fn checkpoint(&self, lease: &Lease, id: AddonId, state: &GuestState) -> Result<(), StoreError> {
        self.around("checkpoint", Kind::Writes(Some(id)), self.inner.checkpoint(lease, id, state)).await
    }

    async fn holds(&self, id: AddonId, token: Token) -> Result<bool, StoreError> {
        self.around("holds", Kind::Reads, self.inner.holds(id, token)).await
    }

    async fn history(
        &self,
        addon: Option<AddonId>,
        after: u64,
        count_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.around("history", Kind::Reads, self.inner.history(addon, after, count_max)).await
    }

    async fn log(&self, addon: AddonId, after: u64, count_max: usize) -> Result<Vec<StoredLog>, StoreError> {
        self.around("log", Kind::Reads, self.inner.log(addon, after, count_max)).await
    }

    fn watch_history(&self) -> Box<dyn Watcher> {
        self.watcher(self.inner.watch_history())
    }
}

#[async_trait]
impl WorkStore for Shaky {
    async fn lease_due(
        &self,
        owner: NodeId,
        count_max: usize,
        saturated: Vec<ProviderName>,
    ) -> Result<Vec<Leased>, StoreError> {
        let write = async {
            let mut leased = self.inner.lease_due(owner, count_max, saturated).await?;
            if self.world.plant == Some(Plant::WorkHidden) {
                leased.retain(
                    |work| !matches!(work, Leased::Addon { record, .. } if self.world.number(record.spec.id) == 2),
                );
            }
            for work in &leased {
                match work {
                    Leased::Addon { record, next, .. } => {
                        let by = (self.world.node, self.world.life);
                        self.world.state().holders.insert(record.spec.id, by);
                        self.world.say(Some(record.spec.id), format_args!("leased for {next:?}"));
                    }
                    Leased::Other(Lease { subject: Subject::Objects(addon), .. }) => {
                        self.world.say(Some(*addon), "leased for its objects");
                    }
                    Leased::Other(lease) => self.world.say(None, format_args!("leased {}", lease.subject)),
                }
            }
            Ok(leased)
        };
        self.around("lease_due", Kind::Writes(None), write).await
    }

    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, StoreError> {
        let forgotten: &[Lease] = if self.world.plant == Some(Plant::RenewalForgotten) { &[] } else { leases };
        self.around("renew", Kind::Writes(None), self.inner.renew(forgotten)).await
    }

    async fn release(&self, lease: &Lease, due: StoreTime) -> Result<(), StoreError> {
        self.around("release", Kind::Writes(None), self.inner.release(lease, due)).await
    }

    async fn next_due(&self, saturated: Vec<ProviderName>) -> Result<Option<StoreTime>, StoreError> {
        self.around("next_due", Kind::Reads, self.inner.next_due(saturated)).await
    }

    fn watch_work(&self) -> Box<dyn Watcher> {
        self.watcher(self.inner.watch_work())
    }
}
