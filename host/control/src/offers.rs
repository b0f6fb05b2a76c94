//! What can be provisioned now: the manifests of all active versions, with their schemas compiled. Kept in memory, since every
//! creation needs it, and read anew from the store after each change of a provider.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use larder_domain::grants::{docker_policy, network_policy};
use larder_domain::limits::{Limit, LogAllowance, ProviderLimits};
use larder_domain::manifest::{Manifest, Plan, Service};
use larder_domain::network::Policy;
use larder_domain::ports::runtime::Interface;
use larder_domain::ports::{Store, StoreError};
use larder_domain::secret::SecretJson;
use larder_domain::{Digest, PlanName, ProviderName, SecretString, ServiceName, docker, options};
use tokio::sync::Semaphore;

use crate::aside::aside;
use crate::schema::Schema;

/// A provider's active version.
#[derive(Debug)]
pub struct Offer {
    /// Who offers.
    pub provider: ProviderName,
    /// Which version serves.
    pub digest: Digest,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Which optional interfaces it exports.
    pub exports: Vec<Interface>,
    /// The operator's options for it.
    pub options: SecretString,
    /// What of them is secret.
    pub secrets: Vec<SecretString>,
    /// What it may reach over the network.
    pub network: Arc<Policy>,
    /// What its addons may have of a Docker engine.
    pub docker: Arc<docker::Policy>,
    /// What its calls may use, where that differs from the defaults.
    pub limits: ProviderLimits,
    /// The right to make one of the calls that it may have at once.
    pub calls: Arc<Semaphore>,
    /// What its calls may log together.
    pub log: Arc<LogAllowance>,
    schemas: Arc<Schemas>,
}

/// The schemas of a version's parameters, compiled.
pub(crate) type Schemas = HashMap<(ServiceName, PlanName), Schema>;

/// How many patterns all schemas of a manifest may have. Each takes milliseconds to compile.
const PATTERNS_MAX: u64 = 256;

impl Offer {
    /// Checks a developer's parameters.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn validate(&self, service: &Service, plan: &Plan, parameters: &serde_json::Value) -> Result<(), String> {
        match self.schemas.get(&(service.name.clone(), plan.name.clone())) {
            Some(schema) => schema.check(parameters),
            None => Err("the plan's schema is missing".into()),
        }
    }
}

/// All offers by provider.
#[derive(Debug, Default)]
pub struct Offers(pub BTreeMap<ProviderName, Arc<Offer>>);

impl Offers {
    /// Who offers a service.
    pub fn of<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = (&'a Arc<Offer>, &'a Service)> {
        self.0.values().filter_map(move |offer| offer.manifest.service(service).map(|found| (offer, found)))
    }
}

/// The offers as last read, and whether they still hold.
#[derive(Default)]
pub(crate) struct OfferCache {
    generation: AtomicU64,
    /// Changes being written: whether they can be seen already is not known.
    changing: AtomicU64,
    read: RwLock<Option<(Read, Arc<Offers>)>>,
    shared: Mutex<BTreeMap<ProviderName, Shared>>,
}

/// Of which changes something was read: those made here, and those made anywhere.
type Read = (u64, u64);

/// A change of a provider being written. Nothing is remembered of what is read meanwhile.
pub(crate) struct Changing(Arc<OfferCache>);

impl Drop for Changing {
    fn drop(&mut self) {
        self.0.generation.fetch_add(1, Ordering::SeqCst);
        self.0.changing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl OfferCache {
    /// One for all who read at the same time.
    fn shared(&self, provider: &ProviderName, limits: &ProviderLimits) -> Shared {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = Shared::under(limits, all.get(provider));
        all.insert(provider.clone(), shared.clone());
        shared
    }

    /// Of providers that are no more, nothing is kept.
    fn forget_all_but(&self, offers: &Offers) {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|provider, _| offers.0.contains_key(provider));
    }

    /// Something about a provider is about to change: to be held until it has. Whoever sees the change then finds it here too.
    pub(crate) fn changing(self: &Arc<Self>) -> Changing {
        self.changing.fetch_add(1, Ordering::SeqCst);
        Changing(Arc::clone(self))
    }

    /// What was read last, which need not hold any more.
    pub(crate) fn known(&self) -> Option<Arc<Offers>> {
        let last = self.read.read().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|(_, offers)| Arc::clone(offers))
    }

    pub(crate) async fn get(&self, store: &dyn Store) -> Result<Arc<Offers>, StoreError> {
        self.lately(store, Duration::ZERO).await
    }

    /// The offers as they stand, or stood at most so long ago.
    pub(crate) async fn lately(&self, store: &dyn Store, within: Duration) -> Result<Arc<Offers>, StoreError> {
        // Taken before reading: a change during the read makes what was read stale at once.
        let generation = (self.generation.load(Ordering::SeqCst), store.providers_revision(within).await?);
        let is_settled = self.changing.load(Ordering::SeqCst) == 0;
        let last = self.read.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, offers)) = &last
            && *at == generation
            && is_settled
        {
            return Ok(Arc::clone(offers));
        }
        let offers = Arc::new(read(self, store, last.map(|(_, offers)| offers)).await?);
        if is_settled {
            self.forget_all_but(&offers);
            *self.read.write().unwrap_or_else(PoisonError::into_inner) = Some((generation, Arc::clone(&offers)));
        }
        Ok(offers)
    }
}

