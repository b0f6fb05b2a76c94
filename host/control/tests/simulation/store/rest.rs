//! Apps, engines, objects, providers and the audit log.

use std::collections::BTreeMap;

use async_trait::async_trait;
use larder_domain::audit::AuditEntry;
use larder_domain::docker::LocalName;
use larder_domain::engines::{EngineWish, Placement};
use larder_domain::grants::Permission;
use larder_domain::history::Entry;
use larder_domain::limits::ProviderLimits;
use larder_domain::manifest::Manifest;
use larder_domain::ports::store::{
    AddRefusal, AddedEngine, AppRefusal, AppStore, AppVariable, AuditStore, Cascade, CheckOutcome, ConfigPatch,
    EngineStore, Inhabited, NewEngine, NoPort, ObjectOwner, ObjectStore, PatchRefusal, Phase, PortMap, ProviderStore,
    Publish, RemoveRefusal, RevisionChanged, StoreError, StoredObject, UploadOutcome, Watcher,
};
use larder_domain::provider::Provider;
use larder_domain::quota::{AppUse, PlanQuota};
use larder_domain::work::Lease;
use larder_domain::{
    AddonId, AppName, Digest, EngineName, NetworkName, PlanName, ProviderName, SecretString, StoreTime,
};

use super::{Kind, Shaky};

#[async_trait]
impl AppStore for Shaky {
    async fn create_app(&self, app: &AppName) -> Result<bool, StoreError> {
        self.around("create_app", Kind::Writes(None), self.inner.create_app(app)).await
    }

    async fn has_app(&self, app: &AppName) -> Result<bool, StoreError> {
        self.around("has_app", Kind::Reads, self.inner.has_app(app)).await
    }

    async fn app_use(&self, app: &AppName) -> Result<Option<AppUse>, StoreError> {
        self.around("app_use", Kind::Reads, self.inner.app_use(app)).await
    }

    async fn set_app_quota(&self, app: &AppName, addons_max: Option<u64>) -> Result<(), StoreError> {
        self.around("set_app_quota", Kind::Writes(None), self.inner.set_app_quota(app, addons_max)).await
    }

    async fn apps(&self, after: Option<AppName>, count_max: usize) -> Result<Vec<(AppName, AppUse)>, StoreError> {
        self.around("apps", Kind::Reads, self.inner.apps(after, count_max)).await
    }

    async fn delete_app(
        &self,
        app: &AppName,
        cascade: Option<Cascade>,
    ) -> Result<Result<Vec<AddonId>, AppRefusal>, StoreError> {
        self.around("delete_app", Kind::Writes(None), self.inner.delete_app(app, cascade)).await
    }

    async fn app_config(&self, app: &AppName) -> Result<Option<Vec<AppVariable>>, StoreError> {
        self.around("app_config", Kind::Reads, self.inner.app_config(app)).await
    }

    async fn patch_app_config(
        &self,
        app: &AppName,
        patch: ConfigPatch,
    ) -> Result<Result<(), PatchRefusal>, StoreError> {
        self.around("patch_app_config", Kind::Writes(None), self.inner.patch_app_config(app, patch)).await
    }
}

#[async_trait]
impl AuditStore for Shaky {
    async fn audit(
        &self,
        provider: Option<ProviderName>,
        before: Option<u64>,
        count_max: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.around("audit", Kind::Reads, self.inner.audit(provider, before, count_max)).await
    }
}

#[async_trait]
impl EngineStore for Shaky {
    async fn pin_engine(&self, addon: AddonId, placement: &Placement) -> Result<Option<EngineName>, StoreError> {
        self.around("pin_engine", Kind::Writes(Some(addon)), self.inner.pin_engine(addon, placement)).await
    }

    async fn engine_addons(&self) -> Result<Vec<(EngineName, u64)>, StoreError> {
        self.around("engine_addons", Kind::Reads, self.inner.engine_addons()).await
    }

