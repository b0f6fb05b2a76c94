//! The life of an addon as its developer sees it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Host, behave, until};

#[tokio::test]
async fn creating_answers_at_once_and_the_message_follows() {
    let host = Host::start(&["chameleon"]).await;
    let started = Instant::now();
    let slow = json!({ "begin": { "message": "booting" }, "complete": { "pending": { "after_ms": 600_000, "message": "still booting", "percent": 30 } } });
    let created = host.create(behave(slow)).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    let id = created.id();
    assert_eq!(created.headers["location"], format!("/v1/addons/{id}"));
    assert_eq!(created.expect(202)["state"], "waiting_for_provision");
    let shown = until("the provider's message", || async {
        let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
        (addon["message"] == "still booting").then_some(addon)
    })
    .await;
    assert_eq!(shown["percent"], 30);
    assert!(shown["created_at"].as_str().unwrap() > "2025", "{shown}");
}

#[tokio::test]
async fn a_provider_chooses_when_it_is_asked_again() {
    let host = Host::start(&["chameleon"]).await;
    let later = json!({ "pending": { "after_ms": 400, "message": "not yet" } });
    let created = host.create_and_wait(behave(json!({ "complete": [later, later, later, { "ok": {} }] }))).await;
    let id = created.id();
    assert_eq!(created.expect(201)["state"], "ready");
    let history = host.history(&id).await;
    let asked: Vec<_> = history.iter().filter(|e| e["data"]["call"] == "provision-complete").collect();
    let outcomes: Vec<_> = asked.iter().map(|e| e["data"]["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["pending", "pending", "pending", "done"]);
    let kinds: Vec<_> = history.iter().map(|e| e["kind"].as_str().unwrap()).filter(|kind| *kind != "call").collect();
    assert_eq!(kinds, ["created", "provisioned", "ready"]);
    let sequence: Vec<_> = history.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(sequence, (1..=history.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn variables_appear_when_the_addon_is_ready_and_go_with_it() {
    let host = Host::start(&["chameleon"]).await;
    let soon = json!({ "complete": [{ "pending": { "after_ms": 200, "message": "not yet" } }, { "ok": {} }] });
    let id = host.create(behave(soon)).await.id();
    assert_eq!(host.variables().await, json!({}));
    assert_eq!(host.settled(&id).await["state"], "ready");
    assert_eq!(host.variables().await["CHAMELEON_URL"], format!("chameleon://{id}"));
    let services = host.get("/v1/apps/demo/config?format=env").await;
    assert!(services.text.contains("LARDER_SERVICES="), "{}", services.text);
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    assert_eq!(host.variables().await, json!({}));
}

#[tokio::test]
async fn attach_as_goes_before_each_name() {
    let host = Host::start(&["secret"]).await;
    let created = host.create_and_wait(json!({ "service": "secret", "attach_as": "blue" })).await;
    created.expect(201);
    assert!(host.variables().await["BLUE_SECRET_KEY"].is_string());
    let refused = host.create(json!({ "service": "secret", "name": "other", "attach_as": "bad-name" })).await;
    refused.problem(400, "invalid_attach_as");
    assert_eq!(host.get("/v1/apps/demo/addons").await.expect(200)["addons"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn secrets_are_long_plain_and_different() {
    let host = Host::start(&["secret"]).await;
    for name in ["one", "two"] {
        host.create_and_wait(json!({ "service": "secret", "name": name, "attach_as": name })).await.expect(201);
    }
    let variables = host.variables().await;
    let secrets = ["ONE_SECRET_KEY", "TWO_SECRET_KEY"].map(|name| variables[name].as_str().unwrap().to_owned());
    assert_ne!(secrets[0], secrets[1]);
    for secret in secrets {
        assert!(secret.len() == 100 && secret.bytes().all(|b| b.is_ascii_alphanumeric()), "{secret}");
    }
}

#[tokio::test]
async fn a_failure_at_any_step_ends_in_error_with_its_reason_and_is_cleaned_up() {
    let host = Host::start(&["chameleon"]).await;
    let failures = [
        (json!({ "failed": "the disk is full" }), "provider_failed"),
        (json!({ "rejected": "size must be even" }), "provider_rejected"),
    ];
    for step in ["begin", "complete", "config"] {
        for (failure, code) in &failures {
            let created = host.create_and_wait(behave(json!({ step: failure }))).await;
            let id = created.id();
            let addon = created.expect(200);
            let reason = failure.as_object().unwrap().values().next().unwrap();
            assert_eq!(
                (&addon["state"], &addon["error"]["code"], &addon["error"]["reason"]),
                (&json!("error"), &json!(code), reason)
            );
            until("the cleanup", || async {
                let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
                (addon["cleanup"]["state"] == "done").then_some(())
            })
            .await;
            let deprovisioned = host.calls(&id).await.iter().filter(|call| *call == "deprovision done").count();
            assert_eq!(deprovisioned, 1, "{step} {code}");
        }
    }
    assert_eq!(host.variables().await, json!({}));
}

#[tokio::test]
async fn a_configuration_that_is_not_acceptable_ends_in_error() {
    let host = Host::start(&["chameleon"]).await;
    let variable = |name: &str, value: &str| json!({ "name": name, "value": value, "secret": false });
    let cases = [
        (vec![variable("CHAMELEON_URL", "a\0b")], "NUL"),
        (vec![variable("CHAMELEON_URL", "a"), variable("CHAMELEON_URL", "b")], "twice"),
        (vec![variable("SURPRISE", "a")], "does not declare"),
        (vec![variable("LD_PRELOAD", "/tmp/evil.so")], "loaders"),
        (vec![variable("CHAMELEON_URL", &"x".repeat(40_000))], "at most"),
    ];
    for (variables, word) in cases {
        let addon = host.create_and_wait(behave(json!({ "config": { "variables": variables } }))).await.expect(200);
        assert_eq!((&addon["state"], &addon["error"]["code"]), (&json!("error"), &json!("invalid_config")));
        assert!(addon["error"]["reason"].as_str().unwrap().contains(word), "{}", addon["error"]);
    }
    assert_eq!(host.variables().await, json!({}));
}

#[tokio::test]
async fn deleting_works_in_every_state_and_wins_over_a_late_success() {
    let host = Host::start(&["chameleon"]).await;
    let waiting = json!({ "complete": { "pending": { "after_ms": 600_000, "message": "not yet" } } });
    let in_a_call = json!({ "complete": { "do": [{ "sleep_ms": 20_000 }, { "ok": {} }] } });
    for behaviour in [waiting, in_a_call, json!({})] {
        let ready = behaviour == json!({});
        let id = host.create(behave(behaviour)).await.id();
        until("begin-provision", || async {
            host.calls(&id).await.contains(&"begin-provision done".to_owned()).then_some(())
        })
        .await;
        if ready {
            assert_eq!(host.settled(&id).await["state"], "ready");
        }
        let started = Instant::now();
        assert_eq!(host.delete(&format!("/v1/addons/{id}")).await.expect(202)["state"], "deprovisioned");
        assert_eq!(host.delete(&format!("/v1/addons/{id}")).await.expect(202)["state"], "deprovisioned");
        until("the cleanup", || async {
            let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
            (addon["cleanup"]["state"] == "done").then_some(())
        })
        .await;
        assert!(started.elapsed() < Duration::from_secs(10), "the call under way was not dropped");
        assert_eq!(host.variables().await, json!({}));
        assert!(!host.history(&id).await.iter().any(|e| e["kind"] == "ready") || ready);
    }
}

#[tokio::test]
async fn deprovisioning_is_started_and_not_awaited() {
    let host = Host::start(&["chameleon"]).await;
    let slow =
        json!({ "deprovision": [{ "pending": { "after_ms": 60_000, "message": "tearing down" } }, { "ok": {} }] });
    let id = host.create_and_wait(behave(slow)).await.id();
    let started = Instant::now();
    assert_eq!(host.delete(&format!("/v1/addons/{id}")).await.expect(202)["state"], "deprovisioned");
    assert!(started.elapsed() < Duration::from_secs(1));
    until("the first answer", || async {
        host.calls(&id).await.contains(&"deprovision pending".to_owned()).then_some(())
    })
    .await;
    assert_eq!(host.get(&format!("/v1/addons/{id}")).await.expect(200)["cleanup"]["state"], "pending");
}

#[tokio::test]
async fn terminal_addons_leave_the_list_and_keep_their_history() {
    let host = Host::start(&["chameleon"]).await;
    let id = host.create_and_wait(behave(json!({}))).await.id();
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    let listed = |body: serde_json::Value| body["addons"].as_array().unwrap().len();
    assert_eq!(listed(host.get("/v1/apps/demo/addons").await.expect(200)), 0);
    assert_eq!(listed(host.get("/v1/apps/demo/addons?state=deprovisioned").await.expect(200)), 1);
    assert!(host.history(&id).await.iter().any(|event| event["kind"] == "deprovisioned"));
}

#[tokio::test]
async fn deleting_an_addon_in_error_keeps_the_error_and_cleans_up_again() {
    let host = Host::start(&["chameleon"]).await;
    let id = host.create_and_wait(behave(json!({ "complete": { "failed": "no" } }))).await.id();
    let cleanups = || async { host.calls(&id).await.iter().filter(|call| *call == "deprovision done").count() };
    until("the first cleanup", || async { (cleanups().await == 1).then_some(()) }).await;
    let addon = host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    assert_eq!((&addon["state"], &addon["delete_wanted"]), (&json!("error"), &json!(true)));
    until("the second cleanup", || async { (cleanups().await == 2).then_some(()) }).await;
}

#[tokio::test]
async fn a_protected_addon_is_not_deleted() {
    let host = Host::start(&["secret"]).await;
    let id = host.create_and_wait(json!({ "service": "secret", "protected": true })).await.id();
    host.delete(&format!("/v1/addons/{id}")).await.problem(409, "protected");
    assert_eq!(host.settled(&id).await["state"], "ready");
}

#[tokio::test]
async fn state_is_kept_with_a_typed_answer_and_lost_with_a_trap() {
    let host = Host::start(&["chameleon"]).await;
    // Kept with `retry`, then with a checkpoint; what is written after that is lost with the trap. The configuration shows what is left.
    let script = json!({
        "begin": [{ "do": [{ "set_state": { "k1": "kept by retry" } }, { "retry": { "after_ms": 0, "reason": "again" } }] }, { "ok": {} }],
        "complete": [{ "do": [{ "set_state": { "k1": "kept by a checkpoint" } }, { "checkpoint": {} }, { "set_state": { "k1": "lost" } }, { "trap": {} }] }, { "ok": {} }],
    });
    let id = host.create(behave(script)).await.id();
    until("a trap", || async { host.calls(&id).await.contains(&"provision-complete fault".to_owned()).then_some(()) })
        .await;
    assert!(host.calls(&id).await.contains(&"begin-provision retry".to_owned()));
    assert_eq!(host.settled(&id).await["state"], "ready");
    let services: serde_json::Value =
        serde_json::from_str(host.variables().await["LARDER_SERVICES"].as_str().unwrap()).unwrap();
    assert_eq!(services["chameleon"]["credentials"]["k1"], "kept by a checkpoint", "{services}");
}
