//! What a service broker offers: an instance is changed in its place, and a rotation is a second binding.

use serde_json::json;

use super::{rotate, succeeded, update};
use crate::broker::host_of;
use crate::support::Broker;

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
