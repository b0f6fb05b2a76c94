//! The engines that this node reaches. Those that it is started with stay; those that were added come and go while it runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use larder_domain::engines::EngineDefinition;
use larder_domain::ports::store::ReachedEngine;
use larder_domain::{EngineName, ProviderName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::NoEngine;
use crate::EngineSettings;
use crate::containers::NamedEngine;
use crate::worker::CALLS_PER_PROVIDER_MAX;

/// Makes engines of what is said of them. Only the binary knows what they are made of.
pub trait EngineMaker: Send + Sync + 'static {
    /// The engine; nothing is connected yet.
    ///
    /// # Errors
    /// All that is wrong with what is said, a sentence each. None repeats what may be a secret.
    fn make(&self, name: &EngineName, definition: &EngineDefinition) -> Result<NamedEngine, Vec<String>>;
}

/// All engines of this node: first those that it was started with, in the order in which they are configured, then those that were
/// added, in order of names. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Engines {
    all: watch::Sender<Arc<Vec<Known>>>,
    pub(super) maker: Option<Arc<dyn EngineMaker>>,
    /// Where this node listens, once that was announced.
    pub(super) url: Arc<Mutex<Option<String>>>,
    /// Of which change of those that were added it was read. One reads them at a time.
    pub(super) read: Arc<tokio::sync::Mutex<Option<u64>>>,
}

#[derive(Clone)]
struct Known {
    engine: Arc<NamedEngine>,
    places: Arc<Places>,
}

/// Waits for the engines to change.
pub(crate) struct Changes(watch::Receiver<Arc<Vec<Known>>>);

impl Changes {
    /// Waits until they have changed since the last call, or since this was made.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody can change them any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Places for work about the objects on an engine, by provider.
struct Places {
    of_each: usize,
    by_provider: Mutex<HashMap<ProviderName, Arc<Semaphore>>>,
}

impl Engines {
    /// These and no others.
    pub(crate) fn with(self, engines: Vec<NamedEngine>) -> Self {
        self.replace(engines.into_iter().map(Arc::new).collect());
        self
    }

    /// The same, where others can be added.
    pub(crate) fn made_by(self, maker: Arc<dyn EngineMaker>) -> Self {
        Self { maker: Some(maker), ..self }
    }

    /// Work about objects takes some of its provider's places. A slow engine may keep so much of it waiting that the other engines
    /// still have a share of them, and calls too.
    pub(super) fn replace(&self, engines: Vec<Arc<NamedEngine>>) {
        let of_each = (CALLS_PER_PROVIDER_MAX / (engines.len() + 1)).max(1);
        let before = Arc::clone(&self.all.borrow());
        let places = |name: &EngineName| {
            let known = before.iter().find(|known| known.engine.settings.name == *name);
            let kept = known.filter(|known| known.places.of_each == of_each).map(|known| Arc::clone(&known.places));
            kept.unwrap_or_else(|| Arc::new(Places { of_each, by_provider: Mutex::default() }))
        };
        let known = |engine: Arc<NamedEngine>| Known { places: places(&engine.settings.name), engine };
        self.all.send_replace(Arc::new(engines.into_iter().map(known).collect()));
    }

    /// As they are now.
    pub(crate) fn all(&self) -> Vec<Arc<NamedEngine>> {
        self.all.borrow().iter().map(|known| Arc::clone(&known.engine)).collect()
    }

    /// What waits for them to change.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.all.subscribe())
    }

    /// The engine of that name.
    pub(crate) fn get(&self, name: &EngineName) -> Result<Arc<NamedEngine>, NoEngine> {
        let all = self.all.borrow();
        let found = all.iter().find(|known| known.engine.settings.name == *name);
        let none = || if all.is_empty() { NoEngine::None } else { NoEngine::Unknown(name.clone()) };
        found.map(|known| Arc::clone(&known.engine)).ok_or_else(none)
    }

    /// A place among the work about the objects that a provider has on an engine; none if all are taken.
    pub(crate) fn place(&self, name: &EngineName, provider: &ProviderName) -> Option<OwnedSemaphorePermit> {
        self.place_beside(name, provider, |_| 0)
    }

    /// The same for whoever has it while a provider is called: a quarter of them is left to those who make none wait.
    pub(crate) fn place_for_long(&self, name: &EngineName, provider: &ProviderName) -> Option<OwnedSemaphorePermit> {
        self.place_beside(name, provider, |of_each| of_each / 4)
    }

    fn place_beside(
        &self,
        name: &EngineName,
        provider: &ProviderName,
        kept_free: impl Fn(usize) -> usize,
    ) -> Option<OwnedSemaphorePermit> {
        let all = Arc::clone(&self.all.borrow());
        let places = &all.iter().find(|known| known.engine.settings.name == *name)?.places;
        let kept_free = kept_free(places.of_each);
        let mut all = places.by_provider.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(provider.clone()).or_insert_with(|| Arc::new(Semaphore::new(places.of_each)));
        if own.available_permits() <= kept_free {
            return None;
        }
        Arc::clone(own).try_acquire_owned().ok()
    }

    /// What other nodes are told of them.
    pub(crate) fn reached(&self) -> Vec<ReachedEngine> {
        let reached = |known: &Known| {
            let EngineSettings { name, url, advertise, labels, weight, .. } = known.engine.settings.clone();
            let is_added = known.engine.is_added();
            ReachedEngine { name, url, advertise: advertise.to_string(), labels, weight, is_added }
        };
        self.all.borrow().iter().map(reached).collect()
    }
}
