//! What options become.

use larder_sdk::{Options, json};
use serde_json::Value;

use super::{manifest, origin, variable};

fn made(options: &Value) -> Result<Value, String> {
    let manifest = manifest(&Options::parse(&options.to_string())?)?;
    Ok(serde_json::from_str(&manifest.to_json()).unwrap())
}

fn offering(name: &str, plan: Value) -> Value {
    json!({ "id": "s", "name": name, "description": "A\n store", "bindable": true, "plans": [plan] })
}

#[test]
fn without_a_broker_there_is_one_service_that_says_so() {
    let manifest = made(&json!({})).unwrap();
    assert_eq!(manifest["services"][0]["name"], "http-broker");
    assert_eq!(manifest.get("requests"), None);
}

#[test]
fn a_catalog_becomes_services() {
    let schema = json!({ "$schema": "http://json-schema.org/draft-04/schema#", "properties": { "a": {} } });
    let plan = json!({
        "id": "p", "name": "Small", "description": "", "free": false, "maximum_polling_duration": 1,
        "schemas": { "service_instance": { "create": { "parameters": schema } } }, "unknown": 1
    });
    let catalog = json!({ "services": [offering("My DB", plan)] });
    let manifest = made(&json!({ "url": "http://127.0.0.1:80/sub/", "catalog": catalog })).unwrap();
    let service = &manifest["services"][0];
    assert_eq!((&service["name"], &service["description"]), (&json!("my-db"), &json!("A store")));
    assert_eq!(service["variables"], json!(["MY_DB_CREDENTIALS", "MY_DB_URL"]));
    let plan = &service["plans"][0];
    assert_eq!(plan["parameters"], json!({ "type": "object", "properties": { "a": {} } }));
    assert_eq!((&plan["name"], &plan["description"], &plan["free"]), (&json!("small"), &json!("small"), &json!(false)));
    assert_eq!(plan["provision_deadline_s"], 120);
    assert_eq!(manifest["requests"][0]["value"], "http://127.0.0.1:80");
}

#[test]
fn what_can_not_be_used_is_told() {
    let plan = json!({ "id": "p", "name": "small" });
    let clash = json!({ "services": [offering("a b", plan.clone()), offering("A-B", plan)] });
    let url = "https://b.example";
    for (options, said) in [
        (json!({ "url": url }), "GET /v2/catalog"),
        (json!({ "catalog": { "services": [] } }), "url"),
        (json!({ "url": url, "catalog": { "services": [] } }), "no services"),
        (json!({ "url": url, "catalog": clash }), "\"a-b\""),
        (json!({ "url": url, "catalog": { "services": [{ "name": 5 }] } }), "options.catalog.services[0]"),
    ] {
        let error = made(&options).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn an_address_is_a_destination() {
    assert_eq!(origin("https://b.example/a/b").unwrap(), "https://b.example");
    for bad in
        ["b.example", "ftp://b.example", "https://", "https:///a", "https://u:p@b.example", "https://b.example?a"]
    {
        assert!(origin(bad).is_err(), "{bad}");
    }
}

#[test]
fn variables_begin_with_a_letter() {
    assert_eq!(variable("my-db", "URL"), "MY_DB_URL");
    assert_eq!(variable("3scale", "URL"), "SERVICE_3SCALE_URL");
}
