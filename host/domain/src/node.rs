//! Nodes: the running servers that share a store. All are equal, and each may go at any moment.

use crate::addon::named;
use crate::ids::NodeId;
use crate::names::{EngineName, NodeName};
use crate::time::WallTime;
use crate::work::LEASE_MS;

/// A node that was not heard of for so long is taken for gone, in milliseconds: whatever it had leased may be leased by others by then.
pub const SILENT_MS_MAX: u64 = LEASE_MS;

named! {
    /// How a node does.
    NodeState {
        /// It takes work.
        Working = "working",
        /// It takes no more work, and ends what it has.
        Draining = "draining",
        /// The installation is sealed with another key than it has, and it takes no more work.
        OtherKey = "other_key",
        /// It was not heard of for too long.
        Gone = "gone",
    }
}

/// A node as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What its operator calls it.
    pub name: NodeName,
    /// Which process it is.
    pub id: NodeId,
    /// Where it listens; empty until it does.
    pub url: String,
    /// Which version of Larder it runs.
    pub version: String,
    /// When it began.
    pub started_at: WallTime,
    /// For how long it was not heard of, in milliseconds.
    pub silent_ms: u64,
    /// Whether it is to take no more work.
    pub is_draining: bool,
    /// Whether its key is none that the installation is sealed with.
    pub has_other_key: bool,
    /// The engines that it reaches, in order of names.
    pub engines: Vec<EngineName>,
    /// How many pieces of work it has leased.
    pub leases: u64,
}

impl Node {
    /// How it does.
    #[must_use]
    pub const fn state(&self) -> NodeState {
        match (self.silent_ms >= SILENT_MS_MAX, self.has_other_key, self.is_draining) {
            (true, _, _) => NodeState::Gone,
            (false, true, _) => NodeState::OtherKey,
            (false, false, true) => NodeState::Draining,
            (false, false, false) => NodeState::Working,
        }
    }
}
