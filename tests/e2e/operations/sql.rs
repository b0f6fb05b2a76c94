//! Databases, by each server's own client.

use serde_json::{Value, json};

use super::{delete, ended, falls_ill_and_recovers, rotate, succeeded, update};
use crate::sql::{Kind, MYSQL, POSTGRES, asks, external, made};
use crate::support::{Engine, Host, Postgres, until};

/// How long old credentials work in these tests: longer than it takes to look, in seconds.
const OVERLAP_S: u64 = 15;

/// An addon, as somebody with some of its credentials uses it.
struct Used<'a> {
    kind: &'a Kind,
    engine: &'a Engine,
    container: String,
}

impl Used<'_> {
    fn says(&self, credentials: &Value, sql: &str) -> Result<String, String> {
        let database = credentials["database"].as_str().unwrap();
        self.kind.says(self.engine, &self.container, credentials, database, sql)
    }

    /// The same of a server that may just be on its way up.
    async fn comes_to_say(&self, credentials: &Value, sql: &str, what: &str) {
        until(what, async || self.says(credentials, sql).ok().filter(|said| said == what)).await;
    }
}

/// The credentials of an addon that is rotated while it is used: the old ones, which have ended, and the new ones.
async fn rotated(host: &Host, id: &str, used: &Used<'_>) -> (Value, Value) {
    let old = host.credentials(id).await;
    rotate(host, id, OVERLAP_S).await;
    let new = host.credentials(id).await;
    assert_ne!((&old["username"], &old["password"]), (&new["username"], &new["password"]));
    assert_eq!(old["database"], new["database"]);
    // What either makes is the other's, too.
    used.says(&old, "CREATE TABLE by_old (n int); INSERT INTO by_old VALUES (1)").unwrap();
    used.says(&new, "CREATE TABLE by_new (n int); INSERT INTO by_new VALUES (2); ALTER TABLE by_old ADD m int")
        .unwrap();
    assert_eq!(used.says(&old, "SELECT n FROM by_new").unwrap(), "2");
    used.says(&old, "DROP TABLE by_new").unwrap();
    succeeded(host, id).await;
    used.says(&old, "SELECT 1").unwrap_err();
    assert_eq!(used.says(&new, "SELECT n FROM by_old").unwrap(), "1");
    used.says(&new, "DROP TABLE by_old").unwrap();
    (old, new)
}

/// Its own server: rotated twice, given another size in between, and well all the while.
async fn a_server_of_ones_own(test: &str, kind: &Kind, memory_mib: u64, more: impl AsyncFn(&Used<'_>, &Value, &Value)) {
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(kind.service, kind.image).await;
    let id = made(&host, asks(kind, "own", "independent")).await["id"].as_str().unwrap().to_owned();
    let first = host.credentials(&id).await;
    let used = Used { kind, engine: &engine, container: engine.containers(&id)[0].clone() };
    used.says(&first, kind.make).unwrap();
    let (_, second) = rotated(&host, &id, &used).await;

    let updated = update(&host, &id, json!({ "plan": "medium" })).await;
    assert_eq!(
        (&updated["operation"]["state"], &updated["plan"]),
        (&json!("succeeded"), &json!("medium")),
        "{updated}"
    );
    let used = Used { container: engine.containers(&id)[0].clone(), ..used };
    assert_eq!(engine.describe(&used.container)["HostConfig"]["Memory"], json!(memory_mib << 20));
    used.comes_to_say(&second, kind.read, "mine").await;
    assert!(used.says(&first, "SELECT 1").is_err(), "an update brings nothing old back");

    let (_, third) = rotated(&host, &id, &used).await;
    more(&used, &first, &third).await;
    delete(&engine, &host, &id).await;
}

#[tokio::test]
async fn world_docker_postgres_is_rotated_and_gets_another_size() {
    let more = async |used: &Used<'_>, first: &Value, third: &Value| {
        let roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'a%' AND rolcanlogin";
        assert_eq!(used.says(third, roles).unwrap(), "1");
        let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'notes'";
        assert_eq!(used.says(third, owner).unwrap(), first["username"].as_str().unwrap());
    };
    a_server_of_ones_own("world_docker_postgres_is_rotated_and_gets_another_size", &POSTGRES, 1024, more).await;
}

#[tokio::test]
async fn world_docker_mysql_is_rotated_and_gets_another_size() {
    let more = async |_: &Used<'_>, _: &Value, _: &Value| {};
    a_server_of_ones_own("world_docker_mysql_is_rotated_and_gets_another_size", &MYSQL, 1024, more).await;
}

