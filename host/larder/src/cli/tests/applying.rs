//! `larder apply` and `larder experiment`: what is asked of the server, in which order, and what is not.

mod changes;
mod engines;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::commands::{exit, run};
use super::server::{Reply, Server};

const FILE: &str = "app: web\nvariables:\n  MODE: fast\naddons:\n  - service: redis\n";

fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("larder.yml");
    std::fs::write(&path, text).unwrap();
    path
}

fn addons(addons: &[Value]) -> Reply {
    Reply::json(200, &json!({"addons": addons, "next": null}))
}

fn config(variables: &[(&str, &str)]) -> Reply {
    let details: Vec<Value> = variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    Reply::json(200, &json!({"variables": {}, "details": details}))
}

fn catalog() -> Reply {
    let plan = json!({"name": "small", "parameters": {"type": "object"}});
    let large = json!({"name": "large", "parameters": {"type": "object"}});
    let redis = json!({"name": "redis", "provider": "redis", "provision_types": ["independent"],
        "variables": ["REDIS_URL"], "exports": ["update", "transfer"], "plans": [plan, large]});
    Reply::json(200, &json!({"services": [redis]}))
}

fn redis(plan: &str) -> Value {
    json!({"id": "7", "app": "web", "name": "redis", "service": "redis", "provider": "redis", "plan": plan,
        "provision_type": "independent", "parameters": {}, "state": "ready"})
}

async fn apply(server: &Server, text: &str, words: &[&str]) -> (u8, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, text);
    exit(run(server, &[words, &["-f", path.to_str().unwrap()]].concat()).await)
}

const DONE: (u8, &str) = (0, "");

fn ended((code, name): &(u8, String)) -> (u8, &str) {
    (*code, name.as_str())
}

#[tokio::test]
async fn everything_is_read_before_anything_is_changed() {
    let gone = || Reply::problem(404, "unknown_app");
    let created = Reply::json(202, &redis("small"));
    let replies = [gone(), catalog(), Reply::json(201, &json!({"name": "web"})), Reply::json(200, &json!({})), created];
    let server = Server::play(replies).await;
    assert_eq!(ended(&apply(&server, FILE, &["apply"]).await), DONE);
    let expected = [
        "GET /v1/apps/web/addons?limit=1000",
        "GET /v1/catalog",
        "PUT /v1/apps/web",
        "PATCH /v1/apps/web/config",
        "POST /v1/apps/web/addons",
    ];
    assert_eq!(server.lines(), expected);
    assert_eq!(server.seen()[3].json(), json!({"MODE": "fast"}));
    assert!(server.seen()[4].header("idempotency-key").is_some());
}

#[tokio::test]
async fn the_second_time_nothing_is_changed() {
    let server = Server::play([addons(&[redis("small")]), config(&[("MODE", "fast")]), catalog()]).await;
    assert_eq!(ended(&apply(&server, FILE, &["apply"]).await), DONE);
    assert!(server.lines().iter().all(|line| line.starts_with("GET ")), "{:?}", server.lines());
}

