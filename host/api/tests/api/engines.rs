//! Engines: listed, added, and given up.

use std::sync::Arc;

use axum::http::Method;
use larder_containers::fake::{Call, FakeEngine};
use larder_control::{EngineMaker, EngineSettings, NamedEngine};
use larder_domain::EngineName;
use larder_domain::engines::{EngineDefinition, EngineLabels};
use larder_domain::network::Host;
use larder_domain::ports::engine::EngineError;
use serde_json::json;

use crate::support::{Answer, TestHost};

#[tokio::test]
async fn an_engine_that_nobody_knows_is_neither_listed_nor_given_up() {
    let host = TestHost::builder().start().await;
    assert_eq!(host.get("/v1/engines").await.expect(200), json!({ "engines": [] }));
    for name in ["rack-1", "No", "a%2Fb"] {
        host.delete(&format!("/v1/engines/{name}")).await.problem(404, "unknown_engine");
    }
}

/// Makes one engine, whatever is said of it.
#[derive(Default)]
struct Machine(Arc<FakeEngine>);

impl EngineMaker for Machine {
    fn make(&self, name: &EngineName, said: &EngineDefinition) -> Result<NamedEngine, Vec<String>> {
        if said.insecure {
            return Err(vec!["not so".into()]);
        }
        let labels = EngineLabels::new();
        let advertise = Host::parse("127.0.0.1").unwrap();
        let (name, url, publish_at) = (name.clone(), said.url.clone(), "127.0.0.1".parse().unwrap());
        let weight = said.weight.unwrap_or(1);
        let settings = EngineSettings { name, url, advertise, publish_at, ports: 21_000..=21_999, labels, weight };
        Ok(NamedEngine::new(self.0.clone(), settings))
    }
}

async fn add(host: &TestHost, name: &str, said: &str) -> Answer {
    let request = host.request(Method::PUT, &format!("/v1/engines/{name}")).header("content-type", "application/json");
    let answer = host.send(request, said.to_owned()).await;
    assert!(!answer.text.contains("swordfish"), "{}", answer.text);
    answer
}

#[tokio::test]
async fn an_engine_is_added_changed_and_given_up_and_nobody_is_shown_its_key() {
    let machine = Arc::new(Machine::default());
    let host = TestHost::builder().engines(machine.clone()).start().await;
    let rack = |more: &str| format!(r#"{{"url": "tcp://rack:2376"{more}}}"#);
    let tls = r#", "tls": {"ca": "a", "cert": "b", "key": "swordfish"}"#;
    assert_eq!(add(&host, "rack", &rack(tls)).await.expect(201)["source"], "added");
    let same = add(&host, "rack", &rack(tls)).await.expect(200);
    assert_eq!((&same["state"], &same["weight"]), (&json!("reachable"), &json!(1)));
    for path in ["/v1/engines", "/v1/audit"] {
        let told = host.get(path).await;
        assert!(told.text.contains("tcp://rack:2376") && !told.text.contains("swordfish"), "{}", told.text);
    }
    assert_eq!(add(&host, "rack", &rack(r#", "weight": 5"#)).await.expect(200)["weight"], 5);

    for (name, said, status, code) in [
        ("Rack", rack(""), 400, "invalid_name"),
        ("other", "[]".to_owned(), 400, "invalid_json"),
        ("other", "{}".to_owned(), 422, "invalid_definition"),
        ("other", rack(r#", "tls": "swordfish""#), 422, "invalid_definition"),
        ("other", rack(r#", "insecure": true"#), 422, "invalid_definition"),
        ("other", rack(""), 409, "engine_taken"),
    ] {
        add(&host, name, &said).await.problem(status, code);
    }
    machine.0.fail(Call::Info, 1, &EngineError::Unreachable("nobody is there".into()));
    let silent = add(&host, "other", r#"{"url": "tcp://other:2376"}"#).await;
    assert!(silent.problem(422, "engine_unusable").contains("nobody is there"));
    assert_eq!(host.delete("/v1/engines/rack").await.expect(200), json!({ "addons": 0 }));
    assert_eq!(host.get("/v1/engines").await.expect(200), json!({ "engines": [] }));
}

#[tokio::test]
async fn a_host_that_is_to_take_no_engines_takes_none() {
    let host = TestHost::builder().start().await;
    add(&host, "rack", r#"{"url": "tcp://rack:2376"}"#).await.problem(409, "not_supported");
}
