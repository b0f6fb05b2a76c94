//! What commands ask of the server, and how they end.

use clap::Parser;
use serde_json::{Value, json};

use super::server::{Reply, Server};
use crate::cli::args::{Cli, Command, Global};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::{
    addon, app, apply, audit, backup, catalog, config, doctor, engine, experiment, key, node, provider, status,
};

/// Runs a command against a server.
pub(super) async fn run(server: &Server, words: &[&str]) -> Result<()> {
    let cli = Cli::try_parse_from([&["larder"], words].concat()).unwrap();
    let context = server.context();
    match cli.command {
        Command::Status => status::run(&context).await,
        Command::Provider(command) => provider::run(&context, command).await,
        Command::Catalog => catalog::run(&context).await,
        Command::App(command) => app::run(&context, command).await,
        Command::Addon(command) => addon::run(&context, command).await,
        Command::Config(command) => config::run(&context, command).await,
        Command::Audit(args) => audit::run(&context, &args).await,
        Command::Apply(args) => apply::run(&context, &args).await,
        Command::Experiment(command) => experiment::run(&context, command).await,
        Command::Doctor(args) => doctor::run(&context, &args).await,
        Command::Engine(command) => engine::run(&context, command).await,
        Command::Backup(args) => backup::run(&context, &args).await,
        Command::Key(command) => key::run(&context, &command).await,
        Command::Node(command) => node::run(&context, command).await,
        Command::Serve(_) | Command::Completions(_) | Command::Run(_) | Command::Restore(_) | Command::Store(_) => {
            unreachable!()
        }
    }
}

pub(super) fn exit(result: Result<()>) -> (u8, String) {
    result.map_or_else(|failure: Failure| (failure.kind.exit_code(), failure.code), |()| (0, String::new()))
}

fn addon(name: &str, id: &str, state: &str) -> Value {
    json!({"id": id, "app": "web", "name": name, "state": state, "message": "so far so good", "percent": 10})
}

