//! What commands do where a server takes no more.

use serde_json::{Value, json};

use super::commands::{exit, run};
use super::server::{Reply, Server};

#[tokio::test]
async fn quotas_are_set_of_apps_and_of_plans() {
    let quota = json!({"addons_max": 20, "limit": 20, "used": 3});
    let provider = json!({"name": "redis", "quotas": [{"plan": "large", "limit": 5, "used": 1}]});
    let full = Reply::problem(409, "quota_exceeded");
    let server = Server::play([
        Reply::json(200, &quota),
        Reply::json(200, &quota),
        Reply::json(200, &provider).with("etag", "\"7\""),
        Reply::json(200, &provider).with("etag", "\"7\""),
        full,
    ])
    .await;
    assert_eq!(run(&server, &["app", "quota", "web", "20"]).await, Ok(()));
    assert_eq!(run(&server, &["app", "quota", "web", "default"]).await, Ok(()));
    assert_eq!(run(&server, &["provider", "quota", "redis", "small=50"]).await, Ok(()));
    assert_eq!(exit(run(&server, &["addon", "create", "redis", "--app", "web"]).await), (1, "quota_exceeded".into()));
    let seen = server.seen();
    let bodies: Vec<Value> = seen.iter().filter_map(|seen| serde_json::from_slice(&seen.body).ok()).collect();
    assert_eq!(bodies[..2], [json!({"addons_max": 20}), json!({"addons_max": null})]);
    assert_eq!(bodies[2], json!({"quotas": {"large": 5, "small": 50}}));
    assert_eq!(server.lines()[3], "PUT /v1/providers/redis/quotas");
}

#[tokio::test]
async fn a_server_with_too_much_to_do_is_asked_again() {
    let busy = || Reply::problem(429, "overloaded").with("retry-after", "0");
    let server = Server::play([busy(), busy(), Reply::json(201, &json!({"name": "web"}))]).await;
    assert_eq!(run(&server, &["app", "create", "web"]).await, Ok(()));
    assert_eq!(server.lines(), ["PUT /v1/apps/web"; 3]);
    assert!(server.seen().iter().all(|seen| seen.json() == json!({})));
}

#[tokio::test]
async fn it_is_asked_again_a_few_times_and_not_when_it_would_take_long() {
    let busy = |after| Reply::problem(429, "overloaded").with("retry-after", after);
    let server = Server::play(std::iter::repeat_n(busy("0"), 9)).await;
    assert_eq!(exit(run(&server, &["app", "create", "web"]).await), (1, "overloaded".into()));
    assert_eq!(server.lines().len(), 5);
    for after in ["11", "tomorrow"] {
        let server = Server::play([busy(after)]).await;
        assert_eq!(exit(run(&server, &["app", "create", "web"]).await), (1, "overloaded".into()));
        assert_eq!(server.lines().len(), 1);
    }
}
