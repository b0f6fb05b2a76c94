//! How many addons a second the store brings from their creation to `ready`: each is created, leased, begun, configured and
//! attached, which is five durable commits. Prints the rate for every slice, so that a rate that falls as the
//! store grows is seen.
//!
//! `cargo run --release -p larder-store --example cycle -- [addons] [callers] [directory]`

#![expect(clippy::unwrap_used, reason = "a measurement that can't go on is to say where")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use larder_domain::addon::{ComponentKind, DeclaredVariables, ProvisionType, Role};
use larder_domain::config::{AddonConfig, Variable};
use larder_domain::ids::NodeId;
use larder_domain::ports::store::{AddonStore, AppStore, Change, Fence, Leased, NewAddon, Store, WorkStore};
use larder_domain::secret::Seed;
use larder_domain::{Addon, AddonId, AddonSpec, Event, SecretString, WallTime};
use larder_store::{KeyfileSealer, SqlStore, SystemClock};
use serde_json::json;

const SLICES: usize = 10;
const PROVIDERS: usize = 8;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, or: usize| arguments.get(at).map_or(or, |text| text.parse().unwrap());
    let (addons, callers) = (number(0, 100_000), number(1, 64));
    let temporary = tempfile::tempdir().unwrap();
    let dir = arguments.get(2).map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let sealer = Arc::new(KeyfileSealer::from_key(&[7; 32]));
    let store = Arc::new(SqlStore::open(&dir, sealer, Arc::new(SystemClock::new())).unwrap());
    store.create_app(&"bench".parse().unwrap()).await.unwrap();
    let (node, next) = (NodeId::generate(), Arc::new(AtomicUsize::new(0)));

    for slice in 0..SLICES {
        let left = Arc::new(AtomicUsize::new(addons / SLICES));
        let (start, cpu_before) = (Instant::now(), cpu_ms());
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let (store, left, next) = (Arc::clone(&store), Arc::clone(&left), Arc::clone(&next));
                tokio::spawn(async move {
                    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                        cycle(&store, node, next.fetch_add(1, Ordering::Relaxed)).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let count = (addons / SLICES) as f64;
        let (rate, cpu) = (count / start.elapsed().as_secs_f64(), (cpu_ms() - cpu_before) as f64 * 1000.0 / count);
        println!("{:>9} addons: {rate:>8.0} a second, {cpu:>5.0} µs of CPU each", (slice + 1) * (addons / SLICES));
    }
}

/// What this process has computed so far; unlike the rate, it tells little about who else uses the machine.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok());
    ticks.sum::<u64>() * 10
}

/// Creates one addon, and drives one: whichever is due.
async fn cycle(store: &SqlStore, node: NodeId, n: usize) {
    store.create_addon(new_addon(store, n)).await.unwrap().unwrap();
    let (lease, id) = loop {
        let leased = store.lease_due(node, 1, vec![]).await.unwrap().pop();
        if let Some(Leased::Addon { lease, record, .. }) = leased {
            break (lease, record.spec.id);
        }
    };
    let value = SecretString::new("postgres://user:password@host:5432/database");
    let variable = Variable { name: format!("URL_{}", id.0.simple()).parse().unwrap(), value, secret: true };
    let config = AddonConfig { variables: vec![variable], credentials: vec![] };
    let begun = Event::Begun { message: "creating the database".into() };
    for event in [begun, Event::Configured(Box::new(config)), Event::VariablesSet] {
        store.apply(Change::new(id, event, Fence::Lease(lease.clone()))).await.unwrap();
    }
}

fn new_addon(store: &SqlStore, n: usize) -> NewAddon {
    let id = AddonId::generate();
    let variable = format!("URL_{}", id.0.simple()).parse().unwrap();
    let spec = AddonSpec {
        id,
        kind: ComponentKind::Provider,
        app: Some("bench".parse().unwrap()),
        name: format!("a-{}", id.0.simple()).parse().unwrap(),
        provider: format!("provider-{}", n % PROVIDERS).parse().unwrap(),
        service: "postgres".parse().unwrap(),
        plan: "small".parse().unwrap(),
        provision_type: ProvisionType::Independent,
        role: Role::User,
        attach_as: None,
        parameters: json!({ "size": 3 }).into(),
        variables: DeclaredVariables::Names(vec![]),
        protected: false,
        external_id: None,
        parent: None,
        created_at: WallTime(0),
    };
    let addon = Addon::new(id, 900_000, 3, store.now());
    NewAddon {
        spec,
        addon,
        seed: Seed([9; 32]),
        server: None,
        engine: None,
        reserve: vec![variable],
        app_addons_max: u64::MAX,
        idempotency: None,
    }
}
