//! Who may log in to a Redis: what its server could not write down is not done, and who came by an old password leaves nobody behind.

use serde_json::{Value, json};

use super::{delete, ended, rotate, succeeded, update};
use crate::support::{Engine, Host, Redis, until};

fn communal(name: &str) -> Value {
    json!({ "service": "redis", "name": name, "attach_as": name, "provision_type": "communal" })
}

async fn url(host: &Host, name: &str) -> String {
    host.variables().await[format!("{name}_REDIS_URL")].as_str().unwrap().to_owned()
}

async fn addon(host: &Host, id: &str) -> Value {
    host.get(&format!("/v1/addons/{id}")).await.expect(200)
}

/// A user of a common server, and where that runs.
struct Part {
    id: String,
    server: String,
    container: String,
    url: String,
}

impl Part {
    async fn made(engine: &Engine, host: &Host) -> Self {
        let made = host.create_and_wait(communal("a")).await;
        let (id, server) = (made.id(), made.body["parent"].as_str().unwrap().to_owned());
        Self { id, container: engine.containers(&server)[0].clone(), server, url: url(host, "A").await }
    }
}

/// Whether the server can write down who may log in.
fn may_write(engine: &Engine, container: &str, may: bool) {
    engine.docker(&["exec", container, "chmod", if may { "755" } else { "555" }, "/data"]);
}

#[tokio::test]
async fn world_docker_a_password_of_a_common_redis_is_ended_when_that_is_written_down() {
    let test = "world_docker_a_password_of_a_common_redis_is_ended_when_that_is_written_down";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("redis", "redis").await;
    let Part { id, server, container, url: old } = Part::made(&engine, &host).await;
    rotate(&host, &id, 2).await;
    let new = url(&host, "A").await;
    may_write(&engine, &container, false);
    let told = until("the server not to write it down", async || {
        let operation = addon(&host, &id).await["operation"].clone();
        let message = operation["message"].as_str().unwrap_or_default();
        (operation["state"] != "running" || message.contains("write")).then_some(operation)
    })
    .await;
    assert_eq!(told["state"], "running", "it goes on until the old password is gone: {told}");

    may_write(&engine, &container, true);
    succeeded(&host, &id).await;
    engine.docker(&["restart", &container]);
    until("the new one to work after a restart", async || Redis::connect(&new).ok()).await;
    let refused = Redis::connect(&old).unwrap_err();
    assert!(refused.starts_with("WRONGPASS"), "{refused}");
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(&id).await;
    engine.remove_server(&host, &server).await;
}

#[tokio::test]
async fn world_docker_a_user_of_a_common_redis_comes_and_goes_when_that_is_written_down() {
    let test = "world_docker_a_user_of_a_common_redis_comes_and_goes_when_that_is_written_down";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("redis", "redis").await;
    let Part { id, server, container, url: old } = Part::made(&engine, &host).await;
    may_write(&engine, &container, false);
    let unmade = host.create_and_wait(communal("b")).await;
    assert_eq!(unmade.body["error"]["code"], "provider_failed", "it would be gone after a restart: {}", unmade.text);
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    let cleanup = until("a try of the cleanup", async || {
        let cleanup = addon(&host, &id).await["cleanup"].clone();
        (cleanup["state"] != "pending").then_some(cleanup)
    })
    .await;
    assert_eq!(cleanup["state"], "failing", "the user would be back after a restart: {cleanup}");

    may_write(&engine, &container, true);
    host.cleaned_up(&id).await;
    host.cleaned_up(&unmade.id()).await;
    engine.docker(&["restart", &container]);
    let refused = until("the server to be back", async || {
        Redis::connect(&old).err().filter(|refused| refused.starts_with("WRONGPASS"))
    });
    refused.await;
    engine.remove_server(&host, &server).await;
}

/// Whoever knows a password of a Redis of its own may do everything there: make a user that outlives the password, too.
#[tokio::test]
async fn world_docker_users_made_by_an_old_password_of_redis_end_with_it() {
    let Some(engine) = Engine::for_test("world_docker_users_made_by_an_old_password_of_redis_end_with_it") else {
        return;
    };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis", "name": "a", "attach_as": "a" })).await.id();
    let old = url(&host, "A").await;
    rotate(&host, &id, 3).await;
    let new = url(&host, "A").await;
    let mut thief = Redis::connect(&old).unwrap();
    for name in ["x", "y", "a:b"] {
        thief.say(&["ACL", "SETUSER", name, "on", ">p", "~*", "&*", "+@all"]).unwrap();
    }
    thief.say(&["ACL", "SAVE"]).unwrap();
    let (_, place) = new.rsplit_once('@').unwrap();
    let left = format!("redis://x:p@{place}");
    let mut by_left = Redis::connect(&left).unwrap();
    // They let themselves in again, as fast as they can, until they are cut off.
    let robs = std::thread::spawn(move || while by_left.say(&["ACL", "SETUSER", "default", ">evil"]).is_ok() {});
    succeeded(&host, &id).await;
    robs.join().unwrap();
    let slipped_in = format!("redis://:evil@{place}");
    let container = engine.containers(&id)[0].clone();
    for _ in 0..2 {
        until("the new one to work", async || Redis::connect(&new).ok()).await;
        for url in [&left, &old, &slipped_in] {
            let refused = Redis::connect(url).unwrap_err();
            assert!(refused.starts_with("WRONGPASS"), "{url}: {refused}");
        }
        let users = engine.docker(&["exec", &container, "cat", "/data/users.acl"]);
        assert!(users.lines().count() == 1 && users.starts_with("user default "), "{users}");
        engine.docker(&["restart", &container]);
    }
    delete(&engine, &host, &id).await;
}

/// Whoever has a password of a Redis of its own can keep the end of a rotation from being reached, but not keep that password.
#[tokio::test]
async fn world_docker_a_password_of_redis_that_has_ended_is_not_brought_back() {
    let test = "world_docker_a_password_of_redis_that_has_ended_is_not_brought_back";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis", "name": "a", "attach_as": "a" })).await.id();
    let old = url(&host, "A").await;
    rotate(&host, &id, 3).await;
    let new = url(&host, "A").await;
    let may_list = |may: &str| {
        Redis::connect(&new).unwrap().say(&["ACL", "SETUSER", "default", &format!("{may}acl|users")]).unwrap();
    };
    may_list("-");
    let failed = ended(&host, &id).await;
    assert_eq!(failed["operation"]["state"], "failed", "{failed}");
    assert!(failed["operation"]["error"]["reason"].as_str().unwrap().contains("NOPERM"), "{failed}");
    may_list("+");
    let refused = || Redis::connect(&old).err().filter(|refused| refused.starts_with("WRONGPASS"));
    assert!(refused().is_some());

    let updated = update(&host, &id, json!({ "plan": "medium" })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    until("the new one to work after the update", async || Redis::connect(&new).ok()).await;
    assert!(refused().is_some());
    delete(&engine, &host, &id).await;
}
