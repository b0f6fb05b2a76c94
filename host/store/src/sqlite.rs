//! The embedded backend: one SQLite file in a data directory that one process has to itself.
//!
//! All writes go through one thread ([`writer`]) that commits them in groups; reads have connections of their own
//! ([`readers`]). A call of the port is answered once it is on the disk, so whoever was answered reads what they wrote.
//!
//! What a transition costs must not depend on how many addons there are. So every statement finds its rows by key, rows that
//! are written often are narrow, what is needed seldom stands apart, and what rests has no row in `work`.

mod addons;
mod apps;
mod audit;
mod claims;
mod clock;
mod database;
mod engines;
mod error;
mod memory;
mod migrations;
mod networks;
mod objects;
mod open;
mod postgres;
mod providers;
mod purge;
mod readers;
mod rows;
mod tally;
mod tx;
mod watch;
mod work;
mod writer;

use std::fs::File;
use std::sync::Arc;

use larder_domain::ports::{Sealer, Store};
use larder_domain::{InstallationId, StoreTime, WallTime};

pub use memory::MemoryDatabase;
pub use open::OpenError;
pub use postgres::Time;

/// A store in a data directory.
pub struct SqliteStore {
    // Dropped in this order: the last connection to go is the writer's, which tidies up; then the directory is free.
    readers: readers::Readers,
    writer: writer::Writer,
    pokes: watch::Pokes,
    clock: clock::StoreClock,
    sealer: Arc<dyn Sealer>,
    installation: InstallationId,
    _lock: Option<File>,
    _listener: Option<postgres::Listener>,
}

impl Store for SqliteStore {
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