/// What somebody's views and routines may do is what their maker may.
#[tokio::test]
async fn world_docker_what_an_old_user_of_mysql_has_made_goes_on() {
    let Some(engine) = Engine::for_test("world_docker_what_an_old_user_of_mysql_has_made_goes_on") else { return };
    let (kind, host) = (&MYSQL, engine.host_with(MYSQL.service, MYSQL.image).await);
    let addon = made(&host, asks(kind, "part", "communal")).await;
    let (id, server) = (addon["id"].as_str().unwrap(), addon["parent"].as_str().unwrap());
    let used = Used { kind, engine: &engine, container: engine.containers(server)[0].clone() };
    let first = host.credentials(id).await;
    used.says(&first, kind.make).unwrap();
    used.says(&first, "CREATE VIEW seen AS SELECT note FROM notes").unwrap();
    let (_, second) = rotated(&host, id, &used).await;
    assert_eq!(used.says(&second, "SELECT note FROM seen").unwrap(), "mine");
    used.says(&second, "CREATE VIEW again AS SELECT note FROM seen").unwrap();
    let (_, third) = rotated(&host, id, &used).await;
    assert_eq!(used.says(&third, "SELECT note FROM again").unwrap(), "mine");

    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(id).await;
    for gone in [&first, &second, &third] {
        used.says(gone, "SELECT 1").unwrap_err();
    }
    let root = |sql: &str| {
        let words = format!("MYSQL_PWD=$MARIADB_ROOT_PASSWORD exec mariadb -uroot -h127.0.0.1 -NBe \"{sql}\"");
        engine.docker(&["exec", &used.container, "sh", "-c", &words]).trim().to_owned()
    };
    let end = &id.replace('-', "")[10..];
    assert_eq!(root(&format!("SELECT count(*) FROM mysql.user WHERE user LIKE '%{end}'")), "0");
    engine.remove_server(&host, server).await;
}

#[tokio::test]
async fn world_docker_users_of_a_common_postgres_are_rotated() {
    let Some(engine) = Engine::for_test("world_docker_users_of_a_common_postgres_are_rotated") else { return };
    let (kind, host) = (&POSTGRES, engine.host_with(POSTGRES.service, POSTGRES.image).await);
    let addon = made(&host, asks(kind, "part", "communal")).await;
    let (id, server) = (addon["id"].as_str().unwrap(), addon["parent"].as_str().unwrap());
    let used = Used { kind, engine: &engine, container: engine.containers(server)[0].clone() };
    // Whoever has the old credentials would like to keep them.
    let first = host.credentials(id).await;
    let of = |key: &str| first[key].as_str().unwrap();
    used.says(&first, &format!("ALTER DATABASE {} SET role = {}", of("database"), of("username"))).unwrap();
    // And somebody else keeps each of its roles from being dropped, by rights that nobody asked for.
    let strangers = made(&host, asks(kind, "stranger", "communal")).await["id"].as_str().unwrap().to_owned();
    let stranger = host.credentials(&strangers).await;
    used.says(&stranger, "CREATE TABLE bait (n int)").unwrap();
    let bait = |role: &Value| {
        used.says(&stranger, &format!("GRANT SELECT ON bait TO {}", role["username"].as_str().unwrap())).unwrap();
    };
    bait(&first);
    let (old, second) = rotated(&host, id, &used).await;
    bait(&second);
    let (_, third) = rotated(&host, id, &used).await;
    rotate(&host, id, 0).await;
    succeeded(&host, id).await;
    let new = host.credentials(id).await;
    used.says(&third, "SELECT 1").unwrap_err();
    let refused = update(&host, id, json!({ "plan": "large" })).await;
    assert_eq!(refused["operation"]["error"]["code"], "provider_rejected", "{refused}");
    let extended = update(&host, id, json!({ "parameters": { "extensions": ["citext"] } })).await;
    assert_eq!(extended["operation"]["state"], "succeeded", "{extended}");
    used.says(&new, "SELECT 'A'::citext = 'a'::citext").unwrap();
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(id).await;
    for gone in [&old, &new] {
        used.says(gone, "SELECT 1").unwrap_err();
    }
    let left = "SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'a%'";
    assert_eq!(used.says(&stranger, left).unwrap(), "1", "the stranger's own");
    host.delete(&format!("/v1/addons/{strangers}")).await.expect(202);
    host.cleaned_up(&strangers).await;
    engine.remove_server(&host, server).await;
}

