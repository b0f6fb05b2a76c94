//! Apps in networks of their own, over an engine that is none.

use larder_containers::fake::Call;
use larder_control::{Code, ControlError};
use larder_domain::docker::{Image, Objects, Wanted, name_in_networks};
use larder_domain::operation::{OperationKind, OperationState};
use larder_domain::ports::engine::EngineError;
use larder_domain::ports::runtime::{CallReport, Export};
use larder_domain::{AddonId, AddonState, AppName, SecretString};
use serde_json::json;

use crate::support::{TestHost, report, until, usual};

fn image() -> Image {
    "shop/db:1".parse().unwrap()
}

fn begin(export: Export) -> CallReport {
    let server = json!({ "kind": "container", "name": "server", "image": image().to_string(),
        "memory_bytes": 64 * 1024 * 1024, "ports": [5432] });
    let wanted = Wanted::parse(SecretString::new(server.to_string())).unwrap();
    let objects = Objects::from([(wanted.spec.name().clone(), wanted)]);
    let objects = (export == Export::BeginProvision).then_some(objects);
    CallReport { objects, ..report(usual(export)) }
}

/// A host with a network, and a provider that has a container made.
async fn host() -> TestHost {
    let host = TestHost::start(&["db"]).await;
    host.script.answers.lock().unwrap().insert("db".into(), Box::new(begin));
    host.script.looks.lock().unwrap().insert("db".into(), "server".parse().unwrap());
    host.engine.add_image(&image());
    host.engine.add_network("shop");
    host
}

fn demo() -> AppName {
    "demo".parse().unwrap()
}

async fn ready(host: &TestHost, name: &str) -> AddonId {
    let id = host.create("db", name).await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    id
}

async fn attach(host: &TestHost, network: Option<&str>) -> Result<(), ControlError> {
    host.control.set_app_network(&demo(), network.map(|name| name.parse().unwrap())).await
}

