//! An addon: one resource that a provider makes for one app.
//!
//! It has two halves. [`AddonSpec`] is what was asked for; only whether it is protected changes afterwards. [`Addon`] is how far
//! that has come; only [`crate::transition`] makes a new one.

use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::grace::Grace;
use crate::ids::AddonId;
use crate::names::{AddonName, AppName, EngineName, PlanName, ProviderName, ServiceName};
use crate::operation::{Health, Operation, OperationKind, Outdated, PlanAndParameters};
use crate::secret::SecretJson;
use crate::time::{StoreTime, WallTime};
use crate::variables::{Prefix, VariableName};

/// Gives an enum of unit variants its names in API and store.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in API and store.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of that name.
            #[must_use]
            pub fn from_name(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// What a component is to the host. Only providers can be uploaded so far; the column is there from the first day.
    ComponentKind {
        /// Makes addons.
        Provider = "provider",
        /// Runs app instances.
        Runtime = "runtime",
        /// Answers on a message bus.
        BusService = "bus_service",
    }
}

named! {
    /// How an addon comes by its resource.
    ProvisionType {
        /// A server of its own.
        Independent = "independent",
        /// A part of a server that several addons share.
        Communal = "communal",
        /// Another addon's very resource.
        Shared = "shared",
    }
}

named! {
    /// What a provider is to make.
    Role {
        /// An app's resource, or its part of a communal server.
        User = "user",
        /// The communal server itself.
        Server = "server",
    }
}

named! {
    /// Where an addon stands. The last two are terminal.
    AddonState {
        /// Being made by its provider.
        WaitingForProvision = "waiting_for_provision",
        /// Made; its variables are on their way to the app.
        Provisioned = "provisioned",
        /// The app has its variables.
        Ready = "ready",
        /// Removed at a user's wish.
        Deprovisioned = "deprovisioned",
        /// It could not be made.
        Error = "error",
    }
}

impl AddonState {
    /// Whether nothing leads out of this state but having a deleted addon back within its grace.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Deprovisioned | Self::Error)
    }
}

/// What was asked for. Nothing decides upon `protected` but whoever is asked to delete the addon, so that alone may change.
#[derive(Debug, Clone, PartialEq)]
pub struct AddonSpec {
    /// Stable in every call to the provider.
    pub id: AddonId,
    /// What kind of component makes it.
    pub kind: ComponentKind,
    /// The app that gets the variables; none for a communal server or a broker's instance.
    pub app: Option<AppName>,
    /// Unique among the app's live addons.
    pub name: AddonName,
    /// Who makes it.
    pub provider: ProviderName,
    /// What it is.
    pub service: ServiceName,
    /// In which size.
    pub plan: PlanName,
    /// How it comes by its resource.
    pub provision_type: ProvisionType,
    /// User's resource or communal server.
    pub role: Role,
    /// What it is a part of: the communal server, or the addon whose resource it shares.
    pub parent: Option<AddonId>,
    /// Put before each variable's name.
    pub attach_as: Option<Prefix>,
    /// The developer's parameters, a JSON object that passed the plan's schema.
    pub parameters: SecretJson,
    /// Which variables may arrive.
    pub variables: DeclaredVariables,
    /// Whether deleting it is refused.
    pub protected: bool,
    /// The identifier that a service broker's client chose.
    pub external_id: Option<String>,
    /// When it was asked for. The store knows: it overwrites what is given.
    pub created_at: WallTime,
}

/// Which variables a service sets, as its catalog declared them when the addon was created; without prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum DeclaredVariables {
    /// Whatever comes: for a service whose parameters decide it.
    Any(AnyVariable),
    /// Just these.
    Names(Vec<VariableName>),
}

/// The word `any` in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AnyVariable {
    /// The word itself.
    #[serde(rename = "any")]
    Any,
}

