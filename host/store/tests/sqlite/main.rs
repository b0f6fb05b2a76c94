//! What only the embedded backend promises: its files, its key, its lock, and what becomes of it when it dies.

#![expect(clippy::unwrap_used, reason = "a test that can't go on is to say where")]

#[path = "../conformance/world.rs"]
#[expect(dead_code, reason = "not every test needs every word")]
mod world;

mod copy;
mod crash;
mod damage;
mod engines;
mod files;
mod memory;
mod rotation;
mod secrets;

use std::path::Path;
use std::sync::Arc;

use larder_domain::ports::Store;
use larder_store::{KeyfileSealer, ManualClock, OpenError, SqlStore};
use world::World;

fn open_with(dir: &Path, key: u8, clock: &Arc<ManualClock>) -> Result<Arc<dyn Store>, OpenError> {
    let sealer = Arc::new(KeyfileSealer::from_key(&[key; 32]));
    SqlStore::open(dir, sealer, clock.clone()).map(|store| Arc::new(store) as Arc<dyn Store>)
}

/// A world in this directory.
fn world_in(dir: &Path) -> World {
    let (dir, clock) = (dir.to_owned(), Arc::new(ManualClock::default()));
    let open = {
        let clock = Arc::clone(&clock);
        move || open_with(&dir, 7, &clock).unwrap()
    };
    World::new(clock, Box::new(open))
}

/// A connection beside the store's own, to look at rows and to tamper with them.
fn beside(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join("larder.db")).unwrap()
}
