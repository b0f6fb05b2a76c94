//! The version that serves a provider, ready to be called.

use std::sync::Arc;

use larder_domain::failure::StepFailure;
use larder_domain::provider::Refusal;
use larder_domain::{Digest, ProviderName};

use crate::Control;
use crate::offers::Offer;

/// Finds the provider's active version and loads it into the sandbox if it isn't there yet.
pub(super) async fn active(control: &Control, provider: &ProviderName) -> Result<Arc<Offer>, StepFailure> {
    let offers = control.offers().await.map_err(|error| StepFailure::Host(error.to_string()))?;
    let Some(offer) = offers.0.get(provider) else {
        return Err(missing(control, provider).await);
    };
    load(control, offer.digest).await.map_err(|error| match error {
        LoadError::Host(reason) => StepFailure::Host(reason),
        LoadError::Refused(refusal) => StepFailure::Host(format!("the provider {provider} can't be loaded: {refusal}")),
    })?;
    Ok(Arc::clone(offer))
}

/// A provider that is gone will not come back by waiting; one whose version is still being checked will.
async fn missing(control: &Control, provider: &ProviderName) -> StepFailure {
    match control.store.provider(provider).await {
        Ok(None) => StepFailure::ProviderGone(format!("the provider {provider} was removed")),
        Ok(Some(_)) => StepFailure::Host(format!("the provider {provider} has no active version at the moment")),
        Err(error) => StepFailure::Host(error.to_string()),
    }
}

/// Why a version can't be called.
pub(super) enum LoadError {
    /// The store failed.
    Host(String),
    /// It is no provider.
    Refused(Refusal),
}

/// Loads a version into the sandbox. Quick if it is there.
pub(super) async fn load(control: &Control, digest: Digest) -> Result<(), LoadError> {
    if control.runtime.is_loaded(digest) {
        return Ok(());
    }
    match control.store.component(digest).await {
        Ok(Some(wasm)) => control.runtime.load(digest, wasm).await.map_err(LoadError::Refused),
        Ok(None) => Err(LoadError::Host(format!("the store has no component {digest}"))),
        Err(error) => Err(LoadError::Host(error.to_string())),
    }
}
