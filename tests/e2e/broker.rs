//! The provider `http`: what a service broker offers becomes services here. The broker is a real one, of few words.

use serde_json::{Value, json};

use crate::support::{Broker, Host, until};

const PASSWORD: &str = "open sesame";

/// A host whose provider `http` asks this broker.
pub(crate) async fn host_of(broker: &Broker) -> Host {
    let host = Host::start(&["http"]).await;
    host.provider(&["grant", "http", &broker.url]);
    host.provider(&["options", "http", "--json-options", &broker.options(PASSWORD)]);
    host
}

async fn asked_for(host: &Host, plan: &str) -> Value {
    let made = host.create_and_wait(json!({ "service": "store", "name": plan, "plan": plan, "attach_as": plan })).await;
    assert!(matches!(made.status, 200 | 201), "{}", made.text);
    made.body
}

fn id(addon: &Value) -> &str {
    addon["id"].as_str().unwrap()
}

/// Deletes an addon, and waits until nothing of it is at the broker.
async fn removed(host: &Host, broker: &Broker, addon: &str) {
    host.delete(&format!("/v1/addons/{addon}")).await.expect(202);
    host.cleaned_up(addon).await;
    assert!(!broker.has().iter().any(|ids| ids[0] == addon), "{:?}", broker.has());
}

#[tokio::test]
async fn what_a_broker_offers_is_made_bound_unbound_and_removed() {
    let broker = Broker::start().await;
    let host = host_of(&broker).await;
    let catalog = host.get("/v1/catalog").await.expect(200);
    let service = catalog["services"].as_array().unwrap().iter().find(|service| service["name"] == "store").unwrap();
    assert_eq!(service["plans"].as_array().unwrap().len(), Broker::PLANS.len());

    let made = asked_for(&host, "prompt").await;
    assert_eq!(made["state"], "ready", "{made}");
    let id = id(&made);
    let (words, asked) = broker.asked_about(id);
    assert_eq!(words, ["PUT instance", "PUT binding"]);
    // Both have the addon's id, and the broker is told for whom they are.
    assert_eq!((&asked[0].ids, &asked[1].ids), (&vec![id.to_owned()], &vec![id.to_owned(); 2]));
    assert_eq!(
        (&asked[0].body["context"]["platform"], &asked[0].body["space_guid"]),
        (&json!("larder"), &json!("demo"))
    );
    assert_eq!(asked[1].body["bind_resource"]["app_guid"], "demo");

    let variables = host.variables().await;
    assert_eq!(variables["PROMPT_STORE_URL"], format!("store://user:{id}@store.example:77"));
    let given: Value = serde_json::from_str(variables["PROMPT_STORE_CREDENTIALS"].as_str().unwrap()).unwrap();
    assert_eq!((&given["password"], &given["tls"]["on"]), (&json!(id), &json!(true)));
    let credentials = host.credentials(id).await;
    assert_eq!((&credentials["port"], &credentials["tls.on"]), (&json!("77"), &json!("true")));

    removed(&host, &broker, id).await;
    let (words, asked) = broker.asked_about(id);
    // A rotation may have failed and left a binding of which nothing is known.
    assert_eq!(words[2..], ["DELETE binding", "DELETE binding", "DELETE instance"]);
    assert_eq!((&asked[2].ids, &asked[4].ids), (&vec![id.to_owned(); 2], &vec![id.to_owned()]));
    for asked in &asked[2..] {
        let of = |key: &str| asked.query[key].as_str();
        assert_eq!((of("service_id"), of("plan_id")), ("id of store", "id of prompt"), "{asked:?}");
        assert_eq!(of("accepts_incomplete"), "true");
    }
    assert!(host.variables().await.as_object().unwrap().is_empty());
    assert_eq!(broker.strangers(), 0);
}

#[tokio::test]
async fn a_broker_that_takes_its_time_and_breaks_down_is_asked_until_it_is_done() {
    let broker = Broker::start().await;
    let host = host_of(&broker).await;
    let made = asked_for(&host, "slow").await;
    assert_eq!(made["state"], "ready", "{made}");
    let id = id(&made);
    let (words, asked) = broker.asked_about(id);
    let polled = "GET instance/last_operation";
    let bound = ["PUT binding", "GET binding/last_operation", "GET binding"];
    assert_eq!(words, [&["PUT instance", polled, polled, polled][..], &bound].concat());
    assert_eq!((asked[1].query["operation"].as_str(), asked[5].query["operation"].as_str()), ("make & wait", "bind"));
    let told = host.history(id).await;
    assert!(told.iter().any(|line| line.to_string().contains("mixing the paint")), "{told:?}");
    assert_eq!(host.credentials(id).await["password"], id);

    removed(&host, &broker, id).await;
    let (words, _) = broker.asked_about(id);
    let unbound = ["DELETE binding", "GET binding/last_operation", "DELETE binding"];
    assert_eq!(words[7..], [&unbound[..], &["DELETE instance", "DELETE instance", polled]].concat());
}

#[tokio::test]
async fn what_a_broker_can_not_make_says_why_and_is_removed_if_it_may_be_there() {
    let broker = Broker::start().await;
    let host = host_of(&broker).await;
    for (plan, code, why, then) in [
        ("failing", "provider_failed", "the disk is full", &["DELETE instance"][..]),
        ("down", "provider_failed", "500: ouch", &["DELETE instance"]),
        ("unbound", "provider_failed", "500: ouch", &["DELETE binding", "DELETE instance"]),
        // It has said that it made nothing.
        ("refused", "provider_rejected", "there is no such region", &[]),
    ] {
        let made = asked_for(&host, plan).await;
        assert_eq!((&made["state"], &made["error"]["code"]), (&json!("error"), &json!(code)), "{made}");
        assert!(made["error"]["reason"].as_str().unwrap().contains(why), "{made}");
        host.cleaned_up(id(&made)).await;
        let (words, _) = broker.asked_about(id(&made));
        let removals: Vec<&String> = words.iter().filter(|what| what.starts_with("DELETE")).collect();
        assert_eq!(removals, then, "{plan}");
    }
    assert!(broker.has().is_empty(), "{:?}", broker.has());
}

#[tokio::test]
async fn a_broker_that_lets_nobody_in_says_so_and_its_addons_are_removed_once_it_does() {
    let broker = Broker::start().await;
    let host = host_of(&broker).await;
    let made = asked_for(&host, "prompt").await;
    assert_eq!(made["state"], "ready", "{made}");
    host.provider(&["options", "http", "--json-options", &broker.options("forgotten")]);
    let refused = asked_for(&host, "down").await;
    assert!(refused["error"]["reason"].as_str().unwrap().contains("does not let in"), "{refused}");

    host.delete(&format!("/v1/addons/{}", id(&made))).await.expect(202);
    until("the cleanup to fail", async || {
        let addon = host.get(&format!("/v1/addons/{}", id(&made))).await.expect(200);
        (addon["cleanup"]["state"] == "failing").then_some(())
    })
    .await;
    assert!(!broker.has().is_empty() && broker.strangers() > 0);
    host.provider(&["options", "http", "--json-options", &broker.options(PASSWORD)]);
    // Whoever deletes it again has mended something.
    removed(&host, &broker, id(&made)).await;
}
