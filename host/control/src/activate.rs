//! A version begins to serve: also one that has not served for long. What it said of itself may be of other options than those
//! that the operator has given since, so it says it again before.

use larder_domain::grants::is_approved;
use larder_domain::provider::{Provider, Version, VersionState};
use larder_domain::{Digest, ProviderName};

use crate::grants::why_not;
use crate::options::DESCRIBE_RETRIES_MAX;
use crate::{Code, Control, ControlError};

impl Control {
    /// Makes a checked version the one that serves; rolling back is the same.
    ///
    /// # Errors
    /// `unknown_provider`, `unknown_version`, `version_not_usable`, `invalid_options` if the operator's options are nothing for it,
    /// `revision_changed` if the provider is changed again and again meanwhile.
    pub async fn activate(&self, name: &ProviderName, digest: Digest) -> Result<Provider, ControlError> {
        let mut retries = 0..DESCRIBE_RETRIES_MAX;
        loop {
            let known = self.provider(name).await?;
            let version = self.described_now(&known, digest).await?;
            let (changed, manifest) = (name.clone(), version.manifest.clone());
            let manifest = manifest.filter(|manifest| is_approved(manifest, &known.grants));
            let Some(manifest) = manifest else { return Err(not_usable(&known, &version)) };
            let activate = move |control: Self| async move {
                control.store.activate(&changed, digest, manifest, known.revision).await
            };
            match self.change(activate).await? {
                // It may have been told other options meanwhile.
                Err(_) if retries.next().is_some() => {}
                Ok(false) => return Err(not_usable(&self.provider(name).await?, &version)),
                done => {
                    let provider = self.changed(name, known.revision, done.map(drop)).await?;
                    self.unload_idle(&provider);
                    return Ok(provider);
                }
            }
        }
    }

    /// A version with what it says of itself under the present options.
    async fn described_now(&self, provider: &Provider, digest: Digest) -> Result<Version, ControlError> {
        let name = &provider.name;
        let version = provider.versions.iter().find(|version| version.digest == digest).cloned();
        let version = version.ok_or_else(|| {
            ControlError::refused(Code::UnknownVersion, format!("the provider {name} has no version {digest}"))
        })?;
        if matches!(version.state, VersionState::Checking | VersionState::Refused) {
            return Err(not_usable(provider, &version));
        }
        let secret = self.store.provider_options(name).await?;
        let options = serde_json::from_str(secret.reveal()).map_err(|_| {
            ControlError::refused(Code::Internal, format!("the stored options of the provider {name} are no JSON"))
        })?;
        let unfit = |reason| {
            let message = format!(
                "the present options of the provider {name} are nothing for its version {digest}: {reason}; give it options that both versions take with `larder provider options {name}`, then activate it again"
            );
            ControlError::refused(Code::InvalidOptions, message)
        };
        let manifest = self.under(&options, &secret, &version).await.map_err(|it| it.or(unfit))?;
        Ok(Version { manifest: Some(manifest), ..version })
    }
}

fn not_usable(provider: &Provider, version: &Version) -> ControlError {
    ControlError::refused(Code::VersionNotUsable, why_not(provider, version))
}