#[tokio::test]
async fn creating_an_app_again_is_no_error() {
    let server =
        Server::play([Reply::json(201, &json!({"name": "web"})), Reply::json(200, &json!({"name": "web"}))]).await;
    for _ in 0..2 {
        assert_eq!(run(&server, &["app", "create", "web"]).await, Ok(()));
    }
    assert_eq!(server.lines(), ["PUT /v1/apps/web", "PUT /v1/apps/web"]);
    let seen = &server.seen()[0];
    assert_eq!(seen.header("authorization"), Some("Bearer the-token"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn an_engine_is_given_up_by_its_name() {
    let server = Server::play([Reply::json(200, &json!({"addons": 3})), Reply::problem(409, "engine_in_use")]).await;
    assert_eq!(run(&server, &["engine", "forget", "rack-2"]).await, Ok(()));
    assert_eq!(exit(run(&server, &["engine", "forget", "rack-1"]).await), (1, "engine_in_use".to_owned()));
    assert_eq!(server.lines(), ["DELETE /v1/engines/rack-2", "DELETE /v1/engines/rack-1"]);
}

#[tokio::test]
async fn an_engine_is_added_with_what_is_in_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        std::fs::write(dir.path().join(name), name).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let server = Server::play([Reply::json(201, &json!({"version": "28"})), Reply::problem(409, "engine_taken")]).await;
    let (ca, cert, key) = (file("ca"), file("cert"), file("key"));
    let words = ["engine", "add", "rack-2", "tcp://rack-2:2376", "--publish-at", "10.0.0.2", "--label", "disk=ssd"];
    let tls = ["--weight", "2", "--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key];
    assert_eq!(run(&server, &[&words[..], &tls].concat()).await, Ok(()));
    assert_eq!(exit(run(&server, &words).await), (1, "engine_taken".to_owned()));
    assert_eq!(server.lines(), ["PUT /v1/engines/rack-2", "PUT /v1/engines/rack-2"]);
    let said: Value = serde_json::from_slice(&server.seen()[0].body).unwrap();
    let expected = json!({ "url": "tcp://rack-2:2376", "publish_at": "10.0.0.2", "labels": { "disk": "ssd" }, "weight": 2,
        "tls": { "ca": "ca", "cert": "cert", "key": "key" } });
    assert_eq!(said, expected);
    let twice = [&words[..], &["--label", "disk=hdd"]].concat();
    assert_eq!(exit(run(&server, &twice).await).0, 2);
    let missing = ["--tls-ca", "/nowhere", "--tls-cert", &cert, "--tls-key", &key];
    assert_eq!(exit(run(&server, &[&words[..], &missing].concat()).await), (1, "unreadable".to_owned()));
}

#[tokio::test]
async fn refusals_keep_their_code() {
    let replies =
        [Reply::problem(409, "app_not_empty"), Reply::problem(401, "unauthorized"), Reply::problem(403, "forbidden")];
    let server = Server::play(replies).await;
    for expected in [(1, "app_not_empty"), (6, "unauthorized"), (6, "forbidden")] {
        let (code, name) = exit(run(&server, &["app", "delete", "web", "--cascade"]).await);
        assert_eq!((code, name.as_str()), expected);
    }
    assert_eq!(server.lines()[0], "DELETE /v1/apps/web?cascade=true");
}

#[tokio::test]
async fn what_is_not_larder_is_called_so() {
    let html = |status| Reply::text(status, "text/html", "<h1>Bad gateway</h1>");
    let server = Server::play([html(502), html(200), html(302)]).await;
    for _ in 0..3 {
        assert_eq!(exit(run(&server, &["catalog"]).await), (1, "bad_answer".into()));
    }
}

#[tokio::test]
async fn nobody_at_the_address_has_its_own_exit_code() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let context = Context::new(&Global { url: Some(free.to_string()), ..Global::default() }).unwrap();
    let failure = catalog::run(&context).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (Kind::Unreachable, "unreachable"));
    assert!(failure.detail.contains(&free.to_string()) && failure.detail.contains("refused"), "{}", failure.detail);
    assert!(failure.advice.unwrap().contains("larder serve"));
}

#[tokio::test]
async fn an_addon_is_created_and_waited_for() {
    let replies = [
        Reply::json(202, &addon("redis", "7", "waiting_for_provision")),
        Reply::json(200, &addon("redis", "7", "provisioned")),
        Reply::json(200, &addon("redis", "7", "ready")),
    ];
    let server = Server::play(replies).await;
    let words = ["addon", "create", "redis", "--app", "web", "--param", "size:=1", "--wait", "20s"];
    assert_eq!(run(&server, &words).await, Ok(()));
    assert_eq!(server.lines(), ["POST /v1/apps/web/addons", "GET /v1/addons/7", "GET /v1/addons/7"]);
    let seen = server.seen();
    assert_eq!(seen[0].json(), json!({"service": "redis", "parameters": {"size": 1}}));
    assert!(seen[0].header("idempotency-key").is_some_and(|key| key.len() == 36));
    assert!(seen[1].header("prefer").is_some_and(|prefer| prefer.starts_with("wait=")));
}

#[tokio::test]
async fn the_end_of_waiting_decides_the_exit_code() {
    let mut failed = addon("redis", "7", "error");
    failed["error"] = json!({"code": "provider_failed", "reason": "disk full"});
    let id = "0198a5a0-7c1e-7000-8000-00000000000a";
    let waiting = Reply::json(200, &addon("redis", "7", "waiting_for_provision"));
    let server = Server::play([Reply::json(200, &failed), waiting]).await;
    assert_eq!(exit(run(&server, &["addon", "wait", id]).await), (4, "provider_failed".into()));
    assert_eq!(exit(run(&server, &["addon", "wait", id, "--timeout", "0"]).await), (5, "timeout".into()));
    assert_eq!(server.seen()[1].header("prefer"), None);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_sent_again_with_the_same_key() {
    let replies = [Reply::lost(), Reply::json(202, &addon("redis", "7", "waiting_for_provision"))];
    let server = Server::play(replies).await;
    assert_eq!(run(&server, &["addon", "create", "redis", "--app", "web"]).await, Ok(()));
    let keys: Vec<_> = server.seen().iter().map(|seen| seen.header("idempotency-key").map(str::to_owned)).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1] && keys[0].is_some(), "{keys:?}");
    let server = Server::play([Reply::lost(), Reply::lost(), Reply::lost()]).await;
    let result = run(&server, &["addon", "create", "redis", "--app", "web", "--idempotency-key", "mine"]).await;
    assert_eq!(exit(result), (3, "connection_lost".into()));
    assert_eq!(server.seen()[2].header("idempotency-key"), Some("mine"));
}

