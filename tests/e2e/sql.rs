//! The providers of databases on a real engine, looked at by each server's own client.

mod imports;

use serde_json::{Value, json};

use crate::operations::update;
use crate::support::{Engine, Host, Postgres, until};

/// A kind of database, and how its client is called within the server's container.
pub(crate) struct Kind {
    pub(crate) service: &'static str,
    pub(crate) image: &'static str,
    pub(crate) make: &'static str,
    pub(crate) read: &'static str,
}

pub(crate) const POSTGRES: Kind = Kind {
    service: "postgres",
    image: "postgres",
    make: "CREATE TABLE notes (note text); INSERT INTO notes VALUES ('mine')",
    read: "SELECT note FROM notes",
};
pub(crate) const MYSQL: Kind = Kind { service: "mysql", image: "mariadb", ..POSTGRES };

impl Kind {
    /// What the client says to a statement, as the addon with these credentials, in this database.
    pub(crate) fn says(
        &self,
        engine: &Engine,
        container: &str,
        credentials: &Value,
        database: &str,
        sql: &str,
    ) -> Result<String, String> {
        let of = |key: &str| credentials[key].as_str().unwrap();
        let (user, password) = (of("username"), of("password"));
        let variable = format!("{}={password}", if self.service == "postgres" { "PGPASSWORD" } else { "MYSQL_PWD" });
        let exec = ["exec", "--env", &variable, container];
        let words = match self.service {
            "postgres" => vec!["psql", "--host=127.0.0.1", "-U", user, "-d", database, "-Atqc", sql],
            _ => vec!["mariadb", "--host=127.0.0.1", "-u", user, "-N", "-B", "-e", sql, database],
        };
        engine.try_docker(&[&exec[..], &words].concat()).map(|said| said.trim().to_owned())
    }
}

pub(crate) async fn made(host: &Host, body: Value) -> Value {
    let made = host.create_and_wait(body).await.expect(201);
    assert_eq!(made["state"], "ready", "{made}");
    made
}

pub(crate) fn asks(kind: &Kind, name: &str, provision_type: &str) -> Value {
    json!({ "service": kind.service, "name": name, "attach_as": name, "provision_type": provision_type })
}

async fn a_database_of_ones_own(test: &str, kind: &Kind) {
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(kind.service, kind.image).await;
    let id = made(&host, asks(kind, "own", "independent")).await["id"].as_str().unwrap().to_owned();
    let credentials = host.credentials(&id).await;
    let database = credentials["database"].as_str().unwrap();
    let container = engine.containers(&id)[0].clone();
    kind.says(&engine, &container, &credentials, database, kind.make).unwrap();
    // What is there stays there, whoever stops the server.
    engine.docker(&["kill", &container]);
    let kept =
        async || kind.says(&engine, &container, &credentials, database, kind.read).ok().filter(|said| said == "mine");
    until("the server to be back with its data", kept).await;
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    engine.is_rid_of(&id).await;
}

