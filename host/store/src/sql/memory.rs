//! A database in memory, for simulations: the same code as over a file, and no thread beside the caller's.
//!
//! A simulation has to be the same each time it is run, and thousands of them have to fit into a minute. So whoever asks a store for
//! something does the work, at once and whole: there is no writer's thread, no disk, and no moment between a question and its answer in
//! which others could come. The database outlives the stores that are opened on it, and a store that is dropped writes nothing more: it
//! goes as if its process had been killed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use larder_domain::NodeName;
use larder_domain::ports::Sealer;
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use uuid::Uuid;

use super::clock::StoreClock;
use super::database::Conn;
use super::open::{OpenError, saved};
use super::readers::Readers;
use super::watch::Pokes;
use super::writer::{Committer, STATEMENTS_CACHED_MAX, Writer};
use super::{SqlStore, migrations, nodes};
use crate::Clock;

/// To SQLite's backup, as many as there are.
const ALL_PAGES: i32 = -1;

/// Tells the databases of this process apart.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A database in this process's memory, as long as this lives.
#[derive(Debug)]
pub struct MemoryDatabase {
    name: String,
    keeper: Connection,
}

impl MemoryDatabase {
    /// An empty one, with its schema.
    ///
    /// # Errors
    /// SQLite has no memory to give.
    pub fn new() -> Result<Self, OpenError> {
        let mut database = Self::empty()?;
        migrations::run(&mut database.keeper)?;
        Ok(database)
    }

    /// Another one with the same content: quicker than one that makes its schema itself.
    ///
    /// # Errors
    /// SQLite has no memory to give.
    pub fn copy(&self) -> Result<Self, OpenError> {
        let mut copy = Self::empty()?;
        Backup::new(&self.keeper, &mut copy.keeper)?.step(ALL_PAGES)?;
        Ok(copy)
    }

    fn empty() -> Result<Self, OpenError> {
        let name = new_name();
        Ok(Self { keeper: connect(&name)?, name })
    }
}

impl SqlStore {
    /// Opens a store on a database in memory. One after the other: each says that whoever held leases is gone.
    ///
    /// # Errors
    /// It was sealed with another key.
    pub fn in_memory(
        database: &MemoryDatabase,
        sealer: Arc<dyn Sealer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let conn = Conn::Sqlite(connect(&database.name)?);
        let saved = saved(&conn, &*sealer)?;
        let own = nodes::join(&conn, NodeName::only(), Uuid::nil(), None, clock.wall())?;
        let (clock, pokes) = (StoreClock::resume(clock, saved.time), Pokes::default());
        let committer = Committer::new(conn, clock.clone(), pokes.clone(), saved.counters);
        Ok(Self {
            readers: Readers::inline(Conn::Sqlite(connect(&database.name)?)),
            writer: Writer::inline(committer),
            pokes,
            clock,
            sealer,
            keyfile: None,
            installation: saved.installation,
            own,
            announced: Mutex::default(),
            providers_revision: nodes::Revision::default(),
            listener: None,
            lock: None,
        })
    }
}

/// A slash at the beginning is what makes several connections see one database.
fn new_name() -> String {
    format!("file:/larder-{}?vfs=memdb", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn connect(name: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(name, flags)?;
    conn.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;")?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    Ok(conn)
}
