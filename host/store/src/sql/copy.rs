//! A copy of the whole database of one moment, while everybody goes on reading and writing.
//!
//! A connection of its own makes it, with `VACUUM INTO`: one statement, and so one reader's view, under which the one writer commits as
//! ever; the log is moved into the database only up to that view meanwhile, and is as much longer as is written in that time. SQLite's
//! backup API would begin anew whenever somebody writes, unless it is kept in one reader's view too, and would copy pages that
//! are free, with what was deleted from them. This copy has rows only, and a database that is damaged can't be copied
//! without that being noticed.
//!
//! What is in a server's database is fetched row by row ([`copy_out`]), and becomes a file of the same kind.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use larder_domain::audit::{Action, Actor};
use larder_domain::ports::StoreError;
use rusqlite::InterruptHandle;
use serde_json::Value;
use tokio::time::timeout;

use super::error::{Failure, Result as Outcome};
use super::open::reader;
use super::postgres::{Connector, RelocateError, Watch, copy_out, empty};
use super::{SqlStore, audit, migrations};

/// How long a server may send nothing of what is copied.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Ends the copy if whoever asked for it goes away.
struct Interrupt {
    database: InterruptHandle,
    server: Arc<Watch>,
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.server.end();
        self.database.interrupt();
    }
}

impl SqlStore {
    /// The schema that this version works with, as a number that rises.
    #[must_use]
    pub const fn schema() -> usize {
        migrations::KNOWN
    }

    /// Writes down in the audit log that a copy was asked for, and makes it: in this file, which must be empty. It is a database of a file,
    /// wherever the store is.
    ///
    /// # Errors
    /// The database, its server or the file failed, or the store is not kept anywhere.
    pub async fn copy_to(&self, file: &Path, noted: Value) -> Result<(), StoreError> {
        self.writer.run(move |tx| audit::note_of_all(tx, Actor::Admin, Action::BackedUp, &noted)).await?;
        match self.readers.connector() {
            Some(connector) => {
                self.learn_keys().await?;
                self.fetch(connector.clone(), file).await?;
                // What has been sealed with a new one meanwhile is in the copy, too.
                self.learn_keys().await
            }
            None => self.vacuum(file.to_owned()).await,
        }
    }

    /// How large the server's database is, in bytes; none where there is no server. A copy has no more than that, but for very little.
    ///
    /// # Errors
    /// The server can't be asked.
    pub async fn bytes_at_server(&self) -> Result<Option<u64>, StoreError> {
        match self.readers.connector() {
            Some(_) => self.readers.find("SELECT pg_database_size(current_database())", (), |row| row.uint()).await,
            None => Ok(None),
        }
    }

    async fn vacuum(&self, target: PathBuf) -> Result<(), StoreError> {
        let database = self.database().await?;
        let database = database.ok_or_else(|| StoreError::Database("the store is not kept in a file".into()))?;
        let failed = |error| StoreError::from(Failure::from(error));
        let conn = reader(&database).map_err(failed)?;
        let interrupt = Interrupt { database: conn.get_interrupt_handle(), server: Arc::default() };
        let copying = tokio::task::spawn_blocking(move || {
            conn.execute("VACUUM INTO ?", [target.to_string_lossy()])
                .map(drop)
                .map_err(|error| Failure::from(error).into())
        });
        let copied = copying.await.map_err(|error| StoreError::Database(Box::new(error)))?;
        drop(interrupt);
        copied
    }

    async fn fetch(&self, connector: Connector, file: &Path) -> Result<(), StoreError> {
        let conn = empty(file).map_err(|error| StoreError::from(Failure::from(error)))?;
        let watch = Arc::new(Watch::default());
        let _interrupt = Interrupt { database: conn.get_interrupt_handle(), server: Arc::clone(&watch) };
        let (sealer, watched) = (Arc::clone(&self.sealer), Arc::clone(&watch));
        let mut copying =
            tokio::task::spawn_blocking(move || -> Outcome<()> { Ok(copy_out(&connector, conn, &*sealer, &watched)?) });
        let mut heard = watch.answers();
        loop {
            match timeout(SILENCE_MAX, &mut copying).await {
                Ok(copied) => return Ok(copied.map_err(|error| StoreError::Database(Box::new(error)))??),
                Err(_) if heard.is_some() && watch.answers() == heard => {
                    let why = format!("it sent nothing for {} s", SILENCE_MAX.as_secs());
                    return Err(StoreError::Unreachable(why));
                }
                Err(_) => heard = watch.answers(),
            }
        }
    }
}

impl From<RelocateError> for Failure {
    fn from(error: RelocateError) -> Self {
        match error {
            RelocateError::Target(error) => error.into(),
            RelocateError::Read(error) => error.into(),
            RelocateError::Open(error) => Self(StoreError::Unreachable(super::error::with_causes(&error))),
            error => Self(StoreError::Database(Box::new(error))),
        }
    }
}
