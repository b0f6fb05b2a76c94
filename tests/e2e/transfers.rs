//! Exports and imports on a real engine: what flows through containers, and that none of them stays, whoever goes away.

mod databases;

use std::convert::Infallible;
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Answer, Engine, Host, Redis, until};

const BUSYBOX: &str = "larder-test/busybox:1 memory=64MiB";

/// A crane with a volume and a container that serves a word at a port of its own.
async fn addon(host: &Host, name: &str, export: Value, import: Value) -> String {
    let volume = json!({ "kind": "volume", "name": "data" });
    let server = json!({ "kind": "container", "name": "server", "image": "larder-test/busybox:1", "memory_bytes": 32 << 20,
        "entrypoint": ["/bin/sh", "-c"], "command": ["while true; do echo pong | nc -l -p 7000; done"], "stop_s": 0 });
    let parameters = json!({ "objects": [volume, server], "export": export, "import": import });
    let asks = json!({ "service": "crane", "name": name, "attach_as": name, "parameters": parameters });
    let made = host.create_and_wait(asks).await;
    assert_eq!(made.body["state"], "ready", "{}", made.text);
    made.id()
}

fn runs(script: &str) -> Value {
    json!({ "image": "larder-test/busybox:1", "script": script, "mount": "data" })
}

pub(crate) async fn export(host: &Host, id: &str) -> Answer {
    Answer::of(host.request(Method::POST, &format!("/v1/addons/{id}/exports"))).await
}

pub(crate) async fn import(host: &Host, id: &str, body: Vec<u8>) -> Answer {
    Answer::of(host.request(Method::POST, &format!("/v1/addons/{id}/imports")).body(body)).await
}

/// Has a program read the beginning of an import of which no more comes for now.
async fn begins_to_import(
    host: &Host,
    id: &str,
    beginning: &'static str,
) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    let pieces = stream::once(async move { Ok::<_, Infallible>(beginning) }).chain(stream::pending());
    let request = host.request(Method::POST, &format!("/v1/addons/{id}/imports"));
    let asked = tokio::spawn(request.body(reqwest::Body::wrap_stream(pieces)).send());
    let begun = || async { (operation(host, id).await["bytes"] == beginning.len()).then_some(()) };
    until("the beginning to be read", begun).await;
    asked
}

/// The containers of an addon's transfers.
fn streams(engine: &Engine, id: &str) -> Vec<String> {
    let label = format!("label=larder.addon={id}");
    // On other containers it is empty.
    let format = "{{.ID}} {{.Label \"larder.transfer\"}}";
    let listed = engine.docker(&["container", "ls", "--all", "--filter", &label, "--format", format]);
    let streams = listed.lines().filter_map(|line| line.trim().split_once(' '));
    streams.map(|(id, _)| id.to_owned()).collect()
}

async fn no_streams(engine: &Engine, id: &str) {
    until("the transfer's container to be gone", || async { streams(engine, id).is_empty().then_some(()) }).await;
}

async fn operation(host: &Host, id: &str) -> Value {
    host.get(&format!("/v1/addons/{id}")).await.expect(200)["operation"].clone()
}

