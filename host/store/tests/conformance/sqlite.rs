//! Worlds over SQLite.

use std::sync::Arc;

use larder_domain::ports::Store;
use larder_store::{KeyfileSealer, ManualClock, SqlStore};

use crate::world::World;

pub(crate) fn world() -> Option<World> {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let open = {
        let clock = Arc::clone(&clock);
        move || {
            let sealer = Arc::new(KeyfileSealer::from_key(&[7; 32]));
            Arc::new(SqlStore::open(dir.path(), sealer, clock.clone()).unwrap()) as Arc<dyn Store>
        }
    };
    Some(World::new(clock, Box::new(open)))
}
