//! A node's place in the world. What a node does happens only while it lives, and while it is not stopped.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::faults::Fault;
use crate::world::World;

/// How often somebody looks whether a node is there, in milliseconds.
const LOOK_MS: u64 = 500;

/// One life of one node. The others of its world go on when it ends.
#[derive(Clone)]
pub(crate) struct Seat {
    world: Arc<World>,
    pub(crate) node: usize,
    pub(crate) life: u64,
}

/// What becomes of a node, as far as it is not its own doing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// Counts its lives.
    pub(crate) life: u64,
    pub(crate) is_dead: bool,
    /// Until when its process stands still, and until when it does not reach the store, in milliseconds of this world.
    pub(crate) stopped_until: u64,
    pub(crate) cut_until: u64,
}

impl Deref for Seat {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Seat {
    /// A node begins to live.
    pub(crate) fn take(world: &Arc<World>, node: usize) -> Self {
        let life = world.state().begin_life(node);
        Self { world: Arc::clone(world), node, life }
    }

    /// Whether this life is over.
    pub(crate) fn is_gone(&self) -> bool {
        let state = self.world.state();
        !state.lives(self.node, self.life)
    }

    /// Until it is.
    pub(crate) async fn gone(&self) {
        while !self.is_gone() {
            sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }

    /// Goes on only if the node still lives, and when it is not stopped any more; and counts a step.
    pub(crate) async fn step(&self) {
        self.world.step().await;
        loop {
            let until = self.world.state().places[self.node].stopped_until;
            let left_ms = until.saturating_sub(self.world.now_ms());
            if self.is_gone() {
                std::future::pending::<()>().await;
            }
            if left_ms == 0 {
                return;
            }
            sleep(Duration::from_millis(left_ms.min(LOOK_MS))).await;
        }
    }

    /// Whether it does not reach the store just now.
    pub(crate) fn is_cut_off(&self) -> bool {
        let until = self.world.state().places[self.node].cut_until;
        until > self.world.now_ms()
    }

    /// The node dies here: nothing of it happens after this. Where there is no other one, everything has to begin anew.
    pub(crate) async fn dies(&self) -> Infallible {
        if self.world.plan.nodes == 1 {
            return self.world.dies().await;
        }
        self.world.state().places[self.node].is_dead = true;
        self.world.say(None, format_args!("node {} dies", self.node));
        self.world.node_ends.notify_one();
        std::future::pending().await
    }

    /// It dies here, if that strikes.
    pub(crate) async fn may_die(&self, fault: Fault) {
        let lives_max = self.world.plan.lives_max * self.world.plan.nodes as u64;
        let may_start_again = self.world.state().tally.lives < lives_max;
        if !self.is_gone() && may_start_again && self.world.strikes(fault) {
            self.dies().await;
        }
    }
}