impl<'de> Deserialize<'de> for DeclaredVariables {
    /// By hand, so that an author is told what is wrong with a name, and not just that nothing fits.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "any" => Ok(Self::Any(AnyVariable::Any)),
            Value::Array(names) => {
                let names = names.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
                names.map(Self::Names).map_err(D::Error::custom)
            }
            _ => Err(D::Error::custom("`variables` must be a list of names, or the word \"any\"")),
        }
    }
}

/// What is left to do with what a provider made, once the addon is terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleanup {
    /// Nothing was ever begun, or the addon still lives.
    None,
    /// The provider's `deprovision` is to be called.
    Pending,
    /// The provider has said that nothing is left.
    Done,
    /// It could not say so yet. After [`Addon::CLEANUP_ATTEMPTS_MAX`] attempts the host removes its own
    /// objects all the same, and this speaks of what the provider made elsewhere.
    Failing {
        /// Failed attempts so far.
        attempts: u32,
        /// What went wrong the last time.
        last_error: String,
    },
}

impl Cleanup {
    /// The name in API and store.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failing { .. } => "failing",
        }
    }

    /// Whether the provider is still to be called.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        matches!(self, Self::Pending | Self::Failing { .. })
    }
}

/// Waiting that is bounded, and accumulated from short stretches: a stretch counts for no more than it was expected to last and
/// a margin, so that neither a jump of the clock nor a night with the host switched off uses it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Waited so far, in milliseconds.
    pub waited_ms: u64,
    /// Waited at most, in milliseconds.
    pub limit_ms: u64,
    /// When the present stretch began.
    pub since: StoreTime,
    /// How long the present stretch was expected to last, in milliseconds.
    pub expected_ms: u64,
}

impl Patience {
    /// How much longer than expected a stretch may count, in milliseconds.
    pub const MARGIN_MS: u64 = 60_000;

    /// A wait of at most `limit_ms` that begins now.
    #[must_use]
    pub const fn new(limit_ms: u64, now: StoreTime) -> Self {
        Self { waited_ms: 0, limit_ms, since: now, expected_ms: 0 }
    }

    /// Ends the present stretch and begins one that is expected to last `expected_ms`.
    #[must_use]
    pub fn tick(self, now: StoreTime, expected_ms: u64) -> Self {
        let counted = now.since_ms(self.since).min(self.expected_ms.saturating_add(Self::MARGIN_MS));
        Self { waited_ms: self.waited_ms.saturating_add(counted), since: now, expected_ms, ..self }
    }

    /// Whether the present stretch may go on as it is: half of the margin is left, so that what a call takes counts as well.
    #[must_use]
    pub const fn may_go_on(self, now: StoreTime) -> bool {
        now.since_ms(self.since) <= self.expected_ms.saturating_add(Self::MARGIN_MS / 2)
    }

    /// Whether the wait is over, as of the last tick.
    #[must_use]
    pub const fn is_exhausted(self) -> bool {
        self.waited_ms >= self.limit_ms
    }
}

/// Why an addon is in `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddonError {
    /// Stable: `provider_rejected`, `cpu_limit`, …
    pub code: String,
    /// For the person who reads it.
    pub reason: String,
}