fn code(result: Result<(), ControlError>) -> Code {
    match result {
        Err(ControlError::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

/// The networks that the addon's container has joined, with its names there.
fn joined(host: &TestHost, id: AddonId) -> Vec<(String, String)> {
    let container = host.engine.container(&format!("larder-{id}-server"));
    container.into_iter().flat_map(|container| container.joined).collect()
}

async fn until_joined(host: &TestHost, id: AddonId, networks: &[&str]) {
    let name = name_in_networks(id, &"server".parse().unwrap());
    let expected: Vec<_> = networks.iter().map(|network| (network.to_string(), name.clone())).collect();
    until("the container to be in its networks", || async { (joined(host, id) == expected).then_some(()) }).await;
}

async fn until_followed(host: &TestHost, id: AddonId) {
    until("the addon to follow", || async {
        let operation = host.control.addon(id).await.unwrap().addon.operation?;
        assert_eq!(operation.kind, OperationKind::Follow);
        (operation.state == OperationState::Succeeded).then_some(())
    })
    .await;
}

/// Where the app is to connect, as the addon's provider is told in a call.
async fn for_app(host: &TestHost, id: AddonId) -> (String, u16) {
    let call = host.script.last.lock().unwrap()[&Export::GetConfig].clone();
    assert_eq!(call.addon.id, id);
    let outside = host.control.places(&host.control.addon(id).await.unwrap()).await.unwrap().remove(0);
    assert_eq!(call.context.for_app("db.example.com", 5432).await.unwrap(), ("db.example.com".to_owned(), 5432));
    call.context.for_app(&outside.host, outside.published).await.unwrap()
}

#[tokio::test]
async fn an_addons_container_is_in_its_apps_network_from_its_start() {
    let host = host().await;
    attach(&host, Some("shop")).await.unwrap();
    let id = ready(&host, "one").await;
    until_joined(&host, id, &["shop"]).await;
    let calls = host.engine.calls();
    let at = |call| calls.iter().position(|(called, _)| *called == call).unwrap();
    assert!(at(Call::JoinNetwork) < at(Call::Start), "an app may ask for it as soon as it runs");
    assert_eq!(for_app(&host, id).await, (name_in_networks(id, &"server".parse().unwrap()), 5432));
}

#[tokio::test]
async fn what_runs_already_joins_and_leaves_and_its_app_is_told() {
    let host = host().await;
    let id = ready(&host, "one").await;
    assert_eq!(for_app(&host, id).await, ("127.0.0.1".to_owned(), 21_000));
    attach(&host, Some("shop")).await.unwrap();
    until_joined(&host, id, &["shop"]).await;
    until_followed(&host, id).await;
    assert_eq!(for_app(&host, id).await.1, 5432);
    attach(&host, None).await.unwrap();
    until_joined(&host, id, &[]).await;
    until_followed(&host, id).await;
    assert_eq!(for_app(&host, id).await, ("127.0.0.1".to_owned(), 21_000));
    assert_eq!(host.engine.count(Call::CreateContainer), 1, "nobody was cut off");
}

#[tokio::test]
async fn a_network_that_is_not_there_or_is_none_for_apps_is_refused() {
    let host = host().await;
    assert_eq!(code(attach(&host, Some("shopp")).await), Code::NetworkUnfit);
    let id = ready(&host, "one").await;
    let own = host.engine.networks().remove(0);
    assert_eq!(code(attach(&host, Some(&own)).await), Code::NetworkUnfit);
    host.engine.fail(Call::HasNetwork, 1, &EngineError::Unreachable("gone".into()));
    let refused = attach(&host, Some("shop")).await.unwrap_err().to_string();
    assert!(refused.contains("`default` could not be asked"), "{refused}");
    assert_eq!(host.control.app_network(&demo()).await.unwrap(), None);
    assert_eq!(joined(&host, id), []);
}

#[tokio::test]
async fn what_waits_for_a_network_says_so_and_goes_on_when_it_is_there() {
    let host = host().await;
    attach(&host, Some("shop")).await.unwrap();
    host.engine.remove_network("shop");
    let id = host.create("db", "one").await.spec.id;
    until("the history to say it", || async {
        let history = host.control.history(Some(id), 0, 100).await.unwrap();
        let missing = history.iter().find(|entry| entry.kind == "network_missing")?;
        assert!(missing.message.contains("no network shop"), "{}", missing.message);
        Some(())
    })
    .await;
    assert_eq!(host.control.addon(id).await.unwrap().addon.state, AddonState::WaitingForProvision);
    host.engine.add_network("shop");
    host.engine.say(id, "connect");
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    until_joined(&host, id, &["shop"]).await;
}

#[tokio::test]
async fn a_container_whose_network_is_gone_is_made_anew() {
    let host = host().await;
    attach(&host, Some("shop")).await.unwrap();
    let id = ready(&host, "one").await;
    host.engine.remove_network("shop");
    attach(&host, None).await.unwrap();
    until_joined(&host, id, &[]).await;
    host.engine.add_network("shop");
    attach(&host, Some("shop")).await.unwrap();
    until_joined(&host, id, &["shop"]).await;
    // Somebody removes it while the container does not run, and makes another one of that name.
    host.engine.remove_network("shop");
    host.engine.exit(&format!("larder-{id}-server"), 1, false, "");
    until("another container", || async { (host.engine.count(Call::CreateContainer) >= 2).then_some(()) }).await;
    host.engine.add_network("shop");
    host.engine.say(id, "connect");
    until_joined(&host, id, &["shop"]).await;
}

#[tokio::test]
async fn an_app_stays_where_it_is_while_something_is_under_way() {
    let host = host().await;
    let id = ready(&host, "one").await;
    let held = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    host.script.held.lock().unwrap().insert("db".into(), std::sync::Arc::clone(&held));
    host.control.rotate_addon(id, 0).await.unwrap();
    assert_eq!(code(attach(&host, Some("shop")).await), Code::OperationInProgress);
    assert_eq!(host.control.app_network(&demo()).await.unwrap(), None);
    held.add_permits(100);
}
