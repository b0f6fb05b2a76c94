//! Opening a data directory: one process at a time, files for their owner alone, connections set up for durability.

mod check;
mod connect;
mod directory;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use larder_domain::ports::{SealError, Sealer, Storage, StoreError};
use larder_domain::{InstallationId, NodeName, StoreTime};

use uuid::Uuid;

use super::clock::StoreClock;
use super::database::Conn;
use super::error::{Failure, of_the_disk};
use super::readers::{READERS, Readers};
use super::tx::{Counters, find};
use super::watch::Pokes;
use super::writer::{Committer, WRITER_QUEUE_JOBS_MAX, WRITER_QUEUE_WAIT_MAX, Writer};
use super::{SqlStore, migrations, nodes};
use crate::{Clock, KeyError, places};
pub(super) use connect::{keep_plans, reader};
pub use directory::claim;
pub(super) use directory::{FreshDatabase, database_in, mark_moved, marker, moved, unmark};

/// The store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it.
    #[error(
        "the data directory {} is in use by {holder}: stop that one, or give this one a data directory of its own", dir.display()
    )]
    InUse {
        /// Which directory.
        dir: PathBuf,
        /// Who has it, as far as it is known.
        holder: String,
    },
    /// A file or directory can't be had.
    #[error("{} can't be {what}", path.display())]
    File {
        /// Made, opened, locked.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Where the database stands, several connections can't work on it.
    #[error("the file system of {} can't hold a shared log: put the data directory on a local disk", path.display())]
    Journal {
        /// The database.
        path: PathBuf,
    },
    /// The database can't be read or set up.
    #[error("the database can't be opened")]
    Database(#[from] rusqlite::Error),
    /// What it holds can't be read.
    #[error("the database can't be read")]
    Store(#[source] StoreError),
    /// A newer version of Larder has been here.
    #[error(
        "the database has schema {found}, and this version knows {known}: start the version that wrote it, or a newer one"
    )]
    Newer {
        /// The schema that was found.
        found: usize,
        /// The newest that this version knows.
        known: usize,
    },
    /// What it holds was sealed with another key.
    #[error(transparent)]
    Key(#[from] SealError),
    /// The same, and it is known which.
    #[error(
        "the installation is sealed with the key {key}, and this data directory's `sealing.key` has {own}: copy `sealing.key` from the data directory of a node that runs"
    )]
    OtherKey {
        /// The one that it is sealed with.
        key: String,
        /// Those that are here.
        own: String,
    },
    /// A new key can't be written down.
    #[error(transparent)]
    KeyFile(KeyError),
    /// The database has tables, and they are not Larder's.
    #[error("the database is somebody else's: it has tables that Larder did not make; give it a database of its own")]
    Foreign,
    /// Another process is this node.
    #[error(
        "another server runs as the node `{0}`: stop that one, or give this one a name of its own with --node-name"
    )]
    Taken(NodeName),
    /// The database's server can't be used.
    #[error(
        "the database's server can't be used ({0}): check the address, that it runs, and that the login may create tables"
    )]
    Server(String),
    /// What is in the directory was moved elsewhere, and goes on there.
    #[error(
        "the installation of {} was moved to {to}: start it with --database; or, to go back to what it was before that, remove {}, unless it was being moved from there when it ended (docs/running.md)",
        dir.display(),
        directory::marker(dir).display()
    )]
    Moved {
        /// Which directory.
        dir: PathBuf,
        /// Where it is, without the login.
        to: String,
    },
    /// What was in the server's database was moved to a data directory, and goes on there.
    #[error(
        "the installation was moved from this database to the data directory {0}: start the server there, without --database; or, to go back to what it was before that, \
         say to the database: UPDATE schema_version SET oldest = (SELECT oldest FROM moved_to); DROP TABLE moved_to"
    )]
    MovedBack(String),
    /// The writer's thread can't be started.
    #[error("the writer's thread can't be started")]
    Thread(#[source] io::Error),
}

