//! What can be provisioned now: the manifests of all active versions, with their schemas compiled. Kept in memory, since every
//! creation needs it, and read anew from the store after each change of a provider.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jsonschema::Validator;
use larder_domain::manifest::{Manifest, Plan, Service};
use larder_domain::ports::{Store, StoreError};
use larder_domain::{Digest, PlanName, ProviderName, SecretString, ServiceName};

use crate::schema;

/// A provider's active version.
#[derive(Debug)]
pub struct Offer {
    /// Who offers.
    pub provider: ProviderName,
    /// Which version serves.
    pub digest: Digest,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The operator's options for it.
    pub options: SecretString,
    validators: HashMap<(ServiceName, PlanName), Validator>,
}

impl Offer {
    /// Checks a developer's parameters.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn validate(&self, service: &Service, plan: &Plan, parameters: &serde_json::Value) -> Result<(), String> {
        match self.validators.get(&(service.name.clone(), plan.name.clone())) {
            Some(validator) => schema::validate(validator, parameters),
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
    read: RwLock<Option<(u64, Arc<Offers>)>>,
}

impl OfferCache {
    /// Something about a provider has changed: read again at the next use.
    pub(crate) fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) async fn get(&self, store: &dyn Store) -> Result<Arc<Offers>, StoreError> {
        // Taken before reading: a change during the read makes what was read stale at once.
        let generation = self.generation.load(Ordering::SeqCst);
        if let Some((at, offers)) = &*self.read.read().unwrap_or_else(PoisonError::into_inner)
            && *at == generation
        {
            return Ok(Arc::clone(offers));
        }
        let offers = Arc::new(read(store).await?);
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = Some((generation, Arc::clone(&offers)));
        Ok(offers)
    }
}

async fn read(store: &dyn Store) -> Result<Offers, StoreError> {
    let mut offers = BTreeMap::new();
    for provider in store.providers().await? {
        let Some(version) = provider.active() else {
            continue;
        };
        let Some(manifest) = version.manifest.clone() else {
            continue;
        };
        // Checked when the version was uploaded; a host that has become stricter since leaves the provider out and says so.
        let validators = match compile_all(&manifest) {
            Ok(validators) => validators,
            Err(reason) => {
                tracing::warn!(provider = %provider.name, %reason, "the provider's manifest is no longer accepted");
                continue;
            }
        };
        let options = store.provider_options(&provider.name).await?;
        let offer = Offer { provider: provider.name.clone(), digest: version.digest, manifest, options, validators };
        offers.insert(provider.name, Arc::new(offer));
    }
    Ok(Offers(offers))
}

/// Compiles every schema of a manifest.
///
/// # Errors
/// Which one is wrong, and why.
pub(crate) fn compile_all(manifest: &Manifest) -> Result<HashMap<(ServiceName, PlanName), Validator>, String> {
    schema::compile(&manifest.options).map_err(|reason| format!("the schema of its options: {reason}"))?;
    let mut validators = HashMap::new();
    for service in &manifest.services {
        for plan in &service.plans {
            let validator = schema::compile(&plan.parameters).map_err(|reason| {
                format!("service {}, plan {}: the schema of its parameters: {reason}", service.name, plan.name)
            })?;
            validators.insert((service.name.clone(), plan.name.clone()), validator);
        }
    }
    Ok(validators)
}
