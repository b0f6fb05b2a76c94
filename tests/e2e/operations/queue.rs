//! RabbitMQ, by a client that an app would have.

use serde_json::json;

use super::{delete, falls_ill_and_recovers, rotate, succeeded, update};
use crate::support::{Amqp, Engine, until};

/// How long old credentials work in this test: longer than it takes to look, in seconds.
const OVERLAP_S: u64 = 8;

#[tokio::test]
async fn world_docker_rabbitmq_is_rotated_and_gets_another_size() {
    let Some(engine) = Engine::for_test("world_docker_rabbitmq_is_rotated_and_gets_another_size") else { return };
    let host = engine.host_with("rabbitmq", "rabbitmq").await;
    let id = host.create_and_wait(json!({ "service": "rabbitmq" })).await.id();
    let url = async || host.variables().await["AMQP_URL"].as_str().unwrap().to_owned();
    let old = url().await;
    let mut by_old = Amqp::connect(&old).unwrap();
    by_old.declare("mine").unwrap();
    by_old.publish("mine", "by the old user").unwrap();

    rotate(&host, &id, OVERLAP_S).await;
    let new = url().await;
    assert_ne!(old, new);
    Amqp::connect(&new).unwrap().publish("mine", "by the new user").unwrap();
    assert_eq!(by_old.get("mine").unwrap().as_deref(), Some("by the old user"));
    succeeded(&host, &id).await;
    assert!(Amqp::connect(&old).is_err());
    assert!(by_old.get("mine").is_err(), "its connection has ended with it");

    let updated = update(&host, &id, json!({ "plan": "medium" })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    let container = engine.containers(&id)[0].clone();
    assert_eq!(engine.describe(&container)["HostConfig"]["Memory"], json!(1024 << 20));
    assert_eq!(Amqp::connect(&new).unwrap().get("mine").unwrap().as_deref(), Some("by the new user"));
    assert!(Amqp::connect(&old).is_err(), "the update brings nothing old back");

    let credentials = host.credentials(&id).await;
    let of = |key: &str| credentials[key].as_str().unwrap();
    let change = async |password: &str| {
        let words = ["exec", &container, "rabbitmqctl", "change_password", of("username"), password];
        until("the server to take it", async || engine.try_docker(&words).ok()).await;
    };
    let (spoil, mend) = (async || change("battery staple").await, async || change(of("password")).await);
    falls_ill_and_recovers(&engine, &host, &id, spoil, mend).await;
    delete(&engine, &host, &id).await;
}