/// How far an addon has come. Made by [`crate::transition`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addon {
    /// Whose progress this is.
    pub id: AddonId,
    /// Where it stands.
    pub state: AddonState,
    /// Whether `begin-provision` may have been called: stored before the first call.
    pub begin_intended: bool,
    /// Whether `begin-provision` has succeeded.
    pub begun: bool,
    /// The last thing that was said to the person who waits.
    pub message: String,
    /// How much of the work is done, 0 to 100, if the provider knows.
    pub percent: Option<u8>,
    /// Traps and limits in a row.
    pub attempts: u32,
    /// So many of them in a row end in `error` (the plan's `failed_attempts_max`).
    pub attempts_max: u32,
    /// Failures of the host's own in a row (store, engine): they stretch the back-off and nothing else.
    pub host_faults: u32,
    /// The plan's provision deadline; then the deadline for setting variables; then that of a pending cleanup.
    pub patience: Patience,
    /// What is left to do for a terminal addon.
    pub cleanup: Cleanup,
    /// Why it is in `error`.
    pub error: Option<AddonError>,
    /// Whether a user wants it gone; also recorded for an addon in `error`.
    pub delete_wanted: bool,
    /// How often its credentials were rotated.
    pub generation: u32,
    /// The operation under way, or the last one.
    pub operation: Option<Operation>,
    /// That its app is to be told anew what it gives.
    pub outdated: Option<Outdated>,
    /// Whether it works, once it is ready.
    pub health: Health,
    /// How often its provider is asked for that, in milliseconds, if it can say.
    pub health_every_ms: Option<u64>,
    /// Of a deleted addon: until when it can be had back. It stays until an addon that is had back is ready again: should
    /// that fail, the addon is deleted as it was.
    pub grace: Option<Grace>,
}

impl Addon {
    /// How long setting an app's variables is tried, in milliseconds.
    pub const SINK_LIMIT_MS: u64 = 120_000;
    /// How long `deprovision` may answer `pending` before that counts as a failed attempt, in milliseconds.
    pub const CLEANUP_PENDING_LIMIT_MS: u64 = 3_600_000;
    /// How often a provider is asked how a ready addon does, in milliseconds, if it can say.
    pub const HEALTH_EVERY_MS: u64 = 60_000;
    /// After so many failed attempts the host removes its own objects without the provider.
    pub const CLEANUP_ATTEMPTS_MAX: u32 = 5;

    /// An addon that was just asked for.
    #[must_use]
    pub fn new(id: AddonId, provision_deadline_ms: u64, attempts_max: u32, now: StoreTime) -> Self {
        Self {
            id,
            state: AddonState::WaitingForProvision,
            begin_intended: false,
            begun: false,
            message: String::new(),
            percent: None,
            attempts: 0,
            attempts_max,
            host_faults: 0,
            patience: Patience::new(provision_deadline_ms, now),
            cleanup: Cleanup::None,
            error: None,
            delete_wanted: false,
            generation: 0,
            operation: None,
            outdated: None,
            health: Health::UNKNOWN,
            health_every_ms: None,
            grace: None,
        }
    }

    /// The addon with something said to the person who waits, be it for the addon or for an operation on it.
    pub(crate) fn saying(mut self, message: String) -> Self {
        match self.operation.as_mut().filter(|operation| operation.is_running()) {
            Some(operation) => operation.message = message,
            None => self.message = message,
        }
        self
    }

    /// The operation under way.
    #[must_use]
    pub fn running(&self) -> Option<&Operation> {
        self.operation.as_ref().filter(|operation| operation.is_running())
    }

    /// The generation of credentials that calls are about: during a rotation, that of the new ones.
    #[must_use]
    pub fn generation_in_calls(&self) -> u32 {
        let is_rotating = |operation: &Operation| operation.kind == OperationKind::Rotate && operation.can_be_undone();
        self.generation.saturating_add(u32::from(self.running().is_some_and(is_rotating)))
    }

    /// Whether nothing more will happen by itself that somebody waits for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self.state {
            AddonState::Ready => self.operation.as_ref().is_none_or(Operation::is_settled),
            state => state.is_terminal(),
        }
    }

    /// Until when it can be had back, if it is deleted and can.
    #[must_use]
    pub fn kept(&self) -> Option<Grace> {
        self.grace.filter(|_| self.state == AddonState::Deprovisioned)
    }
}

/// Both halves, and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AddonRecord {
    /// What was asked for.
    pub spec: Arc<AddonSpec>,
    /// How far it has come.
    pub addon: Addon,
    /// What an update that is under way is to make of it.
    pub change: Option<PlanAndParameters>,
    /// The engine that its objects are on, for good. None for one that never had to have any.
    pub engine: Option<EngineName>,
    /// When that last changed.
    pub updated_at: WallTime,
}
