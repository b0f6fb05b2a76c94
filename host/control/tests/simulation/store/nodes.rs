//! Nodes: who is there, and what they have to tell each other.

use std::time::Duration;

use async_trait::async_trait;
use larder_domain::ids::NodeId;
use larder_domain::node::Node;
use larder_domain::ports::store::{EngineShared, NodeStore, ReachedEngine, Standing, StoreError, Watcher};
use larder_domain::{EngineName, NodeName, OperationId};

use super::{Kind, Shaky};

#[async_trait]
impl NodeStore for Shaky {
    fn node(&self) -> NodeId {
        self.inner.node()
    }

    async fn announce(&self, url: String, engines: Vec<ReachedEngine>) -> Result<Result<(), EngineShared>, StoreError> {
        self.around("announce", Kind::Writes(None), self.inner.announce(url, engines)).await
    }

    async fn beat(&self) -> Result<Standing, StoreError> {
        self.around("beat", Kind::Writes(None), self.inner.beat()).await
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        self.around("standing", Kind::Reads, self.inner.standing()).await
    }

    async fn leave(&self) -> Result<(), StoreError> {
        self.around("leave", Kind::Writes(None), self.inner.leave()).await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.around("nodes", Kind::Reads, self.inner.nodes()).await
    }

    async fn set_draining(&self, name: &NodeName, draining: bool) -> Result<bool, StoreError> {
        self.around("set_draining", Kind::Writes(None), self.inner.set_draining(name, draining)).await
    }

    async fn engines_of_others(&self) -> Result<Vec<ReachedEngine>, StoreError> {
        self.inner.engines_of_others().await
    }

    async fn drained_engines(&self) -> Result<Vec<EngineName>, StoreError> {
        self.around("drained_engines", Kind::Reads, self.inner.drained_engines()).await
    }

    async fn set_engine_drained(&self, name: &EngineName, drained: bool) -> Result<(), StoreError> {
        self.around("set_engine_drained", Kind::Writes(None), self.inner.set_engine_drained(name, drained)).await
    }

    async fn look_after(&self, operation: OperationId) -> Result<(), StoreError> {
        self.around("look_after", Kind::Writes(None), self.inner.look_after(operation)).await
    }

    async fn let_go(&self, operation: OperationId) -> Result<(), StoreError> {
        self.around("let_go", Kind::Writes(None), self.inner.let_go(operation)).await
    }

    async fn is_looked_after(&self, operation: OperationId) -> Result<bool, StoreError> {
        self.around("is_looked_after", Kind::Reads, self.inner.is_looked_after(operation)).await
    }

    fn watch_others(&self) -> Box<dyn Watcher> {
        self.inner.watch_others()
    }

    fn watch_wishes(&self) -> Box<dyn Watcher> {
        self.inner.watch_wishes()
    }

    async fn providers_revision(&self, within: Duration) -> Result<u64, StoreError> {
        if self.world.plan.nodes == 1 {
            return self.inner.providers_revision(within).await;
        }
        // A database in memory counts none.
        self.around("providers_revision", Kind::Reads, async { Ok(self.world.state().providers_revision) }).await
    }
}
