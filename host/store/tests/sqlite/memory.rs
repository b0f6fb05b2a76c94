//! A database in memory: it outlives its stores, and a copy is one of its own.

use std::sync::Arc;

use futures_util::FutureExt as _;
use larder_domain::Digest;
use larder_domain::ports::store::{AppStore as _, Leased, NodeStore as _, ProviderStore as _, WorkStore as _};
use larder_domain::work::LEASE_MS;
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

fn among_others(database: &MemoryDatabase, name: &str, clock: &Arc<ManualClock>) -> SqlStore {
    let sealer = Arc::new(KeyfileSealer::from_key(&[7; 32]));
    SqlStore::in_memory_among_others(database, name.parse().unwrap(), sealer, clock.clone()).unwrap()
}

#[tokio::test]
async fn stores_that_are_open_at_once_see_each_others_work_and_leases() {
    let (database, clock) = (MemoryDatabase::new().unwrap(), Arc::new(ManualClock::default()));
    let (a, b) = (among_others(&database, "a", &clock), among_others(&database, "b", &clock));
    let (name, wasm) = ("pg".parse().unwrap(), b"a component".to_vec());
    let mut pokes = b.watch_work();
    a.upload(&name, Digest([1; 32]), wasm).await.unwrap();
    assert!(pokes.changed().now_or_never().unwrap(), "the other hears of it");
    let lease = |leased: Vec<Leased>| match leased.into_iter().next() {
        Some(Leased::Other(lease)) => Some(lease),
        _ => None,
    };
    let first = lease(b.lease_due(b.node(), 9, vec![]).await.unwrap()).unwrap();
    assert_eq!(a.lease_due(a.node(), 9, vec![]).await.unwrap(), [], "it is another's");
    let again = among_others(&database, "a", &clock);
    assert_eq!(again.lease_due(again.node(), 9, vec![]).await.unwrap(), [], "who comes again frees its own alone");
    clock.advance_ms(LEASE_MS);
    let second = lease(again.lease_due(again.node(), 9, vec![]).await.unwrap()).unwrap();
    assert!(second.token > first.token, "{second:?} {first:?}");
    assert_eq!(b.renew(std::slice::from_ref(&first)).await.unwrap(), [first], "it is lost");
    assert_eq!(again.renew(&[second]).await.unwrap(), []);
}
