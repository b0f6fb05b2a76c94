//! What providers may do and use, as their operator decides, and the record of it.

use larder_domain::ProviderName;
use larder_domain::audit::AuditEntry;
use larder_domain::grants::{GRANTS_MAX, Granted, Permission, missing};
use larder_domain::limits::ProviderLimits;
use larder_domain::ports::store::RevisionChanged;
use larder_domain::provider::{Provider, Version};

use crate::{Code, Control, ControlError};

impl Control {
    /// What a provider may do; nothing, if it is gone.
    ///
    /// # Errors
    /// The store failed.
    pub async fn grants(&self, name: &ProviderName) -> Result<Vec<Granted>, ControlError> {
        Ok(self.store.provider(name).await?.map(|provider| provider.grants).unwrap_or_default())
    }

    /// Replaces what a provider may do, if nobody has changed it since `revision`. It holds from the next call on; a version that
    /// waited for just this serves from now on.
    ///
    /// # Errors
    /// `unknown_provider`, `too_many_grants`, `revision_changed`.
    pub async fn set_grants(
        &self,
        name: &ProviderName,
        grants: Vec<Permission>,
        revision: u64,
    ) -> Result<Provider, ControlError> {
        if grants.len() > GRANTS_MAX {
            let message = format!("{} grants; a provider may have {GRANTS_MAX}", grants.len());
            return Err(ControlError::refused(Code::TooManyGrants, message));
        }
        let changed = name.clone();
        let done =
            self.change(move |control: Self| async move { control.store.set_grants(&changed, grants, revision).await });
        self.changed(name, revision, done.await?).await
    }

    /// Replaces what a provider's calls may use, if nobody has changed it since `revision`. It holds from the next call on.
    ///
    /// # Errors
    /// `unknown_provider`, `revision_changed`.
    pub async fn set_limits(
        &self,
        name: &ProviderName,
        limits: ProviderLimits,
        revision: u64,
    ) -> Result<Provider, ControlError> {
        let changed = name.clone();
        let done =
            self.change(move |control: Self| async move { control.store.set_limits(&changed, limits, revision).await });
        self.changed(name, revision, done.await?).await
    }

    pub(crate) async fn changed(
        &self,
        name: &ProviderName,
        revision: u64,
        done: Result<(), RevisionChanged>,
    ) -> Result<Provider, ControlError> {
        match done {
            Ok(()) => self.provider(name).await,
            Err(RevisionChanged { is }) => {
                let message = format!("the provider {name} has revision {is} now, not {revision}");
                Err(ControlError::refused(Code::RevisionChanged, message))
            }
        }
    }

    /// What was done to providers, the newest first: to one or to all, from before an entry on.
    ///
    /// # Errors
    /// The store failed.
    pub async fn audit(
        &self,
        provider: Option<ProviderName>,
        before: Option<u64>,
        count_max: usize,
    ) -> Result<Vec<AuditEntry>, ControlError> {
        Ok(self.store.audit(provider, before, count_max).await?)
    }
}

/// Why a version can't be activated.
pub(crate) fn why_not(provider: &Provider, version: &Version) -> String {
    let name = &provider.name;
    let asks = version.manifest.as_ref().map(|manifest| missing(manifest, &provider.grants)).unwrap_or_default();
    let required: Vec<String> =
        asks.iter().filter(|request| request.required).map(|request| format!("'{}'", request.value)).collect();
    if required.is_empty() {
        return format!("the version {} of {name} is {}", version.digest, version.state);
    }
    let all = required.join(" ");
    format!(
        "the version {} of {name} requires what was not granted: {all}; grant it with `larder provider grant {name} {all}`",
        version.digest
    )
}
