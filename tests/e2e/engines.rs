//! Several engines by name: where addons go, what is shown of engines, and that a bad one keeps nobody from the others.

pub(crate) mod added;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Engine, Host, SecondEngine, guest, until};

/// A file of engines that a test writes.
struct Engines {
    dir: TempDir,
}

impl Engines {
    fn new(engines: &Value) -> Self {
        let engines_file = Self { dir: TempDir::new().unwrap() };
        engines_file.write(engines);
        engines_file
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("engines.json")
    }

    fn write(&self, engines: &Value) {
        fs::write(self.path(), json!({ "engines": engines }).to_string()).unwrap();
    }

    /// A host on these engines, with the test guest `crane`, which may have a container and a volume.
    async fn host(&self) -> Host {
        with_crane(Host::empty_with(&["--engines", self.path().to_str().unwrap()]).await).await
    }
}

/// A fresh host, with the test guest `crane`, which may have a container and a volume, and the app `demo`.
pub(crate) async fn with_crane(host: Host) -> Host {
    host.put("/v1/apps/demo", json!({})).await.expect(201);
    host.upload("crane", guest("crane")).await;
    let requests =
        json!({ "requests": ["larder-test/busybox:1 memory=32MiB commands=busybox", "volumes=1"] }).to_string();
    for words in [&["options", "crane", "--json-options", &requests][..], &["grant", "crane", "--all"]] {
        let (code, _, error) = host.cli(&[&["provider"], words].concat());
        assert_eq!(code, 0, "{error}");
    }
    host
}

/// Where nothing listens.
fn dead(name: &str) -> Value {
    json!({ "url": format!("unix:///nowhere/{name}.sock") })
}

/// An addon that is to have a volume, or with an image a container too.
pub(crate) fn crane(name: &str, engine: Option<&str>, is_served: bool) -> Value {
    let volume = json!({ "kind": "volume", "name": "data" });
    let server = json!({ "kind": "container", "name": "server", "image": "larder-test/busybox:1", "memory_bytes": 16 << 20,
        "entrypoint": ["/bin/busybox"], "command": ["nc", "-ll", "-p", "7000", "-e", "/bin/busybox", "echo", "here"],
        "mounts": [{ "volume": "data", "path": "/data" }], "ports": [7000], "stop_s": 1 });
    let objects = if is_served { json!([volume, server]) } else { json!([volume]) };
    let mut parameters = json!({ "objects": objects });
    if is_served {
        parameters["exec"] = json!({ "container": "server", "command": ["busybox", "echo", "run"] });
    }
    let mut asks = json!({ "service": "crane", "name": name, "attach_as": name, "parameters": parameters });
    if let Some(engine) = engine {
        asks["engine"] = json!(engine);
    }
    asks
}

