//! On which engine a file's addons are to be.

use super::*;

const FAST: &str = "app: web\naddons:\n  - service: redis\n    engine: disk=ssd,zone=a\n";

fn engines() -> Reply {
    let engines = json!([
        { "name": "near", "state": "reachable", "labels": { "disk": "hdd" } },
        { "name": "rack-2", "state": "unreachable", "labels": { "disk": "ssd", "zone": "a" } },
        { "name": "gone", "state": "unconfigured", "labels": null },
    ]);
    Reply::json(200, &json!({ "engines": engines }))
}

fn redis_on(engine: Option<&str>) -> Value {
    let mut addon = redis("small");
    addon["engine"] = json!(engine);
    addon
}

/// Whether applying changes nothing of an addon that is on an engine.
async fn of_one_that_is_there(text: &str, on: Option<&str>) -> (u8, String) {
    let server = Server::play([engines(), addons(&[redis_on(on)]), config(&[]), catalog()]).await;
    let result = apply(&server, text, &["apply"]).await;
    assert!(server.lines().iter().all(|line| line.starts_with("GET ")), "{:?}", server.lines());
    result
}

#[tokio::test]
async fn a_wish_for_an_engine_goes_to_the_server_as_it_is() {
    let created = Reply::json(202, &redis_on(Some("rack-2")));
    let server = Server::play([engines(), addons(&[]), config(&[]), catalog(), created]).await;
    assert_eq!(ended(&apply(&server, FAST, &["apply"]).await), DONE);
    assert_eq!(server.lines()[0], "GET /v1/engines");
    assert_eq!(server.seen()[4].json()["engine"], "disk=ssd,zone=a");
}

#[tokio::test]
async fn where_no_engine_fits_nothing_is_begun() {
    // One that the server is told of no more takes no new addons.
    for wish in ["disk=tape", "far", "gone"] {
        let text = FAST.replace("disk=ssd,zone=a", wish);
        let server = Server::play([engines(), addons(&[]), config(&[]), catalog()]).await;
        assert_eq!(ended(&apply(&server, &text, &["apply"]).await), (1, "engine_unfit"), "{wish}");
        assert_eq!(server.lines().len(), 4);
    }
}

#[tokio::test]
async fn an_addon_never_changes_its_engine() {
    let by_name = |name: &str| FAST.replace("disk=ssd,zone=a", name);
    assert_eq!(ended(&of_one_that_is_there(FAST, Some("rack-2")).await), DONE);
    assert_eq!(ended(&of_one_that_is_there(&by_name("near"), Some("near")).await), DONE);
    assert_eq!(ended(&of_one_that_is_there(&by_name("gone"), Some("gone")).await), DONE);
    for (text, on) in [(FAST, Some("near")), (&by_name("near"), Some("rack-2")), (FAST, Some("gone")), (FAST, None)] {
        assert_eq!(ended(&of_one_that_is_there(text, on).await), (1, "addon_differs"), "{text} {on:?}");
    }
}
