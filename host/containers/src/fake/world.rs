//! What the fake keeps, and how one change of it follows from another.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

use larder_domain::docker::{ContainerSpec, LocalName};
use larder_domain::ids::{InstallationId, OperationId};
use larder_domain::ports::engine::{ContainerState, EngineError, ExecOutput, NewContainer, Owner, StreamThrough};

/// The functions of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// `info`
    Info,
    /// `has_image`
    HasImage,
    /// `pull`
    Pull,
    /// `ensure_network`
    EnsureNetwork,
    /// `has_network`
    HasNetwork,
    /// `join_network`
    JoinNetwork,
    /// `leave_network`
    LeaveNetwork,
    /// `remove_network`
    RemoveNetwork,
    /// `open_passage`
    OpenPassage,
    /// `passages`
    Passages,
    /// `close_passage`
    ClosePassage,
    /// `objects`
    Objects,
    /// `create_volume`
    CreateVolume,
    /// `create_container`
    CreateContainer,
    /// `start`
    Start,
    /// `state`
    State,
    /// `last_words`
    LastWords,
    /// `stop_container`
    StopContainer,
    /// `remove_container`
    RemoveContainer,
    /// `remove_volume`
    RemoveVolume,
    /// `exec`
    Exec,
    /// `attach`
    Attach,
    /// `events`
    Events,
}

/// A container of the fake.
#[derive(Debug, Clone)]
pub struct FakeContainer {
    /// Whose it is.
    pub owner: Owner,
    /// The labels beside its owner's.
    pub labels: BTreeMap<String, String>,
    /// What was wanted.
    pub spec: ContainerSpec,
    /// The full names of the volumes, by their local ones.
    pub volumes: BTreeMap<LocalName, String>,
    /// Where each port is published.
    pub published: BTreeMap<u16, SocketAddr>,
    /// The network that it is in.
    pub network: String,
    /// Which networks it has been in since its first start, or joined, since engines tell them apart by more than names.
    pub networks: BTreeMap<String, u64>,
    /// The networks that it has joined, and the name by which it is known there.
    pub joined: BTreeMap<String, String>,
    /// How it is doing.
    pub state: ContainerState,
    /// What it has said.
    pub last_words: String,
    /// What makes it one for a stream.
    pub stream: Option<StreamThrough>,
}

/// What a container does that was made for a stream.
#[derive(Debug, Clone, Default)]
pub struct FakeProgram {
    /// What it prints, piece by piece.
    pub output: Vec<Vec<u8>>,
    /// Whether it then goes on for ever without a word.
    pub hangs: bool,
    /// How many bytes it reads before it ends, if not all.
    pub reads: Option<usize>,
    /// How it ends.
    pub code: i64,
    /// What it complains of.
    pub errors: String,
}

type Execs = VecDeque<Result<ExecOutput, EngineError>>;

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) images: BTreeSet<String>,
    pub(super) registry: BTreeSet<String>,
    pub(super) networks: BTreeMap<String, InstallationId>,
    pub(super) networks_of_apps: BTreeSet<String>,
    /// Which network of that name it is.
    pub(super) network_ids: BTreeMap<String, u64>,
    pub(super) passages: BTreeMap<String, OperationId>,
    pub(super) volumes: BTreeMap<String, Owner>,
    pub(super) containers: BTreeMap<String, FakeContainer>,
    /// Containers that are just being removed.
    pub(super) leaving: BTreeSet<String>,
    /// Containers that run by the list of all, whatever is known of them by themselves.
    pub(super) listed_running: BTreeSet<String>,
    pub(super) exits_at_once: HashMap<String, (i64, String)>,
    pub(super) taken: BTreeSet<SocketAddr>,
    pub(super) execs: HashMap<String, Execs>,
    pub(super) programs: HashMap<String, FakeProgram>,
    pub(super) received: Vec<u8>,
    pub(super) failures: HashMap<Call, VecDeque<EngineError>>,
    /// Failures of each call about something.
    pub(super) always: HashMap<(Call, String), EngineError>,
    pub(super) calls: Vec<(Call, String)>,
}

impl World {
    /// Notes a call, and fails it if that was scripted.
    pub(super) fn called(&mut self, call: Call, about: &str) -> Result<(), EngineError> {
        self.calls.push((call, about.to_owned()));
        if let Some(error) = self.always.get(&(call, about.to_owned())) {
            return Err(error.clone());
        }
        self.failures.get_mut(&call).and_then(VecDeque::pop_front).map_or(Ok(()), Err)
    }

    /// A network is made, and is another one than any of that name before.
    pub(super) fn new_network(&mut self, name: &str) {
        let id = self.network_ids.values().max().map_or(0, |last| last + 1) + self.calls.len() as u64;
        self.network_ids.insert(name.to_owned(), id);
    }

