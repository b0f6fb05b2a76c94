//! Redis and memcached, by clients that an app would have.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{
    delete, ended, falls_ill_and_recovers, health_is, rotate, stops_in_its_tracks_and_goes_on, succeeded, update,
};
use crate::support::{Answer, Engine, Host, Redis, until};

/// How long old passwords work in these tests: longer than it takes to look, in seconds.
const OVERLAP_S: u64 = 8;

async fn url(host: &Host, variable: &str) -> String {
    host.variables().await[variable].as_str().unwrap().to_owned()
}

/// Waits until a server lets in, and holds this.
async fn holds(url: &str, key: &str, value: &str) {
    until("the server to be back with its data", async || {
        Redis::connect(url).ok()?.say(&["GET", key]).ok().filter(|found| found == value)
    })
    .await;
}

#[tokio::test]
async fn world_docker_redis_gets_another_size_and_keeps_its_data() {
    let Some(engine) = Engine::for_test("world_docker_redis_gets_another_size_and_keeps_its_data") else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis", "parameters": { "persistence": false } })).await.id();
    let url = url(&host, "REDIS_URL").await;
    assert_eq!(Redis::connect(&url).unwrap().say(&["SET", "a", "1"]), Ok("OK".into()));
    let body = json!({ "plan": "medium", "parameters": { "eviction": "allkeys-lru", "persistence": true } });
    let updated = update(&host, &id, body).await;
    assert_eq!(
        (&updated["operation"]["state"], &updated["plan"]),
        (&json!("succeeded"), &json!("medium")),
        "{updated}"
    );
    assert_eq!(engine.describe(&engine.containers(&id)[0])["HostConfig"]["Memory"], json!(640 << 20));
    holds(&url, "a", "1").await;
    // And back: what was in the log is in a snapshot then.
    Redis::connect(&url).unwrap().say(&["SET", "b", "2"]).unwrap();
    let updated = update(&host, &id, json!({ "plan": "small", "parameters": { "persistence": false } })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    holds(&url, "b", "2").await;
    delete(&engine, &host, &id).await;
}

#[tokio::test]
async fn world_docker_a_size_too_small_for_the_data_is_taken_back() {
    let Some(engine) = Engine::for_test("world_docker_a_size_too_small_for_the_data_is_taken_back") else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis", "plan": "medium" })).await.id();
    let url = url(&host, "REDIS_URL").await;
    let fill = "for i = ARGV[1], ARGV[1] + 9 do redis.call('SET', 'k' .. i, string.rep(tostring(i), 1000000)) end";
    let mut redis = Redis::connect(&url).unwrap();
    // 9 to 18 MB at a time.
    for from in (10..=110).step_by(10) {
        redis.say(&["EVAL", fill, "0", &from.to_string()]).unwrap();
    }
    let failed = update(&host, &id, json!({ "plan": "small" })).await;
    assert_eq!((&failed["state"], &failed["plan"]), (&json!("ready"), &json!("medium")), "{failed}");
    assert_eq!(failed["operation"]["error"]["code"], "provider_failed", "{failed}");
    holds(&url, "k77", &"77".repeat(1_000_000)).await;
    assert_eq!(engine.describe(&engine.containers(&id)[0])["HostConfig"]["Memory"], json!(640 << 20));
    delete(&engine, &host, &id).await;
}

#[tokio::test]
async fn world_docker_old_and_new_passwords_of_redis_overlap() {
    let Some(engine) = Engine::for_test("world_docker_old_and_new_passwords_of_redis_overlap") else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis" })).await.id();
    let old = url(&host, "REDIS_URL").await;
    let container = engine.containers(&id);

    rotate(&host, &id, OVERLAP_S).await;
    let new = url(&host, "REDIS_URL").await;
    assert_ne!(old, new);
    // Nothing was stopped for it, and a restart forgets neither.
    assert_eq!(engine.containers(&id), container);
    engine.docker(&["restart", &container[0]]);
    for url in [&new, &old] {
        until("both to work", async || Redis::connect(url).ok()).await;
    }
    let mut by_old = Redis::connect(&old).unwrap();
    succeeded(&host, &id).await;
    let refused = Redis::connect(&old).unwrap_err();
    assert!(refused.starts_with("WRONGPASS"), "{refused}");
    assert!(by_old.say(&["PING"]).is_err(), "a connection by the old password has ended");
    Redis::connect(&new).unwrap();
    engine.docker(&["restart", &container[0]]);
    until("the new one to work", async || Redis::connect(&new).ok()).await;
    assert!(Redis::connect(&old).is_err());
    delete(&engine, &host, &id).await;
}

/// The server is told a password before it writes that down, and the call may end in between.
#[tokio::test]
async fn world_docker_a_password_of_redis_that_was_not_written_down_is_with_the_next_try() {
    let test = "world_docker_a_password_of_redis_that_was_not_written_down_is_with_the_next_try";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis" })).await.id();
    let container = engine.containers(&id)[0].clone();
    let first = url(&host, "REDIS_URL").await;
    engine.docker(&["exec", &container, "chmod", "555", "/data"]);
    host.post(&format!("/v1/addons/{id}/rotate"), json!({ "overlap_s": OVERLAP_S })).await;
    let failed = ended(&host, &id).await;
    assert_eq!(failed["operation"]["state"], "failed", "{failed}");
    engine.docker(&["exec", &container, "chmod", "755", "/data"]);
    rotate(&host, &id, OVERLAP_S).await;
    let second = url(&host, "REDIS_URL").await;
    engine.docker(&["restart", &container]);
    until("the new one to work after a restart", async || Redis::connect(&second).ok()).await;
    succeeded(&host, &id).await;
    assert!(Redis::connect(&first).is_err());
    Redis::connect(&second).unwrap();
    delete(&engine, &host, &id).await;
}

#[tokio::test]
async fn world_docker_redis_has_no_password_in_clear_beside_its_data() {
    let Some(engine) = Engine::for_test("world_docker_redis_has_no_password_in_clear_beside_its_data") else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis" })).await.id();
    let (url, container) = (url(&host, "REDIS_URL").await, engine.containers(&id)[0].clone());
    let password = url.split(['@', ':']).nth(2).unwrap();
    Redis::connect(&url).unwrap();
    assert!(!engine.docker(&["exec", &container, "cat", "/data/users.acl"]).contains(password));
    assert!(!engine.describe(&container).to_string().contains(password));
    delete(&engine, &host, &id).await;
}

#[tokio::test]
async fn world_docker_redis_does_not_stop_to_persist_before_it_has_a_snapshot() {
    let test = "world_docker_redis_does_not_stop_to_persist_before_it_has_a_snapshot";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis" })).await.id();
    let url = url(&host, "REDIS_URL").await;
    let container = engine.containers(&id)[0].clone();
    let mut redis = Redis::connect(&url).unwrap();
    redis.say(&["SET", "a", "old"]).unwrap();
    redis.say(&["SAVE"]).unwrap();
    redis.say(&["SET", "a", "new"]).unwrap();
    // No new file can be made, but the log goes on.
    engine.docker(&["exec", &container, "chmod", "555", "/data"]);
    let failed = update(&host, &id, json!({ "parameters": { "persistence": false } })).await;
    let reason = failed["operation"]["error"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("could not write a snapshot"), "{failed}");
    assert_eq!(engine.containers(&id)[0], container);
    redis.say(&["SET", "a", "newest"]).unwrap();
    engine.docker(&["exec", &container, "chmod", "755", "/data"]);
    let updated = update(&host, &id, json!({ "parameters": { "persistence": false } })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    holds(&url, "a", "newest").await;
    delete(&engine, &host, &id).await;
}

/// What the host does with an update that failed: the container that was there before is made anew, over the data as they are by then.
fn run_as_before(engine: &Engine, before: &Value) -> String {
    let words = |field: &str| -> Vec<String> { serde_json::from_value(before["Config"][field].clone()).unwrap() };
    let data = format!("{}:/data", before["Mounts"][0]["Name"].as_str().unwrap());
    let mut run = ["run", "--detach", "--user", "999:999", "--read-only", "--tmpfs", "/tmp", "--volume", &data]
        .map(str::to_owned)
        .to_vec();
    run.extend(words("Env").into_iter().flat_map(|pair| ["--env".to_owned(), pair]));
    let entrypoint = words("Entrypoint");
    run.extend(["--entrypoint".to_owned(), entrypoint[0].clone(), before["Config"]["Image"].as_str().unwrap().into()]);
    run.extend(entrypoint.into_iter().skip(1).chain(words("Cmd")));
    engine.docker(&run.iter().map(String::as_str).collect::<Vec<_>>()).trim().to_owned()
}

/// Its log of changes ends where it was told not to write one, and the app went on.
#[tokio::test]
async fn world_docker_a_redis_that_persists_after_all_has_what_was_written_meanwhile() {
    let test = "world_docker_a_redis_that_persists_after_all_has_what_was_written_meanwhile";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis" })).await.id();
    let url = url(&host, "REDIS_URL").await;
    Redis::connect(&url).unwrap().say(&["SET", "a", "old"]).unwrap();
    let before = engine.describe(&engine.containers(&id)[0]);
    let updated = update(&host, &id, json!({ "parameters": { "persistence": false } })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    let mut redis = Redis::connect(&url).unwrap();
    for words in [&["SET", "a", "new"][..], &["SAVE"]] {
        redis.say(words).unwrap();
    }
    let container = run_as_before(&engine, &before);
    let password = url.split(['@', ':']).nth(2).unwrap();
    let ask = |words: &[&str]| {
        let client = ["exec", &container, "redis-cli", "--no-auth-warning", "-a", password];
        engine.try_docker(&[&client[..], words].concat()).ok().map(|said| said.trim().to_owned())
    };
    let answers = async || ask(&["GET", "a"]).filter(|said| ["old", "new", "newer", ""].contains(&said.as_str()));
    assert_eq!(until("it to have read its data", answers).await, "new");
    // From then on it has its log again: there is no time for a snapshot.
    ask(&["SET", "a", "newer"]).unwrap();
    engine.docker(&["kill", &container]);
    engine.docker(&["start", &container]);
    assert_eq!(until("it to have read its log", answers).await, "newer");
    engine.docker(&["rm", "--force", &container]);
    delete(&engine, &host, &id).await;
}

/// Another image is for new addons: one that has data goes on with the one that it was made with.
#[tokio::test]
async fn world_docker_redis_keeps_the_image_that_it_was_made_with() {
    let Some(engine) = Engine::for_test("world_docker_redis_keeps_the_image_that_it_was_made_with") else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis", "name": "old", "attach_as": "old" })).await.id();
    let container = engine.containers(&id);
    let image = |id: &str| engine.describe(&engine.containers(id)[0])["Config"]["Image"].as_str().unwrap().to_owned();
    engine.docker(&["tag", "larder-test/redis:1", "larder-test/redis:2"]);
    let set = |options: Value| {
        host.provider(&["options", "redis", "--json-options", &options.to_string()]);
    };
    host.provider(&["grant", "redis", "larder-test/redis:2 memory=2304MiB"]);
    set(json!({ "image": "larder-test/redis:2" }));
    rotate(&host, &id, 0).await;
    succeeded(&host, &id).await;
    assert_eq!(engine.containers(&id), container, "a rotation stops nothing");
    let refused = update(&host, &id, json!({ "plan": "medium" })).await;
    let reason = refused["operation"]["error"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("`earlier_images`"), "{refused}");
    assert_eq!(engine.containers(&id), container);

    set(json!({ "image": "larder-test/redis:2", "earlier_images": ["larder-test/redis:1"] }));
    let updated = update(&host, &id, json!({ "plan": "medium" })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    let new = host.create_and_wait(json!({ "service": "redis", "name": "new", "attach_as": "new" })).await.id();
    assert_eq!((image(&id), image(&new)), ("larder-test/redis:1".to_owned(), "larder-test/redis:2".to_owned()));
    delete(&engine, &host, &id).await;
    delete(&engine, &host, &new).await;
}

#[tokio::test]
async fn world_docker_whoever_shares_a_redis_gets_its_new_password() {
    let Some(engine) = Engine::for_test("world_docker_whoever_shares_a_redis_gets_its_new_password") else { return };
    let host = engine.host_with("redis", "redis").await;
    let mut ids = vec![];
    for (app, asks) in [
        ("shop.a", json!({ "service": "redis" })),
        ("shop.b", json!({ "service": "redis", "provision_type": "shared", "shared_experiment_name": "a" })),
    ] {
        host.put(&format!("/v1/apps/{app}"), json!({})).await.expect(201);
        let request = host.request(reqwest::Method::POST, &format!("/v1/apps/{app}/addons"));
        ids.push(Answer::of(request.header("prefer", "wait=60").json(&asks)).await.id());
    }
    let url = async |app: &str| {
        let config = host.get(&format!("/v1/apps/{app}/config")).await.expect(200);
        config["variables"]["REDIS_URL"].as_str().unwrap().to_owned()
    };
    let old = url("shop.b").await;
    rotate(&host, &ids[0], OVERLAP_S).await;
    let new = url("shop.a").await;
    until("the other app to follow", async || (url("shop.b").await == new).then_some(())).await;
    Redis::connect(&old).unwrap();
    succeeded(&host, &ids[0]).await;
    assert!(Redis::connect(&old).is_err());
    Redis::connect(&new).unwrap();
    host.delete(&format!("/v1/addons/{}", ids[1])).await.expect(202);
    delete(&engine, &host, &ids[0]).await;
}

#[tokio::test]
async fn world_docker_a_user_of_a_common_redis_is_rotated_and_stays_where_it_is() {
    let test = "world_docker_a_user_of_a_common_redis_is_rotated_and_stays_where_it_is";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("redis", "redis").await;
    let made = host.create_and_wait(json!({ "service": "redis", "provision_type": "communal" })).await;
    let (id, server) = (made.id(), made.body["parent"].as_str().unwrap().to_owned());
    let old = url(&host, "REDIS_URL").await;
    rotate(&host, &id, OVERLAP_S).await;
    let new = url(&host, "REDIS_URL").await;
    let key = format!("{}:a", id.replace('-', ""));
    assert_eq!(Redis::connect(&old).unwrap().say(&["SET", &key, "1"]), Ok("OK".into()));
    assert_eq!(Redis::connect(&new).unwrap().say(&["GET", &key]), Ok("1".into()));
    succeeded(&host, &id).await;
    assert!(Redis::connect(&old).is_err());
    holds(&new, &key, "1").await;

    let refused = update(&host, &id, json!({ "plan": "large" })).await;
    let reason = refused["operation"]["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("stays on the server of its plan"), "{refused}");
    // The administrator of the server is nobody's to rotate.
    host.post(&format!("/v1/addons/{server}/rotate"), json!({ "overlap_s": 0 })).await;
    let refused = ended(&host, &server).await;
    assert_eq!(refused["operation"]["error"]["code"], "provider_rejected", "{refused}");
    holds(&new, &key, "1").await;
    delete(&engine, &host, &id).await;
    engine.remove_server(&host, &server).await;
}

#[tokio::test]
async fn world_docker_redis_tells_how_it_does() {
    let Some(engine) = Engine::for_test("world_docker_redis_tells_how_it_does") else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis" })).await.id();
    let url = url(&host, "REDIS_URL").await;
    let (right, wrong) = (url.split(['@', ':']).nth(2).unwrap().to_owned(), "battery-staple");
    let other_url = url.replace(&right, wrong);
    let change = async |from: &str, to: &str| {
        let mut redis = until("a login", async || Redis::connect(from).ok()).await;
        for words in [&["ACL", "SETUSER", "default", "resetpass", &format!(">{to}")][..], &["ACL", "SAVE"]] {
            redis.say(words).unwrap();
        }
    };
    let (spoil, mend) = (async || change(&url, wrong).await, async || change(&other_url, &right).await);
    falls_ill_and_recovers(&engine, &host, &id, spoil, mend).await;
    delete(&engine, &host, &id).await;
}

/// What memcached says to a command.
fn say(config: &Value, command: &str) -> Option<String> {
    let place = config["MEMCACHED_URL"].as_str()?.strip_prefix("memcached://")?.to_owned();
    let mut stream = TcpStream::connect(place).ok()?;
    stream.write_all(command.as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}

#[tokio::test]
async fn world_docker_memcached_gets_another_size_and_is_empty_then() {
    let Some(engine) = Engine::for_test("world_docker_memcached_gets_another_size_and_is_empty_then") else { return };
    let host = engine.host_with("memcached", "memcached").await;
    let id = host.create_and_wait(json!({ "service": "memcached" })).await.id();
    let config = host.variables().await;
    assert_eq!(say(&config, "set a 0 0 1\r\n1\r\n").as_deref(), Some("STORED"));
    let updated = update(&host, &id, json!({ "plan": "medium" })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    let told = host.history(&id).await.iter().any(|line| line.to_string().contains("is empty then"));
    assert!(told, "it says what is lost");
    assert_eq!(say(&host.variables().await, "get a\r\n").as_deref(), Some("END"));
    assert_eq!(engine.describe(&engine.containers(&id)[0])["HostConfig"]["Memory"], json!(384 << 20));
    engine.docker(&["restart", &engine.containers(&id)[0]]);
    health_is(&host, &id, "healthy").await;
    stops_in_its_tracks_and_goes_on(&engine, &host, &id).await;
    delete(&engine, &host, &id).await;
}