    async fn add_engine(&self, engine: NewEngine) -> Result<Result<bool, AddRefusal>, StoreError> {
        self.around("add_engine", Kind::Writes(None), self.inner.add_engine(engine)).await
    }

    async fn added_engines(&self) -> Result<(u64, Vec<AddedEngine>), StoreError> {
        self.around("added_engines", Kind::Reads, self.inner.added_engines()).await
    }

    async fn engines_revision(&self) -> Result<u64, StoreError> {
        self.around("engines_revision", Kind::Reads, self.inner.engines_revision()).await
    }

    fn watch_engines(&self) -> Box<dyn Watcher> {
        self.inner.watch_engines()
    }

    async fn forget_engine(&self, engine: &EngineName) -> Result<Result<u64, Inhabited>, StoreError> {
        self.around("forget_engine", Kind::Writes(None), self.inner.forget_engine(engine)).await
    }

    async fn set_app_engine(&self, app: &AppName, wish: Option<EngineWish>) -> Result<(), StoreError> {
        self.around("set_app_engine", Kind::Writes(None), self.inner.set_app_engine(app, wish)).await
    }

    async fn app_engine(&self, app: &AppName) -> Result<Option<EngineWish>, StoreError> {
        self.around("app_engine", Kind::Reads, self.inner.app_engine(app)).await
    }

    async fn set_app_network(&self, app: &AppName, network: Option<NetworkName>) -> Result<bool, StoreError> {
        self.around("set_app_network", Kind::Writes(None), self.inner.set_app_network(app, network)).await
    }

    async fn app_network(&self, app: &AppName) -> Result<Option<NetworkName>, StoreError> {
        self.around("app_network", Kind::Reads, self.inner.app_network(app)).await
    }

    async fn networks(&self, addon: AddonId) -> Result<Vec<NetworkName>, StoreError> {
        self.around("networks", Kind::Reads, self.inner.networks(addon)).await
    }
}

#[async_trait]
impl ObjectStore for Shaky {
    async fn objects(&self, addon: AddonId) -> Result<Vec<StoredObject>, StoreError> {
        self.around("objects", Kind::Reads, self.inner.objects(addon)).await
    }

    async fn object_owners(&self, after: Option<AddonId>, count_max: usize) -> Result<Vec<ObjectOwner>, StoreError> {
        self.around("object_owners", Kind::Reads, self.inner.object_owners(after, count_max)).await
    }

    async fn wants_objects(&self, engine: &EngineName) -> Result<bool, StoreError> {
        self.around("wants_objects", Kind::Reads, self.inner.wants_objects(engine)).await
    }

    async fn note_object(
        &self,
        addon: AddonId,
        name: &LocalName,
        revision: u64,
        phase: Phase,
        message: String,
    ) -> Result<bool, StoreError> {
        self.around(
            "note_object",
            Kind::Writes(Some(addon)),
            self.inner.note_object(addon, name, revision, phase, message),
        )
        .await
    }

    async fn forget_object(&self, addon: AddonId, name: &LocalName, revision: u64) -> Result<(), StoreError> {
        self.around("forget_object", Kind::Writes(Some(addon)), self.inner.forget_object(addon, name, revision)).await
    }

    async fn unwant_objects(&self, addon: AddonId) -> Result<u64, StoreError> {
        self.around("unwant_objects", Kind::Writes(Some(addon)), self.inner.unwant_objects(addon)).await
    }

    async fn publish(&self, publish: Publish) -> Result<Result<PortMap, NoPort>, StoreError> {
        self.around("publish", Kind::Writes(None), self.inner.publish(publish)).await
    }

    async fn unpublish(&self, addon: AddonId, object: &LocalName, ports: Vec<u16>) -> Result<(), StoreError> {
        self.around("unpublish", Kind::Writes(Some(addon)), self.inner.unpublish(addon, object, ports)).await
    }

