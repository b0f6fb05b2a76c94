//! Addons that are there and are to be otherwise, and new ones that begin with data.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::support::{Answer, Engine, Redis, until};

#[tokio::test]
async fn what_differs_is_updated_and_keeps_its_addon() {
    let bench = Bench::start().await;
    let first = bench.items("apply --app web.blue --wait", LABTEST);
    let changed = LABTEST.replace("COLOUR: '7'", "COLOUR: '8'\n      NEW: very");
    let update = "experiment update web blue";
    let shown = bench.items(&format!("{update} --dry-run"), &changed);
    let settings = shown.iter().find(|item| item["name"] == "settings").unwrap();
    let fields = json!([{ "field": "parameters.COLOUR" }, { "field": "parameters.NEW" }]);
    assert_eq!((&settings["change"], &settings["updates"]), (&json!("updated"), &fields));
    assert!(bench.variables("web.blue").contains("COLOUR=7"));
    let done = bench.items(update, &changed);
    assert!(changes(&done).contains(&"updated addon settings".to_owned()), "{done:?}");
    assert_eq!(ids(&done), ids(&first));
    let environment = bench.variables("web.blue");
    assert!(environment.contains("COLOUR=8") && environment.contains("NEW=very"), "{environment}");
    assert!(bench.items(update, &changed).iter().all(|item| item["change"] == "unchanged"));

    // What another addon sets is not taken from it; the rest is done all the same.
    let taken = changed.replace("NEW: very", "SECRET_KEY: mine").replace("MODE=fast", "MODE=slow");
    let (code, out, error) = bench.with_file(update, &taken);
    assert_eq!(code, 4, "{out}\n{error}");
    assert!(error.contains("`web.blue/settings` stays as it was") && out.contains("failed"), "{out}\n{error}");
    let environment = bench.variables("web.blue");
    assert!(environment.contains("NEW=very") && environment.contains("MODE=slow"), "{environment}");
}

#[tokio::test]
async fn world_docker_another_plan_is_another_container_with_the_same_data() {
    let name = "world_docker_another_plan_is_another_container_with_the_same_data";
    let Some(engine) = Engine::for_test(name) else { return };
    let bench = Bench { host: engine.host_with("redis", "redis").await, folder: TempDir::new().unwrap() };
    let small = "labtest:\n  services:\n    cache: {provider: docker, service: redis, plan: small}\n";
    let made = bench.items("experiment create demo blue --wait=5m", small);
    let id = ids(&made)[0];
    let first = engine.containers(id);
    let config = bench.host.get("/v1/apps/demo.blue/config").await.expect(200);
    let url = config["variables"]["REDIS_URL"].as_str().unwrap();
    assert_eq!(Redis::connect(url).unwrap().say(&["SET", "a", "1"]), Ok("OK".into()));
    let update = "experiment update demo blue --wait=5m";
    assert!(bench.items(update, small).iter().all(|item| item["change"] == "unchanged"));
    assert_eq!(engine.containers(id), first);

    let done = bench.items(update, &small.replace("small", "medium"));
    let plan = json!([{ "field": "plan", "from": "small", "to": "medium" }]);
    assert_eq!((&done[1]["change"], &done[1]["updates"], ids(&done)), (&json!("updated"), &plan, vec![id]));
    assert_ne!(engine.containers(id), first);
    let kept = async || Redis::connect(url).ok()?.say(&["GET", "a"]).ok().filter(|value| value == "1");
    until("the server to be back with its data", kept).await;
    bench.host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    engine.is_rid_of(id).await;
}

/// A file to apply with one addon that begins with the newest of `dumps`, and puts it through a script.
fn with_data(name: &str, import: &str) -> String {
    let volume = json!({ "kind": "volume", "name": "data" });
    let runs = |script: &str| json!({ "image": "larder-test/busybox:1", "script": script, "mount": "data" });
    let parameters = json!({ "objects": [volume], "export": runs("cat /data/it"), "import": runs(import) });
    let addon = json!({ "service": "crane", "name": name, "attach_as": name, "parameters": parameters,
        "initial_data_source": "dumps" });
    json!({ "app": "demo", "addons": [addon] }).to_string()
}

#[tokio::test]
async fn world_docker_a_new_addon_begins_with_the_newest_file() {
    let Some(engine) = Engine::for_test("world_docker_a_new_addon_begins_with_the_newest_file") else { return };
    let host = engine.host_with_crane(&["larder-test/busybox:1 memory=64MiB", "volumes=1"]).await;
    let bench = Bench { host, folder: TempDir::new().unwrap() };
    let dump = |name: &str, at_s: u64, bytes: &[u8]| {
        let path = bench.folder.path().join("dumps").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at_s);
        File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    };
    let files = with_data("files", "cat > /data/it");
    assert!(bench.refused("apply", &files).await.contains("code: no_initial_data"));
    dump("old.txt", 1, b"old");
    dump("new.txt", 2, b"new");
    let made = bench.items("apply", &files);
    let addon = made.iter().find(|item| item["kind"] == "addon").unwrap();
    assert_eq!((&addon["change"], &addon["initial_data"]["loaded"]), (&json!("created"), &json!(true)));
    let id = addon["id"].as_str().unwrap();
    let export = async || Answer::of(bench.host.request(Method::POST, &format!("/v1/addons/{id}/exports"))).await.text;
    assert_eq!(export().await, "new");
    // It has data of its own now.
    dump("newer.txt", 3, b"newer");
    assert!(changes(&bench.items("apply", &files)).contains(&"unchanged addon files".to_owned()));
    assert_eq!(export().await, "new");

    let (code, out, error) = bench.with_file("apply", &with_data("bad", "read it; echo $it is bad >&2; exit 9"));
    assert_eq!(code, 4, "{out}\n{error}");
    assert!(error.contains("newer is bad") && error.contains("`larder addon import demo/bad "), "{error}");
    let addons = bench.host.get("/v1/apps/demo/addons").await.expect(200)["addons"].clone();
    for addon in addons.as_array().unwrap() {
        assert_eq!(addon["state"], "ready", "{addon}");
        let id = addon["id"].as_str().unwrap();
        bench.host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        engine.is_rid_of(id).await;
    }
}
