//! A Docker engine, as the reconciler needs it: objects by full names, made, looked at and removed. Who may want what, and
//! which objects are whose, is decided before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::docker::{ContainerSpec, Image, LocalName, ObjectKind};
use crate::ids::{AddonId, InstallationId, OperationId};
use crate::names::NetworkName;
use crate::secret::{SecretBytes, SecretString};

/// Why an engine did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers, or too late, or what answers is no engine. Worth another try.
    #[error("the Docker engine can't be reached: {0}")]
    Unreachable(String),
    /// The engine failed (a status of 500 and more), or broke off, or its answer can't be understood. Worth another try.
    #[error("the Docker engine failed: {0}")]
    Failed(String),
    /// There is no such image, here or where it would be pulled from.
    #[error("the image can't be had: {0}")]
    NoImage(String),
    /// There is no such network.
    #[error("there is no network {0}")]
    NoNetwork(NetworkName),
    /// A network that a container was in is gone: it will never start again, even if there is another one of that name.
    #[error("a network of the container is gone: {0}")]
    NetworkGone(String),
    /// A network has no address left for the container.
    #[error("a network of the container is full: {0}")]
    NetworkFull(String),
    /// There is no such object.
    #[error("the Docker engine has no such object")]
    Missing,
    /// A name that is taken, or an object that is in use.
    #[error("the Docker engine has a conflict: {0}")]
    Conflict(String),
    /// A published address that is taken, by whomever.
    #[error("the address is taken: {0}")]
    AddressTaken(String),
    /// The engine will not do this, now or later (any other status from 400 to 499).
    #[error("the Docker engine refused: {0}")]
    Refused(String),
}

/// The most that is shown of a program's last complaints, in bytes.
pub const LAST_ERRORS_BYTES_MAX: usize = 4 * 1024;

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its version, for people.
    pub version: String,
    /// The newest API that it speaks, like `1.41`.
    pub api_version: String,
    /// Which storage driver it uses.
    pub storage_driver: String,
    /// Whether the kernel lets it limit memory.
    pub limits_memory: bool,
}

/// Whose an object is. Every object that the host makes carries this as labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// Which installation.
    pub installation: InstallationId,
    /// Which addon.
    pub addon: AddonId,
    /// Its name among the addon's objects.
    pub name: LocalName,
    /// Which of the documents that asked for it, one after the other.
    pub revision: u64,
}

/// An object as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which kind.
    pub kind: ObjectKind,
    /// Its full name.
    pub full_name: String,
    /// Whose it is. Read from its labels; objects without all of them are not found.
    pub owner: Owner,
    /// Whether it runs; false for volumes.
    pub running: bool,
    /// The networks that it is in, by name; none for volumes.
    pub networks: BTreeSet<String>,
    /// The operation whose data flow through it. Such a container is none of the objects that its addon is to have.
    pub operation: Option<OperationId>,
}

/// A container to be made.
#[derive(Debug, Clone)]
pub struct NewContainer<'a> {
    /// Its full name.
    pub full_name: String,
    /// Whose it is.
    pub owner: Owner,
    /// More labels, for people who look at them.
    pub labels: BTreeMap<String, String>,
    /// What the provider wants.
    pub spec: &'a ContainerSpec,
    /// The full names of the volumes, by their local ones.
    pub volumes: BTreeMap<LocalName, String>,
    /// The ports of the container, and where each is published.
    pub published: BTreeMap<u16, SocketAddr>,
    /// The network that it is put into.
    pub network: String,
    /// What makes it a container that lives as long as a stream of data; none if it is one of the addon's objects.
    pub stream: Option<StreamThrough>,
}

/// What is special about a container through which data flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamThrough {
    /// For which operation. It carries this as a label.
    pub operation: OperationId,
    /// Whether the data flow in.
    pub has_input: bool,
    /// The full name of a container whose network it shares, addresses and names included, in the place of one of its own.
    pub beside: Option<String>,
}

/// A network that is made for one transfer: its container reaches one other container there, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Its name.
    pub name: String,
    /// For which operation. It carries this as a label.
    pub operation: OperationId,
}

/// How a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, and not started yet.
    Created,
    /// Its process runs.
    Running,
    /// Its process has ended.
    Exited {
        /// With which code; 128 and the signal if by one.
        code: i64,
        /// Whether it used up its memory.
        out_of_memory: bool,
    },
    /// Somebody has had its process stand still.
    Paused,
    /// Between states.
    Other(String),
}

/// What a command in a container brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code.
    pub code: i64,
    /// The beginning of its standard output.
    pub stdout: SecretBytes,
    /// The beginning of its standard error.
    pub stderr: SecretBytes,
    /// Whether there was more of either than is kept.
    pub truncated: bool,
}

/// A command to run in a container.
#[derive(Debug, Clone)]
pub struct Exec {
    /// Its words, the program first.
    pub command: Vec<SecretString>,
    /// Its environment beside the container's.
    pub env: BTreeMap<String, SecretString>,
    /// As whom; as the container's own user if none.
    pub user: Option<String>,
    /// What it reads.
    pub stdin: SecretBytes,
    /// How much is kept of each of its outputs, in bytes.
    pub output_bytes_max: usize,
    /// How long it may take.
    pub wall: Duration,
}

/// Something that happened to an object of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// Whose object.
    pub addon: AddonId,
    /// What: `start`, `die`, `destroy`, `oom`, … without details. Commands that are run in a container are not told.
    pub action: String,
}

/// Follows what happens at an engine.
#[async_trait]
pub trait EngineEvents: Send {
    /// The next event, be it hours away; that the engine has gone is noticed meanwhile. An error ends the stream, and it is
    /// opened anew. What happened in between is not told, so whoever opens a stream looks at everything once.
    async fn next(&mut self) -> Result<EngineEvent, EngineError>;
}

