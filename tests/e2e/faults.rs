//! What becomes of a host whose machine fails it: its disk, its file handles.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Map, Value, json};

use crate::support::{Disk, Host, behave, may_change_the_machine, until};

/// Lines that the log may have about one fault in the time that a test takes.
const COMPLAINTS_MAX: usize = 8;

/// Sets a variable of the app `demo`, which has been `mine`, again and again until that is refused: what was accepted last, and the
/// refusal.
async fn write_until_refused(host: &Host, code: &str) -> (String, String) {
    let mut last = "mine".to_owned();
    for number in 0..10_000 {
        let value = format!("{number}-{}", "x".repeat(30_000));
        let answer = host.patch("/v1/apps/demo/config", json!({ "OWN": value })).await;
        if answer.status != 200 {
            return (last, answer.problem(507, code));
        }
        last = value;
    }
    panic!("nothing was refused");
}

#[tokio::test]
async fn world_a_full_disk_takes_nothing_and_loses_nothing() {
    if !may_change_the_machine("world_a_full_disk_takes_nothing_and_loses_nothing", "mounts a disk") {
        return;
    }
    let disk = Disk::of_mib(96);
    let mut host = Host::start_on(&disk, &["chameleon", "secret"]).await;
    let id = host.create_and_wait(json!({ "service": "secret" })).await.id();
    let waits = json!({ "complete": [{ "pending": { "after_ms": 500, "message": "not yet" } }, { "ok": {} }] });
    let waiting = host.create(behave(waits)).await.id();
    let secret = host.variables().await["SECRET_KEY"].clone();
    host.patch("/v1/apps/demo/config", json!({ "OWN": "mine" })).await.expect(200);

    disk.fill();
    let (last, why) = write_until_refused(&host, "storage_failed").await;
    assert!(why.contains("full"), "{why}");
    host.create(json!({ "service": "secret", "name": "b", "attach_as": "b" })).await.problem(507, "storage_failed");
    host.delete(&format!("/v1/addons/{id}")).await.problem(507, "storage_failed");
    // What was accepted is there, and can be read.
    let variables = host.variables().await;
    assert_eq!((&variables["OWN"], &variables["SECRET_KEY"]), (&json!(last), &secret));
    assert_eq!(host.get(&format!("/v1/addons/{id}")).await.expect(200)["state"], "ready");
    host.get("/readyz").await.expect(200);

    disk.make_room();
    let more = host.create_and_wait(json!({ "service": "secret", "name": "b", "attach_as": "b" })).await;
    assert_eq!(more.expect(201)["state"], "ready");
    assert_eq!(host.settled(&waiting).await["state"], "ready");
    assert_eq!(host.variables().await["OWN"], json!(last));
    let log = host.log();
    let complaints = log.lines().filter(|line| line.contains(" full") || line.contains("could not be")).count();
    assert!((1..=COMPLAINTS_MAX).contains(&complaints), "{log}");
    assert!(log.contains("free space on it"), "{log}");

    host.stop();
    disk.fill();
    let (code, _, error) = host.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && error.contains("code: storage_failed") && error.contains("help: free space"), "{error}");
    disk.make_room();
    host.restart();
    let variables = host.variables().await;
    assert_eq!((&variables["OWN"], &variables["SECRET_KEY"]), (&json!(last), &secret));
}

