//! Apps in networks of their own, over an engine that is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder_containers::fake::Call;
use larder_control::{Code, ControlError, CreateAddon};
use larder_domain::addon::ProvisionType;
use larder_domain::docker::{Image, Objects, Wanted, name_in_networks};
use larder_domain::operation::{HealthState, OperationKind, OperationState};
use larder_domain::ports::engine::{ContainerState, Engine as _, EngineError};
use larder_domain::ports::runtime::{CallReport, Export};
use larder_domain::ports::store::ObjectStore as _;
use larder_domain::{AddonId, AddonState, AppName, Digest, SecretString};
use larder_store::SystemClock;
use serde_json::json;
use sha2::Digest as _;

use crate::support::{TestHost, manifest, report, until, usual};

mod follow;

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
    over(TestHost::start(&["db"]).await)
}

fn over(host: TestHost) -> TestHost {
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
    let outside = host.control.addon_config(id).await.unwrap().places.remove(0);
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
    assert_eq!(code(attach(&host, Some("shop")).await), Code::EngineUnavailable);
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
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    until_joined(&host, id, &["shop"]).await;
}

async fn runs(host: &TestHost, id: AddonId) {
    let name = format!("larder-{id}-server");
    let runs = || host.engine.container(&name).is_some_and(|container| container.state == ContainerState::Running);
    until("the container to run", || async { runs().then_some(()) }).await;
}

async fn kinds(host: &TestHost, id: AddonId) -> Vec<String> {
    let history = host.control.history(Some(id), 0, 100).await.unwrap();
    history.into_iter().map(|entry| entry.kind).collect()
}

#[tokio::test]
async fn a_container_whose_network_is_gone_is_made_anew() {
    let host = host().await;
    attach(&host, Some("shop")).await.unwrap();
    let id = ready(&host, "one").await;
    // Somebody removes it while the container does not run, and makes another one of that name.
    host.engine.remove_network("shop");
    host.engine.add_network("shop");
    host.engine.exit(&format!("larder-{id}-server"), 1, false, "");
    until("another container", || async { (host.engine.count(Call::CreateContainer) == 2).then_some(()) }).await;
    runs(&host, id).await;
    until_joined(&host, id, &["shop"]).await;
    let kinds = kinds(&host, id).await;
    assert!(kinds.iter().any(|kind| kind == "network_lost") && !kinds.iter().any(|kind| kind == "container_lost"));
}

#[tokio::test]
async fn what_ran_before_runs_again_without_its_apps_network() {
    let host = host().await;
    attach(&host, Some("shop")).await.unwrap();
    let id = ready(&host, "one").await;
    host.engine.remove_network("shop");
    host.engine.exit(&format!("larder-{id}-server"), 1, false, "");
    until("another container", || async { (host.engine.count(Call::CreateContainer) == 2).then_some(()) }).await;
    runs(&host, id).await;
    until_joined(&host, id, &[]).await;
    until("it to be said", || async { kinds(&host, id).await.contains(&"network_missing".to_owned()).then_some(()) })
        .await;
    host.engine.add_network("shop");
    until_joined(&host, id, &["shop"]).await;
    assert_eq!(host.engine.count(Call::CreateContainer), 2, "it joins as it runs");
}

#[tokio::test]
async fn one_apps_missing_network_keeps_nobody_else_from_a_common_server() {
    let host = host().await;
    let mut manifest = manifest();
    manifest["services"][0]["provision_types"] = json!(["communal"]);
    let digest = Digest(sha2::Sha256::digest("common").into());
    host.script.describes.lock().unwrap().insert(digest, Box::new(move |_| Ok(manifest.clone())));
    let is_first = AtomicBool::new(true);
    let answer = move |export| match export {
        Export::BeginProvision if !is_first.swap(false, Ordering::SeqCst) => report(usual(export)),
        _ => begin(export),
    };
    host.upload_version("common", "common").await;
    host.grant("common").await;
    host.script.answers.lock().unwrap().insert("common".into(), Box::new(answer));
    host.engine.add_network("blog");
    let mut parts = vec![];
    for (app, network) in [("blog", "blog"), ("demo", "shop")] {
        let app: AppName = app.parse().unwrap();
        host.control.create_app(&app).await.unwrap();
        host.control.set_app_network(&app, Some(network.parse().unwrap())).await.unwrap();
        let wish = CreateAddon {
            app,
            provision_type: Some(ProvisionType::Communal),
            ..TestHost::wish("common", "part", None)
        };
        let part = host.control.create_addon(wish).await.unwrap().0;
        assert_eq!(host.settled(part.spec.id).await.addon.state, AddonState::Ready);
        parts.push(part);
    }
    let server = parts[0].spec.parent.unwrap();
    until_joined(&host, server, &["blog", "shop"]).await;
    host.engine.remove_network("blog");
    host.engine.exit(&format!("larder-{server}-server"), 1, false, "");
    until("another container", || async { (host.engine.count(Call::CreateContainer) == 2).then_some(()) }).await;
    runs(&host, server).await;
    until_joined(&host, server, &["shop"]).await;
    until("it to be well", || async {
        let history = host.control.history(Some(server), 0, 100).await.unwrap();
        let was_ill = history.iter().any(|entry| entry.data["health"] == "unhealthy");
        let health = host.control.addon(server).await.unwrap().addon.health;
        (was_ill && health.state == HealthState::Healthy).then_some(())
    })
    .await;
    let told = kinds(&host, server).await;
    assert_eq!(told.iter().filter(|kind| *kind == "network_missing").count(), 1, "{told:?}");
}