async fn removed(engine: &Engine, host: &Host, id: &str) {
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    engine.is_rid_of(id).await;
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(vec![], bzip2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn world_docker_data_flow_in_and_out() {
    let Some(engine) = Engine::for_test("world_docker_data_flow_in_and_out") else { return };
    let host = engine.host_with_crane(&[BUSYBOX, "volumes=1"]).await;
    let id = addon(&host, "files", runs("cat /data/it"), runs("cat > /data/it")).await;
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + u8::try_from(n % 23).unwrap()).collect();
    for (what, body) in [("plain", data.clone()), ("gzip", gzip(&data)), ("bzip2", bzip2(&data))] {
        let done = import(&host, &id, body).await.expect(200);
        assert_eq!(done["operation"]["bytes"], data.len(), "{what}: {done}");
        let out = export(&host, &id).await;
        assert_eq!((out.status, out.text.as_bytes() == data), (200, true), "{what}");
        assert_eq!(out.headers["content-type"], "text/plain; charset=utf-8");
        let name = out.headers["content-disposition"].to_str().unwrap();
        let stamp =
            name.strip_prefix("attachment; filename=\"demo-files-").and_then(|rest| rest.strip_suffix("Z.txt\""));
        assert_eq!(stamp.map(str::len), Some("20260131T080910".len()), "{name}");
        assert_eq!(streams(&engine, &id), Vec::<String>::new());
        assert_eq!(operation(&host, &id).await["state"], "succeeded");
    }
    removed(&engine, &host, &id).await;
}

#[tokio::test]
async fn world_docker_a_transfer_reaches_the_addons_own_containers_by_their_names() {
    let name = "world_docker_a_transfer_reaches_the_addons_own_containers_by_their_names";
    let Some(engine) = Engine::for_test(name) else { return };
    let host = engine.host_with_crane(&[BUSYBOX, "volumes=1"]).await;
    let id = addon(&host, "net", runs("nc -w 5 server 7000 </dev/null"), Value::Null).await;
    // It has hardly been started.
    let out = until("an answer", || async { Some(export(&host, &id).await).filter(|out| out.status == 200) }).await;
    assert_eq!(out.text, "pong\n");
    let refused = import(&host, &id, b"x".to_vec()).await.problem(409, "not_supported");
    assert!(refused.contains("nobody said what an import is"), "{refused}");
    removed(&engine, &host, &id).await;
}

#[tokio::test]
async fn world_docker_a_transfer_that_fails_is_told_or_breaks_off() {
    let name = "world_docker_a_transfer_that_fails_is_told_or_breaks_off";
    let Some(engine) = Engine::for_test(name) else { return };
    let host = engine.host_with_crane(&[BUSYBOX, "volumes=1"]).await;
    let id =
        addon(&host, "early", runs("echo no such table >&2; exit 7"), runs("read it; echo $it is bad >&2; exit 9"))
            .await;
    let why = export(&host, &id).await.problem(502, "transfer_failed");
    assert_eq!(why, "the program ended with code 7: no such table");
    let why = import(&host, &id, b"line one\n".repeat(400_000)).await.problem(502, "transfer_failed");
    assert_eq!(why, "the program ended with code 9: line one is bad");
    assert_eq!((operation(&host, &id).await["state"].clone(), streams(&engine, &id)), (json!("failed"), vec![]));
    assert_eq!(host.settled(&id).await["state"], "ready");

    let late = addon(&host, "late", runs("head -c 1000000 /dev/zero; exit 5"), Value::Null).await;
    let response = host.request(Method::POST, &format!("/v1/addons/{late}/exports")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err(), "a half of it must not look like a whole");
    no_streams(&engine, &late).await;

    let ungranted = json!({ "image": "larder-test/postgres:1", "script": "true" });
    let other = addon(&host, "other", ungranted, Value::Null).await;
    let why = export(&host, &other).await.problem(502, "transfer_failed");
    assert!(why.contains("no grant permits larder-test/postgres:1"), "{why}");
    assert!(host.history(&other).await.iter().any(|line| line["kind"] == "denied"));
    for id in [id, late, other] {
        removed(&engine, &host, &id).await;
    }
}

#[tokio::test]
async fn world_docker_a_client_that_goes_away_leaves_no_container() {
    let Some(engine) = Engine::for_test("world_docker_a_client_that_goes_away_leaves_no_container") else { return };
    let host = engine.host_with_crane(&[BUSYBOX, "volumes=1"]).await;
    let id = addon(&host, "endless", runs("yes"), runs("cat > /dev/null")).await;
    let mut response = host.request(Method::POST, &format!("/v1/addons/{id}/exports")).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    assert_eq!(streams(&engine, &id).len(), 1);
    let again = export(&host, &id).await.problem(409, "operation_in_progress");
    assert!(again.contains("export"), "{again}");
    drop(response);
    no_streams(&engine, &id).await;
    until("the operation's end", || async { (operation(&host, &id).await["state"] == "failed").then_some(()) }).await;

    // One that deletes the addon meanwhile.
    let mut response = host.request(Method::POST, &format!("/v1/addons/{id}/exports")).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    removed(&engine, &host, &id).await;
    while let Ok(piece) = response.chunk().await {
        assert!(piece.is_some(), "it has no end");
    }
}

#[tokio::test]
async fn world_docker_a_crash_during_an_export_leaves_no_container() {
    let Some(engine) = Engine::for_test("world_docker_a_crash_during_an_export_leaves_no_container") else { return };
    let mut host = engine.host_with_crane(&[BUSYBOX, "volumes=1"]).await;
    let id = addon(&host, "endless", runs("yes"), Value::Null).await;
    let mut response = host.request(Method::POST, &format!("/v1/addons/{id}/exports")).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    host.kill();
    assert_eq!(streams(&engine, &id).len(), 1);
    host.restart();
    no_streams(&engine, &id).await;
    let ended = || async { Some(operation(&host, &id).await).filter(|operation| operation["state"] == "failed") };
    let ended = until("the operation's end", ended).await;
    assert_eq!(ended["error"]["reason"], "the host stopped while data flowed");
    assert_eq!(host.settled(&id).await["state"], "ready");

    // One that is stopped in good order leaves none to be found.
    let mut response = host.request(Method::POST, &format!("/v1/addons/{id}/exports")).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    host.stop();
    assert_eq!(streams(&engine, &id), Vec::<String>::new());
    host.restart();
    removed(&engine, &host, &id).await;
}

/// Row P8: what was exported of one addon is what another one has after the import, however it is packed on the way.
#[tokio::test]
async fn world_docker_postgres_is_exported_and_imported() {
    let Some(engine) = Engine::for_test("world_docker_postgres_is_exported_and_imported") else { return };
    let mut host = engine.host_with("postgres", "postgres").await;
    let ids = [made(&host, "postgres", "one").await, made(&host, "postgres", "two").await];
    let sql = b"CREATE TABLE t (id serial PRIMARY KEY, x text); INSERT INTO t (x) SELECT 'row ' || n FROM generate_series(1, 1000) n;";
    import(&host, &ids[0], sql.to_vec()).await.expect(200);
    let dump = export(&host, &ids[0]).await;
    assert_eq!(dump.headers["content-type"], "application/sql", "{}", dump.text);
    assert!(dump.text.contains("row 1000"));
    for body in [dump.text.clone().into_bytes(), gzip(dump.text.as_bytes()), bzip2(dump.text.as_bytes())] {
        import(&host, &ids[1], body).await.expect(200);
        let again = export(&host, &ids[1]).await;
        let rows = |text: &str| text.lines().filter(|line| line.contains("\trow ")).count();
        assert_eq!(rows(&again.text), 1000, "{}", again.text);
    }
    let why = import(&host, &ids[1], b"INSERT INTO t (x) VALUES ('kept?'); SELECT 1/0;".to_vec()).await;
    assert!(why.problem(502, "transfer_failed").contains("division by zero"));
    assert!(!export(&host, &ids[1]).await.text.contains("kept?"), "an import is one transaction");
    let open = b"CREATE TABLE open_ended (x text); COPY open_ended FROM stdin;\nhalf".to_vec();
    import(&host, &ids[1], open).await.problem(502, "transfer_failed");
    for is_killed in [false, true] {
        let asked =
            begins_to_import(&host, &ids[1], "DROP TABLE t; CREATE TABLE t (x text); COPY t FROM stdin;\nhalf\n").await;
        if is_killed {
            host.kill();
            host.restart();
        } else {
            asked.abort();
        }
        until("the end", || async { (operation(&host, &ids[1]).await["state"] == "failed").then_some(()) }).await;
        no_streams(&engine, &ids[1]).await;
        let kept = export(&host, &ids[1]).await.text;
        assert!(kept.contains("row 1000") && !kept.contains("open_ended"), "what broke off is not the whole: {kept}");
    }
    for id in &ids {
        removed(&engine, &host, id).await;
    }
}

#[tokio::test]
async fn world_docker_mysql_is_exported_and_imported() {
    let Some(engine) = Engine::for_test("world_docker_mysql_is_exported_and_imported") else { return };
    let host = engine.host_with("mysql", "mariadb").await;
    let ids = [made(&host, "mysql", "one").await, made(&host, "mysql", "two").await];
    // One of the rows is long, and twice as long in what is exported.
    let sql = b"CREATE TABLE t (x text); INSERT INTO t VALUES ('row 1'), ('row 2');
        CREATE TABLE long_ones (x longblob); INSERT INTO long_ones VALUES (repeat('long', 2500000));";
    import(&host, &ids[0], sql.to_vec()).await.expect(200);
    let dump = export(&host, &ids[0]).await;
    assert_eq!(dump.status, 200, "{}", dump.text);
    import(&host, &ids[1], gzip(dump.text.as_bytes())).await.expect(200);
    let again = export(&host, &ids[1]).await;
    assert!(again.text.contains("row 1") && again.text.contains("row 2"));
    // But for the moment at which it was made.
    let data = |dump: &str| dump.lines().filter(|line| !line.starts_with("-- ")).map(str::to_owned).collect::<Vec<_>>();
    assert!(again.text.len() > 20_000_000 && data(&dump.text) == data(&again.text), "{}", again.text.len());
    // What could not be taken in again is not exported, or an import would drop the table and fail then.
    let longer = b"INSERT INTO long_ones SELECT concat(x, x) FROM long_ones;";
    import(&host, &ids[0], longer.to_vec()).await.expect(200);
    let response = host.request(Method::POST, &format!("/v1/addons/{}/exports", ids[0])).send().await.unwrap();
    assert!(response.error_for_status().unwrap().bytes().await.is_err(), "a part of it must not look like a whole");
    let why = host.settled(&ids[0]).await["operation"]["error"]["reason"].clone();
    assert!(why.as_str().unwrap().contains("rows of more than 12517376 bytes are not exported"), "{why}");
    for id in &ids {
        removed(&engine, &host, id).await;
    }
}

#[tokio::test]
async fn world_docker_redis_is_exported_and_imported() {
    let Some(engine) = Engine::for_test("world_docker_redis_is_exported_and_imported") else { return };
    let host = engine.host_with("redis", "redis").await;
    let ids = [made(&host, "redis", "one").await, made(&host, "redis", "two").await];
    let variables = host.variables().await;
    let connect = |name: &str| Redis::connect(variables[format!("{name}_REDIS_URL")].as_str().unwrap()).unwrap();
    let mut one = connect("ONE");
    for n in 0..1500 {
        one.say(&["SET", &format!("key {n}"), &format!("value\r\n{n}")]).unwrap();
    }
    one.say(&["SET", "short", "lived", "EX", "1000"]).unwrap();
    let request = host.request(Method::POST, &format!("/v1/addons/{}/exports", ids[0]));
    let dump = request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
    import(&host, &ids[1], bzip2(&dump)).await.expect(200);
    let mut two = connect("TWO");
    assert_eq!(two.say(&["GET", "key 1499"]), Ok("value\r\n1499".into()));
    assert_eq!(two.say(&["DBSIZE"]), Ok("1501".into()));
    let left: i64 = two.say(&["TTL", "short"]).unwrap().parse().unwrap();
    assert!((1..=1000).contains(&left), "{left}");
    for id in &ids {
        removed(&engine, &host, id).await;
    }
}

/// A text that can't be packed, another one for each seed.
fn noise(mut seed: u64, bytes: usize) -> String {
    let mut letter = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from(seed >> 58).unwrap())
    };
    (0..bytes).map(|_| letter()).collect()
}