impl OpenError {
    /// What is the matter with the disk, if that is it.
    #[must_use]
    pub fn storage(&self) -> Option<Storage> {
        match self {
            Self::Database(error) => error.sqlite_error().and_then(of_the_disk),
            Self::Store(StoreError::Storage(storage)) => Some(*storage),
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Storage::Full),
                io::ErrorKind::ReadOnlyFilesystem => Some(Storage::ReadOnly),
                _ => None,
            },
            _ => None,
        }
    }
}

impl SqlStore {
    /// Opens the store in this directory, and makes both if they are not there.
    ///
    /// # Errors
    /// Another process has it, its files can't be used, a newer version wrote it, or it was sealed with another key.
    pub fn open(dir: &Path, sealer: Arc<dyn Sealer>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let lock = claim(dir)?;
        if let Some(to) = moved(dir)? {
            return Err(OpenError::Moved { dir: dir.to_owned(), to });
        }
        let file = directory::database_file(dir)?;
        let mut conn = connect::writer(&file)?;
        migrations::run(&mut conn)?;
        check::tell_of_damage(&conn, &file);
        let conn = Conn::Sqlite(conn);
        let saved = saved(&conn, &*sealer)?;
        let own = nodes::join(&conn, nodes::Company::Alone, (NodeName::only(), Uuid::nil()), None, clock.wall())?;
        let readers =
            (0..READERS).map(|_| Ok(Conn::Sqlite(connect::reader(&file)?))).collect::<rusqlite::Result<_>>()?;

        let clock = StoreClock::resume(clock, saved.time);
        let pokes = Pokes::default();
        let committer = Committer::new(conn, clock.clone(), pokes.clone(), saved.counters);
        let writer =
            Writer::start(committer, WRITER_QUEUE_JOBS_MAX, WRITER_QUEUE_WAIT_MAX).map_err(OpenError::Thread)?;
        Ok(Self {
            writer,
            readers: Readers::new(readers),
            pokes,
            clock,
            sealer,
            keyfile: None,
            installation: saved.installation,
            own,
            announced: Mutex::default(),
            providers_revision: nodes::Revision::default(),
            listener: None,
            lock: Some(lock),
        })
    }
}

impl From<Failure> for OpenError {
    fn from(Failure(error): Failure) -> Self {
        Self::Store(error)
    }
}

/// What the last run left.
pub(super) struct Saved {
    pub(super) installation: InstallationId,
    pub(super) time: StoreTime,
    pub(super) counters: Counters,
}

/// Reads who this store is, or decides it. Fails unless the key is the right one.
pub(super) fn saved(conn: &Conn, sealer: &dyn Sealer) -> Result<Saved, OpenError> {
    let sql = "SELECT id, key_check, clock_ms, last_token, last_entry, last_line FROM installation";
    let found = find(conn, sql, (), |row| {
        let (installation, key_check, time) = (InstallationId(row.uuid()?), row.take::<Vec<u8>>()?, row.time()?);
        let counters = Counters { token: row.uint()?, entry: row.uint()?, line: row.uint()? };
        Ok((key_check, Saved { installation, time, counters }))
    })?;
    if let Some((key_check, saved)) = found {
        sealer.open(places::KEY_CHECK, &key_check)?;
        return Ok(saved);
    }
    let installation = InstallationId::generate();
    let key_check = sealer.seal(places::KEY_CHECK, installation.0.as_bytes())?;
    let sql = conn.either(
        "INSERT INTO installation (one, id, key_check, clock_ms, last_token, last_entry, last_line)
         VALUES (1, ?, ?, 0, 0, 0, 0)",
        "INSERT INTO installation (one, id, key_check, clock_ms, clock_zero_ms, last_token, last_entry, last_line)
         VALUES (1, ?, ?, 0, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), 0, 0, 0)",
    );
    conn.execute(sql, (installation.0.as_bytes(), key_check))?;
    Ok(Saved { installation, time: StoreTime::default(), counters: Counters::default() })
}
