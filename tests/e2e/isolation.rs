//! A provider that misbehaves harms its own addon and nobody else's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Host, behave, until};

/// Creates a `chameleon` in the plan that gives up after one fault, and returns its error.
async fn error_of(host: &Host, behaviour: Value) -> Value {
    let mut request = behave(behaviour);
    request["plan"] = json!("hasty");
    let created = host.create_and_wait(request).await;
    let addon = created.expect(200);
    assert_eq!(addon["state"], "error", "{addon}");
    addon["error"].clone()
}

#[tokio::test]
async fn each_way_of_breaking_down_has_its_code() {
    let host = Host::start(&["chameleon"]).await;
    let cases = [
        (json!({ "begin": { "trap": {} } }), "provider_trapped", "unreachable"),
        (json!({ "begin": { "panic": "I give up" } }), "provider_trapped", "I give up"),
        (json!({ "begin": { "allocate_mib": 512 } }), "memory_limit", "64"),
        (json!({ "begin": { "recurse": {} } }), "stack_limit", "stack"),
        (json!({ "begin": { "loop": {} } }), "cpu_limit", "CPU"),
    ];
    for (behaviour, code, word) in cases {
        let error = error_of(&host, behaviour).await;
        assert_eq!(error["code"], code, "{error}");
        assert!(error["reason"].as_str().unwrap().contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_trap_in_the_last_functions_is_as_good_as_one_in_the_first() {
    let host = Host::start(&["chameleon"]).await;
    let error = error_of(&host, json!({ "config": { "trap": {} } })).await;
    assert_eq!(error["code"], "provider_trapped", "{error}");

    let cleanup = json!({ "deprovision": [{ "do": [{ "checkpoint": {} }, { "trap": {} }] }, { "ok": {} }] });
    let mut request = behave(cleanup);
    request["name"] = json!("messy");
    let id = host.create_and_wait(request).await.id();
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    until("the cleanup", || async {
        let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
        (addon["cleanup"]["state"] == "done").then_some(())
    })
    .await;
    let calls = host.calls(&id).await;
    let cleanup: Vec<_> = calls.iter().filter(|call| call.starts_with("deprovision")).collect();
    assert_eq!(cleanup, ["deprovision fault", "deprovision done"]);
}

#[tokio::test]
async fn three_faults_in_a_row_are_an_error() {
    let host = Host::start(&["chameleon"]).await;
    let created = host.create_and_wait(behave(json!({ "complete": { "trap": {} } }))).await;
    let id = created.id();
    let addon = created.expect(200);
    assert_eq!((&addon["error"]["code"], &addon["attempts"]), (&json!("provider_trapped"), &json!(3)));
    let faults = host.calls(&id).await.iter().filter(|call| *call == "provision-complete fault").count();
    assert_eq!(faults, 3);
}

#[tokio::test]
async fn what_a_guest_says_is_in_its_log() {
    let host = Host::start(&["chameleon"]).await;
    let created = host
        .create_and_wait(behave(json!({ "begin": { "do": [{ "print": "hello from inside" }, { "ok": {} }] } })))
        .await;
    let id = created.id();
    let lines = host.get(&format!("/v1/addons/{id}/logs")).await.expect(200);
    let lines = lines["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["text"] == "hello from inside" && line["stream"] == "stdout"), "{lines:?}");
}

#[tokio::test]
async fn a_provider_that_loops_in_every_function_starves_nobody() {
    let host = Host::start(&["chameleon", "secret"]).await;
    let mut loopers = vec![];
    for (number, step) in ["begin", "complete", "config"].iter().cycle().take(4).enumerate() {
        let mut request = behave(json!({ *step: { "loop": {} } }));
        request["name"] = json!(format!("looper-{number}"));
        request["plan"] = json!("hasty");
        request["attach_as"] = json!(format!("looper{number}"));
        loopers.push(host.create(request).await.id());
    }
    for number in 0..5 {
        let name = format!("innocent-{number}");
        let request = json!({ "service": "secret", "name": name, "attach_as": format!("i{number}") });
        let started = std::time::Instant::now();
        host.create_and_wait(request).await.expect(201);
        assert!(started.elapsed() < Duration::from_secs(10), "an innocent addon waited for {:?}", started.elapsed());
    }
    for id in loopers {
        let addon = until("the looper's end", || async {
            let addon = host.settled(&id).await;
            (addon["state"] == "error").then_some(addon)
        })
        .await;
        // Which of them it is depends on what else the machine has to do: those that loop come last.
        let code = addon["error"]["code"].as_str().unwrap();
        assert!(["cpu_limit", "wall_limit"].contains(&code), "{addon}");
    }
}

#[tokio::test]
async fn a_call_that_waits_for_ever_meets_the_plans_deadline() {
    let host = Host::start(&["chameleon"]).await;
    let error = error_of(&host, json!({ "complete": { "pending": { "after_ms": 500, "message": "not yet" } } })).await;
    assert_eq!(error["code"], "provision_deadline");
}
