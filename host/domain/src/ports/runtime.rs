//! Running guests: what the control loop asks of the sandbox.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::addon::{AddonSpec, named};
use crate::config::RawConfig;
use crate::docker::{self, LocalName, Objects};
use crate::failure::{Fault, GuestFailure, Pending};
use crate::grants::Denied;
use crate::ids::Digest;
use crate::limits::{CallLimits, LogAllowance};
use crate::network;
use crate::operation::{Health, PlanAndParameters};
use crate::ports::engine::{Exec, ExecOutput};
use crate::provider::Refusal;
pub use crate::secret::GuestState;
use crate::secret::{SecretString, Seed};

named! {
    /// The optional interfaces that a provider may export.
    Interface {
        /// Another plan, or other parameters.
        Update = "update",
        /// New credentials.
        Rotation = "rotation",
        /// Data out and in.
        Transfer = "transfer",
        /// Whether an addon works.
        Health = "health",
    }
}

named! {
    /// The functions that are called about addons.
    Export {
        /// Starts to make the resource.
        BeginProvision = "begin-provision",
        /// Asks whether it can be used.
        ProvisionComplete = "provision-complete",
        /// Asks what the app needs.
        GetConfig = "get-config",
        /// Removes it.
        Deprovision = "deprovision",
        /// Starts to change it.
        BeginUpdate = "begin-update",
        /// Makes new credentials.
        BeginRotation = "begin-rotation",
        /// Ends the old ones.
        EndRotation = "end-rotation",
        /// Describes where its data come from.
        BeginExport = "begin-export",
        /// Describes where data for it go.
        BeginImport = "begin-import",
        /// Asks whether it works.
        CheckHealth = "check-health",
    }
}

impl Export {
    /// The optional interface that has the function; none if it is one that every provider has.
    #[must_use]
    pub const fn interface(self) -> Option<Interface> {
        match self {
            Self::BeginProvision | Self::ProvisionComplete | Self::GetConfig | Self::Deprovision => None,
            Self::BeginUpdate => Some(Interface::Update),
            Self::BeginRotation | Self::EndRotation => Some(Interface::Rotation),
            Self::BeginExport | Self::BeginImport => Some(Interface::Transfer),
            Self::CheckHealth => Some(Interface::Health),
        }
    }
}

/// Why the host could not do what a guest asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The call no longer drives the addon.
    #[error("the addon was deleted or taken over during the call")]
    Superseded,
    /// The host's own store, or the Docker engine, failed.
    #[error("{0}")]
    Unavailable(String),
    /// There is no such object, or it is in no state for this.
    #[error("{0}")]
    Unfit(String),
}

/// What one call may reach of the host. Made anew for every call.
#[async_trait]
pub trait CallContext: Send + Sync + 'static {
    /// Whether the call still has its lease, as far as this machine's clock can tell. Asked before every turn that a guest gets and before
    /// every connection, so it is quick.
    fn is_held(&self) -> bool {
        true
    }

    /// The addon's stored state. Asked for at most once a call, and only if the guest wants it.
    async fn load_state(&self) -> Result<GuestState, ContextError>;

    /// Stores the whole state now, fenced by the lease.
    async fn checkpoint(&self, state: &GuestState) -> Result<(), ContextError>;

    /// The objects that the addon is to have by now. Asked for at most once a call, and only if the guest wants it.
    async fn load_objects(&self) -> Result<Objects, ContextError> {
        Ok(Objects::new())
    }

    /// How an object of the addon is doing, that was stored as wanted.
    async fn inspect(&self, name: &LocalName) -> Result<docker::Status, ContextError> {
        Err(ContextError::Unfit(format!("the addon has no object {name}")))
    }

    /// Where the addon's app is to connect to reach what this host reaches at a host and a port.
    async fn for_app(&self, host: &str, port: u16) -> Result<(String, u16), ContextError> {
        Ok((host.to_owned(), port))
    }

    /// Runs a command in a container of the addon.
    async fn exec(&self, name: &LocalName, _exec: Exec) -> Result<ExecOutput, ContextError> {
        Err(ContextError::Unfit(format!("the addon has no container {name}")))
    }
}

