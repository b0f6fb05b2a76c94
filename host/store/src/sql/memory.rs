//! A database in memory, for simulations: the same code as over a file, and no thread beside the caller's.
//!
//! A simulation has to be the same each time it is run, and thousands of them have to fit into a minute. So whoever asks a store for
//! something does the work, at once and whole: there is no writer's thread, no disk, and no moment between a question and its answer in
//! which others could come. The database outlives the stores that are opened on it, and a store that is dropped writes nothing more: it
//! goes as if its process had been killed. Several may be open at the same time, as the nodes of one installation: then each asks anew what
//! it remembers otherwise, and says what it has committed, as nodes on PostgreSQL do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use larder_domain::NodeName;
use larder_domain::ports::Sealer;
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use uuid::Uuid;

use super::clock::StoreClock;
use super::database::Conn;
use super::open::{OpenError, keep_plans, saved};
use super::readers::Readers;
use super::watch::{Poked, Pokes};
use super::writer::{Committer, STATEMENTS_CACHED_MAX, Writer};
use super::{SqlStore, migrations, nodes};
use crate::Clock;

/// To SQLite's backup, as many as there are.
const ALL_PAGES: i32 = -1;

/// Tells the databases of this process apart.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A database in this process's memory, as long as this lives.
pub struct MemoryDatabase {
    name: String,
    keeper: Connection,
    open: Arc<Mutex<Vec<Weak<Shared>>>>,
}

/// What the stores that are open at the same time have to know of each other.
struct Shared {
    pokes: Pokes,
    /// The same for all, as a server's would be.
    clock: StoreClock,
}

/// One of these stores.
pub(super) struct Neighbour {
    own: Arc<Shared>,
    all: Arc<Mutex<Vec<Weak<Shared>>>>,
}

impl Neighbour {
    /// Says what this one has committed, as nodes of a server do.
    pub(super) fn tell_others(&self, poked: Poked) {
        let others = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let others = others.iter().filter_map(Weak::upgrade).filter(|other| !Arc::ptr_eq(other, &self.own));
        others.for_each(|other| other.pokes.pass_on(Poked { plans: false, ..poked }));
    }
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
        Ok(Self { keeper: connect(&name)?, name, open: Arc::default() })
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
        Self::on(database, (nodes::Company::Alone, NodeName::only()), sealer, clock)
    }

    /// The same as one of several nodes, whose stores are open at the same time. Of its leases only those are free that a node of its
    /// name had.
    ///
    /// # Errors
    /// It was sealed with another key.
    pub fn in_memory_among_others(
        database: &MemoryDatabase,
        node: NodeName,
        sealer: Arc<dyn Sealer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        Self::on(database, (nodes::Company::Others, node), sealer, clock)
    }

    fn on(
        database: &MemoryDatabase,
        (company, node): (nodes::Company, NodeName),
        sealer: Arc<dyn Sealer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let conn = Conn::Sqlite(connect(&database.name)?);
        let saved = saved(&conn, &*sealer)?;
        let own = nodes::join(&conn, company, (node, Uuid::nil()), None, clock.wall())?;
        let mut open = database.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|other| company == nodes::Company::Others && other.strong_count() > 0);
        let running = open.iter().find_map(Weak::upgrade).map(|other| other.clock.clone());
        let clock = running.unwrap_or_else(|| StoreClock::resume(clock, saved.time));
        let pokes = Pokes::default();
        let mut committer = Committer::new(conn, clock.clone(), pokes.clone(), saved.counters);
        if company == nodes::Company::Others {
            let own = Arc::new(Shared { pokes: pokes.clone(), clock: clock.clone() });
            open.push(Arc::downgrade(&own));
            committer = committer.beside(Neighbour { own, all: Arc::clone(&database.open) });
        }
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
    keep_plans(&conn)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    Ok(conn)
}