#[tokio::test]
async fn world_docker_a_database_on_an_existing_server_is_rotated() {
    let Some(engine) = Engine::for_test("world_docker_a_database_on_an_existing_server_is_rotated") else { return };
    let host = engine.host_with("postgres", "postgres").await;
    let server = Postgres::start();
    let right = external(&server, Postgres::PASSWORD);
    let destination = format!("tcp://127.0.0.1:{}", server.port);
    for words in [&["grant", "postgres", &destination][..], &["options", "postgres", "--json-options", &right]] {
        let (code, _, error) = host.cli(&[&["provider"], words].concat());
        assert_eq!(code, 0, "{error}");
    }
    let id = made(&host, asks(&POSTGRES, "there", "independent")).await["id"].as_str().unwrap().to_owned();
    let old = host.credentials(&id).await;
    for generation in 1..=2 {
        rotate(&host, &id, 0).await;
        succeeded(&host, &id).await;
        let new = host.credentials(&id).await;
        let owner = old["username"].as_str().unwrap();
        assert_eq!(new["username"], format!("{owner}_{generation}"));
    }
    let updated = update(&host, &id, json!({ "plan": "large" })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    delete(&engine, &host, &id).await;
}

/// The server was made anew already when it turned out that the rest can't be had.
#[tokio::test]
async fn world_docker_an_update_that_fails_leaves_the_database_as_it_was() {
    let Some(engine) = Engine::for_test("world_docker_an_update_that_fails_leaves_the_database_as_it_was") else {
        return;
    };
    let (kind, host) = (&POSTGRES, engine.host_with(POSTGRES.service, POSTGRES.image).await);
    let id = made(&host, asks(kind, "own", "independent")).await["id"].as_str().unwrap().to_owned();
    let credentials = host.credentials(&id).await;
    let used = Used { kind, engine: &engine, container: engine.containers(&id)[0].clone() };
    used.says(&credentials, kind.make).unwrap();
    host.patch(
        &format!("/v1/addons/{id}"),
        json!({ "plan": "medium", "parameters": { "extensions": ["no-such-extension"] } }),
    )
    .await
    .expect(202);
    let failed = ended(&host, &id).await;
    let error = &failed["operation"]["error"];
    assert!(error["reason"].as_str().unwrap().contains("no-such-extension"), "{failed}");
    assert_eq!(
        (&failed["state"], &failed["plan"], &failed["parameters"]),
        (&json!("ready"), &json!("small"), &json!({}))
    );
    let is_back = async || {
        let container = engine.containers(&id).pop()?;
        // It may be on its way out.
        let memory = ["inspect", "--format={{.HostConfig.Memory}}", &container];
        let is_small = engine.try_docker(&memory).is_ok_and(|bytes| bytes.trim() == (256 << 20).to_string());
        let used = Used { kind, engine: &engine, container };
        (is_small && used.says(&credentials, kind.read).ok()? == "mine").then_some(())
    };
    until("the server to be what it was", is_back).await;
    delete(&engine, &host, &id).await;
}

async fn tells_how_it_does(test: &str, kind: &Kind, change: &str) {
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(kind.service, kind.image).await;
    let id = made(&host, asks(kind, "own", "independent")).await["id"].as_str().unwrap().to_owned();
    let right = host.credentials(&id).await;
    let mut wrong = right.clone();
    wrong["password"] = json!("battery-staple");
    let used = Used { kind, engine: &engine, container: engine.containers(&id)[0].clone() };
    let change = async |from: &Value, to: &Value| {
        let sql = change.replace("PASSWORD_TO_BE", to["password"].as_str().unwrap());
        until("a login", async || used.says(from, &sql).ok()).await;
    };
    let (spoil, mend) = (async || change(&right, &wrong).await, async || change(&wrong, &right).await);
    falls_ill_and_recovers(&engine, &host, &id, spoil, mend).await;
    delete(&engine, &host, &id).await;
}

#[tokio::test]
async fn world_docker_postgres_tells_how_it_does() {
    let change = "ALTER ROLE CURRENT_USER PASSWORD 'PASSWORD_TO_BE'";
    tells_how_it_does("world_docker_postgres_tells_how_it_does", &POSTGRES, change).await;
}

#[tokio::test]
async fn world_docker_mysql_tells_how_it_does() {
    let change = "SET PASSWORD = PASSWORD('PASSWORD_TO_BE')";
    tells_how_it_does("world_docker_mysql_tells_how_it_does", &MYSQL, change).await;
}
