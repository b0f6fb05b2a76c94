//! An operator's options for a provider. What a version offers and asks for may depend on them, so it describes itself anew.

use larder_domain::ProviderName;
use larder_domain::grants::is_approved;
use larder_domain::limits::CallLimits;
use larder_domain::manifest::Manifest;
use larder_domain::provider::{Provider, Version, VersionState};
use larder_domain::secret::SecretString;
use serde_json::Value;

use crate::schema::Schema;
use crate::worker::{Undescribed, describe};
use crate::{Code, Control, ControlError};

/// The longest options, as JSON, in bytes.
const OPTIONS_BYTES_MAX: usize = 64 * 1024;

impl Control {
    /// Replaces the operator's options for a provider, if nobody has changed the provider since `revision`. They hold from the next
    /// call on; a version that waited for what it no longer asks for serves from now on.
    ///
    /// # Errors
    /// `unknown_provider`, `version_not_usable`, `invalid_options`, `approval_needed`, `revision_changed`.
    pub async fn set_options(
        &self,
        name: &ProviderName,
        options: Value,
        revision: u64,
    ) -> Result<Provider, ControlError> {
        let provider = self.provider(name).await?;
        let secret = SecretString::new(options.to_string());
        if secret.reveal().len() > OPTIONS_BYTES_MAX {
            return Err(invalid(format!("they are longer than {OPTIONS_BYTES_MAX} bytes")));
        }
        let mut manifests = vec![];
        for (version, before) in concerned(&provider) {
            let manifest = self.under(&options, &secret, version, before).await?;
            if version.state == VersionState::Active && !is_approved(&manifest, &provider.grants) {
                return Err(needs_approval(name, &manifest, &provider));
            }
            manifests.push((version.digest, manifest));
        }
        if manifests.is_empty() {
            let message = format!("the provider {name} has no version yet that has passed its checks");
            return Err(ControlError::refused(Code::VersionNotUsable, message));
        }
        let changed = name.clone();
        let set =
            move |control: Self| async move { control.store.set_options(&changed, secret, manifests, revision).await };
        let done = self.change(set).await?;
        let provider = self.changed(name, revision, done).await?;
        self.unload_idle(&provider);
        Ok(provider)
    }

    /// What a version says of itself under these options.
    async fn under(
        &self,
        options: &Value,
        secret: &SecretString,
        version: &Version,
        before: &Manifest,
    ) -> Result<Manifest, ControlError> {
        let schema = Schema::compile(&before.options).map_err(invalid)?;
        schema.check(options).map_err(invalid)?;
        match describe(self, version.digest, secret, CallLimits::default()).await {
            Ok(manifest) => Ok(manifest),
            Err(Undescribed::Refused { message, .. }) => Err(invalid(message)),
            Err(Undescribed::Host(reason)) => Err(ControlError::refused(Code::Internal, reason)),
        }
    }
}

/// The version that serves, and the newest one that could.
fn concerned(provider: &Provider) -> impl Iterator<Item = (&Version, &Manifest)> {
    let could = |version: &&Version| !matches!(version.state, VersionState::Refused | VersionState::Checking);
    let newest = provider.versions.iter().find(could).map(|version| version.digest);
    let concerned = move |version: &&Version| version.state == VersionState::Active || Some(version.digest) == newest;
    provider.versions.iter().filter(concerned).filter_map(|version| Some((version, version.manifest.as_ref()?)))
}

fn invalid(reason: String) -> ControlError {
    ControlError::refused(Code::InvalidOptions, format!("these options can't be used: {reason}"))
}

fn needs_approval(name: &ProviderName, manifest: &Manifest, provider: &Provider) -> ControlError {
    let missing = larder_domain::grants::missing(manifest, &provider.grants);
    let missing: Vec<String> = missing.iter().filter(|r| r.required).map(|r| format!("'{}'", r.value)).collect();
    let all = missing.join(" ");
    let message = format!(
        "under these options the provider requires what was not granted: {all}; grant it with `larder provider grant {name} {all}`"
    );
    ControlError::refused(Code::ApprovalNeeded, message)
}
