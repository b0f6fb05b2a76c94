//! The store: on SQLite, one file in a data directory that one process has to itself, or in a database of a PostgreSQL server
//! ([`postgres`]). Statements are written in the SQL that both understand ([`database::Conn`]).
//!
//! All writes go through one thread ([`writer`]) that commits them in groups; reads have connections of their own
//! ([`readers`]). A call of the port is answered once it is on the disk, so whoever was answered reads what they wrote.
//!
//! What a transition costs must not depend on how many addons there are. So every statement finds its rows by key, rows that
//! are written often are narrow, what is needed seldom stands apart, and what rests has no row in `work`.

mod added;
mod addons;
mod adopt;
mod ahead;
mod apps;
mod audit;
mod claims;
mod clock;
mod complaints;
mod copy;
mod database;
mod engines;
mod error;
mod memory;
mod migrations;
mod networks;
mod nodes;
mod objects;
mod open;
mod postgres;
mod providers;
mod purge;
mod quotas;
mod readers;
mod reseal;
mod rows;
mod tally;
mod tx;
mod watch;
mod work;
mod writer;

use std::fs::File;
use std::sync::{Arc, Mutex};

use larder_domain::ports::{Sealer, Store};
use larder_domain::{InstallationId, StoreTime, WallTime};

use crate::KeyfileSealer;
pub use adopt::{AdoptError, adopt_database, check_database};
pub use memory::MemoryDatabase;
pub use open::{OpenError, claim};
pub use postgres::keys::{Driven, KeyDriving, KeyRotation, KeyStop, RotationRefused};
pub use postgres::{Progress, RelocateError, Relocated, Relocation, Return, Server, Time};
pub use reseal::Resealing;

/// A store in a data directory, or in a database of a server.
pub struct SqlStore {
    // Dropped in this order: the last connection to go is the writer's, which tidies up; then the directory is free.
    readers: readers::Readers,
    writer: writer::Writer,
    pokes: watch::Pokes,
    clock: clock::StoreClock,
    sealer: Arc<dyn Sealer>,
    /// The same, where the nodes of an installation have it be another key together.
    keyfile: Option<Arc<KeyfileSealer>>,
    installation: InstallationId,
    own: nodes::Own,
    /// What was said of this node, to be said again if it was forgotten.
    announced: Mutex<Option<nodes::Announced>>,
    providers_revision: nodes::Revision,
    /// None where nobody else can have the database.
    listener: Option<postgres::Listener>,
    lock: Option<File>,
}

impl SqlStore {
    /// Whether the database is this process's alone, in a directory: then this process seals it anew.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        self.lock.is_some()
    }
}

impl Store for SqlStore {
    fn now(&self) -> StoreTime {
        self.clock.now()
    }

    fn wall(&self) -> WallTime {
        self.clock.wall()
    }

    fn installation(&self) -> InstallationId {
        self.installation
    }
}

/// Rows that one call reads at most, whatever it asks for.
const PAGE_ROWS_MAX: usize = 10_000;