#[tokio::test]
async fn a_name_means_the_live_addon_or_the_last_one() {
    let list = |addons: &[Value], next: Value| Reply::json(200, &json!({"addons": addons, "next": next}));
    let replies = [
        list(&[addon("other", "1", "ready")], json!("1")),
        list(&[addon("redis", "2", "ready")], Value::Null),
        Reply::json(202, &addon("redis", "2", "deprovisioned")),
        list(&[], Value::Null),
        list(&[addon("redis", "3", "error"), addon("redis", "4", "error")], Value::Null),
        Reply::json(200, &addon("redis", "4", "error")),
    ];
    let server = Server::play(replies).await;
    assert_eq!(run(&server, &["addon", "delete", "web/redis"]).await, Ok(()));
    assert_eq!(run(&server, &["addon", "show", "redis", "--app", "web"]).await, Ok(()));
    let expected = [
        "GET /v1/apps/web/addons?limit=1000",
        "GET /v1/apps/web/addons?limit=1000&after=1",
        "DELETE /v1/addons/2",
        "GET /v1/apps/web/addons?limit=1000",
        "GET /v1/apps/web/addons?state=deprovisioned%2Cerror&limit=1000",
        "GET /v1/addons/4",
    ];
    assert_eq!(server.lines(), expected);
}

