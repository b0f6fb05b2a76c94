//! The store's port over the real store, for a world in which transactions are slow, refused, lost and cut short by the host's death.
//! Around every transaction the invariants are looked at.

mod addons;
mod nodes;
mod rest;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::ports::Store;
use larder_domain::ports::store::{StoreError, Watcher};
use larder_domain::{AddonId, InstallationId, StoreTime, WallTime};
use larder_store::SqlStore;

use crate::faults::Fault;
use crate::invariants;
use crate::seat::Seat;

/// The store as the host sees it.
pub(crate) struct Shaky {
    pub(crate) inner: Arc<SqlStore>,
    pub(crate) world: Seat,
}

/// What changes nothing about providers, of all that is written often.
const SAYS_NOTHING_OF_PROVIDERS: [&str; 8] =
    ["apply", "create_addon", "lease_due", "renew", "release", "beat", "settle_objects", "note_object"];

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reads,
    /// Changes something about this addon, or about none.
    Writes(Option<AddonId>),
}

impl Shaky {
    /// Makes a call, as well as the world lets it.
    async fn around<T>(
        &self,
        name: &'static str,
        kind: Kind,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let world = &self.world;
        world.step().await;
        world.may_wait(Fault::StoreSlow, 100..=9_000).await;
        let is_out = { world.state().outage_until } > world.now_ms();
        if world.is_cut_off() {
            world.say(None, format_args!("store.{name}: node {} is cut off", world.node));
            return Err(StoreError::Unreachable("the node is cut off".to_owned()));
        }
        if is_out || world.strikes(Fault::StoreBusy) {
            world.say(None, format_args!("store.{name}: busy"));
            return Err(StoreError::Busy);
        }
        if kind == Kind::Reads {
            return call.await;
        }
        world.may_die(Fault::CrashBeforeStore).await;
        // A transaction that was sent is made, whatever becomes of who has sent it.
        let done = call.await;
        if !SAYS_NOTHING_OF_PROVIDERS.contains(&name) {
            world.state().providers_revision += 1;
        }
        let about = if let Kind::Writes(addon) = kind { addon } else { None };
        world.say(about, format_args!("store.{name}: {}", if done.is_ok() { "ok" } else { "refused" }));
        invariants::after_write(world, &self.inner, about).await;
        world.may_die(Fault::CrashAfterStore).await;
        world.step().await;
        if done.is_ok() && world.strikes(Fault::StoreAnswerLost) {
            return Err(StoreError::Database("the connection was lost".into()));
        }
        done
    }

    fn watcher(&self, inner: Box<dyn Watcher>) -> Box<dyn Watcher> {
        Box::new(Pokes { inner, world: self.world.clone() })
    }
}

impl Store for Shaky {
    fn now(&self) -> StoreTime {
        self.inner.now()
    }

    fn wall(&self) -> WallTime {
        self.inner.wall()
    }

    fn installation(&self) -> InstallationId {
        self.inner.installation()
    }
}

/// Pokes that get lost, or come late.
struct Pokes {
    inner: Box<dyn Watcher>,
    world: Seat,
}

#[async_trait]
impl Watcher for Pokes {
    async fn changed(&mut self) -> bool {
        loop {
            let goes_on = self.inner.changed().await;
            if goes_on && self.world.strikes(Fault::PokeLost) {
                continue;
            }
            if self.world.strikes(Fault::PokeLate) {
                let wait = self.world.within(10..=3_000);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            return goes_on;
        }
    }
}
