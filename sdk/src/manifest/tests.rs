//! The documents that the builders make.

use serde_json::{Value, json};

use crate::{Manifest, Plan, ProvisionType, Request, Service};

fn document(manifest: &Manifest) -> Value {
    serde_json::from_str(&manifest.to_json()).unwrap()
}

#[test]
fn what_is_not_said_is_left_to_the_host() {
    let service = Service::new("cache", "A cache").plan(Plan::new("small", "1 MiB"));
    let manifest = Manifest::new("1.0.0", "Caches").service(service);
    let expected = json!({
        "version": "1.0.0",
        "description": "Caches",
        "services": [{
            "name": "cache",
            "description": "A cache",
            "bindable": true,
            "variables": [],
            "plans": [{ "name": "small", "description": "1 MiB", "free": true }],
        }],
    });
    assert_eq!(document(&manifest), expected);
}

#[test]
fn everything_can_be_said() {
    let plan = Plan::new("large", "1 GiB")
        .free(false)
        .parameters(json!({ "type": "object" }))
        .provision_deadline_s(60)
        .failed_attempts_max(1)
        .engine("disk=ssd");
    let service = Service::new("cache", "A cache")
        .tag("memory")
        .bindable(false)
        .provision_type(ProvisionType::Communal)
        .provision_type(ProvisionType::Shared)
        .variable("CACHE_URL")
        .plan(plan);
    let manifest = Manifest::new("1.0.0", "Caches")
        .options(json!({ "type": "object", "required": ["url"] }))
        .request(Request::required("network", "tcp://cache.example:6379", "To reach the server"))
        .request(Request::optional("network", "tcp://metrics.example:80", "To tell its load"))
        .service(service);
    let expected = json!({
        "version": "1.0.0",
        "description": "Caches",
        "services": [{
            "name": "cache",
            "description": "A cache",
            "tags": ["memory"],
            "bindable": false,
            "provision_types": ["communal", "shared"],
            "variables": ["CACHE_URL"],
            "plans": [{
                "name": "large",
                "description": "1 GiB",
                "free": false,
                "parameters": { "type": "object" },
                "provision_deadline_s": 60,
                "failed_attempts_max": 1,
                "engine": "disk=ssd",
            }],
        }],
        "options": { "type": "object", "required": ["url"] },
        "requests": [
            {
                "capability": "network",
                "value": "tcp://cache.example:6379",
                "required": true,
                "reason": "To reach the server",
            },
            {
                "capability": "network",
                "value": "tcp://metrics.example:80",
                "required": false,
                "reason": "To tell its load",
            },
        ],
    });
    assert_eq!(document(&manifest), expected);
}

#[test]
fn any_variables_is_a_word() {
    let service = Service::new("settings", "Settings").any_variables().variable("IGNORED");
    assert_eq!(json!(service)["variables"], "any");
}
