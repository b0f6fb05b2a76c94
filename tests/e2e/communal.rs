//! Addons that are a part of others: users of a communal server, and those who share somebody's resource.

use serde_json::{Value, json};

use crate::support::{Answer, Engine, Host, Redis, until};

/// The connections of a small common Redis, of all users together.
const CONNECTIONS_MAX: usize = 256;

fn communal(name: &str) -> Value {
    json!({ "service": "redis", "name": name, "attach_as": name, "provision_type": "communal" })
}

async fn ask(host: &Host, app: &str, body: &Value) -> Answer {
    let request = host.request(reqwest::Method::POST, &format!("/v1/apps/{app}/addons"));
    Answer::of(request.header("prefer", "wait=60").json(body)).await
}

#[tokio::test]
async fn world_docker_users_of_one_server_do_not_meet() {
    let Some(engine) = Engine::for_test("world_docker_users_of_one_server_do_not_meet") else { return };
    let host = engine.host_with("redis", "redis").await;
    // Five first users at once: one server.
    let asks = (0..5).map(|n| communal(&format!("u{n}")));
    let made = futures_util::future::join_all(asks.map(|asks| host.create_and_wait(asks))).await;
    let ids: Vec<String> = made.iter().map(Answer::id).collect();
    made.iter().for_each(|made| assert_eq!(made.body["state"], "ready", "{}", made.text));
    let server = made[0].body["parent"].as_str().unwrap();
    assert!(made.iter().all(|made| made.body["parent"] == json!(server)));
    assert_eq!(engine.containers(server).len(), 1);
    ids.iter().for_each(|id| assert!(engine.containers(id).is_empty() && engine.volumes(id).is_empty()));

    let variables = host.variables().await;
    let url = |n: usize| variables[format!("U{n}_REDIS_URL")].as_str().unwrap().to_owned();
    let prefix = |n: usize| format!("{}:", ids[n].replace('-', ""));
    let (mut one, mut other) = (Redis::connect(&url(0)).unwrap(), Redis::connect(&url(1)).unwrap());
    assert_eq!(one.say(&["SET", &format!("{}a", prefix(0)), "1"]), Ok("OK".into()));
    for words in [
        &["GET", &format!("{}a", prefix(0))][..],
        &["SET", &format!("{}a", prefix(0)), "2"],
        &["DEL", &format!("{}a", prefix(0))],
        &["KEYS", "*"],
        &["SCAN", "0"],
        &["RANDOMKEY"],
        &["FLUSHALL"],
        &["FLUSHDB"],
        &["SWAPDB", "0", "1"],
        &["DBSIZE"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["MONITOR"],
        &["SUBSCRIBE", &format!("{}news", prefix(0))],
    ] {
        let refused = other.say(words).unwrap_err();
        assert!(refused.starts_with("NOPERM"), "{words:?}: {refused}");
    }

    // The server is nobody's to delete while it is used, and stays when its users go.
    host.delete(&format!("/v1/addons/{server}?force=true")).await.problem(409, "addon_in_use");
    for id in &ids {
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        host.cleaned_up(id).await;
    }
    assert!(Redis::connect(&url(0)).is_err());
    assert_eq!(engine.containers(server).len(), 1);
    host.delete(&format!("/v1/addons/{server}")).await.expect(202);
    engine.is_rid_of(server).await;
}

#[tokio::test]
async fn world_docker_no_command_of_one_user_ends_the_server_of_all() {
    let Some(engine) = Engine::for_test("world_docker_no_command_of_one_user_ends_the_server_of_all") else { return };
    let host = engine.host_with("redis", "redis").await;
    let (bad, good) = (host.create_and_wait(communal("bad")).await, host.create_and_wait(communal("good")).await);
    let server = bad.body["parent"].as_str().unwrap().to_owned();
    let container = engine.containers(&server)[0].clone();
    let began = || engine.describe(&container)["State"]["StartedAt"].clone();
    let before = began();
    let variables = host.variables().await;
    let connect = |name: &str| Redis::connect(variables[format!("{name}_REDIS_URL")].as_str().unwrap()).unwrap();
    let (key, of_good) = (format!("{}:a", bad.id().replace('-', "")), format!("{}:a", good.id().replace('-', "")));
    connect("GOOD").say(&["SET", &of_good, "1"]).unwrap();
    // Values that are made whole before anybody asks whether there is room for them.
    for words in [&["SETRANGE", &key, "500000000", "a"][..], &["SETBIT", &key, "4294967295", "1"]] {
        let refused = connect("BAD").say(words).unwrap_err();
        assert!(refused.starts_with("ERR"), "{words:?}: {refused}");
    }
    // One that is sent, and many that are asked for and not taken.
    assert!(connect("BAD").say(&["SET", &key, &"a".repeat(9_000_000)]).is_err());
    connect("BAD").say(&["SET", &key, &"a".repeat(8_000_000)]).unwrap();
    let mut careless = [connect("BAD"), connect("BAD"), connect("BAD")];
    for redis in &mut careless {
        redis.ask_without_listening(&["GET", &key], 50);
    }
    drop(careless);
    // Connections that say nothing take memory, too.
    let url = variables["BAD_REDIS_URL"].as_str().unwrap();
    let idle: Vec<Redis> = (0..CONNECTIONS_MAX).map_while(|_| Redis::connect(url).ok()).collect();
    assert!(Redis::connect(url).is_err(), "it has {} connections", idle.len());
    drop(idle);
    let again = || async { Redis::connect(variables["GOOD_REDIS_URL"].as_str().unwrap()).ok() };
    assert_eq!(until("a place for another", again).await.say(&["GET", &of_good]), Ok("1".into()));
    assert_eq!(began(), before);
    for id in [bad.id(), good.id()] {
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        host.cleaned_up(&id).await;
    }
    host.delete(&format!("/v1/addons/{server}")).await.expect(202);
    engine.is_rid_of(&server).await;
}

#[tokio::test]
async fn world_docker_a_shared_resource_is_the_owners_very_one() {
    let Some(engine) = Engine::for_test("world_docker_a_shared_resource_is_the_owners_very_one") else { return };
    let host = engine.host_with("redis", "redis").await;
    for app in ["shop.a", "shop.b", "other.c"] {
        host.put(&format!("/v1/apps/{app}"), json!({})).await.expect(201);
    }
    let owner = ask(&host, "shop.a", &json!({ "service": "redis" })).await.id();
    let shares = json!({ "service": "redis", "provision_type": "shared", "shared_experiment_name": "a" });
    let b = ask(&host, "shop.b", &shares).await.expect(201);
    assert_eq!((&b["state"], &b["parent"]), (&json!("ready"), &json!(owner)));
    let mut from_elsewhere = shares.clone();
    from_elsewhere["shared_app_name"] = json!("shop");
    from_elsewhere["attach_as"] = json!("blue");
    let c = ask(&host, "other.c", &from_elsewhere).await.expect(201);
    let config = async |app: &str| host.get(&format!("/v1/apps/{app}/config")).await.expect(200)["variables"].clone();
    let url = config("shop.a").await["REDIS_URL"].clone();
    assert_eq!((&config("shop.b").await["REDIS_URL"], &config("other.c").await["BLUE_REDIS_URL"]), (&url, &url));
    for sharer in [&b, &c] {
        assert!(engine.containers(sharer["id"].as_str().unwrap()).is_empty());
    }

    let refused = [
        (json!({ "service": "redis", "name": "x", "provision_type": "shared" }), 400, "invalid_share"),
        (json!({ "service": "redis", "name": "x", "shared_experiment_name": "a" }), 400, "invalid_share"),
        (
            json!({ "service": "redis", "name": "x", "provision_type": "shared", "shared_experiment_name": "a" }),
            404,
            "unknown_owner",
        ),
        (
            json!({ "service": "redis", "name": "x", "provision_type": "shared", "shared_experiment_name": "zz" }),
            404,
            "unknown_owner",
        ),
        (
            json!({ "service": "redis", "name": "x", "provision_type": "sharde", "shared_experiment_name": "a" }),
            400,
            "invalid_json",
        ),
    ];
    for (body, status, code) in refused {
        ask(&host, "shop.b", &body).await.problem(status, code);
    }

    // The owner is not deleted under those who share, unless it is forced.
    let named = host.delete(&format!("/v1/addons/{owner}")).await.problem(409, "addon_in_use");
    assert!(named.contains(b["id"].as_str().unwrap()), "{named}");
    host.delete(&format!("/v1/addons/{owner}?force=true")).await.expect(202);
    let lost = host.get(&format!("/v1/addons/{}", b["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&lost["state"], &lost["error"]["code"]), (&json!("error"), &json!("parent_lost")), "{lost}");
    assert!(config("shop.b").await.get("REDIS_URL").is_none());
    engine.is_rid_of(&owner).await;
}
