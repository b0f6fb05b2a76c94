//! What the commands ask of the server that use addons themselves, up to where another program begins.

use clap::Parser;
use serde_json::{Value, json};

use super::server::{Reply, Server};
use crate::cli::args::{Cli, Command};
use crate::cli::exec::Program;
use crate::cli::failure::{Failure, Result};
use crate::cli::{addon, run};

const ID: &str = "0198a5a0-7c1e-7000-8000-00000000000a";

/// The program that `larder run` would become.
async fn prepare(server: &Server, words: &[&str]) -> Result<Program> {
    let Command::Run(args) = Cli::try_parse_from([&["larder", "run"], words].concat()).unwrap().command else {
        unreachable!()
    };
    let inherited = [("PATH", "/bin"), ("MODE", "stale"), ("LARDER_TOKEN", "s3cret")];
    run::prepare(&server.context(), args, inherited.map(|(name, value)| (name.into(), value.into()))).await
}

async fn of_addon(server: &Server, words: &[&str]) -> (u8, String) {
    let Command::Addon(command) = Cli::try_parse_from([&["larder", "addon"], words].concat()).unwrap().command else {
        unreachable!()
    };
    exit(addon::run(&server.context(), command).await)
}

fn exit<T>(result: Result<T>) -> (u8, String) {
    result.map_or_else(|failure: Failure| (failure.kind.exit_code(), failure.code), |_| (0, String::new()))
}

fn list(addons: &[Value]) -> Reply {
    Reply::json(200, &json!({"addons": addons, "next": null}))
}

fn addon(id: &str, name: &str, state: &str) -> Value {
    let error = (state == "error").then(|| json!({"code": "provider_failed", "reason": "the disk is full"}));
    json!({"id": id, "app": "web", "name": name, "state": state, "error": error})
}

fn config() -> Reply {
    Reply::json(200, &json!({"variables": {"MODE": "fast"}, "details": []}))
}

fn credentials(parts: &[(&str, &str)]) -> Reply {
    let part = |(key, value): &(&str, &str)| json!({"key": key, "value": value, "secret": false});
    Reply::json(200, &json!({"variables": [], "credentials": parts.iter().map(part).collect::<Vec<_>>()}))
}

#[tokio::test]
async fn a_command_gets_the_apps_variables_and_keeps_its_words() {
    let server = Server::play([list(&[]), config()]).await;
    let program = prepare(&server, &["--app", "web", "--", "serve", "--app", "x", "--"]).await.unwrap();
    assert_eq!((program.name, program.args), ("serve".into(), ["--app", "x", "--"].map(Into::into).to_vec()));
    let environment = [("MODE", "fast"), ("PATH", "/bin")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(program.environment, environment.into());
    assert_eq!(server.lines()[1], "GET /v1/apps/web/config?format=json");
}

#[tokio::test]
async fn a_command_waits_for_each_addon() {
    let replies = [
        list(&[addon("1", "db", "ready"), addon("2", "cache", "waiting_for_provision")]),
        Reply::json(200, &addon("2", "cache", "ready")),
        config(),
    ];
    let server = Server::play(replies).await;
    assert!(prepare(&server, &["--app", "web", "--wait", "env"]).await.is_ok());
    assert_eq!(server.lines()[1..], ["GET /v1/addons/2", "GET /v1/apps/web/config?format=json"]);
}

#[tokio::test]
async fn a_command_is_not_run_when_an_addon_has_failed() {
    let failed = list(&[addon("1", "db", "waiting_for_provision"), addon("2", "cache", "error")]);
    let waiting = addon("1", "db", "waiting_for_provision");
    let server = Server::play([failed, list(std::slice::from_ref(&waiting)), Reply::json(200, &waiting)]).await;
    let failure = prepare(&server, &["--app", "web", "--wait=0", "env"]).await.unwrap_err();
    assert_eq!((failure.kind.exit_code(), failure.code.as_str()), (4, "provider_failed"));
    assert!(failure.detail.contains("the disk is full"), "{}", failure.detail);
    assert_eq!(exit(prepare(&server, &["--app", "web", "--wait=0", "env"]).await), (5, "timeout".into()));
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn an_addon_without_a_client_is_told_apart() {
    let shown = || Reply::json(200, &addon(ID, "db", "ready"));
    let at = [("hostname", "10.0.0.1"), ("port", "1")];
    let of = |protocol| credentials(&[&at[..], &[("protocol", protocol)]].concat());
    let memcached = || of("memcached");
    let replies = [
        [shown(), memcached()],
        [shown(), memcached()],
        [shown(), of("amqp")],
        [shown(), credentials(&[("token", "x")])],
        [Reply::json(200, &addon(ID, "db", "provisioned")), credentials(&[])],
    ];
    let server = Server::play(replies.into_iter().flatten()).await;
    assert_eq!(of_addon(&server, &["connect", ID]).await, (0, String::new()));
    assert_eq!(of_addon(&server, &["connect", ID, "--", "stats"]).await, (127, "no_client".into()));
    assert_eq!(of_addon(&server, &["connect", ID]).await, (127, "no_client".into()));
    assert_eq!(of_addon(&server, &["connect", ID]).await, (1, "no_endpoint".into()));
    assert_eq!(of_addon(&server, &["connect", ID]).await, (1, "no_credentials".into()));
    assert_eq!(server.lines()[..2], [format!("GET /v1/addons/{ID}"), format!("GET /v1/addons/{ID}/config")]);
}

#[tokio::test]
async fn places_that_are_not_understood_are_not_passed_over() {
    let shown = || Reply::json(200, &addon(ID, "db", "ready"));
    let told = |places: Value| {
        let part = json!({"key": "uri", "value": "amqp://h:1", "secret": false});
        Reply::json(200, &json!({"variables": [], "credentials": [part], "places": places}))
    };
    let (odd, no_list) = (told(json!([{"name": "server", "port": "many"}])), told(json!("here")));
    let server = Server::play([shown(), odd, shown(), no_list, shown(), told(Value::Null)]).await;
    for end in [(1, "bad_answer"), (1, "bad_answer"), (127, "no_client")] {
        assert_eq!(of_addon(&server, &["connect", ID]).await, (end.0, end.1.to_owned()));
    }
}

#[tokio::test]
async fn a_tunnel_does_not_lead_to_itself_or_take_anothers_port() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let shown = || Reply::json(200, &addon(ID, "db", "ready"));
    let at = |host| credentials(&[("hostname", host), ("port", &port)]);
    let server = Server::play([shown(), at("localhost"), shown(), at("10.0.0.1")]).await;
    assert_eq!(of_addon(&server, &["tunnel", ID, "--localport", &port]).await, (2, "usage".into()));
    assert_eq!(of_addon(&server, &["tunnel", ID, "--localport", &port]).await, (1, "cannot_listen".into()));
}