pub(crate) async fn states(host: &Host) -> Vec<String> {
    let engines = host.get("/v1/engines").await.expect(200)["engines"].clone();
    let state = |engine: &Value| {
        let of = |key: &str| engine[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", of("name"), of("state"), engine["addons"])
    };
    engines.as_array().unwrap().iter().map(state).collect()
}

#[tokio::test]
async fn an_addon_goes_where_it_is_wished_for_or_where_room_is() {
    let engines = Engines::new(&json!({
        "a": { "url": "unix:///nowhere/a.sock", "labels": { "disk": "hdd" } },
        "b": { "url": "unix:///nowhere/b.sock", "labels": { "disk": "ssd" }, "weight": 2 },
    }));
    let host = engines.host().await;
    for (at, (wish, on)) in
        [(None, "b"), (None, "a"), (Some("a"), "a"), (Some("disk=ssd"), "b"), (None, "b")].into_iter().enumerate()
    {
        let made = host.create(crane(&format!("c{at}"), wish, false)).await.expect(202);
        assert_eq!(made["engine"], on, "{at}");
    }
    for (wish, status, code) in
        [("c", 409, "engine_unfit"), ("disk=nvme", 409, "engine_unfit"), ("A B", 400, "invalid_engine")]
    {
        let refused = host.create(crane("c9", Some(wish), false)).await.expect(status);
        assert_eq!(refused["code"], code, "{refused}");
    }

    // Whatever an app asks for goes to its place.
    let place = |engine: Value| host.put("/v1/apps/demo/engine", json!({ "engine": engine }));
    assert_eq!(place(json!("disk=hdd")).await.expect(200), json!({ "engine": "disk=hdd" }));
    assert_eq!(host.get("/v1/apps/demo/engine").await.expect(200), json!({ "engine": "disk=hdd" }));
    assert_eq!(host.create(crane("c5", None, false)).await.expect(202)["engine"], "a");
    assert_eq!(place(json!("disk=tape")).await.expect(409)["code"], "engine_unfit");
    assert_eq!(place(json!("disk=")).await.expect(400)["code"], "invalid_engine");
    assert_eq!(host.put("/v1/apps/nobody/engine", json!({ "engine": null })).await.expect(404)["code"], "unknown_app");
    let (code, said, error) = host.cli(&["app", "place", "demo", "--anywhere"]);
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert_eq!(host.get("/v1/apps/demo/engine").await.expect(200), json!({ "engine": null }));

    assert_eq!(states(&host).await, ["a unreachable 3", "b unreachable 3"]);
    let (code, table, _) = host.cli(&["engine", "list"]);
    assert!(code == 0 && table.contains("disk=ssd") && table.contains("unix:///nowhere/b.sock"), "{table}");
}

#[tokio::test]
async fn a_file_to_apply_says_on_which_engine_an_addon_is() {
    let engines = Engines::new(&json!({
        "a": { "url": "unix:///nowhere/a.sock", "labels": { "disk": "hdd" } },
        "b": { "url": "unix:///nowhere/b.sock", "labels": { "disk": "ssd" } },
    }));
    let host = engines.host().await;
    let apply = |wish: &str, words: &[&str]| {
        let addon = crane("one", Some(wish), false);
        let path = engines.dir.path().join("larder.json");
        fs::write(&path, json!({ "app": "demo", "addons": [addon] }).to_string()).unwrap();
        host.cli(&[&["apply", "--file", path.to_str().unwrap()], words].concat())
    };
    for (wish, code) in [("A B", "invalid_engine"), ("disk=tape", "engine_unfit")] {
        let (status, _, said) = apply(wish, &["--json"]);
        assert!(status == 1 && said.contains(code) && said.contains("larder.json:1: "), "{said}");
    }
    let (status, said, error) = apply("disk=ssd", &["--dry-run"]);
    assert!(status == 0 && said.contains("on disk=ssd"), "{said}{error}");
    let (status, said, error) = apply("disk=ssd", &["--wait"]);
    assert!(status == 0 && said.contains("on b"), "{said}{error}");
    assert_eq!(states(&host).await, ["a unreachable 0", "b unreachable 1"]);

    for wish in ["disk=ssd", "b"] {
        let (status, said, error) = apply(wish, &[]);
        assert!(status == 0 && said.contains("unchanged"), "{said}{error}");
    }
    let (status, _, said) = apply("a", &[]);
    assert!(status == 1 && said.contains("is on the engine b for good, and the file says a"), "{said}");
}

#[tokio::test]
async fn an_engine_that_is_not_named_any_more_keeps_its_addons() {
    let engines = Engines::new(&json!({ "a": dead("a"), "b": dead("b") }));
    let mut host = engines.host().await;
    let id = host.create(crane("one", Some("b"), false)).await.id();
    host.stop();
    engines.write(&json!({ "a": dead("a") }));
    host.restart();
    assert_eq!(states(&host).await, ["a unreachable 0", "b unconfigured 1"]);
    let (code, said, _) = host.cli(&["doctor"]);
    assert!(code == 1 && said.contains("the engine `b` is not configured, and 1 addon there"), "{said}");
    let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
    assert_eq!((&addon["engine"], &addon["state"]), (&json!("b"), &json!("ready")));
    let (_, shown, _) = host.cli(&["addon", "show", &id]);
    assert!(shown.contains("engine:      b\n"), "{shown}");
}

#[tokio::test]
async fn a_file_that_is_wrong_keeps_the_server_from_starting_and_says_all_that_is() {
    let engines =
        Engines::new(&json!({ "a": { "url": "tcp://10.0.0.1:2375", "publish_at": "10.0.0.1" }, "B": dead("b") }));
    let serve = |words: &[&str]| {
        let mut larder = Command::new(env!("CARGO_BIN_EXE_larder"));
        larder
            .env_remove("LARDER_ENGINE")
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(engines.dir.path());
        let output = larder.args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let file = engines.path();
    let (code, said) = serve(&["--engines", file.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    for expected in ["engines.json:1:", "`insecure: true` if you mean it", "\"B\" is not an engine's name"] {
        assert!(said.contains(expected), "{said}");
    }
    let (code, said) = serve(&["--engine", "tcp://10.0.0.1:2375"]);
    assert!(code == Some(1) && said.contains("--engines FILE"), "{said}");
    let (code, said) = serve(&["--engines", file.to_str().unwrap(), "--engine-ports", "1-2"]);
    assert!(code == Some(2) && said.contains("cannot be used with"), "{said}");
}

/// What a container says to whoever connects.
async fn heard(place: &str) -> Option<String> {
    use tokio::io::AsyncReadExt as _;
    let mut stream = tokio::net::TcpStream::connect(place).await.ok()?;
    let mut said = String::new();
    tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_string(&mut said)).await.ok()?.ok()?;
    Some(said.trim().to_owned()).filter(|said| !said.is_empty())
}

#[tokio::test]
async fn world_docker_engines_do_not_stand_in_for_one_another() {
    let name = "world_docker_engines_do_not_stand_in_for_one_another";
    let Some(near) = Engine::for_test(name) else { return };
    let far = SecondEngine::start(&near).await;
    let tls = |file: &str| far.file(file).to_str().unwrap().to_owned();
    let engines = Engines::new(&json!({
        "near": { "url": near.endpoint(), "ports": "22000-22499" },
        "far": { "url": far.url(), "ports": "22500-22999", "labels": { "disk": "ssd" },
            "tls": { "ca": tls("ca.pem"), "cert": tls("cert.pem"), "key": tls("key.pem") } },
        "dead": { "url": "unix:///nowhere/docker.sock", "weight": 0 },
    }));
    let host = engines.host().await;
    // What waits for an engine that is not there ...
    let waiting: Vec<String> = {
        let mut ids = vec![];
        for at in 0..70 {
            ids.push(host.create(crane(&format!("d{at}"), Some("dead"), true)).await.id());
        }
        ids
    };
    // ... keeps nobody from being made on the others.
    let (here, there) = (made(&host, "one", "near").await, made(&host, "two", "disk=ssd").await);
    assert_eq!((here["engine"].as_str(), there["engine"].as_str()), (Some("near"), Some("far")));
    let (here, there) = (here["id"].as_str().unwrap(), there["id"].as_str().unwrap());
    assert_eq!((near.containers(here).len(), near.containers(there).len()), (1, 0));
    assert_eq!((far.containers(here).len(), far.containers(there).len()), (0, 1));
    let still = host.get(&format!("/v1/addons/{}", waiting[0])).await.expect(200);
    assert_eq!(still["state"], "waiting_for_provision");

    assert_eq!(states(&host).await, ["dead unreachable 70", "far reachable 1", "near reachable 1"]);
    let (code, said, _) = host.cli(&["doctor"]);
    assert!(code == 1 && said.contains("the engine `dead`") && !said.contains("the engine `far`:"), "{said}");

    // Commands and what is published go by the addon's engine too.
    for name in ["ONE", "TWO"] {
        let variable = async |of: &str| host.variables().await[format!("{name}_{of}")].as_str().unwrap().to_owned();
        assert_eq!(variable("CRANE_SAID").await, "0 run");
        let status: Value = serde_json::from_str(&variable("CRANE_STATUS").await).unwrap();
        let place = status["server"]["7000"].as_str().unwrap().to_owned();
        assert_eq!(until("the container to be heard", || heard(&place)).await, "here");
    }

    // A container that somebody removes on one engine is there again, whatever becomes of the other.
    far.docker(&["rm", "--force", &far.containers(there)[0]]);
    until("the container to be back", || async { (far.containers(there).len() == 1).then_some(()) }).await;
    for id in waiting.iter().map(String::as_str).chain([here, there]) {
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    }
    near.is_rid_of(here).await;
    until("the other engine to be rid of it", || async { far.containers(there).is_empty().then_some(()) }).await;
}

/// An addon with a container on an engine, once it is ready.
pub(crate) async fn made(host: &Host, name: &str, engine: &str) -> Value {
    let made = host.create_and_wait(crane(name, Some(engine), true)).await;
    assert_eq!(made.body["state"], "ready", "{}", made.text);
    made.body.clone()
}
