//! On which engines addons are, where apps want theirs, and which networks of apps addons' containers are in.

use async_trait::async_trait;

use super::{StoreError, Watcher};
use crate::engines::{ENGINES_MAX, EngineWish, Placement};
use crate::ids::AddonId;
use crate::names::{AppName, EngineName, NetworkName, NodeName};
use crate::secret::SecretJson;

/// An engine was not forgotten: so many addons are on it that live, or are deleted and can be had back. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inhabited(pub u64);

/// An engine that is to be added, or of which something else is to be said.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEngine {
    /// Its name.
    pub name: EngineName,
    /// Where it listens. One behind a socket of a machine's own is the node's alone whose store is asked.
    pub url: String,
    /// All that is said of it, with the key that it is asked with.
    pub definition: SecretJson,
    /// Whether something of the installation's is on it: then it may be known by its name already.
    pub is_inhabited: bool,
}

/// An engine that was added.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedEngine {
    /// Its name.
    pub name: EngineName,
    /// Where it listens.
    pub url: String,
    /// The node that alone reaches it; none if every node does.
    pub node: Option<NodeName>,
    /// Whether this process's own node reaches it.
    pub is_own: bool,
    /// All that was said of it; none if that can't be read any more.
    pub definition: Option<SecretJson>,
}

/// An engine was not added. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddRefusal {
    /// A living node names one of that name when it starts.
    #[error(
        "the engine `{engine}` is one that the node `{node}` is started with: choose another name, or take it out of that node's options first"
    )]
    InFile {
        /// The engine.
        engine: EngineName,
        /// Whose it is.
        node: NodeName,
    },
    /// Another engine is there.
    #[error("the engine `{0}` has this url already, and an engine has one name")]
    UrlTaken(EngineName),
    /// Addons are on it where it is now.
    #[error(
        "{count} addons are on the engine `{engine}` at {url}, and a name stands for one machine: add the other machine under another name"
    )]
    Moved {
        /// The engine.
        engine: EngineName,
        /// Where it is.
        url: String,
        /// How many addons are on it, those included that are over and still have something there.
        count: u64,
    },
    /// Addons are on an engine of that name, and there is nothing of theirs here.
    #[error(
        "{count} addons are on an engine `{engine}`, and nothing of theirs is at this url: a name stands for one machine, so add this one \
         under another name"
    )]
    Stranger {
        /// The engine.
        engine: EngineName,
        /// How many addons are on it, those included that are over and still have something there.
        count: u64,
    },
    /// It is behind a socket of another living node's machine.
    #[error("the engine `{engine}` is behind a socket of the node `{node}`: ask that node, or choose another name")]
    Elsewhere {
        /// The engine.
        engine: EngineName,
        /// Whose it is.
        node: NodeName,
    },
    /// There are as many as there may be.
    #[error("there are {ENGINES_MAX} engines already: give one up first, with `larder engine forget`")]
    TooMany,
}

/// Engines, as the store knows them: those that were added, and of others their names.
#[async_trait]
pub trait EngineStore: Send + Sync + 'static {
    /// The engine that an addon is on. One that is on none yet gets the one with the most room, for good, or that of the addon
    /// that it is a part of. None if there is no such addon, or no engine for it.
    async fn pin_engine(&self, addon: AddonId, placement: &Placement) -> Result<Option<EngineName>, StoreError>;

    /// Every engine that addons are on, with how many: those that live, and those with objects that are still to be removed.
    async fn engine_addons(&self) -> Result<Vec<(EngineName, u64)>, StoreError>;

    /// Adds an engine for all nodes that reach it, or changes what is said of one that was added. Whether it is new.
    async fn add_engine(&self, engine: NewEngine) -> Result<Result<bool, AddRefusal>, StoreError>;

    /// The engines that were added, in order of names, and the [`EngineStore::engines_revision`] of which that is.
    async fn added_engines(&self) -> Result<(u64, Vec<AddedEngine>), StoreError>;

    /// A number that changes whenever an engine is added, changed or given up, on whichever node.
    async fn engines_revision(&self) -> Result<u64, StoreError>;

    /// Waits for another node to add, change or give up an engine. Never, where there are none.
    fn watch_engines(&self) -> Box<dyn Watcher>;

    /// Gives up what addons that are over still had on an engine that will not come back: their cleanup goes on without it. How many
    /// they are. One that was added is none any more.
    async fn forget_engine(&self, engine: &EngineName) -> Result<Result<u64, Inhabited>, StoreError>;

    /// Says where an app's future addons are to be; none for anywhere.
    async fn set_app_engine(&self, app: &AppName, wish: Option<EngineWish>) -> Result<(), StoreError>;

    /// Where an app's future addons are to be; none for anywhere, or if there is no such app.
    async fn app_engine(&self, app: &AppName) -> Result<Option<EngineWish>, StoreError>;

    /// Says which network an app's own containers are in. Its addons' objects and their users' configurations follow: whatever was
    /// about to be told of where an addon is reached is asked anew, and an addon on which something is under way tells its app when that
    /// has ended. False if it was said before; what could not be told then is told now.
    async fn set_app_network(&self, app: &AppName, network: Option<NetworkName>) -> Result<bool, StoreError>;

    /// Which network an app's own containers are in; none if it has none, or if there is no such app.
    async fn app_network(&self, app: &AppName) -> Result<Option<NetworkName>, StoreError>;

    /// The networks that an addon's containers are to be in beside the installation's: those of its app, of the apps of the live
    /// addons that are a part of it, and of those that share one of these. In order of names.
    async fn networks(&self, addon: AddonId) -> Result<Vec<NetworkName>, StoreError>;
}
