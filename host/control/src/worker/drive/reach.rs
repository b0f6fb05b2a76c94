//! What a call may reach beside what was granted: the addon's engine, and what is published there for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use larder_domain::docker::LocalName;
use larder_domain::network::Policy;
use larder_domain::operation::Operation;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{Phase, PortMap, StoredObject};
use larder_domain::{AddonId, AddonState};

use super::Drive;
use crate::Offer;
use crate::containers::NamedEngine;
use crate::engines::NoEngine;

impl Drive {
    /// The engine that the addon's objects are on.
    pub(super) async fn engine(&self, offer: &Offer) -> Result<Result<Arc<NamedEngine>, NoEngine>, StoreError> {
        if self.record.engine.is_none() {
            if offer.docker.is_empty() {
                return Ok(Err(NoEngine::None));
            }
            self.may_be_pinned.store(true, Ordering::Relaxed);
        }
        self.control.engine_of(&self.record).await
    }

    /// What the call may reach: what was granted, and the addon's own containers. And the ports of these, if it may have any.
    pub(super) async fn network(
        &self,
        offer: &Offer,
        engine: &Result<Arc<NamedEngine>, NoEngine>,
    ) -> Result<(Arc<Policy>, Option<BTreeSet<u16>>), StoreError> {
        let Some(engine) = engine.as_ref().ok().filter(|_| !offer.docker.is_empty()) else {
            return Ok((Arc::clone(&offer.network), None));
        };
        let (spec, addon) = (&self.record.spec, &self.record.addon);
        let is_used = matches!(addon.state, AddonState::Provisioned | AddonState::Ready) || addon.grace.is_some();
        let is_changed = addon.running().is_some_and(Operation::can_be_undone);
        let mut ports = self.ports(spec.id, |it| is_used && (it.can_come_back || !is_changed)).await?;
        if let Some(server) = spec.parent {
            // Nobody has a part of a server that has never been ready.
            ports.extend(self.ports(server, |_| true).await?);
        }
        let open = ports.iter().flat_map(PortMap::values).copied().collect();
        Ok((Arc::new(offer.network.with(engine.endpoints(ports.iter()))), Some(open)))
    }

    /// The ports of an addon's containers that are there, and of those that are waited for and had theirs before: a port is given
    /// before its container is made, and until that runs, whoever listens there may be somebody else.
    async fn ports(&self, addon: AddonId, has_run: impl Fn(&StoredObject) -> bool) -> Result<Vec<PortMap>, StoreError> {
        let objects = self.control.store.objects(addon).await?;
        let is_there = |object: &StoredObject| match object.phase {
            Phase::Made | Phase::Stopped => true,
            Phase::Waiting => has_run(object),
            Phase::Failed => false,
        };
        let is_open = |name: &LocalName| {
            objects.iter().any(|object| object.name == *name && object.wanted.is_some() && is_there(object))
        };
        let published = self.control.store.published(addon).await?.into_iter();
        Ok(published.filter(|(name, _)| is_open(name)).map(|(_, ports)| ports).collect())
    }
}