/// One call to make.
#[derive(Clone)]
pub struct Call {
    /// Which version to call.
    pub digest: Digest,
    /// Which function.
    pub export: Export,
    /// What it is about.
    pub addon: Arc<AddonSpec>,
    /// The generation of its credentials that the call is about.
    pub generation: u32,
    /// During an update, what it has had so far.
    pub previous: Option<PlanAndParameters>,
    /// What a communal server reported about itself.
    pub server_config: Vec<(String, SecretString)>,
    /// The root of the addon's passwords.
    pub seed: Seed,
    /// The operator's options, a JSON object.
    pub options: SecretString,
    /// State that an earlier call of the same step has written and that is not stored yet.
    pub state: Option<GuestState>,
    /// Objects that such a call wanted.
    pub objects: Option<Objects>,
    /// What it may use.
    pub limits: CallLimits,
    /// What all calls of its provider may log together.
    pub log: Arc<LogAllowance>,
    /// What it may reach over the network.
    pub network: Arc<network::Policy>,
    /// What the addon may have of a Docker engine.
    pub docker: Arc<docker::Policy>,
    /// What it may reach of the host.
    pub context: Arc<dyn CallContext>,
}

/// What a function answered when it succeeded. Texts and delays are within bounds; configurations are as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `begin-provision`, `begin-update` or `begin-rotation` said this.
    Begun(String),
    /// `provision-complete`, `deprovision` or `end-rotation` is done.
    Done,
    /// They want to be asked again.
    Pending(Pending),
    /// `get-config` gave this.
    Config(RawConfig),
    /// `begin-export` or `begin-import` gave this document, of at most [`crate::transfer::TRANSFER_BYTES_MAX`] bytes.
    Transfer(SecretString),
    /// `check` found this.
    Health(Health),
}

/// Everything that one call left behind.
#[derive(Debug, Clone)]
pub struct CallReport {
    /// The answer: typed by the guest, or the way it broke down.
    pub outcome: Result<Result<Reply, GuestFailure>, Fault>,
    /// The addon's whole state after a typed answer, if the guest wrote to it; to be stored with the answer.
    pub state: Option<GuestState>,
    /// All objects that the addon is to have, after a typed answer, if the guest changed them; to be stored with the answer.
    pub objects: Option<Objects>,
    /// What the guest wrote to its log, standard output and standard error, cut to the call's bound.
    pub log: Vec<LogLine>,
    /// What was refused to it; the first few, each once.
    pub denied: Vec<Denied>,
    /// How often something was.
    pub denials: u64,
    /// Secrets that were handed to the guest, to be blotted out of whatever it said.
    pub issued: Vec<SecretString>,
    /// Executed CPU time.
    pub cpu: Duration,
    /// Time from start to end.
    pub wall: Duration,
}

/// A line of a guest's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `debug`, `info`, `warn`, `error`, `stdout`, `stderr`, or `host` for a word of the host's about the log itself.
    pub stream: &'static str,
    /// One line, control characters escaped.
    pub text: String,
}

/// What the calls under way use together, and could.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls.
    pub calls: u64,
    /// The most of them; further ones wait.
    pub calls_max: u64,
    /// Memory set aside for them, in bytes.
    pub memory_bytes: u64,
    /// The most of it, in bytes.
    pub memory_bytes_max: u64,
    /// Their connections.
    pub sockets: u64,
    /// The most of them.
    pub sockets_max: u64,
}

/// The sandbox.
#[async_trait]
pub trait ProviderRuntime: Send + Sync + 'static {
    /// The quick checks of an upload: a component, of a known world, that imports only what the host has. Milliseconds; no compiling.
    fn inspect(&self, wasm: &[u8]) -> Result<(), Refusal>;

    /// Compiles and links a version, so that it can be called. Loading it again is quick and does nothing.
    async fn load(&self, digest: Digest, wasm: Vec<u8>) -> Result<(), Refusal>;

    /// Loads a version from what was made of it earlier, if the runtime has kept that. Whether it can be called now.
    async fn load_kept(&self, digest: Digest) -> bool;

    /// Whether a version can be called.
    fn is_loaded(&self, digest: Digest) -> bool;

    /// Which optional interfaces a version exports. Of one that isn't loaded, none is known.
    fn exports(&self, digest: Digest) -> Vec<Interface>;

    /// Forgets a version. Calls under way finish.
    fn unload(&self, digest: Digest);

    /// What calls use now.
    fn usage(&self) -> Usage;

    /// Asks a version for its manifest, without network or Docker. The outer error is the guest's breaking down, the inner one its
    /// own word on why these options can't be used.
    async fn describe(
        &self,
        digest: Digest,
        options: &SecretString,
        limits: CallLimits,
    ) -> Result<Result<String, String>, Fault>;

    /// Makes one call. Dropping the future ends the call and destroys its store; nothing of it is reused.
    async fn call(&self, call: Call) -> CallReport;
}
