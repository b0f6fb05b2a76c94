//! Providers and their versions.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::StoreError;
use crate::grants::Permission;
use crate::ids::Digest;
use crate::limits::ProviderLimits;
use crate::manifest::Manifest;
use crate::names::{PlanName, ProviderName};
use crate::ports::runtime::Interface;
use crate::provider::{Provider, Version};
use crate::quota::PlanQuota;
use crate::secret::SecretString;
use crate::work::Lease;

/// What came of storing an upload.
#[derive(Debug, Clone, PartialEq)]
pub enum UploadOutcome {
    /// A new version, being checked from now on.
    New(Version),
    /// The same bytes came before; if they were refused then, they are checked again.
    Known(Version),
}

/// What a version's check found.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckOutcome {
    /// It can serve: it becomes the active version, or waits if it asks for more than was granted.
    Accepted {
        /// What it says of itself.
        manifest: Manifest,
        /// Which optional interfaces it exports.
        exports: Vec<Interface>,
    },
    /// It can't serve: code and message.
    Refused {
        /// Stable code.
        code: String,
        /// For the author.
        message: String,
    },
}

/// Why a provider was not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveRefusal {
    /// So many addons of it live, or are still to be cleaned up by it.
    InUse(u64),
}

/// Why a provider's grants or limits were not changed: they have changed since the caller read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionChanged {
    /// The revision that they have now.
    pub is: u64,
}

/// Providers.
#[async_trait]
pub trait ProviderStore: Send + Sync + 'static {
    /// Stores a component under a provider's name and makes its check due.
    async fn upload(&self, name: &ProviderName, digest: Digest, wasm: Vec<u8>) -> Result<UploadOutcome, StoreError>;

    /// Ends a version's check, under its lease.
    async fn finish_check(
        &self,
        lease: &Lease,
        name: &ProviderName,
        digest: Digest,
        outcome: CheckOutcome,
    ) -> Result<(), StoreError>;

    /// Makes a checked version the one that serves, with what it says of itself under the options that the provider had at this
    /// revision. False if it can't: it was not checked, or refused, or requires more than was granted.
    async fn activate(
        &self,
        name: &ProviderName,
        digest: Digest,
        manifest: Manifest,
        revision: u64,
    ) -> Result<Result<bool, RevisionChanged>, StoreError>;

    /// Replaces a provider's grants, if they still have this revision. The newest version becomes active if it waited for what
    /// it has now.
    async fn set_grants(
        &self,
        name: &ProviderName,
        grants: Vec<Permission>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError>;

    /// Replaces what a provider's calls may use, if grants and limits still have this revision.
    async fn set_limits(
        &self,
        name: &ProviderName,
        limits: ProviderLimits,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError>;

    /// Replaces how many live addons there may be of a provider's plans, under the same condition. A plan that is not named has no quota.
    async fn set_quotas(
        &self,
        name: &ProviderName,
        quotas: BTreeMap<PlanName, u64>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError>;

    /// All quotas of plans.
    async fn plan_quotas(&self) -> Result<Vec<(ProviderName, PlanQuota)>, StoreError>;

    /// Replaces the operator's options, and what versions say of themselves under them, if nothing else of the provider was changed
    /// since this revision: also no version may have come to serve, or to be the newest that could, that has not said it. The newest
    /// version becomes active if it waited for what it no longer asks for.
    async fn set_options(
        &self,
        name: &ProviderName,
        options: SecretString,
        manifests: Vec<(Digest, Manifest)>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError>;

    /// The bytes of a component.
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError>;

    /// One provider with all its versions.
    async fn provider(&self, name: &ProviderName) -> Result<Option<Provider>, StoreError>;

    /// All providers in order of their names.
    async fn providers(&self) -> Result<Vec<Provider>, StoreError>;

    /// The operator's options for a provider, a JSON object; `{}` if none were given.
    async fn provider_options(&self, name: &ProviderName) -> Result<SecretString, StoreError>;

    /// Removes a provider with its versions, unless addons need it. With `force` it goes all the same: its addons end in `error`
    /// or lose their cleanup's provider when their next step is due, which this makes at once.
    async fn remove_provider(&self, name: &ProviderName, force: bool) -> Result<Result<(), RemoveRefusal>, StoreError>;
}