/// A container's standard streams, from before its start to its end. Nothing is read ahead: a program that nobody listens to waits.
/// Dropped, the connection is closed, and the container goes on.
#[async_trait]
pub trait Attached: Send {
    /// The next piece of the standard output; none at its end.
    async fn read(&mut self) -> Result<Option<Vec<u8>>, EngineError>;

    /// Hands these bytes to the program, and throws away what it prints meanwhile. False if it has ended, or reads no more.
    async fn write(&mut self, bytes: &[u8]) -> Result<bool, EngineError>;

    /// Tells the program that there is no more to read, and waits until it prints no more.
    async fn finish(&mut self) -> Result<(), EngineError>;

    /// The end of what it has written to its standard error so far, as text: [`LAST_ERRORS_BYTES_MAX`] that may be shown, and before
    /// that what [`crate::redact::redact_end`] needs.
    fn last_errors(&self) -> String;
}

/// A Docker engine. Each function ends within a bound of its own, whatever the engine does; none is repeated inside.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// What the engine says of itself.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// Whether the engine has the image.
    async fn has_image(&self, image: &Image) -> Result<bool, EngineError>;

    /// Has the engine get the image. May take minutes; `at_most` bounds it, and what takes longer has [`EngineError::Failed`].
    async fn pull(&self, image: &Image, at_most: Duration) -> Result<(), EngineError>;

    /// Sees to it that there is a bridge network of that name, labelled as the installation's, in which containers can't
    /// reach one another.
    async fn ensure_network(&self, installation: InstallationId, name: &str) -> Result<(), EngineError>;

    /// Removes that network, if it is the installation's. One that is not there is fine; [`EngineError::Conflict`] if a container that
    /// runs is in it. One that doesn't run does not keep it, and can't be started afterwards.
    async fn remove_network(&self, installation: InstallationId, name: &str) -> Result<(), EngineError>;

    /// Whether there is a network of that name that containers of addons may join. [`EngineError::Refused`] if there is one that they
    /// must not be in: the machine's own, or that of an installation.
    async fn has_network(&self, name: &NetworkName) -> Result<bool, EngineError>;

    /// Has a container be in a network beside those that it is in, under this name; one that is in it already is fine. The rules of
    /// [`Engine::has_network`] hold; [`EngineError::NoNetwork`] if there is none.
    async fn join_network(&self, full_name: &str, network: &NetworkName, known_as: &str) -> Result<(), EngineError>;

    /// Has a container leave a network, if it joined it under this name. What is not there is fine.
    async fn leave_network(&self, full_name: &str, network: &str, known_as: &str) -> Result<(), EngineError>;

    /// Makes a network for one transfer, and has a container be in it under this name. It is used once, so one that is there is
    /// whatever the engine makes of it.
    async fn open_passage(
        &self,
        installation: InstallationId,
        passage: &Passage,
        to: &str,
        known_as: &str,
    ) -> Result<(), EngineError>;

    /// All networks that were made for transfers of the installation.
    async fn passages(&self, installation: InstallationId) -> Result<Vec<Passage>, EngineError>;

    /// Removes a network that was made for a transfer; whoever is in it leaves it. One that is not there is fine.
    async fn close_passage(&self, name: &str) -> Result<(), EngineError>;

    /// All objects of an installation, or those of one of its addons.
    async fn objects(&self, installation: InstallationId, addon: Option<AddonId>) -> Result<Vec<Found>, EngineError>;

    /// Makes a volume. One that is there with the same name and owner is fine, whichever its revision; [`EngineError::Conflict`]
    /// if it is another's.
    async fn create_volume(&self, full_name: &str, owner: &Owner) -> Result<(), EngineError>;

    /// Makes a container, not started. [`EngineError::Conflict`] if there is one of that name.
    async fn create_container(&self, container: NewContainer<'_>) -> Result<(), EngineError>;

    /// Starts a container; one that runs is fine. [`EngineError::AddressTaken`] if it can't be published where it should be. An
    /// image without the program that it should run is started well, and exits with 127: the container's init looks for it.
    async fn start(&self, full_name: &str) -> Result<(), EngineError>;

    /// How a container is doing; none if there is none.
    async fn state(&self, full_name: &str) -> Result<Option<ContainerState>, EngineError>;

    /// The last lines of a container's output and errors, at most `bytes_max` bytes of them.
    async fn last_words(&self, full_name: &str, lines_max: usize, bytes_max: usize) -> Result<String, EngineError>;

    /// Stops a container, and leaves it there. One that does not run, or is not there, is fine.
    async fn stop_container(&self, full_name: &str, stop: Duration) -> Result<(), EngineError>;

    /// Stops and removes a container, with the volumes that have no name. One that is not there is fine.
    async fn remove_container(&self, full_name: &str, stop: Duration) -> Result<(), EngineError>;

    /// Removes a volume. One that is not there is fine; [`EngineError::Conflict`] if a container uses it.
    async fn remove_volume(&self, full_name: &str) -> Result<(), EngineError>;

    /// Runs a command in a running container and waits for its end. A program that is not there exits with 126 or 127.
    /// [`EngineError::Conflict`] if the container doesn't run. Past its time it is [`EngineError::Failed`], and goes on running.
    async fn exec(&self, full_name: &str, exec: Exec) -> Result<ExecOutput, EngineError>;

    /// Opens the standard streams of a container that was made for a stream and is not started yet.
    async fn attach(&self, full_name: &str, has_input: bool) -> Result<Box<dyn Attached>, EngineError>;

    /// What happens from now on to objects of the installation.
    async fn events(&self, installation: InstallationId) -> Result<Box<dyn EngineEvents>, EngineError>;
}