/// A server has what it hands out twice, and must not be ended by that.
#[tokio::test]
async fn world_docker_a_redis_that_is_full_outlives_its_export() {
    let Some(engine) = Engine::for_test("world_docker_a_redis_that_is_full_outlives_its_export") else { return };
    let host = engine.host_with("redis", "redis").await;
    let ids = [made(&host, "redis", "one").await, made(&host, "redis", "two").await];
    let variables = host.variables().await;
    let connect = |name: &str| Redis::connect(variables[format!("{name}_REDIS_URL")].as_str().unwrap()).unwrap();
    let mut one = connect("ONE");
    for n in 0..110 {
        one.say(&["SET", &format!("key {n}"), &noise(n, 500_000)]).unwrap();
    }
    one.say(&["RPUSH", "list", "a", "b", "c"]).unwrap();
    let of_container = || engine.describe(&engine.containers(&ids[0])[0])["State"]["StartedAt"].clone();
    let began = of_container();
    let request = host.request(Method::POST, &format!("/v1/addons/{}/exports", ids[0]));
    let dump = request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
    assert_eq!(of_container(), began, "it was not ended by its export");
    import(&host, &ids[1], dump.to_vec()).await.expect(200);
    let mut two = connect("TWO");
    assert_eq!((two.say(&["DBSIZE"]), two.say(&["LLEN", "list"])), (Ok("111".into()), Ok("3".into())));
    for n in [0, 57, 109] {
        assert_eq!(two.say(&["GET", &format!("key {n}")]).unwrap(), noise(n, 500_000));
    }

    one.say(&["FLUSHALL"]).unwrap();
    // More than this at once would not find the room.
    for n in 0..36 {
        one.say(&["APPEND", "large", &noise(n, 1_000_000)]).unwrap();
    }
    let why = export(&host, &ids[0]).await.problem(502, "transfer_failed");
    assert!(why.contains("this plan exports at most"), "{why}");
    assert_eq!((of_container(), one.say(&["STRLEN", "large"])), (began, Ok("36000000".into())));
    for id in &ids {
        removed(&engine, &host, id).await;
    }
}