#[tokio::test]
async fn an_engine_that_fails_costs_no_container_that_is_in_a_network() {
    let host = host().await;
    attach(&host, Some("shop")).await.unwrap();
    let id = ready(&host, "one").await;
    host.engine.fail(Call::Start, 2, &EngineError::Failed("no space left on device".into()));
    let starts = host.engine.count(Call::Start);
    host.engine.exit(&format!("larder-{id}-server"), 1, false, "");
    until("a third try", || async { (host.engine.count(Call::Start) >= starts + 3).then_some(()) }).await;
    runs(&host, id).await;
    assert_eq!((host.engine.count(Call::CreateContainer), host.engine.count(Call::RemoveContainer)), (1, 0));
}

#[tokio::test]
async fn a_network_without_room_keeps_nothing_from_running() {
    let host = host().await;
    attach(&host, Some("shop")).await.unwrap();
    let id = ready(&host, "one").await;
    host.engine.fail(Call::Start, 1, &EngineError::NetworkFull("shop has no address left".into()));
    host.engine.fail(Call::JoinNetwork, 1, &EngineError::NetworkFull("shop has no address left".into()));
    host.engine.exit(&format!("larder-{id}-server"), 1, false, "");
    until("it to be said", || async { kinds(&host, id).await.contains(&"network_missing".to_owned()).then_some(()) })
        .await;
    runs(&host, id).await;
    until_joined(&host, id, &["shop"]).await;
    assert_eq!(host.engine.count(Call::CreateContainer), 1);
}

#[tokio::test]
async fn a_full_network_of_the_installations_own_is_not_laid_to_the_app() {
    let host = host().await;
    let waits = async |id: AddonId| {
        let tries = host.engine.count(Call::Start);
        until("some tries", || async { (host.engine.count(Call::Start) >= tries + 3).then_some(()) }).await;
        until("it to be said", || async {
            let server = host.store.objects(id).await.unwrap().pop()?;
            server.message.contains("it is the installation's own: delete addons").then_some(())
        })
        .await;
        assert!(!kinds(&host, id).await.contains(&"network_missing".to_owned()));
    };
    let one = ready(&host, "one").await;
    let name = |id: AddonId| format!("larder-{id}-server");
    let full = |network: &str| EngineError::NetworkFull(format!("no available IPv4 addresses on {network}"));
    host.engine.always_fail(Call::Start, &name(one), Some(&full("a network")));
    host.engine.exit(&name(one), 1, false, "");
    waits(one).await;
    // The app has one by now, and an engine that says which it means.
    attach(&host, Some("shop")).await.unwrap();
    let own = host.engine.networks().remove(0);
    let other = host.create("db", "two").await.spec.id;
    host.engine.always_fail(Call::Start, &name(other), Some(&full(&own)));
    waits(other).await;
    for id in [one, other] {
        host.engine.always_fail(Call::Start, &name(id), None);
        runs(&host, id).await;
        until_joined(&host, id, &["shop"]).await;
    }
}

#[tokio::test]
async fn what_a_person_has_connected_is_theirs_and_said() {
    let host = host().await;
    let id = ready(&host, "one").await;
    let name = format!("larder-{id}-server");
    host.engine.join_network(&name, &"shop".parse().unwrap(), "by-hand").await.unwrap();
    attach(&host, Some("shop")).await.unwrap();
    until("it to be said", || async {
        let history = host.control.history(Some(id), 0, 100).await.unwrap();
        history.iter().any(|entry| entry.message.contains("docker network disconnect shop")).then_some(())
    })
    .await;
    host.engine.leave_network(&name, "shop", "by-hand").await.unwrap();
    until_joined(&host, id, &["shop"]).await;
}

#[tokio::test]
async fn what_is_kept_leaves_its_apps_network_and_comes_back_as_it_was() {
    let grace = |control: larder_control::Control| control.with_delete_grace(Duration::from_secs(3_600));
    let host = over(TestHost::start_with(&["db"], Arc::new(SystemClock::new()), grace).await);
    attach(&host, Some("shop")).await.unwrap();
    let id = ready(&host, "one").await;
    host.control.delete_addon(id, false).await.unwrap();
    until_joined(&host, id, &[]).await;
    // Nothing of the installation runs: somebody tidies up.
    host.engine.remove_network("shop");
    host.engine.networks().iter().for_each(|network| host.engine.remove_network(network));
    attach(&host, None).await.unwrap();
    host.control.undelete_addon(id).await.unwrap();
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    runs(&host, id).await;
    assert!(kinds(&host, id).await.contains(&"network_lost".to_owned()));
}