#[tokio::test]
async fn world_a_rotation_on_a_full_disk_says_what_is_so_and_goes_on_when_there_is_room() {
    let name = "world_a_rotation_on_a_full_disk_says_what_is_so_and_goes_on_when_there_is_room";
    if !may_change_the_machine(name, "mounts a disk") {
        return;
    }
    let disk = Disk::of_mib(96);
    let host = Host::start_on(&disk, &["secret"]).await;
    let own: Map<String, Value> = (0..300).map(|n| (format!("OWN_{n}"), json!("x".repeat(3_000)))).collect();
    host.patch("/v1/apps/demo/config", Value::Object(own)).await.expect(200);
    let variables = host.variables().await;
    let first = host.get("/v1/key").await.expect(200)["key"].clone();
    let spare = host.dir().join("spare");
    fs::write(&spare, [0; 4096]).unwrap();
    disk.fill();
    // There is no room for the new key.
    host.post("/v1/key/rotate", json!({})).await.problem(507, "storage_failed");
    let state = host.get("/v1/key").await.expect(200);
    assert_eq!((&state["key"], &state["old"]), (&first, &json!([])));
    // There is for the key, and for nothing else.
    fs::remove_file(&spare).unwrap();
    let begun = host.post("/v1/key/rotate", json!({})).await.expect(202);
    assert_ne!(begun["key"], first, "{begun}");
    assert_eq!(begun["old"], json!([first]));
    until("trouble", async || {
        let state = host.get("/v1/key").await.expect(200);
        state["trouble"].as_str().is_some_and(|why| why.contains("full")).then_some(())
    })
    .await;
    assert_eq!(host.variables().await, variables);
    disk.make_room();
    let (code, out, error) = host.cli(&["key", "rotate"]);
    assert_eq!(code, 0, "{out}{error}");
    let state = host.get("/v1/key").await.expect(200);
    assert_eq!((&state["key"], &state["old"], &state["trouble"]), (&begun["key"], &json!([]), &json!(null)));
    assert_eq!(host.variables().await, variables);
}

#[tokio::test]
async fn world_a_disk_that_can_only_be_read_is_read_and_told_of() {
    if !may_change_the_machine("world_a_disk_that_can_only_be_read_is_read_and_told_of", "mounts a disk") {
        return;
    }
    let disk = Disk::fragile(128);
    let mut host = Host::start_on(&disk, &["secret"]).await;
    let id = host.create_and_wait(json!({ "service": "secret" })).await.id();
    host.patch("/v1/apps/demo/config", json!({ "OWN": "mine" })).await.expect(200);
    let before = host.variables().await;

    disk.break_down();
    let (_, why) = write_until_refused(&host, "storage_failed").await;
    assert!(why.contains("the disk that the database is on"), "{why}");
    host.create(json!({ "service": "secret", "name": "b", "attach_as": "b" })).await.problem(507, "storage_failed");
    assert_eq!(host.get(&format!("/v1/addons/{id}")).await.expect(200)["state"], "ready");
    assert_eq!(host.variables().await["SECRET_KEY"], before["SECRET_KEY"]);
    let log = host.log();
    let complaints = log.lines().filter(|line| line.contains("disk fails")).count();
    assert!((1..=COMPLAINTS_MAX).contains(&complaints), "{log}");

    host.kill();
    let (code, _, error) = host.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && error.contains("code: storage_failed") && error.contains("help: "), "{error}");
    disk.mend();
    host.restart();
    assert_eq!(host.variables().await, before);
    host.create_and_wait(json!({ "service": "secret", "name": "b", "attach_as": "b" })).await.expect(201);
}

#[tokio::test]
async fn a_host_without_file_handles_goes_on_and_answers_when_there_are_some() {
    let host = Host::start(&["chameleon", "secret"]).await;
    // A connection that is there stays, and what comes over it is done: what is stored needs no new file.
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    host.limit_files(6);
    let address = host.url().strip_prefix("http://").unwrap().to_owned();
    let idle: Vec<_> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
            stream
        })
        .collect();
    let word = "connections can't be accepted";
    until("no handle that is left", || async { host.log().contains(word).then_some(()) }).await;
    let made = host.create(json!({ "service": "secret", "name": "b", "attach_as": "b" })).await.id();
    until("an addon that is ready", || async {
        let addon = host.get(&format!("/v1/addons/{made}")).await.expect(200);
        (addon["state"] == "ready").then_some(())
    })
    .await;
    // Somebody else is kept waiting, and answered as soon as there is a handle.
    let (url, client) = (format!("{}/healthz", host.url()), reqwest::Client::new());
    let waits = tokio::spawn(async move { client.get(url).send().await.unwrap().status().as_u16() });
    drop(idle);
    assert_eq!(waits.await.unwrap(), 200);
    let log = host.log();
    assert!(log.lines().filter(|line| line.contains(word)).count() <= 2, "{log}");
}
