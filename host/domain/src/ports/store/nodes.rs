//! The nodes that share the store, and this process's own among them.

use std::time::Duration;

use async_trait::async_trait;

use super::{StoreError, Watcher};
use crate::engines::EngineLabels;
use crate::ids::{NodeId, OperationId};
use crate::names::{EngineName, NodeName};
use crate::node::Node;

/// An engine that a node reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachedEngine {
    /// Its name.
    pub name: EngineName,
    /// Where it listens. One behind a socket of the machine's own is reached from nowhere else.
    pub url: String,
    /// The name or address by which what it publishes is reached.
    pub advertise: String,
    /// What may be wished for.
    pub labels: EngineLabels,
    /// How many addons it takes beside those of other engines.
    pub weight: u32,
    /// Whether it was added while servers ran; the node names the others when it starts.
    pub is_added: bool,
}

/// An engine that a node may not have under its name: addons would be looked for on the wrong one. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineShared {
    /// It is reached by a socket of one machine, and has another node's engine's name.
    #[error(
        "the engine `{engine}` is the node `{node}`'s already, and a `unix://` engine is one node's alone: give this node's another name in --engines, or reach it over tcp:// from both"
    )]
    Socket {
        /// The engine.
        engine: EngineName,
        /// Whose it is.
        node: NodeName,
    },
    /// The node names it when it starts, and it was added as well.
    #[error(
        "the engine `{0}` that this node is started with was added with `larder engine add` too: leave it out of this node's options, or give up the one that was added first (`larder engine forget {0}`, while a server runs without it)"
    )]
    Added(EngineName),
}

/// How this process's node stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It works.
    Working,
    /// It is to take no more work.
    Draining,
    /// Another process has its name now.
    Replaced,
    /// The installation's key is one that it has not, and has no way to learn. It is to take no more work.
    OtherKey,
}

/// Nodes.
#[async_trait]
pub trait NodeStore: Send + Sync + 'static {
    /// This process's own node.
    fn node(&self) -> NodeId;

    /// Says where this node listens and which engines it reaches. From now on it takes part.
    async fn announce(&self, url: String, engines: Vec<ReachedEngine>) -> Result<Result<(), EngineShared>, StoreError>;

    /// Says that this node lives. To be said well within [`crate::node::SILENT_MS_MAX`].
    async fn beat(&self) -> Result<Standing, StoreError>;

    /// How this node stands, as far as anybody has said.
    async fn standing(&self) -> Result<Standing, StoreError>;

    /// Says that this node ends, so that nobody waits for it.
    async fn leave(&self) -> Result<(), StoreError>;

    /// All nodes that are, and those that went without a word lately. In order of names.
    async fn nodes(&self) -> Result<Vec<Node>, StoreError>;

    /// Says whether a node is to take work. False if there is no such node.
    async fn set_draining(&self, name: &NodeName, draining: bool) -> Result<bool, StoreError>;

    /// The engines that other living nodes reach, in order of names; one that several reach stands there once.
    async fn engines_of_others(&self) -> Result<Vec<ReachedEngine>, StoreError>;

    /// The engines to which no new addons are to come, in order of names.
    async fn drained_engines(&self) -> Result<Vec<EngineName>, StoreError>;

    /// Says whether new addons come to an engine.
    async fn set_engine_drained(&self, name: &EngineName, drained: bool) -> Result<(), StoreError>;

    /// Says that this process looks after an export or an import.
    async fn look_after(&self, operation: OperationId) -> Result<(), StoreError>;

    /// Says that it does no more.
    async fn let_go(&self, operation: OperationId) -> Result<(), StoreError>;

    /// Whether another living node's process looks after it.
    async fn is_looked_after(&self, operation: OperationId) -> Result<bool, StoreError>;

    /// Waits for what other nodes have committed and people here may wait for. Never, where there are none.
    fn watch_others(&self) -> Box<dyn Watcher>;

    /// Waits for what people have asked other nodes for: a lease of this one may be worth nothing any more. Never, where there are none.
    fn watch_wishes(&self) -> Box<dyn Watcher>;

    /// A number that changes whenever anything about a provider does, on whichever node. It may be what it was so long ago, as far as
    /// whoever changed it since waits for the answer yet.
    async fn providers_revision(&self, within: Duration) -> Result<u64, StoreError>;
}