#[tokio::test]
async fn a_dry_run_and_a_mistake_change_nothing() {
    let replies = || [Reply::problem(404, "unknown_app"), catalog()];
    let server = Server::play(replies()).await;
    assert_eq!(ended(&apply(&server, FILE, &["apply", "--dry-run"]).await), DONE);
    assert_eq!(server.lines().len(), 2);
    let server = Server::play(replies()).await;
    let wrong = FILE.replace("redis", "rediss");
    assert_eq!(ended(&apply(&server, &wrong, &["apply"]).await), (1, "unknown_service"));
    assert_eq!(server.lines().len(), 2);
    let server = Server::play([]).await;
    assert_eq!(ended(&apply(&server, "app: [", &["apply"]).await), (1, "invalid_file"));
    assert_eq!(exit(run(&server, &["apply", "-f", "/nowhere.yml"]).await).1, "unreadable");
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn of_two_clients_the_second_finds_what_the_first_made() {
    let until_the_end = |there: Value| {
        [addons(&[]), config(&[("MODE", "fast")]), catalog(), Reply::problem(409, "name_taken"), addons(&[there])]
    };
    let server = Server::play(until_the_end(redis("small"))).await;
    let text = format!("{FILE}    plan: small\n");
    assert_eq!(ended(&apply(&server, &text, &["apply"]).await), DONE);
    let server = Server::play(until_the_end(json!({"name": "redis", "service": "redis", "plan": "large"}))).await;
    assert_eq!(ended(&apply(&server, &text, &["apply"]).await), (1, "addon_differs"));
}

#[tokio::test]
async fn pruning_comes_before_creating() {
    let old = json!({"id": "9", "app": "web", "name": "old", "service": "redis", "provider": "redis"});
    let replies = [
        addons(std::slice::from_ref(&old)),
        config(&[("MODE", "fast")]),
        catalog(),
        addons(std::slice::from_ref(&old)),
        Reply::json(202, &old),
        Reply::json(202, &redis("small")),
    ];
    let server = Server::play(replies).await;
    assert_eq!(ended(&apply(&server, FILE, &["apply", "--prune"]).await), DONE);
    assert_eq!(server.lines()[4..], ["DELETE /v1/addons/9", "POST /v1/apps/web/addons"]);
    let sharer = json!({"id": "10", "app": "web.blue", "name": "old", "parent": "9"});
    let replies = [addons(std::slice::from_ref(&old)), config(&[]), catalog(), addons(&[old, sharer])];
    let server = Server::play(replies).await;
    assert_eq!(ended(&apply(&server, FILE, &["apply", "--prune"]).await), (1, "addon_in_use"));
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn waiting_ends_as_the_addon_does() {
    let waiting = json!({"id": "7", "app": "web", "name": "redis", "state": "waiting_for_provision"});
    let failed = json!({"id": "7", "app": "web", "name": "redis", "state": "error", "error": {"code": "cpu_limit", "reason": "x"}});
    let replies =
        [addons(&[]), config(&[("MODE", "fast")]), catalog(), Reply::json(202, &waiting), Reply::json(200, &failed)];
    let server = Server::play(replies).await;
    assert_eq!(ended(&apply(&server, FILE, &["apply", "--wait=1m"]).await), (4, "cpu_limit"));
    assert_eq!(server.lines()[4], "GET /v1/addons/7");
}

#[tokio::test]
async fn an_experiment_is_created_once() {
    let text = "addons:\n  - service: redis\n";
    let words = ["experiment", "create", "web", "blue"];
    let gone = || Reply::problem(404, "unknown_app");
    let server = Server::play([addons(&[]), config(&[])]).await;
    assert_eq!(ended(&apply(&server, text, &words).await), (1, "experiment_exists"));
    // Somebody else was faster.
    let server = Server::play([gone(), catalog(), Reply::json(200, &json!({"name": "web.blue"}))]).await;
    assert_eq!(ended(&apply(&server, text, &words).await), (1, "experiment_exists"));
    assert_eq!(server.lines().last().map(String::as_str), Some("PUT /v1/apps/web.blue"));
    let server = Server::play([gone()]).await;
    let update = ["experiment", "update", "web", "blue"];
    assert_eq!(ended(&apply(&server, text, &update).await), (1, "unknown_experiment"));
}

#[tokio::test]
async fn an_experiment_that_others_share_is_not_touched() {
    let owner = json!({"id": "1", "app": "web.main", "name": "db"});
    let sharer = json!({"id": "2", "app": "web.blue", "name": "db", "parent": "1"});
    let server = Server::play([addons(&[owner.clone(), sharer])]).await;
    let delete = ["experiment", "delete", "web", "main"];
    assert_eq!(ended(&exit(run(&server, &delete).await)), (1, "addon_in_use"));
    assert_eq!(server.lines().len(), 1);
    let server = Server::play([addons(&[owner]), Reply::text(204, "text/plain", "")]).await;
    assert_eq!(ended(&exit(run(&server, &delete).await)), DONE);
    assert_eq!(server.lines()[1], "DELETE /v1/apps/web.main?cascade=true");
}

#[tokio::test]
async fn experiments_are_listed_and_shown() {
    let apps = json!({"apps": [{"name": "web.blue", "addons": 1}], "next": null});
    let server = Server::play([Reply::json(200, &apps), addons(&[redis("small")]), config(&[])]).await;
    assert_eq!(ended(&exit(run(&server, &["experiment", "list", "web"]).await)), DONE);
    assert_eq!(ended(&exit(run(&server, &["experiment", "show", "web", "blue"]).await)), DONE);
    let expected = [
        "GET /v1/apps?limit=1000&after=web",
        "GET /v1/apps/web.blue/addons?limit=1000",
        "GET /v1/apps/web.blue/config",
    ];
    assert_eq!(server.lines(), expected);
    let server = Server::play([Reply::problem(404, "unknown_app")]).await;
    assert_eq!(exit(run(&server, &["experiment", "show", "web", "red"]).await).1, "unknown_experiment");
}
