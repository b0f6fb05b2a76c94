//! One Docker engine on which addons' objects are made, and how they are called there.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use larder_domain::docker::{LocalName, ObjectKind, Published};
use larder_domain::engines::EngineLabels;
use larder_domain::network::{Endpoint, Host};
use larder_domain::ports::Store;
use larder_domain::ports::engine::{Engine, EngineError, Found, Passage};
use larder_domain::ports::store::PortMap;
use larder_domain::secret::SecretJson;
use larder_domain::{AddonId, EngineName, InstallationId, OperationId};
use tokio::time::Instant;

use crate::health::Health;
use crate::worker::Unfinished;

/// How long a container that nobody wants has to stop by itself.
pub(crate) const REMOVAL_STOP: Duration = Duration::from_secs(10);

/// How long whoever removes a network waits for those who make containers; and whoever comes to make one meanwhile waits with it.
const MAKING_WAIT: Duration = Duration::from_secs(2);

/// How an engine is used.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Its name among the installation's engines.
    pub name: EngineName,
    /// Where it listens, for people.
    pub url: String,
    /// The name or address by which apps, and this host, reach what the engine publishes.
    pub advertise: Host,
    /// The engine's own address at which ports are published.
    pub publish_at: IpAddr,
    /// The ports that may be given to containers.
    pub ports: RangeInclusive<u16>,
    /// What may be wished for.
    pub labels: EngineLabels,
    /// How many addons it takes beside those of other engines.
    pub weight: u32,
}

/// An engine with its settings, and what this node knows of how it does.
pub struct NamedEngine {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) settings: EngineSettings,
    health: Health,
    /// Engines take several networks of one name, so one piece of work at a time looks whether there is one.
    pub(crate) networking: Arc<tokio::sync::Mutex<()>>,
    /// Read by whoever makes containers, from before there is a network for them until they are there, and written by whoever removes
    /// the network: a container that was made for one that has gone since can't be started.
    pub(crate) making: Arc<tokio::sync::RwLock<()>>,
    /// What was said of it, if it was added while servers ran.
    pub(crate) definition: Option<SecretJson>,
}

impl NamedEngine {
    /// An engine of which nothing is known yet.
    pub fn new(engine: Arc<dyn Engine>, settings: EngineSettings) -> Self {
        let (networking, making) = Default::default();
        Self { engine, settings, health: Health::default(), networking, making, definition: None }
    }

    /// The same, added by this.
    pub(crate) fn defined_by(self, definition: SecretJson) -> Self {
        Self { definition: Some(definition), ..self }
    }

    /// The same, for the work that another object for this engine may still be used by.
    pub(crate) fn in_the_place_of(self, before: Option<&Self>) -> Self {
        match before {
            Some(Self { networking, making, .. }) => {
                Self { networking: Arc::clone(networking), making: Arc::clone(making), ..self }
            }
            None => self,
        }
    }

    /// Whether it was added while servers ran.
    pub(crate) const fn is_added(&self) -> bool {
        self.definition.is_some()
    }

    /// How it is used.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// Asks the engine something, unless it was found not to answer just now.
    pub(crate) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        self.health.admit(Instant::now())?;
        let answer = question.await;
        self.heard(answer.as_ref().err());
        answer
    }

    /// What came of asking it something else.
    pub(crate) fn heard(&self, error: Option<&EngineError>) {
        self.health.heard(error, Instant::now());
    }

    /// Where a container's ports can be reached.
    pub(crate) fn published(&self, ports: &PortMap) -> Vec<Published> {
        let host = self.settings.advertise.to_string();
        ports
            .iter()
            .map(|(port, published)| Published { port: *port, host: host.clone(), published: *published })
            .collect()
    }

    /// The same, for the gate.
    pub(crate) fn endpoints<'a>(&self, ports: impl Iterator<Item = &'a PortMap>) -> Vec<Endpoint> {
        let endpoint = |port: &u16| Endpoint { host: self.settings.advertise.clone(), port: *port };
        ports.flat_map(|ports| ports.values()).map(endpoint).collect()
    }

    /// Removes an object that nobody wants.
    pub(crate) async fn remove(&self, found: &Found) -> Result<(), EngineError> {
        match found.kind {
            ObjectKind::Container => self.engine.remove_container(&found.full_name, REMOVAL_STOP).await,
            ObjectKind::Volume => self.engine.remove_volume(&found.full_name).await,
        }
    }

    /// Removes the installation's network, if no container of it is left there and none is to be made. One that somebody else uses
    /// stays until it is found unused by a look at everything.
    pub(crate) async fn give_up_network(&self, store: &dyn Store) -> Result<(), Unfinished> {
        if store.wants_objects(&self.settings.name).await? {
            return Ok(());
        }
        // Whoever still makes one makes it for an addon that wants it no more, and is about to find out.
        let Ok(_alone) = tokio::time::timeout(MAKING_WAIT, self.making.write()).await else { return Ok(()) };
        let installation = store.installation();
        let left = self.engine.objects(installation, None).await?;
        if left.iter().any(|found| found.kind == ObjectKind::Container) {
            return Ok(());
        }
        match self.engine.remove_network(installation, &network_name(installation)).await {
            Err(error @ EngineError::Conflict(_)) => {
                tracing::warn!(%error, engine = %self.settings.name, "the installation's network stays: somebody else uses it");
                Ok(())
            }
            removed => Ok(removed?),
        }
    }

    /// Where the engine is to publish them.
    pub(crate) fn addresses(&self, ports: &PortMap) -> BTreeMap<u16, SocketAddr> {
        ports.iter().map(|(port, at)| (*port, SocketAddr::new(self.settings.publish_at, *at))).collect()
    }
}

/// The full name of an addon's object. Addons' ids are unique everywhere, so it is another's on no engine.
pub(crate) fn full_name(addon: AddonId, object: &LocalName) -> String {
    format!("larder-{addon}-{object}")
}

/// The network through which the data of an operation flow to or from a server that others use too.
pub(crate) fn passage(installation: InstallationId, operation: OperationId) -> Passage {
    Passage { name: format!("{}-{operation}", network_name(installation)), operation }
}

/// The full name of the container through which a transfer's data flow.
pub(crate) fn stream_name(addon: AddonId, operation: OperationId) -> String {
    format!("larder-{addon}-{operation}")
}

/// Whether an object has the name that it was given. Its labels alone prove nothing: an image that somebody makes of a container has
/// them too, and so has whatever is made of that.
pub(crate) fn has_given_name(found: &Found) -> bool {
    let (addon, object) = (found.owner.addon, &found.owner.name);
    found.full_name == found.operation.map_or_else(|| full_name(addon, object), |id| stream_name(addon, id))
}

/// The network that an installation's containers are in.
pub(crate) fn network_name(installation: InstallationId) -> String {
    format!("larder-{installation}")
}
