//! Addons: created, driven, read.

use async_trait::async_trait;

use super::{Desired, StoreError, Watcher};
use crate::addon::{Addon, AddonRecord, AddonSpec, AddonState};
use crate::config::AddonConfig;
use crate::engines::Placement;
use crate::grace::Grace;
use crate::history::{Entry, StoredEntry};
use crate::ids::AddonId;
use crate::names::{AppName, EngineName, ProviderName};
use crate::operation::Health;
use crate::ports::runtime::{GuestState, LogLine};
use crate::quota::QuotaExceeded;
use crate::secret::{SecretString, Seed};
use crate::time::WallTime;
use crate::transition::{Event, Next};
use crate::variables::VariableName;
use crate::work::{Lease, Token};

/// An addon to be created.
#[derive(Debug, Clone)]
pub struct NewAddon {
    /// What is asked for.
    pub spec: AddonSpec,
    /// How far it has come: not at all.
    pub addon: Addon,
    /// The root of its passwords.
    pub seed: Seed,
    /// The communal server that it needs. Made with it, unless there is one of its provider, service and plan.
    pub server: Option<Box<NewAddon>>,
    /// Where it may be, if it is one that can have objects. A part of another addon is where that is.
    pub engine: Option<Placement>,
    /// Names to reserve for it in its app, with prefix.
    pub reserve: Vec<VariableName>,
    /// How many live addons its app may have, unless that has a quota of its own.
    pub app_addons_max: u64,
    /// Replays the first answer when the same request comes again.
    pub idempotency: Option<Idempotency>,
}

/// What makes a request recognisable when it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key together with who it is and which route it takes.
    pub key: String,
    /// SHA-256 of the request's body.
    pub body: [u8; 32],
}

/// What came of creating an addon.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It is there now.
    New(AddonRecord),
    /// It was there: the same request came before.
    Replayed(AddonRecord),
}

/// Why an addon was not created. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateRefusal {
    /// No such app.
    NoApp(AppName),
    /// A live addon of the app has that name.
    NameTaken,
    /// The addon whose resource it would share is over.
    ParentGone,
    /// The addon that it would be a part of is on this engine, and somebody wished for another one.
    ParentElsewhere(EngineName),
    /// The app has that variable already.
    VariableTaken {
        /// Which one.
        variable: VariableName,
        /// The addon that has it; none if it is the app's own.
        owner: Option<AddonId>,
    },
    /// There are as many as there may be.
    Quota(QuotaExceeded),
    /// The key came before with another body.
    IdempotencyMismatch,
}

/// Why an addon was not changed. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtectRefusal {
    /// It is over: there is nothing left to protect.
    Over,
}

/// For whose sake an addon is not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless {
    /// For whoever is a part of it: who lives, and who is deleted and can be had back.
    Used,
    /// For those only that live.
    Lived,
    /// For nobody.
    Never,
}

/// Why an addon was not deleted: these addons are a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse(pub Vec<Child>);

/// Why a deleted addon was not had back. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndeleteRefusal {
    /// It is not deleted, had no grace, or that is over.
    NotInGrace,
    /// Its app is gone.
    NoApp(AppName),
    /// The addon that it was a part of is over.
    ParentGone(AddonId),
    /// There are as many as there may be.
    Quota(QuotaExceeded),
    /// A live addon of the app has its name.
    NameTaken(AddonId),
    /// The app has one of its variables.
    VariableTaken {
        /// Which one.
        variable: VariableName,
        /// The addon that has it; none if it is the app's own.
        owner: Option<AddonId>,
    },
}

/// An addon that is a part of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// Which one.
    pub id: AddonId,
    /// Whether it lives; else it is deleted and can be had back.
    pub live: bool,
}

/// Which addons to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddonFilter {
    /// Of this app only.
    pub app: Option<AppName>,
    /// Of this provider only.
    pub provider: Option<ProviderName>,
    /// In these states only; empty means all that are not terminal, or all if only those that are kept are wanted.
    pub states: Vec<AddonState>,
    /// Only deleted ones that can be had back.
    pub kept: bool,
    /// Only those created after this one.
    pub after: Option<AddonId>,
    /// At most so many.
    pub count_max: usize,
}

/// How many of the passwords that a provider was given for an addon are known after the call: the newest.
pub const ISSUED_MAX: usize = 256;

/// Under which right a change is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// A user's wish: always allowed, and it takes the right from whoever drives the addon.
    User,
    /// A worker's result: only while it holds this lease.
    Lease(Lease),
}

/// An event to apply, and what is stored with it.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whom it is about.
    pub addon: AddonId,
    /// What happened before, and was left to be stored with this.
    pub preceded_by: Option<Event>,
    /// What happened.
    pub event: Event,
    /// Under which right.
    pub fence: Fence,
    /// Whether variables that are to be set after it are so with it, because nobody outside the store is to be told of them.
    pub sets_variables: bool,
    /// The provider's whole state, to be stored with it.
    pub state: Option<GuestState>,
    /// All objects that the addon is to have, to be stored with it; work about them is due then.
    pub objects: Option<Desired>,
    /// The passwords that its provider was given so far, if some are new; at most [`ISSUED_MAX`], the oldest first.
    pub issued: Option<Vec<SecretString>>,
    /// Whether deleting the addon is refused from then on.
    pub protected: Option<bool>,
    /// What else belongs into the history, before what the event means for the addon.
    pub notes: Vec<Entry>,
    /// What the guest logged meanwhile.
    pub log: Vec<LogLine>,
}

