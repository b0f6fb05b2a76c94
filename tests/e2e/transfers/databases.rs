//! Exports and imports of databases on servers that others use too: a common one, and one that the operator has already. What
//! flows is one user's, whoever else is there.

use super::*;
use crate::sql::{Kind, MYSQL, POSTGRES, asks, made};

/// What the administrator of an existing server logs in by.
const PASSWORD: &str = "correct-horse";

/// A server in a container, on which an app's user can be called upon.
struct Server<'a> {
    engine: &'a Engine,
    container: String,
    kind: &'a Kind,
}

impl Server<'_> {
    fn says(&self, credentials: &Value, sql: &str) -> String {
        let database = credentials["database"].as_str().unwrap();
        self.kind.says(self.engine, &self.container, credentials, database, sql).unwrap()
    }

    /// An app that has as many sessions as its plan gives it, none of which does anything.
    async fn is_used_to_the_full(&self, credentials: &Value) {
        let of = |key: &str| credentials[key].as_str().unwrap();
        let (user, database) = (of("username"), of("database"));
        let (variable, client, count) = match self.kind.service {
            "postgres" => (
                "PGPASSWORD",
                format!("psql -h127.0.0.1 -U{user} -d{database} -c 'SELECT pg_sleep(600)'"),
                "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND query LIKE 'SELECT pg_sleep(%'",
            ),
            _ => (
                "MYSQL_PWD",
                format!("mariadb -h127.0.0.1 -u{user} -e 'SELECT sleep(600)' {database}"),
                "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT sleep(%'",
            ),
        };
        let password = format!("{variable}={}", of("password"));
        let all = format!("for n in $(seq 20); do {client} & done; wait");
        self.engine.docker(&["exec", "--detach", "--env", &password, &self.container, "sh", "-c", &all]);
        until("all of the app's sessions", async || (self.says(credentials, count) == "20").then_some(())).await;
    }

    /// One user's data are exported and taken in by another, who has data too: neither touches more than that.
    async fn brings_from_one_to_another(&self, host: &Host, [one, other]: [&str; 2]) {
        let (mine, others) = (host.credentials(one).await, host.credentials(other).await);
        self.says(&mine, self.kind.make);
        self.says(&others, "CREATE TABLE secrets (word text); INSERT INTO secrets VALUES ('not yours')");
        let dump = export(host, one).await;
        assert_eq!(dump.status, 200, "{}", dump.text);
        assert!(dump.text.contains("mine"), "{}", dump.text);
        for foreign in ["secrets", "not yours"].into_iter().chain(others["username"].as_str()) {
            assert!(!dump.text.contains(foreign), "{foreign} in {}", dump.text);
        }
        import(host, other, gzip(dump.text.as_bytes())).await.expect(200);
        assert_eq!(self.says(&others, self.kind.read), "mine");
        assert_eq!(self.says(&others, "SELECT word FROM secrets"), "not yours");
        self.says(&others, "DROP TABLE notes");
        assert_eq!(self.says(&mine, self.kind.read), "mine");
        for id in [one, other] {
            assert_eq!(streams(self.engine, id), Vec::<String>::new());
        }
    }
}

fn id(addon: &Value) -> &str {
    addon["id"].as_str().unwrap()
}

async fn on_a_common_server(test: &str, kind: &Kind) {
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(kind.service, kind.image).await;
    let (one, other) =
        (made(&host, asks(kind, "one", "communal")).await, made(&host, asks(kind, "other", "communal")).await);
    let parent = one["parent"].as_str().unwrap();
    let server = Server { engine: &engine, container: engine.containers(parent)[0].clone(), kind };
    server.is_used_to_the_full(&host.credentials(id(&one)).await).await;
    server.brings_from_one_to_another(&host, [id(&one), id(&other)]).await;
    // Its user's program came to it in a network that was made for that, and is gone.
    let networks = &engine.describe(&server.container)["NetworkSettings"]["Networks"];
    assert_eq!(networks.as_object().unwrap().len(), 1, "{networks}");
    if kind.service == "postgres" {
        // The file is somebody's, and is done as it says; but from outside the server's container, where everybody has to know a password.
        let way_in = "\\! psql -h server -U postgres -d postgres -c 'CREATE ROLE intruder SUPERUSER'\n";
        import(&host, id(&one), way_in.into()).await.expect(200);
        let intruders = "SELECT count(*) FROM pg_roles WHERE rolname = 'intruder'";
        assert_eq!(server.says(&host.credentials(id(&one)).await, intruders), "0");
    }
    // The whole of it is nobody's.
    let refused = export(&host, parent).await.problem(409, "not_supported");
    assert!(refused.contains("export its addons one by one"), "{refused}");
    for addon in [&one, &other] {
        host.delete(&format!("/v1/addons/{}", id(addon))).await.expect(202);
    }
    engine.remove_server(&host, parent).await;
}