#[tokio::test]
async fn world_docker_a_volume_is_exported_and_imported() {
    let Some(engine) = Engine::for_test("world_docker_a_volume_is_exported_and_imported") else { return };
    let host = engine.host_with("volume", "busybox").await;
    let ids = [made(&host, "volume", "one").await, made(&host, "volume", "two").await];
    let volume = |id: &str| format!("larder-{id}-data:/data");
    let sh = |id: &str, script: &str| {
        engine.docker(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--volume",
            &volume(id),
            "larder-test/busybox:1",
            "/bin/sh",
            "-c",
            script,
        ])
    };
    // Of an owner whose files root without its powers could not read.
    sh(
        &ids[0],
        "mkdir /data/a && echo words > /data/a/b && chmod 600 /data/a/b && chown -R 77:78 /data/a && chmod 700 /data/a",
    );
    let request = host.request(Method::POST, &format!("/v1/addons/{}/exports", ids[0]));
    let archive = request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
    import(&host, &ids[1], gzip(&archive)).await.expect(200);
    assert_eq!(sh(&ids[1], "cat /data/a/b; stat -c %u:%g:%a /data/a/b"), "words\n77:78:600\n");
    for id in &ids {
        removed(&engine, &host, id).await;
    }
}

async fn made(host: &Host, service: &str, name: &str) -> String {
    let made = host.create_and_wait(json!({ "service": service, "name": name, "attach_as": name })).await;
    assert_eq!(made.body["state"], "ready", "{}", made.text);
    made.id()
}

