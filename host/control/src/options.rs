//! An operator's options for a provider. What a version offers and asks for may depend on them, so it describes itself anew.

use larder_domain::grants::is_approved;
use larder_domain::limits::CallLimits;
use larder_domain::manifest::Manifest;
use larder_domain::ports::store::RevisionChanged;
use larder_domain::provider::{Provider, Version, VersionState};
use larder_domain::secret::SecretJson;
use larder_domain::secret::SecretString;
use larder_domain::{Digest, ProviderName};

use crate::schema::Schema;
use crate::worker::{Undescribed, describe};
use crate::{Code, Control, ControlError};

/// The longest options, as JSON, in bytes.
const OPTIONS_BYTES_MAX: usize = 64 * 1024;
/// How often versions describe themselves anew because others were meanwhile put in their place.
pub(crate) const DESCRIBE_RETRIES_MAX: u32 = 3;

impl Control {
    /// Replaces the operator's options for a provider, if nobody has changed the provider since `revision`. They hold from the next
    /// call on; a version that waited for what it no longer asks for serves from now on.
    ///
    /// # Errors
    /// `unknown_provider`, `version_not_usable`, `invalid_options`, `approval_needed`, `revision_changed`.
    pub async fn set_options(
        &self,
        name: &ProviderName,
        options: SecretJson,
        revision: u64,
    ) -> Result<Provider, ControlError> {
        let secret = options.to_text();
        if secret.reveal().len() > OPTIONS_BYTES_MAX {
            return Err(too_long(secret.reveal().len()));
        }
        let mut retries = 0..DESCRIBE_RETRIES_MAX;
        loop {
            let (manifests, changed) = (self.all_under(name, &options, &secret).await?, (name.clone(), secret.clone()));
            let set = move |control: Self| async move {
                control.store.set_options(&changed.0, changed.1, manifests, revision).await
            };
            let done = self.change(set).await?;
            // Another version has come to serve while these described themselves, and nobody has changed anything else.
            if done == Err(RevisionChanged { is: revision }) && retries.next().is_some() {
                continue;
            }
            let provider = self.changed(name, revision, done).await?;
            self.unload_idle(&provider);
            return Ok(provider);
        }
    }

    /// What the versions that must know the options say of themselves under these.
    async fn all_under(
        &self,
        name: &ProviderName,
        options: &SecretJson,
        secret: &SecretString,
    ) -> Result<Vec<(Digest, Manifest)>, ControlError> {
        let provider = self.provider(name).await?;
        let mut manifests = vec![];
        for version in Provider::under_options(&provider.versions) {
            let manifest = self.under(options, secret, version).await.map_err(|unfit| unfit.or(invalid))?;
            if version.state == VersionState::Active && !is_approved(&manifest, &provider.grants) {
                return Err(needs_approval(name, &manifest, &provider));
            }
            manifests.push((version.digest, manifest));
        }
        if manifests.is_empty() {
            let message = format!("the provider {name} has no version yet that has passed its checks");
            return Err(ControlError::refused(Code::VersionNotUsable, message));
        }
        Ok(manifests)
    }

    /// What a checked version says of itself under these options.
    pub(crate) async fn under(
        &self,
        options: &SecretJson,
        secret: &SecretString,
        version: &Version,
    ) -> Result<Manifest, Unfit> {
        let before = version.manifest.as_ref().ok_or_else(|| Unfit::Host("a version has lost its manifest".into()))?;
        Schema::compile(&before.options).and_then(|schema| schema.check(options.reveal())).map_err(Unfit::Options)?;
        match describe(self, version.digest, secret, CallLimits::default()).await {
            Ok(manifest) => Ok(manifest),
            Err(Undescribed::Refused { message, .. }) => Err(Unfit::Options(message)),
            Err(Undescribed::Host(reason)) => Err(Unfit::Host(reason)),
        }
    }
}

/// Why a version did not describe itself under options.
pub(crate) enum Unfit {
    /// They are nothing for it: why.
    Options(String),
    /// The host failed.
    Host(String),
}

impl Unfit {
    /// The problem that it is, if the options are to blame, or the host's.
    pub(crate) fn or(self, problem: impl FnOnce(String) -> ControlError) -> ControlError {
        match self {
            Self::Options(reason) => problem(reason),
            Self::Host(reason) => ControlError::refused(Code::Internal, reason),
        }
    }
}

fn invalid(reason: String) -> ControlError {
    ControlError::refused(Code::InvalidOptions, format!("these options can't be used: {reason}"))
}

fn too_long(bytes: usize) -> ControlError {
    invalid(format!(
        "they have {bytes} bytes as JSON, and at most {OPTIONS_BYTES_MAX} are allowed; leave out what the provider does not use, or upload \
         it once more under another name and give each a part of them"
    ))
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
