//! A copy of the whole database of one moment, while everybody goes on reading and writing.
//!
//! A connection of its own makes it, with `VACUUM INTO`: one statement, and so one reader's view, under which the one writer commits as
//! ever; the log is moved into the database only up to that view meanwhile, and is as much longer as is written in that time. SQLite's
//! backup API would begin anew whenever somebody writes, unless it is kept in one reader's view too, and would copy pages that
//! are free, with what was deleted from them. This copy has rows only, and a database that is damaged can't be copied
//! without that being noticed.

use std::path::Path;

use larder_domain::audit::{Action, Actor};
use larder_domain::ports::StoreError;
use rusqlite::InterruptHandle;
use serde_json::Value;

use super::error::Failure;
use super::open::reader;
use super::{SqlStore, audit, migrations};

/// Ends the copy if whoever asked for it goes away.
struct Interrupt(InterruptHandle);

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl SqlStore {
    /// The schema that this version works with, as a number that rises.
    #[must_use]
    pub const fn schema() -> usize {
        migrations::KNOWN
    }

    /// Writes down in the audit log that a copy was asked for, and makes it: in this file, which must be empty.
    ///
    /// # Errors
    /// The database or the file failed, or the store is not kept in a file.
    pub async fn copy_to(&self, file: &Path, noted: Value) -> Result<(), StoreError> {
        self.writer.run(move |tx| audit::note_of_all(tx, Actor::Admin, Action::BackedUp, &noted)).await?;
        let database = self.database().await?;
        let database = database.ok_or_else(|| StoreError::Database("the store is not kept in a file".into()))?;
        let failed = |error| StoreError::from(Failure::from(error));
        let conn = reader(&database).map_err(failed)?;
        let interrupt = Interrupt(conn.get_interrupt_handle());
        let target = file.to_owned();
        let copying = tokio::task::spawn_blocking(move || {
            conn.execute("VACUUM INTO ?", [target.to_string_lossy()])
                .map(drop)
                .map_err(|error| Failure::from(error).into())
        });
        let copied = copying.await.map_err(|error| StoreError::Database(Box::new(error)))?;
        drop(interrupt);
        copied
    }
}
