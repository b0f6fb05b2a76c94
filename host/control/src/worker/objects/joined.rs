//! Containers in the networks of the apps that use them.
//!
//! What a container is to be in is looked at each time: apps come and go, and their networks too, whenever whoever made them wants.
//! A network that one app has lost is no reason to keep a container from the others that use it.

use larder_domain::Role;
use larder_domain::docker::name_in_networks;
use larder_domain::ports::engine::{EngineError, Found};
use larder_domain::ports::store::{Phase, StoredObject};

use super::{Settling, Unfinished};
use crate::containers::{REMOVAL_STOP, network_name};

/// What keeps a container from a network that it is to be in; none if it is in all of them.
pub(super) type Lack = Option<String>;

impl Settling<'_> {
    /// Has a container be in the networks that it is to be in, as far as there are any, and in no other that it joined.
    pub(super) async fn join(&self, object: &StoredObject, full_name: &str) -> Result<Lack, Unfinished> {
        let (engine, known_as) = (&self.engine.engine, name_in_networks(self.addon, &object.name));
        let found =
            self.found.iter().find(|found| found.full_name == full_name && found.owner.revision == object.revision);
        for network in self.others(found) {
            if !self.networks.iter().any(|wanted| wanted.as_str() == network) {
                engine.leave_network(full_name, network, &known_as).await?;
            }
        }
        let mut lacks = vec![];
        for network in &self.networks {
            match engine.join_network(full_name, network, &known_as).await {
                Ok(()) => {}
                Err(EngineError::Refused(why)) => lacks.push(why),
                Err(error @ EngineError::NoNetwork(_)) => {
                    lacks.push(format!("{error}; make it, or `larder app detach` the app"));
                }
                Err(EngineError::NetworkFull(why)) => lacks.push(format!("{why}; give the app a larger one")),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((!lacks.is_empty()).then(|| format!("{}: {}", object.name, lacks.join("; "))))
    }

    fn own_network(&self) -> String {
        network_name(self.control.store.installation())
    }

    /// The networks that a container is in, beside the installation's own.
    fn others<'f>(&self, found: Option<&'f Found>) -> impl Iterator<Item = &'f str> {
        let own = self.own_network();
        let networks = found.into_iter().flat_map(|found| &found.networks);
        networks.map(String::as_str).filter(move |network| *network != own)
    }

    /// Starts a container in its networks. One that lacks some is started all the same if it ran before or others use it too; else
    /// it waits, and says for what.
    pub(super) async fn launch(
        &self,
        object: &StoredObject,
        full_name: &str,
    ) -> Result<Result<Lack, EngineError>, Unfinished> {
        let lack = self.join(object, full_name).await?;
        let engine = &self.engine.engine;
        self.may_lack(object, &lack).await?;
        match engine.start(full_name).await {
            Ok(()) => Ok(Ok(lack)),
            Err(EngineError::NetworkGone(why)) => Err(self.out_of_network(object, full_name, &why).await?),
            Err(EngineError::NetworkFull(why)) if self.networks.is_empty() || why.contains(&self.own_network()) => {
                Ok(Err(own_is_full(&why)))
            }
            Err(EngineError::NetworkFull(why)) => {
                // An engine gives out addresses when a container starts, and starts none that is to be where there is none left.
                let known_as = name_in_networks(self.addon, &object.name);
                for network in &self.networks {
                    engine.leave_network(full_name, network.as_str(), &known_as).await?;
                }
                let lack = Some(format!("{}: {why}; give the app a larger network", object.name));
                self.may_lack(object, &lack).await?;
                match engine.start(full_name).await {
                    // It is in no other any more.
                    Err(EngineError::NetworkFull(why)) => Ok(Err(own_is_full(&why))),
                    started => Ok(started.map(|()| lack)),
                }
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// What is made for the first time, for one app alone, waits for its network.
    async fn may_lack(&self, object: &StoredObject, lack: &Lack) -> Result<(), Unfinished> {
        match lack {
            Some(why) if !self.is_in_use() && self.record.spec.role == Role::User => {
                Err(Unfinished::Pause(self.without_network(object, Phase::Waiting, why).await?))
            }
            _ => Ok(()),
        }
    }

    /// Says that it waits for a network. In how many milliseconds to look again.
    pub(super) async fn without_network(
        &self,
        object: &StoredObject,
        phase: Phase,
        why: &str,
    ) -> Result<u64, Unfinished> {
        if object.message != *why {
            self.note(object, phase, why.to_owned()).await?;
            self.record("network_missing", why.to_owned()).await?;
        }
        Ok(self.control.pauses.no_network_ms)
    }

    /// A container was in a network that is gone, so that it will never start: it is made anew, with the volumes that it had.
    async fn out_of_network(
        &self,
        object: &StoredObject,
        full_name: &str,
        why: &str,
    ) -> Result<Unfinished, Unfinished> {
        self.engine.engine.remove_container(full_name, REMOVAL_STOP).await?;
        let message = format!("the container {} is made anew: {why}", object.name);
        self.note(object, Phase::Waiting, message.clone()).await?;
        self.record("network_lost", message).await?;
        Ok(Unfinished::Pause(0))
    }
}

/// That no app can help it: the network is full that all of the installation's containers on an engine are in.
fn own_is_full(why: &str) -> EngineError {
    EngineError::NetworkFull(format!(
        "{why}; it is the installation's own: delete addons that nobody needs there, or have new ones on another engine"
    ))
}
