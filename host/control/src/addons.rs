//! Addons: created, read, awaited, deleted.

mod create;
mod operations;
mod owner;
mod patch;

use std::time::Duration;

use larder_domain::config::AddonConfig;
use larder_domain::history::StoredEntry;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{AddonFilter, InUse, StoredLog, Watcher};
use larder_domain::{AddonId, AddonRecord, Role};
use tokio::time::{Instant, timeout};

pub use create::{CreateAddon, NewAddonState};
pub use operations::UpdateAddon;
pub use patch::PatchAddon;

use crate::{Code, Control, ControlError};

/// The longest that a request may wait for an addon, in milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;
/// How many addons are named that are in the way of a deletion.
const NAMED_MAX: usize = 20;
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

    /// What an addon gives its app; none before it is provisioned, and none once it is terminal: what the store still has
    /// then is kept for the cleanup alone.
    ///
    /// # Errors
    /// `unknown_addon`.
    pub async fn addon_config(&self, id: AddonId) -> Result<Option<AddonConfig>, ControlError> {
        let config = self.store.addon_config(id).await?;
        // Looked at afterwards: an addon that is deleted meanwhile has nothing to give.
        let is_over = self.addon(id).await?.addon.state.is_terminal();
        Ok(config.filter(|_| !is_over))
    }

    /// Wants an addon gone. Returns at once: it is terminal then, and what its provider made is cleaned up afterwards.
    ///
    /// # Errors
    /// `unknown_addon`, `protected`, `addon_in_use`.
    pub async fn delete_addon(&self, id: AddonId, force: bool) -> Result<AddonRecord, ControlError> {
        let record = self.addon(id).await?;
        if !force {
            refuse_protected(&record)?;
        }
        // What others are a part of stays: a communal server in any case, the owner of a shared resource unless it is forced.
        let if_unused = !force || record.spec.role == Role::Server;
        let control = self.clone();
        let deleted = Self::whole(async move {
            let deleted = control.store.delete_addon(id, if_unused).await?;
            if deleted.is_ok() {
                // The wish is stored; only now may the call under way be dropped, or a crash in between would lose both.
                control.running.cancel(id);
                control.waiters.settled(id);
            }
            Ok::<_, StoreError>(deleted)
        });
        match deleted.await? {
            Ok(applied) => Ok(AddonRecord { addon: applied.addon, ..record }),
            Err(InUse(users)) => Err(in_use(id, &users)),
        }
    }

    /// An addon that others are a part of stays.
    pub(crate) async fn refuse_needed(&self, record: &AddonRecord) -> Result<(), ControlError> {
        let users = self.store.children(record.spec.id).await?;
        if users.is_empty() { Ok(()) } else { Err(in_use(record.spec.id, &users)) }
    }

    /// Waits until an addon is terminal, or ready with nothing under way that somebody waits for, or the time is over; the addon as
    /// it is then.
    ///
    /// # Errors
    /// `unknown_addon`.
    pub async fn wait_for_addon(&self, id: AddonId, at_most: Duration) -> Result<AddonRecord, ControlError> {
        let until = Instant::now() + at_most.min(Duration::from_millis(WAIT_MS_MAX));
        loop {
            let notify = self.waiters.register(id);
            let notified = notify.notified();
            let record = match self.addon(id).await {
                Ok(record) => record,
                Err(error) => {
                    self.waiters.leave(id, &notify);
                    return Err(error);
                }
            };
            let left = until.saturating_duration_since(Instant::now());
            if record.addon.is_settled() || left.is_zero() {
                self.waiters.leave(id, &notify);
                return Ok(record);
            }
            // Settled or timed out: either way the addon is read again.
            let _settled = timeout(left.min(Duration::from_millis(WAIT_POLL_MS)), notified).await;
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

fn in_use(id: AddonId, users: &[AddonId]) -> ControlError {
    let named: Vec<String> = users.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = if users.len() > NAMED_MAX { " and others" } else { "" };
    let message = format!("{} addons use {id}: {}{more}", users.len(), named.join(", "));
    ControlError::refused(Code::AddonInUse, message)
}

/// A protected addon goes only by force, unless it is gone already.
pub(crate) fn refuse_protected(record: &AddonRecord) -> Result<(), ControlError> {
    if record.spec.protected && !record.addon.state.is_terminal() {
        let message = format!("the addon {} is protected against deletion", record.spec.id);
        return Err(ControlError::refused(Code::Protected, message));
    }
    Ok(())
}
