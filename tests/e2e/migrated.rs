//! A host whose installation moves from its data directory to a PostgreSQL server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::database::{host_with, words};
use crate::support::{Host, Postgres, behave, may_change_the_machine, until};

/// Has whoever fills a certain table wait for a lock.
const TRAP: &str = "
    CREATE FUNCTION wait_for_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
    CREATE FUNCTION set_trap() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF to_regclass('history') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'trap') THEN
            CREATE TRIGGER trap BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION wait_for_it();
        END IF;
    END $$;
    CREATE EVENT TRIGGER set_trap ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE INDEX') EXECUTE FUNCTION set_trap()";

fn migrate(host: &Host, words: &[&str]) -> Command {
    let [_, url, ca_flag, authority] = words else { panic!("{words:?}") };
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.args(["store", "migrate", "--json", "--from"]).arg(format!("sqlite:{}", host.dir().display()));
    command.args(["--to", url, ca_flag, authority]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(command: &mut Command) -> (bool, Value) {
    let output = command.output().unwrap();
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    let value = serde_json::from_slice(text);
    (output.status.success(), value.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(text))))
}

/// A session of the superuser's that holds the lock until it is told something else.
fn hold_lock(server: &Postgres) -> std::process::Child {
    let mut holder = server.session("larder");
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let input = holder.stdin.as_mut().unwrap();
    std::io::Write::write_all(input, b"SELECT pg_advisory_lock(4711);\n").unwrap();
    holder
}

#[tokio::test]
async fn world_a_host_moves_to_postgres_and_goes_on_with_all_that_it_had() {
    let test = "world_a_host_moves_to_postgres_and_goes_on_with_all_that_it_had";
    if !may_change_the_machine(test, "installs PostgreSQL") {
        return;
    }
    let server = Postgres::start();
    server.says("CREATE DATABASE larder");
    let words = words(&server);
    let mut host = Host::start(&["chameleon", "secret"]).await;
    let secret = host.create_and_wait(json!({ "service": "secret" })).await.id();
    let mut waiting = behave(json!({ "complete": [{ "pending": { "after_ms": 86_400_000, "message": "not yet" } }] }));
    waiting["name"] = json!("waiting");
    let waiting = host.create(waiting).await.id();
    host.patch("/v1/apps/demo/config", json!({ "OWN": "mine" })).await.expect(200);
    host.provider(&["grant", "chameleon", "tcp://db.internal:5432"]);
    until("a first answer", || async {
        host.calls(&waiting).await.contains(&"provision-complete pending".to_owned()).then_some(())
    })
    .await;
    let before = Seen::of(&host, &secret, &waiting).await;

    let (moved, refused) = said(&mut migrate(&host, &words));
    assert!(!moved && refused["code"] == "in_use", "{refused}");
    host.stop();

    // Killed in the middle, it has moved nothing.
    server.runs("larder", TRAP);
    let mut holder = hold_lock(&server);
    let mut killed = migrate(&host, &words).spawn().unwrap();
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE 'COPY \"history\"%'";
    until("rows on their way", || async { (server.says(waits) == "1").then_some(()) }).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'larder'";
    until("the end of the session", || async { (server.says(sessions) == "0").then_some(()) }).await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server.runs("larder", tables), "0");
    server.runs("larder", "DROP EVENT TRIGGER set_trap; DROP FUNCTION set_trap, wait_for_it");
    host.restart();
    assert_eq!(Seen::of(&host, &secret, &waiting).await, before);
    host.stop();

    let (moved, told) = said(&mut migrate(&host, &words));
    assert!(moved && told["tables"]["addon"] == 2 && !told.to_string().contains("correct"), "{told}");
    let (code, _, error) = host.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && error.contains("--database"), "{error}");

    host.restart_with(&words);
    assert_eq!(Seen::of(&host, &secret, &waiting).await, before);
    // A client that follows goes on after the last that it has seen.
    let last = before.events.as_array().unwrap().last().unwrap()["id"].as_u64().unwrap();
    let another = host.create_and_wait(json!({ "service": "secret", "name": "b", "attach_as": "b" })).await.id();
    let next = host.get(&format!("/v1/events?after={last}&limit=1000")).await.expect(200);
    let next = next["events"].as_array().unwrap();
    assert!(next.iter().all(|event| event["id"].as_u64().unwrap() > last), "{next:?}");
    assert!(next.iter().any(|event| event["addon"] == another.as_str()), "{next:?}");
    host.delete(&format!("/v1/addons/{waiting}")).await.expect(202);
    host.cleaned_up(&waiting).await;
    let (again, refused) = said(&mut migrate(&host, &words));
    assert!(!again && refused["code"] == "in_use", "{refused}");
    tokio::time::timeout(Duration::from_secs(60), host.settled(&secret)).await.unwrap();
}

#[tokio::test]
async fn world_a_host_on_postgres_moves_back_to_its_directory_and_nobody_goes_on_there() {
    let test = "world_a_host_on_postgres_moves_back_to_its_directory_and_nobody_goes_on_there";
    let Some((server, mut host)) = host_with(test, &["chameleon", "secret"], &["--engine", "none"]).await else {
        return;
    };
    let secret = host.create_and_wait(json!({ "service": "secret" })).await.id();
    let mut waiting = behave(json!({ "complete": [{ "pending": { "after_ms": 86_400_000, "message": "not yet" } }] }));
    waiting["name"] = json!("waiting");
    let waiting = host.create(waiting).await.id();
    until("a first answer", || async {
        host.calls(&waiting).await.contains(&"provision-complete pending".to_owned()).then_some(())
    })
    .await;
    let before = Seen::of(&host, &secret, &waiting).await;
    let [_, url, ca_flag, authority] = words(&server);
    let back = |dir: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        command.args(["store", "migrate", "--json", "--from", url, ca_flag, authority, "--to"]);
        said(command.arg(format!("sqlite:{}", dir.display())))
    };
    let (moved, refused) = back(host.dir());
    assert!(!moved && refused["code"] == "in_use", "{refused}");
    let elsewhere = tempfile::TempDir::new().unwrap();
    std::fs::copy(host.dir().join("sealing.key"), elsewhere.path().join("sealing.key")).unwrap();
    let (moved, refused) = back(elsewhere.path());
    assert!(!moved && refused["code"] == "in_use" && refused.to_string().contains("one that starts"), "{refused}");
    host.stop();

    let (moved, told) = back(host.dir());
    assert!(moved && told["tables"]["addon"] == 2 && !told.to_string().contains("correct"), "{told}");
    let (code, _, error) = host.cli(&["serve", "--listen", "127.0.0.1:0", "--database", url, ca_flag, authority]);
    assert!(code == 1 && error.contains("without --database") && error.contains("moved_to"), "{error}");
    host.restart_with(&["--engine", "none"]);
    assert_eq!(Seen::of(&host, &secret, &waiting).await, before);
    host.create_and_wait(json!({ "service": "secret", "name": "b", "attach_as": "b" })).await.expect(201);
}

/// What somebody sees of a host.
#[derive(Debug, PartialEq)]
struct Seen {
    secret: Value,
    waiting: Value,
    variables: Value,
    events: Value,
    providers: Value,
}

impl Seen {
    async fn of(host: &Host, secret: &str, waiting: &str) -> Self {
        let waiting = host.get(&format!("/v1/addons/{waiting}")).await.expect(200);
        Self {
            secret: host.get(&format!("/v1/addons/{secret}")).await.expect(200),
            waiting: waiting["state"].clone(),
            variables: host.variables().await,
            events: json!(host.history(secret).await),
            providers: host.get("/v1/providers").await.expect(200),
        }
    }
}
