//! The version that serves a provider, ready to be called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder_domain::failure::StepFailure;
use larder_domain::ports::StoreError;
use larder_domain::provider::Refusal;
use larder_domain::{Digest, ProviderName};

use crate::Control;
use crate::offers::Offer;

/// Finds the version that serves, or served at most so long ago, and loads it into the sandbox if it isn't there yet.
pub(super) async fn active(
    control: &Control,
    provider: &ProviderName,
    within: Duration,
) -> Result<Arc<Offer>, StepFailure> {
    let offers = control.offers.lately(&*control.store, within).await;
    let offers = offers.map_err(|error| StepFailure::Host(store_failed(&error)))?;
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
        Err(error) => StepFailure::Host(store_failed(&error)),
    }
}

/// What users read of a failure of the store. The cause is the operator's to know.
pub(super) fn store_failed(error: &StoreError) -> String {
    if !error.is_told_already() {
        tracing::warn!(%error, "the store failed under a piece of work");
    }
    "the host's store failed; its log says how".to_owned()
}

/// Why a version can't be called.
pub(super) enum LoadError {
    /// The store failed.
    Host(String),
    /// It is no provider.
    Refused(Refusal),
}

/// Versions being loaded: each is read from the store and compiled by one piece of work, and the others wait for it.
#[derive(Debug, Default)]
pub(crate) struct Loading(Mutex<HashMap<Digest, Turn>>);

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Loading {
    fn turn(&self, digest: Digest) -> Turn {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(digest).or_default())
    }

    /// The last one out forgets the version.
    fn leave(&self, digest: Digest, turn: Turn) {
        let mut loading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(turn);
        if loading.get(&digest).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            loading.remove(&digest);
        }
    }
}

/// Loads a version into the sandbox. Quick if it is there.
pub(super) async fn load(control: &Control, digest: Digest) -> Result<(), LoadError> {
    if control.runtime.is_loaded(digest) {
        return Ok(());
    }
    let turn = control.loading.turn(digest);
    let loaded = {
        let _turn = turn.lock().await;
        read_and_load(control, digest).await
    };
    control.loading.leave(digest, turn);
    loaded
}

async fn read_and_load(control: &Control, digest: Digest) -> Result<(), LoadError> {
    // Whoever had the turn before may have loaded it.
    if control.runtime.load_kept(digest).await {
        return Ok(());
    }
    match control.store.component(digest).await {
        Ok(Some(wasm)) => control.runtime.load(digest, wasm).await.map_err(|refusal| {
            if refusal.is_the_hosts_fault() { LoadError::Host(refusal.message) } else { LoadError::Refused(refusal) }
        }),
        Ok(None) => Err(LoadError::Host(format!("the store has no component {digest}"))),
        Err(error) => Err(LoadError::Host(store_failed(&error))),
    }
}
