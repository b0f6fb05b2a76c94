//! Addons with containers, over an engine that is none.

use larder_domain::docker::{Image, Objects, Wanted};
use larder_domain::ports::engine::EngineError;
use larder_domain::ports::runtime::{CallReport, Export};
use larder_domain::{AddonRecord, AddonState, SecretString};
use serde_json::json;

use larder_containers::fake::Call;

use crate::support::{TestHost, report, usual};

const ISSUED: &str = "issued-hunter2";
const IN_ITS_ENVIRONMENT: &str = "made-up-hunter2";

fn image() -> Image {
    "shop/db:1".parse().unwrap()
}

/// What has a provider begun with a container that is told two passwords, one of which the host has issued.
fn begin(export: Export) -> CallReport {
    let env = json!({ "PASSWORD": format!("{ISSUED}-and-more"), "TOKEN": IN_ITS_ENVIRONMENT });
    let server = json!({ "kind": "container", "name": "server", "image": image().to_string(),
        "memory_bytes": 64 * 1024 * 1024, "ports": [5432], "env": env });
    let wanted = Wanted::parse(SecretString::new(server.to_string())).unwrap();
    let objects = || Some(Objects::from([(wanted.spec.name().clone(), wanted)]));
    match export {
        Export::BeginProvision => {
            CallReport { objects: objects(), issued: vec![SecretString::new(ISSUED)], ..report(usual(export)) }
        }
        other => report(usual(other)),
    }
}

/// A host whose provider `db` makes such a container and waits for it.
async fn host() -> TestHost {
    let host = TestHost::start(&["db"]).await;
    host.script.answers.lock().unwrap().insert("db".into(), Box::new(begin));
    host.script.looks.lock().unwrap().insert("db".into(), "server".parse().unwrap());
    host
}

/// All that can be read of an addon.
async fn said(host: &TestHost, record: &AddonRecord) -> String {
    let history = host.control.history(Some(record.spec.id), 0, 100).await.unwrap();
    let log = host.control.addon_log(record.spec.id, 0, 100).await.unwrap();
    format!("{:?} {history:?} {log:?}", host.control.addon(record.spec.id).await.unwrap())
}

#[tokio::test]
async fn what_a_container_said_last_holds_no_secret() {
    let host = host().await;
    host.engine.add_image(&image());
    let words =
        format!("starting\nno user with {ISSUED}, not even with {IN_ITS_ENVIRONMENT}; see also {ISSUED}-and-more");
    host.engine.exits_at_once(&image(), 1, &words);
    let record = host.create("db", "one").await;
    let record = host.settled(record.spec.id).await;
    assert_eq!(
        record.addon.error.as_ref().unwrap().reason,
        "starting\nno user with ••••, not even with ••••; see also ••••"
    );
    let said = said(&host, &record).await;
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_container_names_who_wanted_it() {
    let host = host().await;
    host.engine.add_image(&image());
    let record = host.create("db", "one").await;
    assert_eq!(host.settled(record.spec.id).await.addon.state, AddonState::Ready);
    let name = format!("larder-{}-server", record.spec.id);
    let digest = host.control.provider(&record.spec.provider).await.unwrap().active().unwrap().digest;
    let labels = host.engine.container(&name).unwrap().labels;
    assert_eq!(labels["larder.provider"], "db");
    assert_eq!(labels["larder.digest"], digest.to_string());
}

#[tokio::test]
async fn what_an_engine_quotes_holds_no_secret() {
    let host = host().await;
    host.engine.add_image(&image());
    let why = EngineError::Refused(format!("bad variable TOKEN={IN_ITS_ENVIRONMENT}, {ISSUED}"));
    host.engine.fail(Call::CreateContainer, 1, &why);
    let record = host.create("db", "one").await;
    let record = host.settled(record.spec.id).await;
    assert_eq!(record.addon.state, AddonState::Error);
    let said = said(&host, &record).await;
    assert!(said.contains("bad variable TOKEN=••••, ••••") && !said.contains("hunter2"), "{said}");
}
