//! What a service broker offers: an instance is changed in its place, and a rotation is a second binding.

use serde_json::json;

use super::{ended, rotate, succeeded, update};
use crate::broker::host_of;
use crate::support::{Broker, Host};

/// How long old credentials work in this test: longer than it takes to look, in seconds.
const OVERLAP_S: u64 = 4;

#[tokio::test]
async fn a_brokers_instance_gets_another_plan_and_another_binding() {
    let broker = Broker::start().await;
    let host = host_of(&broker).await;
    let id = host.create_and_wait(json!({ "service": "store", "plan": "prompt" })).await.id();
    let first = vec![id.clone(), id.clone()];

    rotate(&host, &id, OVERLAP_S).await;
    let binding = host.credentials(&id).await["password"].as_str().unwrap().to_owned();
    let second = vec![id.clone(), binding.clone()];
    assert_ne!(first, second);
    assert!(broker.has().contains(&first) && broker.has().contains(&second), "{:?}", broker.has());
    succeeded(&host, &id).await;
    assert!(!broker.has().contains(&first) && broker.has().contains(&second), "{:?}", broker.has());

    let refused = update(&host, &id, json!({ "plan": "failing" })).await;
    assert_eq!(
        (&refused["operation"]["error"]["code"], &refused["plan"]),
        (&json!("provider_rejected"), &json!("prompt"))
    );
    let updated = update(&host, &id, json!({ "plan": "slow", "parameters": { "paint": "dry" } })).await;
    assert_eq!((&updated["operation"]["state"], &updated["plan"]), (&json!("succeeded"), &json!("slow")), "{updated}");
    let (_, asked) = broker.asked_about(&id);
    let of = |what: &str| asked.iter().rfind(|asked| asked.what == what).unwrap();
    let change = &of("PATCH instance").body;
    assert_eq!((&change["plan_id"], &change["parameters"]), (&json!("id of slow"), &json!({ "paint": "dry" })));
    assert_eq!(change["previous_values"]["plan_id"], "id of prompt", "{change}");
    // Until it is done, the broker knows it by its old plan.
    let poll = &of("GET instance/last_operation").query;
    assert_eq!((poll["plan_id"].as_str(), poll["operation"].as_str()), ("id of prompt", "slow down"));
    assert_eq!(host.credentials(&id).await["password"], binding);
    // This plan is one that the broker doesn't change.
    let refused = update(&host, &id, json!({ "plan": "prompt" })).await;
    assert_eq!(
        (&refused["operation"]["error"]["code"], &refused["plan"]),
        (&json!("provider_rejected"), &json!("slow"))
    );

    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(&id).await;
    assert!(broker.has().is_empty(), "{:?}", broker.has());
}

/// Asks for a rotation that fails after the broker has made a binding for it.
async fn rotation_fails(host: &Host, id: &str) {
    host.post(&format!("/v1/addons/{id}/rotate"), json!({ "overlap_s": OVERLAP_S })).await.expect(202);
    let addon = ended(host, id).await;
    assert_eq!(addon["operation"]["error"]["code"], "provider_rejected", "{addon}");
}

#[tokio::test]
async fn what_a_rotation_left_that_failed_is_removed_by_the_next_one_and_with_the_addon() {
    let broker = Broker::start().await;
    let host = host_of(&broker).await;
    for is_rotated_again in [true, false] {
        let id = host.create_and_wait(json!({ "service": "store", "plan": "torn" })).await.id();
        rotation_fails(&host, &id).await;
        assert_eq!(host.credentials(&id).await["password"], id);
        let left: Vec<_> = broker.has().into_iter().filter(|ids| ids[0] == id && ids.len() == 2).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        if is_rotated_again {
            rotate(&host, &id, OVERLAP_S).await;
            assert_ne!(host.credentials(&id).await["password"], id);
            let (words, _) = broker.asked_about(&id);
            let polled = "GET binding/last_operation";
            let again = ["DELETE binding", polled, "PUT binding", polled, "GET binding"];
            assert_eq!(words[words.len() - again.len()..], again);
            succeeded(&host, &id).await;
        }
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        host.cleaned_up(&id).await;
        assert!(broker.has().is_empty(), "{:?}", broker.has());
    }
}

#[tokio::test]
async fn a_change_that_a_broker_has_no_time_for_is_asked_for_again_and_is_the_same() {
    let broker = Broker::start().await;
    let host = host_of(&broker).await;
    let id = host.create_and_wait(json!({ "service": "store", "plan": "prompt" })).await.id();
    let updated = update(&host, &id, json!({ "plan": "busy", "parameters": { "paint": "dry" } })).await;
    assert_eq!((&updated["operation"]["state"], &updated["plan"]), (&json!("succeeded"), &json!("busy")), "{updated}");
    let (_, asked) = broker.asked_about(&id);
    let changes: Vec<_> =
        asked.iter().filter(|asked| asked.what == "PATCH instance").map(|asked| &asked.body).collect();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(changes[0], changes[1]);
    assert_eq!(changes[1]["plan_id"], "id of busy");

    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(&id).await;
    let (_, asked) = broker.asked_about(&id);
    assert_eq!(asked.last().unwrap().query["plan_id"], "id of busy");
}
