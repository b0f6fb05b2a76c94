//! The rotation of the key of an installation whose nodes share a database, as far as this node drives it.
//!
//! All that there is to know stands in the database ([`larder_store::sql::KeyDriving`]). Here it is only done, one step after the other, and
//! looked now and then whether another node has left something to do.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::NodeName;
use larder_domain::ports::{KeyState, Keys, KeysError, StoreError};
use larder_domain::work::LEASE_RENEWAL_MS;
use larder_store::sql::{Driven, KeyDriving, KeyStop};
use larder_store::{KeyfileSealer, SqlStore};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::{COMPACTION_PAUSE, COMPACTIONS_MAX, SETTLE};

/// How often it is looked whether another node has left a rotation to do.
const LOOK_EVERY: Duration = Duration::from_millis(LEASE_RENEWAL_MS);
/// The pause between two looks at those who have to learn the new key: each does within a few seconds.
const WAIT_PAUSE: Duration = Duration::from_millis(250);
/// How long they are waited for before somebody is told of them.
const WAIT_UNTOLD_MAX: Duration = Duration::from_secs(15);
/// The pause before a step is tried again that the database has failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How often that is done without anything coming of it before somebody has to ask again.
const RETRIES_MAX: u32 = 60;

/// The keys of an installation, of which this node has a copy.
pub(crate) struct SharedKeys {
    store: Arc<SqlStore>,
    sealer: Arc<KeyfileSealer>,
    /// Said when there may be something to do.
    asked: Arc<Notify>,
}

impl SharedKeys {
    /// Looks after rotations from now on, as long as there are these.
    pub(crate) fn start(store: Arc<SqlStore>, sealer: Arc<KeyfileSealer>) -> Self {
        let asked = Arc::new(Notify::new());
        tokio::spawn(look_after(Arc::downgrade(&store), Arc::clone(&asked)));
        Self { store, sealer, asked }
    }
}

#[async_trait]
impl Keys for SharedKeys {
    async fn state(&self) -> Result<KeyState, KeysError> {
        let Some(rotation) = self.store.key_rotation().await? else {
            return Ok(KeyState { key: self.sealer.key_id(), ..KeyState::default() });
        };
        Ok(KeyState {
            key: rotation.key,
            old: rotation.old.into_iter().collect(),
            is_under_way: rotation.is_under_way,
            resealed: rotation.resealed,
            of: rotation.total,
            trouble: rotation.trouble,
            has_remnants: rotation.has_remnants,
        })
    }

    async fn rotate(&self) -> Result<KeyState, KeysError> {
        let begun = self.store.begin_key_rotation().await?;
        begun.map_err(|refused| KeysError::Refused(refused.to_string()))?;
        self.asked.notify_one();
        self.state().await
    }
}

async fn look_after(store: Weak<SqlStore>, asked: Arc<Notify>) {
    let mut at_start = true;
    while let Some(store) = store.upgrade() {
        match store.key_driving(at_start).await {
            Ok(driving) => {
                // What stops after that waits for somebody to ask.
                at_start = false;
                if let Some(driving) = driving {
                    drive(driving).await;
                }
            }
            Err(error) => tracing::debug!(%error, "it can't be said whether the key is to be rotated"),
        }
        drop(store);
        let _asked_or_time = timeout(LOOK_EVERY, asked.notified()).await;
    }
}

async fn drive(mut driving: KeyDriving<'_>) {
    tracing::info!(key = driving.key(), "this node has everything sealed with another key");
    let stopped = match drive_to_end(&mut driving).await {
        Ok(Driven::Done) => {
            tracing::info!(key = driving.key(), "the key was rotated; the old one is gone");
            return;
        }
        Ok(Driven::Compacts) => {
            tracing::warn!(
                "what the old key has sealed may stand in unused parts of the database until a server starts the next time, which compacts it"
            );
            driving.note(None, true).await
        }
        Ok(_) => return tracing::info!(key = driving.key(), "another node goes on with that"),
        Err(error) => {
            tracing::error!(%error, "the rotation of the key stopped; `larder key rotate` goes on with it");
            driving.note(Some(error.to_string()), true).await
        }
    };
    if let Err(error) = stopped {
        tracing::warn!(%error, "the other nodes are not told that the rotation of the key has stopped");
    }
}

/// Until there is nothing more to do here, or it can't be done.
async fn drive_to_end(driving: &mut KeyDriving<'_>) -> Result<Driven, KeyStop> {
    let (mut waiting, mut retries, mut compactions) = (Waiting::default(), Retries::default(), 0);
    loop {
        let driven = driving.step().await;
        if !matches!(driven, Ok(Driven::Waits(_))) {
            waiting = Waiting::default();
        }
        match driven {
            Ok(Driven::Goes) => {}
            Ok(Driven::Settles) => sleep(SETTLE).await,
            Ok(Driven::Waits(nodes)) => waiting.wait(driving, &nodes).await,
            Ok(Driven::Compacts) if compactions + 1 < COMPACTIONS_MAX => {
                compactions += 1;
                sleep(COMPACTION_PAUSE).await;
            }
            Ok(driven) => return Ok(driven),
            Err(KeyStop::Store(error)) if may_pass(&error) && retries.are_left(driving.progress()) => {
                tracing::debug!(%error, "a step of the key's rotation is tried again");
                sleep(RETRY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the same may go well in a moment.
const fn may_pass(error: &StoreError) -> bool {
    matches!(error, StoreError::Busy | StoreError::Unreachable(_))
}

/// How often steps were tried again since something has come of them.
#[derive(Default)]
struct Retries {
    count: u32,
    progress: u64,
}

impl Retries {
    /// Whether one may be tried once more.
    const fn are_left(&mut self, progress: u64) -> bool {
        if progress > self.progress {
            *self = Self { count: 0, progress };
        }
        self.count += 1;
        self.count <= RETRIES_MAX
    }
}

/// Since when it waits for whom.
#[derive(Default)]
struct Waiting {
    since: Option<Instant>,
    told: Vec<NodeName>,
}

impl Waiting {
    async fn wait(&mut self, driving: &KeyDriving<'_>, nodes: &[NodeName]) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= WAIT_UNTOLD_MAX && self.told != nodes {
            nodes.clone_into(&mut self.told);
            let names = nodes.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ");
            let trouble = format!(
                "it waits until all nodes that run have learned the new key; these have not: {names} (their logs say why; stop those that can't)"
            );
            tracing::warn!("the rotation of the key waits: {trouble}");
            if let Err(error) = driving.note(Some(trouble), false).await {
                tracing::debug!(%error, "the other nodes are not told what the rotation of the key waits for");
            }
        }
        sleep(WAIT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_tried_again_without_end_only_while_something_comes_of_them() {
        let mut retries = Retries::default();
        for progress in 0..5 {
            assert!((0..RETRIES_MAX).all(|_| retries.are_left(progress)), "{progress}");
        }
        assert!(!retries.are_left(4), "what was done again is no progress");
        assert!(!retries.are_left(3) && retries.are_left(5));
    }
}
