//! A database of which a part is not what was written.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use larder_domain::ids::NodeId;
use larder_domain::ports::store::AddonFilter;
use larder_domain::ports::{Storage, Store, StoreError};
use larder_domain::{AddonId, AddonRecord, AddonState, AppName, SecretString};
use larder_store::{ManualClock, OpenError};
use serde_json::json;
use tempfile::TempDir;

use crate::world::{Build, config, new_addon};
use crate::{open_with, world_in};

/// SQLite's, unless somebody says otherwise.
const PAGE_BYTES: u64 = 4096;
/// Bytes that are changed one by one, each in a copy of its own.
const FLIPS: u64 = 80;

/// What a store holds.
struct Held {
    dir: TempDir,
    app: AppName,
    addons: Vec<AddonRecord>,
    /// What the app sees.
    secrets: Vec<String>,
}

/// A store with an addon that is ready and some that have something to do, each on pages of its own.
async fn held() -> Held {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    let app = world.app("shop").await;
    let own = vec![("OWN".parse().unwrap(), Some(SecretString::new("mine")))];
    world.store.patch_app_config(&app, own).await.unwrap().unwrap();
    world.ready(new_addon(&world, Some(&app)).declares(&["A_URL"]), config(&[("A_URL", "a-secret")])).await;
    for number in 0..5 {
        let mut new = new_addon(&world, Some(&app)).named(&format!("b-{number}"));
        new.spec.parameters = json!({ "text": "x".repeat(3_500) }).into();
        world.create(new).await;
    }
    let mut addons = world.store.addons(everything()).await.unwrap();
    addons.sort_by_key(|record| record.spec.id);
    let secrets = world.sees(&app).await;
    drop(world);
    Held { dir, app, addons, secrets }
}

fn everything() -> AddonFilter {
    AddonFilter { states: AddonState::ALL.to_vec(), count_max: 100, ..AddonFilter::default() }
}

impl Held {
    /// A copy in which this was done to the database, and its store if it can be opened.
    fn with(&self, damage: impl FnOnce(&fs::File)) -> (TempDir, Result<Arc<dyn Store>, OpenError>) {
        let copy = tempfile::tempdir().unwrap();
        let file = copy.path().join("larder.db");
        fs::copy(self.dir.path().join("larder.db"), &file).unwrap();
        damage(&OpenOptions::new().write(true).read(true).open(&file).unwrap());
        let store = open_with(copy.path(), 7, &Arc::new(ManualClock::default()));
        (copy, store)
    }

    fn bytes(&self) -> u64 {
        file_of(self.dir.path()).metadata().unwrap().len()
    }
}

fn file_of(dir: &Path) -> fs::File {
    fs::File::open(dir.join("larder.db")).unwrap()
}

/// Whether an answer is there. What can't be read is told to be so.
fn told<T>(answer: Result<T, StoreError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(StoreError::Storage(Storage::Damaged) | StoreError::Corrupt(_) | StoreError::Seal(_)) => None,
        // A constraint that can't be kept, as of a row that is not found where it was.
        Err(StoreError::Database(_) | StoreError::Missing(_)) => None,
        Err(other) => crate::world::panic_with(&format!("{other:?}")),
    }
}

#[tokio::test]
async fn a_damaged_page_costs_what_is_on_it_and_is_told() {
    let held = held().await;
    let (mut refused, mut partial, mut pages_told) = (0, 0, 0);
    for page in 0..held.bytes() / PAGE_BYTES {
        let (_dir, store) = held.with(|file| file.write_all_at(&[0xff; 12], page * PAGE_BYTES).unwrap());
        let store = match store {
            Ok(store) => store,
            Err(error) => {
                assert!(error.storage() == Some(Storage::Damaged) || page > 0, "page {page}: {error:?}");
                refused += 1;
                continue;
            }
        };
        let mut readable = 0;
        for addon in &held.addons {
            let found = told(store.addon(addon.spec.id).await);
            readable += usize::from(found.flatten().inspect(|found| assert_eq!(found, addon)).is_some());
        }
        let seen = told(store.app_config(&held.app).await).flatten();
        let seen = seen.map(|seen| seen.iter().map(|v| format!("{}={}", v.name, v.value.reveal())).collect::<Vec<_>>());
        if let Some(seen) = &seen {
            assert!(seen.iter().all(|pair| held.secrets.contains(pair)), "page {page}: {seen:?}");
        }
        let history = told(store.history(None, 0, 100).await);
        let leased = told(store.lease_due(NodeId::generate(), 9, vec![]).await);
        let created = told(store.create_app(&"another".parse().unwrap()).await);
        if readable > 0 && readable < held.addons.len() {
            partial += 1;
            assert!(leased.as_ref().is_some_and(|leased| !leased.is_empty()), "page {page}: the others go on");
        }
        let all_is_well = readable == held.addons.len() && seen.is_some() && history.is_some() && created.is_some();
        pages_told += usize::from(!all_is_well);
    }
    assert!(refused > 0 && partial > 2 && pages_told > 8, "{refused} {partial} {pages_told}");
}

#[tokio::test]
async fn no_changed_byte_makes_another_secret() {
    let held = held().await;
    let ready: AddonId = held.addons[0].spec.id;
    let (mut random, mut kept, mut lost) = (4711_u64, 0, 0);
    for _ in 0..FLIPS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (random >> 16) % held.bytes();
        let (_dir, store) = held.with(|file| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
        });
        let Ok(store) = store else {
            lost += 1;
            continue;
        };
        match told(store.app_config(&held.app).await).flatten() {
            Some(seen) => {
                let known = |value: &str| held.secrets.iter().any(|pair| pair.split_once('=').unwrap().1 == value);
                assert!(seen.iter().all(|variable| known(variable.value.reveal())), "byte {at}");
                kept += 1;
            }
            None => lost += 1,
        }
        if let Some(Some(found)) = told(store.addon_config(ready).await) {
            assert_eq!(found, config(&[("A_URL", "a-secret")]), "byte {at}");
        }
    }
    assert!(kept > 0 && kept + lost == FLIPS);
}