/// The server is a container as well, which is nothing that the host knows of.
async fn on_an_existing_server(test: &str, kind: &Kind, administrator: &str, variable: &str) {
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(kind.service, kind.image).await;
    let (image, password) = (format!("larder-test/{}:1", kind.image), format!("{variable}={PASSWORD}"));
    let words = ["run", "--detach", "--rm", "--publish-all", "--env", &password, &image];
    let container = Existing { engine: &engine, id: engine.docker(&words).trim().to_owned() };
    // Where this machine is for this host and for containers alike.
    let gateway = engine.docker(&["network", "inspect", "bridge", "--format={{(index .IPAM.Config 0).Gateway}}"]);
    let gateway = gateway.trim();
    let published = engine.docker(&["port", &container.id]);
    let port = published.lines().next().and_then(|line| line.rsplit_once(':')).unwrap().1.to_owned();
    let external = json!({ "hostname": gateway, "port": port.parse::<u16>().unwrap(), "username": administrator,
        "password": PASSWORD, "tls": "off" });
    let options = json!({ "image": image, "external": external }).to_string();
    host.provider(&["grant", kind.service, &format!("tcp://{gateway}:{port}")]);
    host.provider(&["options", kind.service, "--json-options", &options]);
    // Its client programs, of an image that says less of its release than one that servers run from.
    host.provider(&["grant", kind.service, "--all"]);

    let (one, other) =
        (made(&host, asks(kind, "one", "independent")).await, made(&host, asks(kind, "other", "independent")).await);
    assert_eq!(engine.containers(id(&one)), Vec::<String>::new());
    let server = Server { engine: &engine, container: container.id.clone(), kind };
    server.brings_from_one_to_another(&host, [id(&one), id(&other)]).await;
    for addon in [&one, &other] {
        removed(&engine, &host, id(addon)).await;
        host.cleaned_up(id(addon)).await;
    }
}

/// A container of the test's own.
struct Existing<'a> {
    engine: &'a Engine,
    id: String,
}

impl Drop for Existing<'_> {
    fn drop(&mut self) {
        let _gone = self.engine.try_docker(&["rm", "--force", "--volumes", &self.id]);
    }
}

#[tokio::test]
async fn world_docker_a_part_of_a_common_postgres_is_exported_and_imported() {
    on_a_common_server("world_docker_a_part_of_a_common_postgres_is_exported_and_imported", &POSTGRES).await;
}

#[tokio::test]
async fn world_docker_a_part_of_a_common_mysql_is_exported_and_imported() {
    on_a_common_server("world_docker_a_part_of_a_common_mysql_is_exported_and_imported", &MYSQL).await;
}

#[tokio::test]
async fn world_docker_a_database_on_an_existing_postgres_is_exported_and_imported() {
    let test = "world_docker_a_database_on_an_existing_postgres_is_exported_and_imported";
    on_an_existing_server(test, &POSTGRES, "postgres", "POSTGRES_PASSWORD").await;
}

#[tokio::test]
async fn world_docker_a_database_on_an_existing_mysql_is_exported_and_imported() {
    let test = "world_docker_a_database_on_an_existing_mysql_is_exported_and_imported";
    on_an_existing_server(test, &MYSQL, "root", "MARIADB_ROOT_PASSWORD").await;
}

/// Its data are keys among others', and the commands that restore them are the administrator's.
#[tokio::test]
async fn world_docker_a_part_of_a_common_redis_is_neither_exported_nor_imported() {
    let test = "world_docker_a_part_of_a_common_redis_is_neither_exported_nor_imported";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("redis", "redis").await;
    let part = host.create_and_wait(json!({ "service": "redis", "provision_type": "communal" })).await.expect(201);
    let parent = part["parent"].as_str().unwrap();
    for addon in [id(&part), parent] {
        for refused in [export(&host, addon).await, import(&host, addon, b"x".to_vec()).await] {
            let why = refused.problem(409, "not_supported");
            assert!(why.contains("only a server of an app's own"), "{why}");
        }
        assert_eq!(streams(&engine, addon), Vec::<String>::new());
        assert_eq!(host.settled(addon).await["state"], "ready");
    }
    host.delete(&format!("/v1/addons/{}", id(&part))).await.expect(202);
    engine.remove_server(&host, parent).await;
}