#[tokio::test]
async fn world_docker_the_command_line_exports_whole_files_only() {
    let Some(engine) = Engine::for_test("world_docker_the_command_line_exports_whole_files_only") else { return };
    let host = engine.host_with_crane(&[BUSYBOX, "volumes=1"]).await;
    let id = addon(&host, "files", runs("cat /data/it"), runs("cat > /data/it")).await;
    let (folder, name) = (host.dir().join("exports"), "demo/files");
    std::fs::create_dir(&folder).unwrap();
    let (file, copy) = (folder.join("in.txt"), folder.join("out.txt"));
    let [file, copy] = [&file, &copy].map(|path| path.to_str().unwrap());
    std::fs::write(file, "some words").unwrap();
    let (code, out, error) = host.cli(&["addon", "import", name, file]);
    assert_eq!((code, out.contains("has taken in")), (0, true), "{error}");
    let (code, _, error) = host.cli(&["addon", "export", name, "--output", copy]);
    assert_eq!((code, std::fs::read_to_string(copy).unwrap().as_str()), (0, "some words"), "{error}");
    let (code, _, error) = host.cli(&["addon", "export", name, "--output", copy]);
    assert_eq!((code, error.contains("file_exists")), (1, true), "{error}");
    assert_eq!(host.cli(&["addon", "export", name, "--output", copy, "--force"]).0, 0);
    assert_eq!(host.cli(&["addon", "export", name, "--output", "-"]), (0, "some words".into(), String::new()));

    let late = addon(&host, "late", runs("head -c 300000 /dev/zero; exit 5"), Value::Null).await;
    let half = folder.join("half").to_str().unwrap().to_owned();
    let (code, _, error) = host.cli(&["addon", "export", "demo/late", "--output", &half]);
    assert_eq!((code, error.contains("export_incomplete")), (3, true), "{error}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "nothing is left of a half");
    for id in [id, late] {
        removed(&engine, &host, &id).await;
    }
}

#[tokio::test]
async fn an_addon_whose_provider_has_no_transfer_is_refused() {
    let host = Host::start(&["secret"]).await;
    let id = host.create_and_wait(json!({ "service": "secret" })).await.id();
    for what in ["exports", "imports"] {
        let request = host.request(Method::POST, &format!("/v1/addons/{id}/{what}")).timeout(Duration::from_secs(30));
        let why = Answer::of(request).await.problem(409, "not_supported");
        assert!(why.contains("does not export `transfer`"), "{why}");
    }
    let nobody = "00000000-0000-7000-8000-000000000000";
    Answer::of(host.request(Method::POST, &format!("/v1/addons/{nobody}/exports"))).await.problem(404, "unknown_addon");
}