impl Change {
    /// An event, and nothing with it.
    #[must_use]
    pub const fn new(addon: AddonId, event: Event, fence: Fence) -> Self {
        Self {
            addon,
            preceded_by: None,
            event,
            fence,
            sets_variables: false,
            state: None,
            objects: None,
            issued: None,
            protected: None,
            notes: vec![],
            log: vec![],
        }
    }
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The addon from now on.
    pub addon: Addon,
    /// When that was written.
    pub updated_at: WallTime,
    /// What is to be done. [`Next::At`] and [`Next::Rest`] have been planned already, and a worker's lease has ended with them.
    pub next: Next,
}

/// A line of an addon's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLog {
    /// Its place among all lines.
    pub id: u64,
    /// When it was stored.
    pub at: WallTime,
    /// Who wrote it.
    pub stream: String,
    /// What it says.
    pub text: String,
}

/// Addons.
#[async_trait]
pub trait AddonStore: Send + Sync + 'static {
    /// Creates an addon, reserves its names, records it and makes its work due: all or nothing.
    async fn create_addon(&self, new: NewAddon) -> Result<Result<Created, CreateRefusal>, StoreError>;

    /// The addon that a request with this key made before, if it did.
    ///
    /// Refused with [`CreateRefusal::IdempotencyMismatch`] if the key came with another body.
    async fn created_before(
        &self,
        idempotency: &Idempotency,
    ) -> Result<Result<Option<AddonRecord>, CreateRefusal>, StoreError>;

    /// Applies an event. A configuration whose names are taken becomes [`Event::ConfigRefused`] in the same transaction. An update to a
    /// plan that is full is refused with [`StoreError::Quota`].
    async fn apply(&self, change: Change) -> Result<Applied, StoreError>;

    /// Has a deleted addon be as it was before its variables were set: its name and variables are its own again, and its work
    /// is due. It takes its places again; `app_addons_max` is as for a new one. The addon as it is then.
    async fn undelete(
        &self,
        id: AddonId,
        app_addons_max: u64,
    ) -> Result<Result<AddonRecord, UndeleteRefusal>, StoreError>;

    /// Has deleting an addon be refused from now on, or no longer; with a line in its history and in the audit log. Nothing
    /// is written if it is so already. The addon as it is then.
    async fn protect(&self, id: AddonId, protected: bool) -> Result<Result<AddonRecord, ProtectRefusal>, StoreError>;

    /// Applies a user's wish to have an addon gone, unless others are a part of it: none can become one then either, since
    /// [`AddonStore::create_addon`] takes no parent that is over. What it holds is kept for the grace, if there is one.
    async fn delete_addon(
        &self,
        id: AddonId,
        grace: Option<Grace>,
        unless: Unless,
    ) -> Result<Result<Applied, InUse>, StoreError>;

    /// One addon, terminal ones included.
    async fn addon(&self, id: AddonId) -> Result<Option<AddonRecord>, StoreError>;

    /// Addons in order of creation.
    async fn addons(&self, filter: AddonFilter) -> Result<Vec<AddonRecord>, StoreError>;

    /// What an addon gives its app; none before `provisioned` and after the cleanup.
    async fn addon_config(&self, id: AddonId) -> Result<Option<AddonConfig>, StoreError>;

    /// The passwords that its provider was given so far; none after the cleanup.
    async fn issued(&self, id: AddonId) -> Result<Vec<SecretString>, StoreError>;

    /// The addons that are a part of this one: those that live, and those that can be had back.
    async fn children(&self, id: AddonId) -> Result<Vec<Child>, StoreError>;

    /// The root of an addon's passwords; none if there is no such addon.
    async fn seed(&self, id: AddonId) -> Result<Option<Seed>, StoreError>;

    /// The provider's state for an addon.
    async fn guest_state(&self, id: AddonId) -> Result<GuestState, StoreError>;

    /// Where the data of the transfer under way come from or go, as its provider described it.
    async fn transfer(&self, id: AddonId) -> Result<Option<SecretString>, StoreError>;

    /// The addons with an operation under way of which something is kept: all but a rotation that only has its old credentials to end,
    /// since its addon was deleted and had back.
    async fn operating(&self) -> Result<Vec<AddonId>, StoreError>;

    /// Stores what the host has seen of how a ready addon does; of others nothing is stored.
    async fn note_health(&self, id: AddonId, health: Health) -> Result<(), StoreError>;

    /// Stores the provider's whole state in the middle of a call.
    async fn checkpoint(&self, lease: &Lease, id: AddonId, state: &GuestState) -> Result<(), StoreError>;

    /// Whether a token is still the one under which the addon is driven.
    async fn holds(&self, id: AddonId, token: Token) -> Result<bool, StoreError>;

    /// History after entry `after` (0 for all), of one addon or of all, at most `count_max` entries.
    async fn history(
        &self,
        addon: Option<AddonId>,
        after: u64,
        count_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// An addon's log after line `after`, at most `count_max` lines.
    async fn log(&self, addon: AddonId, after: u64, count_max: usize) -> Result<Vec<StoredLog>, StoreError>;

    /// Follows the history. Begin to watch, then read: what is committed in between is not missed.
    fn watch_history(&self) -> Box<dyn Watcher>;
}
