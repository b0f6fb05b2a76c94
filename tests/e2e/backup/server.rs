//! Backups of hosts that share a database of a PostgreSQL server: made by any of them, restored to a directory, and moved to a server again.

use std::io::Write as _;
use std::process::{Child, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::{Backup, command, larder, names, path, request};
use crate::database::{host_with, words};
use crate::support::{Host, Postgres, until};

/// Addons that are made before the backup begins, by the other node than the one that makes it.
const BEFORE: usize = 4;

async fn goes_on(host: &Host, acknowledged: &[String], variables: &serde_json::Value) {
    for id in acknowledged {
        assert_eq!(host.settled(id).await["state"], "ready");
    }
    let now = host.variables().await;
    for (name, value) in variables.as_object().unwrap().iter().filter(|(name, _)| *name != "LARDER_SERVICES") {
        assert_eq!(&now[name], value);
    }
    let (code, said, error) = host.cli(&["doctor"]);
    assert_eq!(code, 0, "{said}{error}");
}

#[tokio::test]
async fn world_a_backup_of_hosts_on_postgres_is_served_from_a_directory_and_goes_back_to_a_server() {
    let test = "world_a_backup_of_hosts_on_postgres_is_served_from_a_directory_and_goes_back_to_a_server";
    let one = ["--engine", "none", "--node-name", "one"];
    let Some((server, mut host)) = host_with(test, &["chameleon", "secret"], &one).await else { return };
    let mut other = host.another(&[&words(&server)[..], &["--engine", "none", "--node-name", "two"]].concat());
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    host.patch("/v1/apps/demo/config", json!({ "OWN": "mine" })).await.expect(200);
    let (mut acknowledged, variables) = (vec![], host.variables().await);
    for number in 0..BEFORE {
        acknowledged.push(other.create(request(&format!("before-{number}"))).await.id());
    }
    let backup = Backup { folder: TempDir::new().unwrap() };
    let (dir, file) = (host.dir().to_owned(), backup.file());
    let mut backing_up = tokio::task::spawn_blocking(move || larder(&dir, &["backup", "--output", path(&file)]));
    let mut during = 0;
    let (code, out, error) = loop {
        tokio::select! {
            done = &mut backing_up => break done.unwrap(),
            made = other.create(request(&format!("during-{during}"))) => drop(made.id()),
        }
        during += 1;
    };
    assert_eq!(code, 0, "{out}{error}");
    assert!(during > 0, "somebody wrote meanwhile");
    backup.keep_key(&host);
    assert!(names(host.dir()).iter().all(|name| !name.starts_with('.')), "nothing is left on the server");
    host.kill();
    other.kill();

    host.has_lost_all_since(backup.restored());
    host.restart_with(&["--engine", "none"]);
    goes_on(&host, &acknowledged, &variables).await;
    let (_, audit, _) = host.cli(&["audit"]);
    assert!(audit.contains(" restored ") && audit.contains(" backed_up "), "{audit}");

    host.stop();
    server.says("CREATE DATABASE again");
    let [flag, url, ca_flag, authority] = words(&server);
    let url = url.replace("/larder?", "/again?");
    let from = format!("sqlite:{}", path(host.dir()));
    let (code, out, error) =
        larder(host.dir(), &["store", "migrate", "--from", &from, "--to", &url, ca_flag, authority]);
    assert_eq!(code, 0, "{out}{error}");
    host.restart_with(&[flag, &url, ca_flag, authority, "--engine", "none", "--node-name", "one"]);
    goes_on(&host, &acknowledged, &variables).await;
}

/// A session of the superuser's in which nobody else can read the history.
fn hold(server: &Postgres) -> Child {
    let mut holder = server.session("larder");
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    holder.stdin.as_mut().unwrap().write_all(b"BEGIN; LOCK TABLE history IN ACCESS EXCLUSIVE MODE;\n").unwrap();
    holder
}

#[tokio::test]
async fn world_a_backup_on_postgres_that_nobody_waits_for_leaves_nothing() {
    let test = "world_a_backup_on_postgres_that_nobody_waits_for_leaves_nothing";
    let Some((server, host)) = host_with(test, &[], &["--engine", "none"]).await else { return };
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("larder.backup");
    let mut holder = hold(&server);
    let locks = "SELECT count(*) FROM pg_locks WHERE relation = (SELECT oid FROM pg_class WHERE relname = 'history')
                 AND mode = 'AccessExclusiveLock'";
    let in_larder = |sql: &str| server.runs("larder", sql);
    until("the lock", async || (in_larder(locks) == "1").then_some(())).await;
    let mut asking = command(host.dir(), &["backup", "--output", path(&output)]).spawn().unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%\"history\"%'
                   AND pid <> pg_backend_pid()";
    until("a copy on its way", async || (in_larder(waiting) == "1").then_some(())).await;
    let copies = || names(host.dir()).iter().filter(|name| name.starts_with(".backup-")).count();
    assert_eq!(copies(), 1);
    asking.kill().unwrap();
    asking.wait().unwrap();
    until("its copy to be removed", async || (copies() == 0).then_some(())).await;
    holder.kill().unwrap();
    holder.wait().unwrap();
    let shared = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'";
    until("its session to end", async || (in_larder(shared) == "0").then_some(())).await;
    let (code, out, error) = host.cli(&["backup", "--output", path(&output)]);
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(larder(host.dir(), &["restore", path(&output), "--check"]).0, 0);
}
