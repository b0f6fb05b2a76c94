//! What is imported into PostgreSQL is run by `psql`, which does more than SQL: whatever a file says, it gets no further
//! than the app that it is for.

use serde_json::Value;

use super::{POSTGRES, asks, made};
use crate::support::{Engine, Host};
use crate::transfers::import;

/// An addon with its credentials, and whose server it is on.
struct User {
    id: String,
    server: String,
    credentials: Value,
}

impl User {
    fn of(&self, key: &str) -> &str {
        self.credentials[key].as_str().unwrap()
    }
}

async fn user(host: &Host, name: &str, provision_type: &str) -> User {
    let addon = made(host, asks(&POSTGRES, name, provision_type)).await;
    let id = addon["id"].as_str().unwrap();
    let server = addon["parent"].as_str().unwrap_or(id).to_owned();
    User { credentials: host.credentials(id).await, id: id.to_owned(), server }
}

/// Ways out of one's own database, of which none may lead anywhere.
fn ways_out(server: &str, other: &User) -> [String; 3] {
    let intruder = "CREATE ROLE intruder SUPERUSER";
    [
        format!("\\! psql -h {server} -U postgres -d postgres -c '{intruder}'\n"),
        format!("\\connect postgres postgres\n{intruder};\n"),
        format!("\\connect {} {}\nDROP TABLE notes;\n", other.of("database"), other.of("username")),
    ]
}

/// An import finds the server at this name, from wherever it is run.
async fn an_import_reaches_nothing_but_its_own_database(test: &str, provision_type: &str, server: &str) {
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(POSTGRES.service, POSTGRES.image).await;
    let (mine, other) = (user(&host, "one", provision_type).await, user(&host, "other", provision_type).await);
    let container = |user: &User| engine.containers(&user.server)[0].clone();
    let says =
        |user: &User, sql: &str| POSTGRES.says(&engine, &container(user), &user.credentials, user.of("database"), sql);
    let as_root = |words: &str| {
        let words = format!("export PGPASSWORD=$POSTGRES_PASSWORD; {words}");
        engine.docker(&["exec", &container(&mine), "sh", "-c", &words])
    };
    says(&other, POSTGRES.make).unwrap();
    // Programs are run, and reach the server, with the app's own credentials and no others.
    let run = format!("\\! psql -h {server} -c 'CREATE TABLE was_run ()'\n");
    import(&host, &mine.id, run.into_bytes()).await.expect(200);
    assert_eq!(says(&mine, "SELECT count(*) FROM was_run").unwrap(), "0");

    // The second time, on a server that was made when nobody within had to know a password.
    for is_lax in [false, true] {
        if is_lax {
            as_root(
                "sed -i s/scram-sha-256/trust/ $PGDATA/pg_hba.conf; psql -h127.0.0.1 -Upostgres -c 'SELECT pg_reload_conf()'",
            );
        }
        for way_out in ways_out(server, &other) {
            let said = import(&host, &mine.id, way_out.clone().into_bytes()).await;
            assert!(said.status == 502 || way_out.starts_with("\\!"), "{way_out}: {}", said.text);
        }
        assert_eq!(says(&mine, "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper").unwrap(), "postgres");
        assert_eq!(says(&other, POSTGRES.read).unwrap(), "mine");
        let lines = as_root("grep -c ^[a-z].*trust $PGDATA/pg_hba.conf || :");
        assert_eq!(lines.trim(), "0");
    }
    // Text is sorted alike wherever the server runs, and whatever its image says.
    let sorted =
        "SELECT datcollate || ' ' || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()";
    assert_eq!(says(&mine, sorted).unwrap(), "C.UTF-8 UTF8");
    for user in [&mine, &other] {
        host.delete(&format!("/v1/addons/{}", user.id)).await.expect(202);
        host.cleaned_up(&user.id).await;
    }
    if mine.server != mine.id {
        host.delete(&format!("/v1/addons/{}", mine.server)).await.expect(202);
    }
    engine.is_rid_of(&mine.server).await;
}

/// In a network that is made for it.
#[tokio::test]
async fn world_docker_an_import_reaches_nothing_but_its_own_database() {
    let test = "world_docker_an_import_reaches_nothing_but_its_own_database";
    an_import_reaches_nothing_but_its_own_database(test, "communal", "server").await;
}

/// In the network of the server itself, which sees it come from its own machine.
#[tokio::test]
async fn world_docker_an_import_into_ones_own_server_does_not_administer_it() {
    let test = "world_docker_an_import_into_ones_own_server_does_not_administer_it";
    an_import_reaches_nothing_but_its_own_database(test, "independent", "127.0.0.1").await;
}
