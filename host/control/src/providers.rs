//! Providers: uploaded, listed, activated, removed.

use std::sync::Arc;
use std::time::Duration;

use larder_domain::ports::store::{RemoveRefusal, UploadOutcome};
use larder_domain::provider::{Provider, Refusal, Version, VersionState};
use larder_domain::{Digest, ProviderName};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use crate::aside::aside;
use crate::{Code, Control, ControlError};

/// How often a version's check is looked at by whoever waits for it, in milliseconds. Uploads are rare, and any node may do the check.
const CHECK_POLL_MS: u64 = 25;

/// What came of an upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Uploaded {
    /// The version.
    pub version: Version,
    /// Whether the same bytes had come before.
    pub known: bool,
}

impl Control {
    /// Stores a component as a version of a provider. Cheap refusals come at once; the rest of the check is work that the
    /// version's state tells of.
    ///
    /// # Errors
    /// The component can't be a provider, or the store failed.
    pub async fn upload(&self, name: &ProviderName, wasm: Vec<u8>) -> Result<Uploaded, ControlError> {
        let runtime = Arc::clone(&self.runtime);
        // Tens of megabytes may have to be parsed and hashed: not on a thread that serves others meanwhile.
        let examined = aside(move || {
            runtime.inspect(&wasm)?;
            Ok::<_, Refusal>((Digest(Sha256::digest(&wasm).into()), wasm))
        });
        let (digest, wasm) = match examined.await {
            Ok(examined) => examined?,
            // A mistake of the host's own goes on as if it had been made here.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(ControlError::refused(Code::Overloaded, "the host is stopping")),
        };
        let name = name.clone();
        let uploaded =
            self.change(move |control: Self| async move { control.store.upload(&name, digest, wasm).await }).await?;
        Ok(match uploaded {
            UploadOutcome::New(version) => Uploaded { version, known: false },
            UploadOutcome::Known(version) => Uploaded { version, known: true },
        })
    }

    /// All providers in order of their names.
    ///
    /// # Errors
    /// The store failed.
    pub async fn providers(&self) -> Result<Vec<Provider>, ControlError> {
        Ok(self.store.providers().await?)
    }

    /// One provider.
    ///
    /// # Errors
    /// `unknown_provider`.
    pub async fn provider(&self, name: &ProviderName) -> Result<Provider, ControlError> {
        self.store.provider(name).await?.ok_or_else(|| unknown(name))
    }

    /// One version of a provider.
    ///
    /// # Errors
    /// `unknown_provider`, `unknown_version`.
    pub async fn version(&self, name: &ProviderName, digest: Digest) -> Result<Version, ControlError> {
        let versions = self.provider(name).await?.versions;
        let found = versions.into_iter().find(|version| version.digest == digest);
        found.ok_or_else(|| {
            ControlError::refused(Code::UnknownVersion, format!("the provider {name} has no version {digest}"))
        })
    }

    /// Waits until a version has left its check, or the time is over; the version as it is then.
    ///
    /// # Errors
    /// `unknown_provider`, `unknown_version`.
    pub async fn wait_for_version(
        &self,
        name: &ProviderName,
        digest: Digest,
        at_most: Duration,
    ) -> Result<Version, ControlError> {
        let until = Instant::now() + at_most;
        loop {
            let version = self.version(name, digest).await?;
            if version.state != VersionState::Checking || Instant::now() >= until {
                return Ok(version);
            }
            sleep(Duration::from_millis(CHECK_POLL_MS)).await;
        }
    }

    /// Removes a provider with its versions.
    ///
    /// # Errors
    /// `unknown_provider`; `provider_in_use` without `force`.
    pub async fn remove_provider(&self, name: &ProviderName, force: bool) -> Result<(), ControlError> {
        let provider = self.provider(name).await?;
        let removed = self.change(move |control: Self| async move {
            let removed = control.store.remove_provider(&provider.name, force).await;
            if matches!(removed, Ok(Ok(()))) {
                provider.versions.iter().for_each(|version| control.runtime.unload(version.digest));
            }
            removed
        });
        if let Err(RemoveRefusal::InUse(count)) = removed.await? {
            let message = format!("the provider {name} is needed by {count} addons that live or are being cleaned up");
            return Err(ControlError::refused(Code::ProviderInUse, message));
        }
        Ok(())
    }

    /// Forgets versions that don't serve. Calls under way finish.
    pub(crate) fn unload_idle(&self, provider: &Provider) {
        let idle = provider.versions.iter().filter(|version| version.state != VersionState::Active);
        idle.for_each(|version| self.runtime.unload(version.digest));
    }

    /// Changes a provider in the store, to the end, so that the offers are known to be stale even if the client has gone.
    pub(crate) async fn change<T, F>(&self, change: impl FnOnce(Self) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send,
    {
        let control = self.clone();
        Self::whole(async move {
            let _changing = control.offers.changing();
            change(control.clone()).await
        })
        .await
    }
}

pub(crate) fn unknown(name: &ProviderName) -> ControlError {
    ControlError::refused(Code::UnknownProvider, format!("there is no provider {name}"))
}
