//! The sealing key is rotated while the server works, whatever comes between.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::{Host, behave, until};

/// Variables of the app's own: several pages of them in each pass.
const VARIABLES: usize = 300;
/// How often a rotation is killed, each time at another moment.
const KILLS: u64 = 8;

async fn filled() -> Host {
    let host = Host::start(&["chameleon", "secret"]).await;
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let own: Map<String, Value> = (0..VARIABLES).map(|n| (format!("OWN_{n}"), json!(format!("value {n}")))).collect();
    host.patch("/v1/apps/demo/config", Value::Object(own)).await.expect(200);
    host
}

async fn state(host: &Host) -> Value {
    host.get("/v1/key").await.expect(200)
}

/// The bytes with which everything begins that a key has sealed.
fn prefix(key: &Value) -> Vec<u8> {
    let key = key.as_str().unwrap();
    let id = (0..key.len()).step_by(2).map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap());
    std::iter::once(1).chain(id).collect()
}

/// In which of a directory's files that stands.
fn found(dir: &Path, prefix: &[u8]) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let has = |path: &Path| fs::read(path).unwrap().windows(prefix.len()).any(|window| window == prefix);
    files.filter(|path| has(path)).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn keys_in(host: &Host) -> Vec<String> {
    let file = host.dir().join("sealing.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_rotation_leaves_nothing_of_the_old_key_and_backups_of_before_need_it() {
    let mut host = filled().await;
    let (before, old, old_keys) = (host.variables().await, state(&host).await["key"].clone(), keys_in(&host));
    assert!(!found(host.dir(), &prefix(&old)).is_empty(), "the search finds something");
    let kept = TempDir::new().unwrap();
    let (backup, old_key) = (kept.path().join("larder.backup"), kept.path().join("old.key"));
    assert_eq!(host.cli(&["backup", "-o", backup.to_str().unwrap()]).0, 0);
    fs::copy(host.dir().join("sealing.key"), &old_key).unwrap();

    let (code, out, error) = host.cli(&["key", "rotate"]);
    assert_eq!(code, 0, "{out}{error}");
    let now = state(&host).await;
    let (new, rest) = (now["key"].as_str().unwrap(), [&now["old"], &now["trouble"], &now["has_remnants"]]);
    assert_eq!(rest, [&json!([]), &Value::Null, &json!(false)], "{now}");
    assert!(now["resealed"].as_u64().unwrap() > VARIABLES as u64, "{now}");
    let old_name = old.as_str().unwrap();
    assert!(
        out.contains(new)
            && out.contains(old_name)
            && error.contains("sealing.key")
            && error.contains("backups made until now")
    );
    assert_eq!(found(host.dir(), &prefix(&old)), [""; 0]);
    assert!(keys_in(&host).len() == 1 && keys_in(&host) != old_keys);
    assert_eq!(host.variables().await, before);
    let (_, audit, _) = host.cli(&["audit"]);
    assert!(audit.contains(" key_added ") && audit.contains(" key_rotated "), "{audit}");
    host.kill();
    host.restart();
    assert_eq!((host.variables().await, host.cli(&["key", "status"]).1), (before, format!("key: {new}\n")));

    let check =
        |key: &Path| host.cli(&["restore", backup.to_str().unwrap(), "--check", "--key", key.to_str().unwrap()]);
    let (code, _, error) = check(&host.dir().join("sealing.key"));
    assert!(code == 1 && error.contains("code: wrong_key") && error.contains(old_name), "{error}");
    assert_eq!(check(&old_key).0, 0);
}

#[tokio::test]
async fn a_rotation_that_is_killed_goes_on_at_the_next_start() {
    let mut host = filled().await;
    let before = host.variables().await;
    let mut accepted = vec![];
    for round in 0..KILLS {
        let old = state(&host).await["key"].clone();
        host.post("/v1/key/rotate", json!({})).await.expect(202);
        let mut request = behave(json!({}));
        request["name"] = json!(format!("r{round}"));
        request["attach_as"] = json!(format!("r{round}"));
        accepted.push(host.create(request).await.id());
        // Another moment in each round: between pages, between passes, and while the old key goes.
        tokio::time::sleep(Duration::from_millis(60 * round)).await;
        host.kill();
        host.restart();
        let rotated = async || Some(state(&host).await).filter(|state| state["is_under_way"] == false);
        let now = until("the rotation to end", rotated).await;
        assert_eq!((&now["old"], &now["trouble"]), (&json!([]), &Value::Null), "{now}");
        assert_ne!(now["key"], old);
        assert_eq!(keys_in(&host).len(), 1);
        assert_eq!(found(host.dir(), &prefix(&old)), [""; 0], "round {round}: {now}");
    }
    for id in &accepted {
        assert_eq!(host.settled(id).await["state"], "ready");
    }
    let now = host.variables().await;
    for (name, value) in before.as_object().unwrap().iter().filter(|(name, _)| *name != "LARDER_SERVICES") {
        assert_eq!(&now[name], value);
    }
}

#[tokio::test]
async fn addons_are_made_while_the_key_is_rotated() {
    let host = filled().await;
    let mut made = vec![];
    for round in 0..3 {
        host.post("/v1/key/rotate", json!({})).await.expect(202);
        while state(&host).await["is_under_way"] == true {
            let mut request = behave(json!({ "begin": { "do": [{ "set_state": { "k": "v" } }, { "ok": {} }] } }));
            request["name"] = json!(format!("r{round}-{}", made.len()));
            request["attach_as"] = json!(format!("a{}", made.len()));
            made.push(host.create(request).await.id());
        }
    }
    assert!(made.len() >= 3);
    for id in &made {
        assert_eq!(host.settled(id).await["state"], "ready");
        let calls = host.calls(id).await;
        assert!(calls.iter().all(|call| !call.contains("host")), "{calls:?}");
    }
    let names = host.variables().await;
    assert_eq!(names.as_object().unwrap().keys().filter(|name| name.ends_with("_CHAMELEON_URL")).count(), made.len());
}
