//! What an engine is asked to do, as a value: so that it can be done later, or twice.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use larder_containers::fake::FakeEngine;
use larder_domain::AddonId;
use larder_domain::docker::{ContainerSpec, LocalName};
use larder_domain::ports::engine::{Engine as _, EngineError, NewContainer, Owner};

use super::at_once;

/// A container to be made, with nothing borrowed.
#[derive(Debug, Clone)]
pub(crate) struct OwnContainer {
    pub(crate) full_name: String,
    pub(crate) owner: Owner,
    labels: BTreeMap<String, String>,
    spec: ContainerSpec,
    volumes: BTreeMap<LocalName, String>,
    published: BTreeMap<u16, SocketAddr>,
    network: String,
}

impl OwnContainer {
    pub(super) fn of(new: NewContainer<'_>) -> Self {
        let NewContainer { full_name, owner, labels, spec, volumes, published, network, stream: _ } = new;
        Self { full_name, owner, labels, spec: spec.clone(), volumes, published, network }
    }

    fn borrowed(&self) -> NewContainer<'_> {
        NewContainer {
            full_name: self.full_name.clone(),
            owner: self.owner.clone(),
            labels: self.labels.clone(),
            spec: &self.spec,
            volumes: self.volumes.clone(),
            published: self.published.clone(),
            network: self.network.clone(),
            stream: None,
        }
    }
}

/// Something that changes what an engine has.
#[derive(Debug, Clone)]
pub(crate) enum EngineWork {
    CreateVolume(String, Owner),
    CreateContainer(Box<OwnContainer>),
    Start(String),
    Stop(String),
    RemoveContainer(String),
    RemoveVolume(String),
}

impl EngineWork {
    /// Does it.
    pub(crate) fn run(&self, engine: &FakeEngine) -> Result<(), EngineError> {
        match self {
            Self::CreateVolume(name, owner) => at_once(engine.create_volume(name, owner)),
            Self::CreateContainer(container) => at_once(engine.create_container(container.borrowed())),
            Self::Start(name) => at_once(engine.start(name)),
            Self::Stop(name) => at_once(engine.stop_container(name, Duration::ZERO)),
            Self::RemoveContainer(name) => at_once(engine.remove_container(name, Duration::ZERO)),
            Self::RemoveVolume(name) => at_once(engine.remove_volume(name)),
        }
    }

    /// The full name of what it is about.
    pub(crate) fn full_name(&self) -> &str {
        match self {
            Self::CreateContainer(container) => &container.full_name,
            Self::CreateVolume(name, _)
            | Self::Start(name)
            | Self::Stop(name)
            | Self::RemoveContainer(name)
            | Self::RemoveVolume(name) => name,
        }
    }

    /// Whose it is.
    pub(crate) fn addon(&self) -> Option<AddonId> {
        addon_of(self.full_name())
    }
}

impl fmt::Display for EngineWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateVolume(..) => "create-volume",
            Self::CreateContainer(_) => "create-container",
            Self::Start(_) => "start",
            Self::Stop(_) => "stop",
            Self::RemoveContainer(_) => "remove-container",
            Self::RemoveVolume(_) => "remove-volume",
        })
    }
}

/// The addon in the full name of one of its objects.
pub(crate) fn addon_of(full_name: &str) -> Option<AddonId> {
    full_name.strip_prefix("larder-")?.get(..36)?.parse().ok()
}

/// The name of an object among those of its addon.
pub(crate) fn local_name_of(full_name: &str) -> Option<LocalName> {
    full_name.get("larder-".len() + 37..)?.parse().ok()
}