async fn read(cache: &OfferCache, store: &dyn Store, last: Option<Arc<Offers>>) -> Result<Offers, StoreError> {
    let mut offers = BTreeMap::new();
    for provider in store.providers().await? {
        let Some(version) = provider.active() else {
            continue;
        };
        let Some(manifest) = version.manifest.clone() else {
            continue;
        };
        let before = last.as_ref().and_then(|last| last.0.get(&provider.name));
        // A version says other things of itself under other options.
        let is_same = |offer: &&Arc<Offer>| offer.digest == version.digest && offer.manifest == manifest;
        let schemas = match before.filter(is_same) {
            Some(offer) => Ok(Arc::clone(&offer.schemas)),
            None => compile_all(manifest.clone()).await.map(Arc::new),
        };
        // Checked when the version was uploaded; a host that has become stricter since leaves the provider out and says so.
        let schemas = match schemas {
            Ok(schemas) => schemas,
            Err(reason) => {
                tracing::warn!(provider = %provider.name, %reason, "the provider's manifest is no longer accepted");
                continue;
            }
        };
        let options = match store.provider_options(&provider.name).await {
            Ok(options) => options,
            // Removed since the list was read; that is no concern of the others.
            Err(StoreError::Missing(_)) => continue,
            Err(error) => return Err(error),
        };
        // Without them, nobody would know what to blot out of what the provider says.
        let secrets = match secrets_of(&manifest, &options) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::warn!(provider = %provider.name, line = error.line(), "the provider's options can't be read");
                continue;
            }
        };
        let network = Arc::new(network_policy(&manifest, &provider.grants));
        let docker = Arc::new(docker_policy(&manifest, &provider.grants));
        let Shared { calls, log, .. } = cache.shared(&provider.name, &provider.limits);
        let (name, digest, exports) = (provider.name.clone(), version.digest, version.exports.clone());
        let limits = provider.limits;
        let offer = Offer {
            provider: name,
            digest,
            manifest,
            exports,
            options,
            secrets,
            network,
            docker,
            limits,
            calls,
            log,
            schemas,
        };
        offers.insert(provider.name, Arc::new(offer));
    }
    Ok(Offers(offers))
}

fn secrets_of(manifest: &Manifest, options: &SecretString) -> Result<Vec<SecretString>, serde_json::Error> {
    let options: SecretJson = serde_json::from_str(options.reveal())?;
    Ok(options::secrets(&manifest.options, options.reveal()))
}

/// What the calls of a provider share on this node. It outlives every reading of the offers, and goes on while its limit stays.
#[derive(Clone)]
struct Shared {
    at_once: u64,
    calls: Arc<Semaphore>,
    log: Arc<LogAllowance>,
}

impl Shared {
    /// As these limits have it, with what goes on of what there was.
    fn under(limits: &ProviderLimits, before: Option<&Self>) -> Self {
        let (at_once, per_minute) = (limits.value(Limit::CallsAtOnce), limits.value(Limit::LogBytesPerMinute));
        let calls = before.filter(|before| before.at_once == at_once).map(|before| Arc::clone(&before.calls));
        let log =
            before.filter(|before| before.log.bytes_per_minute() == per_minute).map(|before| Arc::clone(&before.log));
        let places = || Semaphore::new(usize::try_from(at_once).unwrap_or(Semaphore::MAX_PERMITS));
        Self {
            at_once,
            calls: calls.unwrap_or_else(|| Arc::new(places())),
            log: log.unwrap_or_else(|| Arc::new(LogAllowance::new(per_minute))),
        }
    }
}

/// Compiles every schema of a manifest, on a thread that nobody else waits for.
///
/// # Errors
/// Which one is wrong, and why.
pub(crate) async fn compile_all(manifest: Manifest) -> Result<Schemas, String> {
    aside(move || schemas_of(&manifest)).await.unwrap_or_else(|_| Err("its schemas can't be compiled".into()))
}

fn schemas_of(manifest: &Manifest) -> Result<Schemas, String> {
    let options =
        Schema::compile(&manifest.options).map_err(|reason| format!("the schema of its options: {reason}"))?;
    let mut patterns = options.patterns();
    let mut schemas = HashMap::new();
    for service in &manifest.services {
        for plan in &service.plans {
            let schema = Schema::compile(&plan.parameters).map_err(|reason| {
                format!("service {}, plan {}: the schema of its parameters: {reason}", service.name, plan.name)
            })?;
            patterns += schema.patterns();
            if patterns > PATTERNS_MAX {
                return Err(format!("its schemas have more than {PATTERNS_MAX} patterns together"));
            }
            schemas.insert((service.name.clone(), plan.name.clone()), schema);
        }
    }
    Ok(schemas)
}