#[tokio::test]
async fn a_name_alone_is_not_enough() {
    let server = Server::play([]).await;
    for words in [["addon", "show", "redis"].as_slice(), &["addon", "show", "web/redis", "--app", "api"]] {
        assert_eq!(exit(run(&server, words).await), (2, "usage".into()));
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn one_failure_does_not_stop_the_other_deletions() {
    let ids = ["0198a5a0-7c1e-7000-8000-00000000000a", "0198a5a0-7c1e-7000-8000-00000000000b"];
    let server =
        Server::play([Reply::problem(409, "protected"), Reply::json(202, &addon("b", "b", "deprovisioned"))]).await;
    assert_eq!(exit(run(&server, &["addon", "delete", ids[0], ids[1]]).await), (1, "protected".into()));
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_deletion_is_waited_for_until_nothing_is_left_or_all_is_kept() {
    let ids = ["0198a5a0-7c1e-7000-8000-00000000000a", "0198a5a0-7c1e-7000-8000-00000000000b"];
    let deleted = |id: &str, cleanup: Value| {
        let mut deleted = addon("db", id, "deprovisioned");
        deleted["cleanup"] = cleanup;
        deleted
    };
    let pending = |id| Reply::json(200, &deleted(id, json!({"state": "pending"})));
    let done = |id| Reply::json(200, &deleted(id, json!({"state": "done"})));
    let replies = [pending(ids[0]), pending(ids[1]), pending(ids[0]), done(ids[0]), done(ids[1])];
    let server = Server::play(replies).await;
    assert_eq!(run(&server, &["addon", "delete", ids[0], ids[1], "--wait", "20s"]).await, Ok(()));
    let (delete, get) = (|id| format!("DELETE /v1/addons/{id}"), |id| format!("GET /v1/addons/{id}"));
    assert_eq!(server.lines(), [delete(ids[0]), delete(ids[1]), get(ids[0]), get(ids[0]), get(ids[1])]);

    // What is kept is not removed for days.
    let mut kept = deleted(ids[0], json!({"state": "none"}));
    kept["kept_until"] = json!("2026-01-02T03:04:05.678Z");
    let server = Server::play([Reply::json(202, &kept), Reply::json(200, &kept)]).await;
    assert_eq!(run(&server, &["addon", "delete", ids[0], "--wait"]).await, Ok(()));

    let failing = deleted(ids[0], json!({"state": "failing", "attempts": 2, "last_error": "the disk is full"}));
    let server = Server::play([Reply::problem(409, "protected"), pending(ids[0]), Reply::json(200, &failing)]).await;
    let ended = run(&server, &["addon", "delete", ids[1], ids[0], "--wait", "0"]).await;
    assert_eq!(exit(ended), (1, "protected".into()), "the first failure decides");
    let server = Server::play([pending(ids[0]), Reply::json(200, &failing)]).await;
    let failure = run(&server, &["addon", "delete", ids[0], "--wait", "0"]).await.unwrap_err();
    assert_eq!((failure.kind, failure.detail.contains("the disk is full")), (Kind::TimedOut, true), "{failure:?}");
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_where_it_broke() {
    let stream = |text: &str| Reply::text(200, "text/event-stream", text);
    let replies = [
        stream("id: 1\ndata: {\"kind\": \"created\"}\n\nid: 2\ndata: {\"kind\": \"call\"}\n\ndata: {\"cut"),
        stream(": keep-alive\n\nid: 3\ndata: {\"kind\": \"ready\"}\n\n"),
        Reply::problem(404, "not_found"),
    ];
    let server = Server::play(replies).await;
    let id = "0198a5a0-7c1e-7000-8000-00000000000a";
    assert_eq!(exit(run(&server, &["addon", "events", id, "--follow"]).await), (1, "not_found".into()));
    let positions: Vec<_> = server.seen().iter().map(|seen| seen.header("last-event-id").map(str::to_owned)).collect();
    assert_eq!(positions, [None, Some("2".into()), Some("3".into())]);
}

#[tokio::test]
async fn a_component_is_uploaded_whole_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my_redis.wasm");
    let component: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    std::fs::write(&file, &component).unwrap();
    let version = |state: &str| json!({"digest": "ab", "state": state, "refusal": {"code": "bad", "message": "no"}});
    let replies = [Reply::json(202, &version("checking")), Reply::json(200, &version("refused"))];
    let server = Server::play(replies).await;
    let result = run(&server, &["provider", "upload", file.to_str().unwrap()]).await;
    assert_eq!(exit(result), (1, "bad".into()));
    assert_eq!(server.lines(), ["POST /v1/providers?name=my-redis", "GET /v1/providers/my-redis/versions/ab"]);
    let seen = &server.seen()[0];
    assert_eq!(seen.header("content-type"), Some("application/wasm"));
    assert_eq!(seen.header("content-length"), Some("200000"));
    assert_eq!(seen.body, component);
}

#[tokio::test]
async fn the_beginning_of_a_digest_is_enough_to_activate() {
    let provider = json!({"name": "redis", "versions": [{"digest": "ab12"}, {"digest": "cd34"}]});
    let server =
        Server::play([Reply::json(200, &provider), Reply::json(200, &provider), Reply::json(200, &provider)]).await;
    assert_eq!(run(&server, &["provider", "activate", "redis", "cd"]).await, Ok(()));
    assert_eq!(server.lines()[1], "POST /v1/providers/redis/versions/cd34/activate");
    let missing = run(&server, &["provider", "activate", "redis", "ee"]).await;
    assert_eq!(exit(missing), (1, "no_such_version".into()));
}

#[tokio::test]
async fn variables_are_changed_in_one_call() {
    let server = Server::play([Reply::json(200, &json!({})), Reply::json(200, &json!({}))]).await;
    assert_eq!(run(&server, &["config", "set", "web", "A=1", "B=x=y"]).await, Ok(()));
    assert_eq!(run(&server, &["config", "unset", "web", "A", "B"]).await, Ok(()));
    assert_eq!(exit(run(&server, &["config", "set", "web", "A=1", "A=2"]).await), (2, "usage".into()));
    let bodies: Vec<Value> = server.seen().iter().map(super::server::Seen::json).collect();
    assert_eq!(bodies, [json!({"A": "1", "B": "x=y"}), json!({"A": null, "B": null})]);
}

#[tokio::test]
async fn status_tells_when_the_server_is_not_ready() {
    let replies = [
        Reply::json(503, &json!({"status": "starting"})),
        Reply::json(200, &json!({"providers": []})),
        Reply::json(200, &json!({"apps": [], "next": null})),
        Reply::json(200, &json!({"addons": [], "next": null})),
    ];
    let server = Server::play(replies).await;
    assert_eq!(exit(run(&server, &["status"]).await), (1, "not_ready".into()));
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn a_deleted_addon_is_found_by_its_name_also_without_its_app() {
    let kept = |name: &str, id: &str, app: &str| json!({"id": id, "app": app, "name": name, "state": "deprovisioned", "kept_until": "2026-01-02T03:04:05.678Z"});
    let list =
        json!({"addons": [kept("db", "1", "web"), kept("db", "2", "web"), kept("db", "3", "api")], "next": null});
    let back = Reply::json(202, &addon("db", "2", "provisioned"));
    let server = Server::play([Reply::json(200, &list), back, Reply::json(200, &addon("db", "2", "ready"))]).await;
    assert_eq!(run(&server, &["addon", "undelete", "web/db", "--wait"]).await, Ok(()));
    let found = "GET /v1/addons?kept=true&limit=1000";
    assert_eq!(server.lines(), [found, "POST /v1/addons/2/undelete", "GET /v1/addons/2"]);
    let server = Server::play([Reply::json(200, &list)]).await;
    assert_eq!(exit(run(&server, &["addon", "undelete", "cache", "--app", "web"]).await), (1, "not_in_grace".into()));
    let server = Server::play([Reply::json(200, &list)]).await;
    assert_eq!(run(&server, &["addon", "list", "--deleted"]).await, Ok(()));
    assert_eq!(server.lines(), [found]);
}