    pub(super) fn pull(&mut self, image: String) -> Result<(), EngineError> {
        if !self.registry.contains(&image) && !self.images.contains(&image) {
            return Err(EngineError::NoImage(format!("manifest for {image} not found")));
        }
        self.images.insert(image);
        Ok(())
    }

    pub(super) fn create_volume(&mut self, full_name: &str, owner: &Owner) -> Result<(), EngineError> {
        let there = self.volumes.entry(full_name.to_owned()).or_insert_with(|| owner.clone());
        if (there.installation, there.addon, &there.name) == (owner.installation, owner.addon, &owner.name) {
            return Ok(());
        }
        Err(EngineError::Conflict(format!("there is a volume {full_name}, and it is another's")))
    }

    pub(super) fn create(&mut self, new: NewContainer<'_>) -> Result<(), EngineError> {
        if !self.images.contains(&new.spec.image.to_string()) {
            return Err(EngineError::NoImage(format!("No such image: {}", new.spec.image)));
        }
        if self.containers.contains_key(&new.full_name) {
            return Err(EngineError::Conflict(format!("the name {} is in use", new.full_name)));
        }
        for mount in &new.spec.mounts {
            let full = new.volumes.get(&mount.volume);
            let full = full.ok_or_else(|| EngineError::Refused(format!("nobody named the volume {}", mount.volume)))?;
            let owner = Owner { name: mount.volume.clone(), ..new.owner.clone() };
            self.volumes.entry(full.clone()).or_insert(owner);
        }
        let container = FakeContainer {
            owner: new.owner,
            labels: new.labels,
            spec: new.spec.clone(),
            volumes: new.volumes,
            published: new.published,
            network: new.network,
            networks: BTreeMap::new(),
            joined: BTreeMap::new(),
            state: ContainerState::Created,
            last_words: String::new(),
            stream: new.stream,
        };
        self.containers.insert(new.full_name, container);
        Ok(())
    }

    /// What happened, for the listeners.
    pub(super) fn start(&mut self, full_name: &str) -> Result<&'static [&'static str], EngineError> {
        let container = self.containers.get(full_name).ok_or(EngineError::Missing)?;
        if container.state == ContainerState::Running {
            return Ok(&[]);
        }
        let all: Vec<String> = container.joined.keys().chain([&container.network]).cloned().collect();
        let is_it = |network: &&String| match (self.network_ids.get(*network), container.networks.get(*network)) {
            (Some(there), Some(was)) => there == was,
            (there, _) => there.is_some() || self.passages.contains_key(*network),
        };
        if let Some(gone) = all.iter().find(|network| !is_it(network)) {
            return Err(EngineError::NetworkGone(format!("network {gone} not found")));
        }
        if let Some(address) = container.published.values().find(|address| self.is_taken(address)) {
            return Err(EngineError::AddressTaken(format!("{address}: port is already allocated")));
        }
        let end = self.exits_at_once.get(&container.spec.image.to_string()).cloned();
        let ids = all.into_iter().filter_map(|network| Some((network.clone(), *self.network_ids.get(&network)?)));
        let ids: Vec<_> = ids.collect();
        let container = self.containers.get_mut(full_name).ok_or(EngineError::Missing)?;
        container.networks.extend(ids);
        container.state = ContainerState::Running;
        if let Some((code, last_words)) = end {
            container.state = ContainerState::Exited { code, out_of_memory: false };
            container.last_words = last_words;
            return Ok(&["start", "die"]);
        }
        Ok(&["start"])
    }

    fn is_taken(&self, address: &SocketAddr) -> bool {
        let running = self.containers.values().filter(|container| container.state == ContainerState::Running);
        self.taken.contains(address) || running.flat_map(|container| container.published.values()).any(|a| a == address)
    }

    pub(super) fn remove_volume(&mut self, full_name: &str) -> Result<(), EngineError> {
        if self.containers.values().any(|container| container.volumes.values().any(|volume| volume == full_name)) {
            return Err(EngineError::Conflict(format!("a container uses the volume {full_name}")));
        }
        self.volumes.remove(full_name);
        Ok(())
    }

    pub(super) fn program_of(&self, full_name: &str) -> Result<FakeProgram, EngineError> {
        let container = self.containers.get(full_name).ok_or(EngineError::Missing)?;
        Ok(self.programs.get(&container.spec.image.to_string()).cloned().unwrap_or_default())
    }

    pub(super) fn exec(&mut self, full_name: &str) -> Result<ExecOutput, EngineError> {
        let container = self.containers.get(full_name).ok_or(EngineError::Missing)?;
        if container.state != ContainerState::Running {
            return Err(EngineError::Conflict(format!("the container {full_name} is not running")));
        }
        let scripted = self.execs.get_mut(full_name).and_then(VecDeque::pop_front);
        scripted.unwrap_or(Ok(ExecOutput { code: 0, stdout: vec![].into(), stderr: vec![].into(), truncated: false }))
    }
}
