//! A host that keeps everything in a database of a PostgreSQL server.

use std::process::Command;

use serde_json::json;

use crate::restart::kill_again_and_again;
use crate::support::{Host, Postgres, guest, may_change_the_machine, until};

/// A server, and a host that keeps everything there.
async fn host(test: &str) -> Option<(Postgres, Host)> {
    host_with(test, &["chameleon", "secret", "parameters"], &[]).await
}

/// The same, empty, with these arguments.
pub(crate) async fn host_with_none(test: &str, arguments: &[&str]) -> Option<(Postgres, Host)> {
    if !may_change_the_machine(test, "installs PostgreSQL") {
        return None;
    }
    let server = Postgres::start();
    server.says("CREATE DATABASE larder");
    let host = Host::empty_with(&[&words(&server)[..], arguments].concat()).await;
    Some((server, host))
}

/// The same, with these providers and arguments.
pub(crate) async fn host_with(test: &str, providers: &[&str], arguments: &[&str]) -> Option<(Postgres, Host)> {
    let (server, host) = host_with_none(test, arguments).await?;
    for name in providers {
        assert_eq!(host.upload(name, guest(name)).await.body["state"], "active", "{name}");
    }
    host.put("/v1/apps/demo", json!({})).await.expect(201);
    Some((server, host))
}

pub(crate) fn words(server: &Postgres) -> [&'static str; 4] {
    words_through(server, server.port)
}

/// The same, through another port.
pub(crate) fn words_through(server: &Postgres, port: u16) -> [&'static str; 4] {
    let url = format!("postgres://postgres@127.0.0.1:{port}/larder?sslmode=require");
    let url = url.replace("postgres@", &format!("postgres:{}@", Postgres::PASSWORD.replace(' ', "%20")));
    let authority = server.authority().display().to_string();
    ["--database", String::leak(url), "--ca-file", String::leak(authority)]
}

#[tokio::test]
async fn world_a_host_on_postgres_loses_nothing_however_often_it_is_killed() {
    let test = "world_a_host_on_postgres_loses_nothing_however_often_it_is_killed";
    let Some((_server, host)) = host(test).await else { return };
    kill_again_and_again(host).await;
}

#[tokio::test]
async fn world_a_host_outlives_the_sessions_that_postgres_ends() {
    let Some((server, host)) = host("world_a_host_outlives_the_sessions_that_postgres_ends").await else { return };
    let id = host.create_and_wait(json!({ "service": "secret" })).await.id();
    let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'larder'";
    assert!(server.says(all).parse::<u32>().unwrap() >= 5, "a writer and four readers");
    until("the same answer", || async {
        let answer = host.get(&format!("/v1/addons/{id}")).await;
        (answer.body["state"] == "ready").then_some(())
    })
    .await;
    until("another addon", || async {
        let made = host.create_and_wait(json!({ "service": "secret", "name": "b", "attach_as": "b" })).await;
        (made.status == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn world_a_database_on_postgres_is_one_hosts_and_holds_nothing_readable() {
    let test = "world_a_database_on_postgres_is_one_hosts_and_holds_nothing_readable";
    let Some((server, mut host)) = host(test).await else { return };
    let marker = "plain-text-marker-4711";
    host.create_and_wait(json!({ "service": "parameters", "parameters": { "GREETING": marker } })).await.expect(201);
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let secret = host.variables().await["SECRET_KEY"].as_str().unwrap().to_owned();
    let dump = server.dump("larder");
    assert!(dump.len() > 10_000 && dump.contains("COPY public.addon "), "{}", dump.len());
    // What bytes say is written in hexadecimal.
    for needle in [marker, &secret] {
        let hexadecimal: String = needle.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!dump.contains(needle) && !dump.contains(&hexadecimal), "{needle} is readable");
    }

    let elsewhere = tempfile::TempDir::new().unwrap();
    let mut second = Command::new(env!("CARGO_BIN_EXE_larder"));
    second.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(elsewhere.path()).args(words(&server));
    let second = second.output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("runs as the node"), "{said}");

    // Whoever has another key is told so, and nothing is changed.
    host.stop();
    let mut stranger = Command::new(env!("CARGO_BIN_EXE_larder"));
    stranger.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(elsewhere.path()).args(words(&server));
    let stranger = stranger.output().unwrap();
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(!stranger.status.success() && said.contains("key"), "{said}");
    assert!(!said.contains("correct"), "the password is told: {said}");
    host.restart();
    assert_eq!(host.variables().await["SECRET_KEY"], secret.as_str());
}
