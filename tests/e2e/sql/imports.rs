//! What is imported into a part of a common PostgreSQL is run by `psql`, which does more than SQL: whatever a file says, it gets no further
//! than the app that it is for.

use serde_json::Value;

use super::{POSTGRES, asks, made};
use crate::support::Engine;
use crate::transfers::import;

/// A user of a common server, with its credentials.
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

async fn user(host: &crate::support::Host, name: &str) -> User {
    let addon = made(host, asks(&POSTGRES, name, "communal")).await;
    let of = |key: &str| addon[key].as_str().unwrap().to_owned();
    User { credentials: host.credentials(&of("id")).await, id: of("id"), server: of("parent") }
}

/// Ways out of one's own database, of which none may lead anywhere.
fn ways_out(mine: &User, other: &User) -> [String; 4] {
    let superuser = format!("ALTER ROLE {} SUPERUSER", mine.of("username"));
    let drop = "DROP TABLE notes";
    [
        format!("\\! psql -h 127.0.0.1 -U postgres -d postgres -c '{superuser}'\n"),
        format!("\\! psql -U postgres -d postgres -c '{superuser}'\n"),
        format!("\\connect postgres postgres\n{superuser};\n"),
        format!("\\connect {} {}\n{drop};\n", other.of("database"), other.of("username")),
    ]
}

#[tokio::test]
async fn world_docker_an_import_reaches_nothing_but_its_own_database() {
    let test = "world_docker_an_import_reaches_nothing_but_its_own_database";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(POSTGRES.service, POSTGRES.image).await;
    let (mine, other) = (user(&host, "one").await, user(&host, "other").await);
    let container = engine.containers(&mine.server)[0].clone();
    let says = |user: &User, sql: &str| POSTGRES.says(&engine, &container, &user.credentials, user.of("database"), sql);
    let as_root = |words: &str| {
        let words = format!("export PGPASSWORD=$POSTGRES_PASSWORD; {words}");
        engine.docker(&["exec", &container, "sh", "-c", &words])
    };
    says(&other, POSTGRES.make).unwrap();
    // Programs are run, with the app's own credentials and no others.
    import(&host, &mine.id, b"\\! psql -c 'CREATE TABLE was_run ()'\n".to_vec()).await.expect(200);
    assert_eq!(says(&mine, "SELECT count(*) FROM was_run").unwrap(), "0");

    // The second time, on a server that was made when nobody within had to know a password.
    for is_lax in [false, true] {
        if is_lax {
            as_root(
                "sed -i s/scram-sha-256/trust/ $PGDATA/pg_hba.conf; psql -h127.0.0.1 -Upostgres -c 'SELECT pg_reload_conf()'",
            );
        }
        for way_out in ways_out(&mine, &other) {
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
    for id in [&mine.id, &other.id] {
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        host.cleaned_up(id).await;
    }
    host.delete(&format!("/v1/addons/{}", mine.server)).await.expect(202);
    engine.is_rid_of(&mine.server).await;
}