    async fn published(&self, addon: AddonId) -> Result<BTreeMap<LocalName, PortMap>, StoreError> {
        self.around("published", Kind::Reads, self.inner.published(addon)).await
    }

    async fn poke_objects(&self, addon: AddonId) -> Result<(), StoreError> {
        self.around("poke_objects", Kind::Writes(Some(addon)), self.inner.poke_objects(addon)).await
    }

    async fn poke_addon(&self, addon: AddonId) -> Result<(), StoreError> {
        self.around("poke_addon", Kind::Writes(Some(addon)), self.inner.poke_addon(addon)).await
    }

    async fn record(&self, addon: AddonId, entry: Entry) -> Result<(), StoreError> {
        self.around("record", Kind::Writes(Some(addon)), self.inner.record(addon, entry)).await
    }

    async fn settle_objects(&self, lease: &Lease, again: Option<StoreTime>) -> Result<(), StoreError> {
        self.around("settle_objects", Kind::Writes(None), self.inner.settle_objects(lease, again)).await
    }
}

#[async_trait]
impl ProviderStore for Shaky {
    async fn upload(&self, name: &ProviderName, digest: Digest, wasm: Vec<u8>) -> Result<UploadOutcome, StoreError> {
        self.around("upload", Kind::Writes(None), self.inner.upload(name, digest, wasm)).await
    }

    async fn finish_check(
        &self,
        lease: &Lease,
        name: &ProviderName,
        digest: Digest,
        outcome: CheckOutcome,
    ) -> Result<(), StoreError> {
        self.around("finish_check", Kind::Writes(None), self.inner.finish_check(lease, name, digest, outcome)).await
    }

    async fn activate(
        &self,
        name: &ProviderName,
        digest: Digest,
        manifest: Manifest,
        revision: u64,
    ) -> Result<Result<bool, RevisionChanged>, StoreError> {
        self.around("activate", Kind::Writes(None), self.inner.activate(name, digest, manifest, revision)).await
    }

    async fn set_grants(
        &self,
        name: &ProviderName,
        grants: Vec<Permission>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError> {
        self.around("set_grants", Kind::Writes(None), self.inner.set_grants(name, grants, revision)).await
    }

    async fn set_limits(
        &self,
        name: &ProviderName,
        limits: ProviderLimits,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError> {
        self.around("set_limits", Kind::Writes(None), self.inner.set_limits(name, limits, revision)).await
    }

    async fn set_quotas(
        &self,
        name: &ProviderName,
        quotas: BTreeMap<PlanName, u64>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError> {
        self.around("set_quotas", Kind::Writes(None), self.inner.set_quotas(name, quotas, revision)).await
    }

    async fn plan_quotas(&self) -> Result<Vec<(ProviderName, PlanQuota)>, StoreError> {
        self.around("plan_quotas", Kind::Reads, self.inner.plan_quotas()).await
    }

    async fn set_options(
        &self,
        name: &ProviderName,
        options: SecretString,
        manifests: Vec<(Digest, Manifest)>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError> {
        self.around("set_options", Kind::Writes(None), self.inner.set_options(name, options, manifests, revision)).await
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.around("component", Kind::Reads, self.inner.component(digest)).await
    }

    async fn provider(&self, name: &ProviderName) -> Result<Option<Provider>, StoreError> {
        self.around("provider", Kind::Reads, self.inner.provider(name)).await
    }

    async fn providers(&self) -> Result<Vec<Provider>, StoreError> {
        self.around("providers", Kind::Reads, self.inner.providers()).await
    }

    async fn provider_options(&self, name: &ProviderName) -> Result<SecretString, StoreError> {
        self.around("provider_options", Kind::Reads, self.inner.provider_options(name)).await
    }

    async fn remove_provider(&self, name: &ProviderName, force: bool) -> Result<Result<(), RemoveRefusal>, StoreError> {
        self.around("remove_provider", Kind::Writes(None), self.inner.remove_provider(name, force)).await
    }
}