async fn users_of_one_server(test: &str, kind: &Kind) {
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(kind.service, kind.image).await;
    let (one, other) =
        (made(&host, asks(kind, "one", "communal")).await, made(&host, asks(kind, "other", "communal")).await);
    assert_eq!(one["parent"], other["parent"]);
    let server = one["parent"].as_str().unwrap();
    let container = engine.containers(server)[0].clone();
    let (id, others_id) = (one["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    let (mine, others) = (host.credentials(id).await, host.credentials(others_id).await);
    let (my_database, others_database) = (mine["database"].as_str().unwrap(), others["database"].as_str().unwrap());
    kind.says(&engine, &container, &mine, my_database, kind.make).unwrap();
    assert_eq!(kind.says(&engine, &container, &mine, my_database, kind.read).unwrap(), "mine");
    // Not with the other's own password, nor into each other's database.
    kind.says(&engine, &container, &others, others_database, "SELECT 1").unwrap();
    let mut guessed = mine.clone();
    guessed["password"] = others["password"].clone();
    for (who, database) in [(&guessed, my_database), (&others, my_database), (&mine, others_database)] {
        let refused = kind.says(&engine, &container, who, database, kind.read).unwrap_err();
        assert!(refused.contains("denied") || refused.contains("password authentication failed"), "{refused}");
    }
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(id).await;
    assert!(kind.says(&engine, &container, &mine, my_database, "SELECT 1").is_err());
    kind.says(&engine, &container, &others, others_database, "SELECT 1").unwrap();
    host.delete(&format!("/v1/addons/{others_id}")).await.expect(202);
    engine.remove_server(&host, server).await;
}

#[tokio::test]
async fn world_docker_postgres_of_ones_own() {
    a_database_of_ones_own("world_docker_postgres_of_ones_own", &POSTGRES).await;
}

#[tokio::test]
async fn world_docker_mysql_of_ones_own() {
    a_database_of_ones_own("world_docker_mysql_of_ones_own", &MYSQL).await;
}

#[tokio::test]
async fn world_docker_users_of_one_postgres_do_not_meet() {
    users_of_one_server("world_docker_users_of_one_postgres_do_not_meet", &POSTGRES).await;
}

#[tokio::test]
async fn world_docker_users_of_one_mysql_do_not_meet() {
    users_of_one_server("world_docker_users_of_one_mysql_do_not_meet", &MYSQL).await;
}

/// Row P4: the same request, whether the operator has a server or has one made.
#[tokio::test]
async fn world_docker_an_existing_server_takes_the_place_of_containers() {
    let test = "world_docker_an_existing_server_takes_the_place_of_containers";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("postgres", "postgres").await;
    let server = Postgres::start();
    let managed = made(&host, asks(&POSTGRES, "managed", "independent")).await["id"].as_str().unwrap().to_owned();

    let part = made(&host, asks(&POSTGRES, "part", "communal")).await;
    let (part, common) = (part["id"].as_str().unwrap(), part["parent"].as_str().unwrap());

    let wrong = external(&server, "battery staple");
    let destination = format!("tcp://127.0.0.1:{}", server.port);
    for words in [&["grant", "postgres", &destination][..], &["options", "postgres", "--json-options", &wrong]] {
        host.provider(words);
    }
    let refused = host.create_and_wait(asks(&POSTGRES, "wrong", "independent")).await.expect(200);
    assert!(refused["error"]["reason"].as_str().unwrap().contains("password authentication failed"), "{refused}");
    let right = external(&server, Postgres::PASSWORD);
    host.provider(&["options", "postgres", "--json-options", &right]);
    let there = made(&host, asks(&POSTGRES, "there", "independent")).await["id"].as_str().unwrap().to_owned();
    assert!(engine.containers(&there).is_empty());
    assert_eq!(host.credentials(&there).await["port"], json!(server.port.to_string()));
    // What was made before goes on as it was.
    assert_eq!(engine.containers(&managed).len(), 1);
    // And can be changed only as long as its image is named for servers, be it the one that programs are of.
    let mut same: Value = serde_json::from_str(&right).unwrap();
    same["image"] = json!("larder-test/postgres:1");
    host.provider(&["options", "postgres", "--json-options", &same.to_string()]);
    let refused = update(&host, &managed, json!({ "plan": "medium" })).await;
    let why = refused["operation"]["error"]["reason"].as_str().unwrap_or_default();
    assert!(why.contains("add it to `earlier_images` and grant it"), "{refused}");
    // So does a common server, on which nothing new is made by mistake.
    let refused = host.create_and_wait(asks(&POSTGRES, "misled", "communal")).await.expect(200);
    let why = refused["error"]["reason"].as_str().unwrap();
    assert!(why.contains("is in a container") && why.contains(&format!("lead to 127.0.0.1:{}", server.port)), "{why}");
    assert_eq!(refused["error"]["code"], "provider_rejected");
    host.delete(&format!("/v1/addons/{part}")).await.expect(202);
    host.cleaned_up(part).await;
    engine.remove_server(&host, common).await;
    let part = made(&host, asks(&POSTGRES, "again", "communal")).await;
    assert_eq!(host.credentials(part["id"].as_str().unwrap()).await["port"], json!(server.port.to_string()));
    host.delete(&format!("/v1/addons/{}", part["id"].as_str().unwrap())).await.expect(202);
    host.cleaned_up(part["id"].as_str().unwrap()).await;
    for id in [&managed, &there] {
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        engine.is_rid_of(id).await;
    }
}

pub(crate) fn external(server: &Postgres, password: &str) -> String {
    let external = json!({ "hostname": "127.0.0.1", "port": server.port, "username": "postgres", "password": password, "tls": "off" });
    json!({ "external": external }).to_string()
}
