//! Objects on Docker engines: what addons are to have, how far that has come, and where their ports are published.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use async_trait::async_trait;

use super::StoreError;
use crate::addon::named;
use crate::docker::{LocalName, Objects, Wanted};
use crate::history::Entry;
use crate::ids::{AddonId, Digest};
use crate::names::{EngineName, ProviderName};
use crate::time::StoreTime;
use crate::work::Lease;

named! {
    /// How far an object has come.
    Phase {
        /// To be made, or to be made anew.
        Waiting = "waiting",
        /// It is there.
        Made = "made",
        /// It is there, and not to run: its addon is deleted and can be had back.
        Stopped = "stopped",
        /// It can't be made.
        Failed = "failed",
    }
}

/// All objects that an addon is to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The version of the provider that says so.
    pub by: Digest,
    /// The objects.
    pub all: Objects,
}

/// An object that is to be there, or to be removed.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredObject {
    /// Its name among the addon's objects.
    pub name: LocalName,
    /// What it is to be. None if it is to be removed.
    pub wanted: Option<Wanted>,
    /// The version of the provider that wanted just this first; none for objects of hosts that did not remember it.
    pub by: Option<Digest>,
    /// Rises with each change of what it is to be.
    pub revision: u64,
    /// How far it has come.
    pub phase: Phase,
    /// What the host does with it, or why it can't be made; for people.
    pub message: String,
    /// Whether it was wanted when the operation began that is under way: as long as that can be undone, it is wanted again then.
    pub can_come_back: bool,
}

/// An addon with objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectOwner {
    /// Which addon.
    pub addon: AddonId,
    /// Whose turn work about its objects is counted as.
    pub provider: ProviderName,
    /// The engine that they are on; none if there was none yet.
    pub engine: Option<EngineName>,
}

/// No port of the range is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all ports of the engine's range are taken")]
pub struct NoPort;

/// A container's ports, and the ports at which they are published.
pub type PortMap = BTreeMap<u16, u16>;

/// Where a container's ports are to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// On which engine.
    pub engine: EngineName,
    /// Whose container.
    pub addon: AddonId,
    /// Which one.
    pub object: LocalName,
    /// Its ports.
    pub ports: Vec<u16>,
    /// The ports that may be given.
    pub range: RangeInclusive<u16>,
    /// Ports that the engine found to be taken by somebody else.
    pub taken: Vec<u16>,
}

/// Objects.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// All objects of an addon, in order of names.
    async fn objects(&self, addon: AddonId) -> Result<Vec<StoredObject>, StoreError>;

    /// Addons with objects, in order of their ids after `after`, at most `count_max`.
    async fn object_owners(&self, after: Option<AddonId>, count_max: usize) -> Result<Vec<ObjectOwner>, StoreError>;

    /// Whether some addon is to have objects on this engine, or on one that is yet to be chosen.
    async fn wants_objects(&self, engine: &EngineName) -> Result<bool, StoreError>;

    /// Stores how far an object has come. False if it is to be something else by now, or removed.
    async fn note_object(
        &self,
        addon: AddonId,
        name: &LocalName,
        revision: u64,
        phase: Phase,
        message: String,
    ) -> Result<bool, StoreError>;

    /// An object that was to be removed is gone; its ports are free. Nothing happens if it is wanted again, or can come back.
    async fn forget_object(&self, addon: AddonId, name: &LocalName, revision: u64) -> Result<(), StoreError>;

    /// None of the addon's objects is wanted any more. How many there are.
    async fn unwant_objects(&self, addon: AddonId) -> Result<u64, StoreError>;

    /// Gives ports to a container that has none, and to one whose ports were taken by somebody else others; the ports of all.
    async fn publish(&self, publish: Publish) -> Result<Result<PortMap, NoPort>, StoreError>;

    /// Takes ports of a container back that were given to it; they are its own.
    async fn unpublish(&self, addon: AddonId, object: &LocalName, ports: Vec<u16>) -> Result<(), StoreError>;

    /// Where the ports of an addon's containers are published.
    async fn published(&self, addon: AddonId) -> Result<BTreeMap<LocalName, PortMap>, StoreError>;

    /// Makes work about an addon's objects due now, if it has any; during a lease, once more when that ends.
    async fn poke_objects(&self, addon: AddonId) -> Result<(), StoreError>;

    /// Makes an addon's next step due now, if it waits for one; during a lease, as soon as that ends and leaves one to wait for.
    async fn poke_addon(&self, addon: AddonId) -> Result<(), StoreError>;

    /// Adds a line to the history of an addon, if there is such an addon.
    async fn record(&self, addon: AddonId, entry: Entry) -> Result<(), StoreError>;

    /// Ends work about an addon's objects: it is due again then, or earlier if something was wanted meanwhile.
    async fn settle_objects(&self, lease: &Lease, again: Option<StoreTime>) -> Result<(), StoreError>;
}
