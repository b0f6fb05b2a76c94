//! Nodes.

use larder_domain::node::Node;
use serde::Serialize;

use crate::time::Timestamp;

/// A node.
#[derive(Serialize)]
pub(crate) struct NodeView<'a> {
    name: &'a str,
    /// `working`, `draining`, `other_key` or `gone`.
    state: &'static str,
    url: &'a str,
    version: &'a str,
    started_at: Timestamp,
    /// For how long it was not heard of, in whole seconds.
    silent_s: u64,
    engines: Vec<&'a str>,
    /// How many pieces of work it has.
    leases: u64,
}

impl<'a> From<&'a Node> for NodeView<'a> {
    fn from(node: &'a Node) -> Self {
        Self {
            name: node.name.as_str(),
            state: node.state().as_str(),
            url: &node.url,
            version: &node.version,
            started_at: node.started_at.into(),
            silent_s: node.silent_ms / 1_000,
            engines: node.engines.iter().map(larder_domain::EngineName::as_str).collect(),
            leases: node.leases,
        }
    }
}
