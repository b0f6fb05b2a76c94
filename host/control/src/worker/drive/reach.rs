//! What a call may reach beside what was granted: the addon's engine, and what is published there for it.

use std::sync::Arc;

use larder_domain::network::Policy;
use larder_domain::ports::StoreError;

use super::Drive;
use crate::Offer;
use crate::containers::NamedEngine;
use crate::engines::NoEngine;

impl Drive {
    /// The engine that the addon's objects are on.
    pub(super) async fn engine(&self, offer: &Offer) -> Result<Result<Arc<NamedEngine>, NoEngine>, StoreError> {
        match offer.docker.is_empty() && self.record.engine.is_none() {
            true => Ok(Err(NoEngine::None)),
            false => self.control.engine_of(&self.record).await,
        }
    }

    /// What the call may reach: what was granted, and the addon's own containers.
    pub(super) async fn network(
        &self,
        offer: &Offer,
        engine: &Result<Arc<NamedEngine>, NoEngine>,
    ) -> Result<Arc<Policy>, StoreError> {
        let Some(engine) = engine.as_ref().ok().filter(|_| !offer.docker.is_empty()) else {
            return Ok(Arc::clone(&offer.network));
        };
        let spec = &self.record.spec;
        let mut ports: Vec<_> = self.control.store.published(spec.id).await?.into_values().collect();
        if let Some(server) = spec.parent {
            ports.extend(self.control.store.published(server).await?.into_values());
        }
        Ok(Arc::new(offer.network.with(engine.endpoints(ports.iter()))))
    }
}
