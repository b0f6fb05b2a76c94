//! A database in memory: it outlives its stores, and a copy is one of its own.

use std::sync::Arc;

use larder_domain::ports::store::AppStore as _;
use larder_store::{KeyfileSealer, ManualClock, MemoryDatabase, SqlStore};

fn open(database: &MemoryDatabase) -> SqlStore {
    let sealer = Arc::new(KeyfileSealer::from_key(&[7; 32]));
    SqlStore::in_memory(database, sealer, Arc::new(ManualClock::default())).unwrap()
}

#[tokio::test]
async fn a_database_in_memory_outlives_its_stores_and_a_copy_is_another() {
    let database = MemoryDatabase::new().unwrap();
    let (one, other) = ("one".parse().unwrap(), "other".parse().unwrap());
    let store = open(&database);
    assert!(store.create_app(&one).await.unwrap());
    drop(store);
    let copy = database.copy().unwrap();
    let store = open(&copy);
    assert!(store.has_app(&one).await.unwrap() && store.create_app(&other).await.unwrap());
    let first = open(&database);
    assert!(first.has_app(&one).await.unwrap() && !first.has_app(&other).await.unwrap());
}
