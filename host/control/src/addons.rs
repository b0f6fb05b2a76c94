//! Addons: created, read, awaited, changed, deleted.

mod create;
mod delete;
mod operations;
mod owner;
mod patch;

use std::time::Duration;

use larder_domain::history::StoredEntry;
use larder_domain::ports::store::{AddonFilter, StoredLog, Watcher};
use larder_domain::{AddonId, AddonRecord};
use tokio::time::{Instant, timeout};

pub(crate) use delete::{in_use, protected};

pub use create::{CreateAddon, NewAddonState};
pub use patch::PatchAddon;

use crate::{Code, Control, ControlError, Reached};

/// The longest that a request may wait for an addon, in milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;
/// How often a waiter looks by itself, since another node may drive the addon, in milliseconds.
const WAIT_POLL_MS: u64 = 1_000;

impl Control {
    /// One addon, also when it is terminal.
    ///
    /// # Errors
    /// `unknown_addon`.
    pub async fn addon(&self, id: AddonId) -> Result<AddonRecord, ControlError> {
        self.store
            .addon(id)
            .await?
            .ok_or_else(|| ControlError::refused(Code::UnknownAddon, format!("there is no addon {id}")))
    }

    /// Addons in order of creation.
    ///
    /// # Errors
    /// `unknown_app` if the filter names one that isn't there.
    pub async fn addons(&self, filter: AddonFilter) -> Result<Vec<AddonRecord>, ControlError> {
        if let Some(app) = &filter.app {
            self.app(app).await?;
        }
        Ok(self.store.addons(filter).await?)
    }

    /// What an addon gives its app, and where it is reached; nothing once it is terminal. What the store still has then is kept for the
    /// cleanup alone.
    ///
    /// # Errors
    /// `unknown_addon`.
    pub async fn addon_config(&self, id: AddonId) -> Result<Reached, ControlError> {
        let config = self.store.addon_config(id).await?;
        // Looked at afterwards: an addon that is deleted meanwhile has nothing to give.
        let record = self.addon(id).await?;
        if record.addon.state.is_terminal() {
            return Ok(Reached::default());
        }
        let places = self.places_of(&record.spec, record.engine.as_ref()).await?;
        Ok(Reached { config, places })
    }

    /// Waits until an addon is terminal, or ready with nothing under way that somebody waits for, or the time is over; the addon as
    /// it is then.
    ///
    /// # Errors
    /// `unknown_addon`.
    pub async fn wait_for_addon(&self, id: AddonId, at_most: Duration) -> Result<AddonRecord, ControlError> {
        let until = Instant::now() + at_most.min(Duration::from_millis(WAIT_MS_MAX));
        loop {
            let waiting = self.waiters.register(id);
            let woken = waiting.woken.notified();
            let record = match self.addon(id).await {
                Ok(record) => record,
                Err(error) => {
                    self.waiters.leave(id, &waiting);
                    return Err(error);
                }
            };
            let left = until.saturating_duration_since(Instant::now());
            if record.addon.is_settled() || left.is_zero() {
                self.waiters.leave(id, &waiting);
                return Ok(record);
            }
            // Settled or timed out: either way the addon is read again.
            let _settled = timeout(left.min(Duration::from_millis(WAIT_POLL_MS)), woken).await;
        }
    }

    /// History after entry `after`, of one addon or of all.
    ///
    /// # Errors
    /// `unknown_addon`.
    pub async fn history(
        &self,
        addon: Option<AddonId>,
        after: u64,
        count_max: usize,
    ) -> Result<Vec<StoredEntry>, ControlError> {
        if let Some(id) = addon {
            self.addon(id).await?;
        }
        Ok(self.store.history(addon, after, count_max).await?)
    }

    /// Follows the history: begin to watch, then read.
    #[must_use]
    pub fn watch_history(&self) -> Box<dyn Watcher> {
        self.store.watch_history()
    }

    /// An addon's log after line `after`.
    ///
    /// # Errors
    /// `unknown_addon`.
    pub async fn addon_log(&self, id: AddonId, after: u64, count_max: usize) -> Result<Vec<StoredLog>, ControlError> {
        self.addon(id).await?;
        Ok(self.store.log(id, after, count_max).await?)
    }
}
