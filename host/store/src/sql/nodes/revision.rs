//! The revision of all providers, and for how long what was read of it may be gone by.
//!
//! Each call needs it, and whoever writes reads it anyway while nobody else can write. So a call goes by what was known at the last commit of
//! its own node, if that was a moment ago. Whoever changes something about a provider waits for that moment to pass before it says that it is
//! done: what was taken back by then is had by no call that begins, on whichever node.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use larder_domain::ports::StoreError;
use tokio::time::{sleep, timeout};

use crate::sql::SqlStore;
use crate::sql::readers::READER_WAIT_MAX;

/// How long a revision may be gone by after it was read, in milliseconds.
const REMEMBERED_MS_MAX: u64 = 100;
const REMEMBERED_MAX: Duration = Duration::from_millis(REMEMBERED_MS_MAX);

/// The revision as known last.
#[derive(Clone, Default)]
pub(in crate::sql) struct Revision {
    /// What it was, and when.
    last: Arc<Mutex<Option<(Instant, u64)>>>,
    /// Whoever reads it, does so for all who wait.
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl Revision {
    /// It was this at a moment when nobody else could have changed it, or was read after that.
    pub(in crate::sql) fn was(&self, when: Instant, revision: u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|(before, _)| before <= when) {
            *last = Some((when, revision));
        }
    }

    /// What it was then or later.
    fn since(&self, when: Instant) -> Option<u64> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(known, _)| *known >= when).map(|(_, revision)| revision)
    }
}

impl SqlStore {
    /// The revision as it stands, or stood at most so long ago.
    pub(super) async fn revision(&self, within: Duration) -> Result<u64, StoreError> {
        if self.listener.is_none() {
            // Whoever changes something here says so here.
            return Ok(0);
        }
        let asked_at = Instant::now();
        let oldest = asked_at.checked_sub(within.min(REMEMBERED_MAX)).unwrap_or(asked_at);
        if let Some(revision) = self.providers_revision.since(oldest) {
            return Ok(revision);
        }
        let reading = timeout(READER_WAIT_MAX, self.providers_revision.reading.lock()).await;
        let _reading = reading.map_err(|_| StoreError::Busy)?;
        // It may have been read for somebody else meanwhile.
        if let Some(revision) = self.providers_revision.since(oldest) {
            return Ok(revision);
        }
        let began_at = Instant::now();
        let sql = "SELECT providers_revision FROM installation";
        let revision = self.readers.find(sql, (), |row| row.uint()).await?.unwrap_or_default();
        self.providers_revision.was(began_at, revision);
        Ok(revision)
    }

    /// Waits until no node goes by anything about providers that was so before this.
    pub(in crate::sql) async fn outlast_memories(&self) {
        if self.listener.is_some() {
            sleep(REMEMBERED_MAX).await;
        }
    }
}
