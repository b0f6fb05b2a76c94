//! Secrets at rest: never readable in a file, and only in their place.

use std::path::Path;
use std::sync::Arc;

use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::{Change, Fence};
use larder_domain::ports::{SealError, StoreError};
use larder_domain::secret::Seed;
use larder_domain::{Event, SecretString};
use larder_store::{ManualClock, OpenError};
use serde_json::json;

use crate::world::{Build, World, change, config, new_addon};
use crate::{beside, open_with, world_in};

const SECRETS: [&str; 7] = [
    "parameter-hunter2",
    "variable-hunter2",
    "pg://credential",
    "own-hunter2",
    "state-hunter2",
    "seed-hunter2-seed-hunter2-seed-h",
    "issued-hunter2",
];

async fn store_secrets(world: &World) {
    let app = world.app("shop").await;
    let own = vec![("OWN".parse().unwrap(), Some(SecretString::new(SECRETS[3])))];
    world.store.patch_app_config(&app, own).await.unwrap().unwrap();
    let mut new = new_addon(world, Some(&app)).declares(&["A_URL"]);
    new.spec.parameters = json!({ "password": SECRETS[0] }).into();
    new.seed = Seed(SECRETS[5].as_bytes().try_into().unwrap());
    let id = world.create(new).await;
    let (turn, _) = world.provision(config(&[("A_URL", SECRETS[1])])).await;
    let state = GuestState::from([("password".into(), SECRETS[4].as_bytes().to_vec())]);
    world.store.checkpoint(&turn.lease, id, &state).await.unwrap();
    let issued = Some(vec![SecretString::new(SECRETS[6])]);
    let ready = change(id, Event::VariablesSet, Fence::Lease(turn.lease));
    world.store.apply(Change { issued, ..ready }).await.unwrap();
    assert_eq!(world.sees(&app).await, [format!("A_URL={}", SECRETS[1]), format!("OWN={}", SECRETS[3])]);
}

/// Looks for secrets in all files; a word that is no secret shows that it would find them.
fn search(dir: &Path) {
    let mut found_name = false;
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        found_name |= has("A_URL");
        for secret in SECRETS {
            assert!(!has(secret), "{secret} stands in {}", path.display());
        }
    }
    assert!(found_name);
}

#[tokio::test]
async fn no_file_holds_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    store_secrets(&world).await;
    search(dir.path());
    drop(world);
    search(dir.path());
}

#[tokio::test]
async fn a_sealed_value_opens_only_where_it_was_stored() {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    store_secrets(&world).await;
    let thief = world.app("thief").await;
    let moved =
        "INSERT INTO app_variable (app, name, value) SELECT 'thief', name, value FROM app_variable WHERE name = 'OWN'";
    beside(dir.path()).execute(moved, []).unwrap();
    assert!(matches!(world.store.app_config(&thief).await, Err(StoreError::Seal(SealError))));
}

#[tokio::test]
async fn another_key_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    drop(open_with(dir.path(), 7, &clock).unwrap());
    assert!(matches!(open_with(dir.path(), 8, &clock), Err(OpenError::Key(_))));
    open_with(dir.path(), 7, &clock).unwrap();
}
