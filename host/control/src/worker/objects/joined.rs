//! Containers in the networks of the apps that use them.
//!
//! What a container is to be in is looked at each time: apps come and go, and their networks too, whenever whoever made them wants.

use larder_domain::docker::name_in_networks;
use larder_domain::ports::engine::{EngineError, Found};
use larder_domain::ports::store::StoredObject;

use super::{Settling, Unfinished};
use crate::containers::network_name;

/// When it is looked again for a network that there was not, in milliseconds.
const NO_NETWORK_AGAIN_MS: u64 = 5_000;

impl Settling<'_> {
    /// Has a container be in the networks that it is to be in, and in no other that it joined.
    pub(super) async fn join(&self, object: &StoredObject, full_name: &str) -> Result<(), Unfinished> {
        let (engine, known_as) = (&self.engine.engine, name_in_networks(self.addon, &object.name));
        let found =
            self.found.iter().find(|found| found.full_name == full_name && found.owner.revision == object.revision);
        for network in self.others(found) {
            if !self.networks.iter().any(|wanted| wanted.as_str() == network) {
                engine.leave_network(full_name, network, &known_as).await?;
            }
        }
        for network in &self.networks {
            if found.is_some_and(|found| found.networks.contains(network.as_str())) {
                continue;
            }
            match engine.join_network(full_name, network, &known_as).await {
                Ok(()) => {}
                Err(error @ (EngineError::NoNetwork(_) | EngineError::Refused(_))) => {
                    return Err(self.without_network(object, &error).await?);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The networks that a container is in, beside the installation's own.
    fn others<'f>(&self, found: Option<&'f Found>) -> impl Iterator<Item = &'f str> {
        let own = network_name(self.control.store.installation());
        let networks = found.into_iter().flat_map(|found| &found.networks);
        networks.map(String::as_str).filter(move |network| *network != own)
    }

    /// Says that it waits for a network. What runs goes on, where it is.
    async fn without_network(&self, object: &StoredObject, error: &EngineError) -> Result<Unfinished, Unfinished> {
        let why = format!("{}: {error}; make it, or `larder app detach` the app", object.name);
        if object.message != why {
            self.note(object, object.phase, why.clone()).await?;
            self.record("network_missing", why).await?;
        }
        Ok(Unfinished::Pause(NO_NETWORK_AGAIN_MS))
    }

    /// What to do about a container that does not start. One that was in a network that is gone never will, and is made anew.
    pub(super) async fn not_started(
        &self,
        object: &StoredObject,
        full_name: &str,
        error: EngineError,
    ) -> Result<Unfinished, Unfinished> {
        let found =
            self.found.iter().find(|found| found.full_name == full_name && found.owner.revision == object.revision);
        let may_be_gone = matches!(error, EngineError::Failed(_)) && self.others(found).next().is_some();
        if may_be_gone {
            let stop = crate::containers::REMOVAL_STOP;
            self.engine.engine.remove_container(full_name, stop).await?;
        }
        Ok(error.into())
    }
}
