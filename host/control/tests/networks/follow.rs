//! What apps are told of their addons' places when they get a network or leave it: sooner or later all of it, whatever is in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder_control::CreateAddon;
use larder_domain::config::{RawConfig, RawEntry};
use larder_domain::failure::GuestFailure;
use larder_domain::grants::Permission;
use larder_domain::operation::{Operation, Stage};
use larder_domain::ports::runtime::{LogLine, Reply};
use larder_domain::ports::store::{AddonStore as _, EngineStore as _};
use larder_domain::{Digest, ProvisionType};
use larder_store::ManualClock;
use sha2::Digest as _;

use super::*;
use crate::support::manifest;

const HOUR: Duration = Duration::from_secs(3_600);

/// A host with a network by a clock that stands still, whose provider has a container made and rejects to say where that is for as long
/// as it is told to.
async fn host_at(clock: &Arc<ManualClock>) -> (TestHost, Arc<AtomicBool>) {
    let host = TestHost::start_with(&["db"], clock.clone(), |control| control.with_delete_grace(HOUR)).await;
    let rejects = Arc::new(AtomicBool::new(false));
    let is_rejected = Arc::clone(&rejects);
    let answer = move |export| match export {
        Export::GetConfig if is_rejected.load(Ordering::SeqCst) => {
            report(Ok(Err(GuestFailure::Rejected("not now".into()))))
        }
        other => begin(other),
    };
    host.script.answers.lock().unwrap().insert("db".into(), Box::new(answer));
    host.script.looks.lock().unwrap().insert("db".into(), "server".parse().unwrap());
    host.engine.add_image(&image());
    host.engine.add_network("shop");
    (host, rejects)
}

async fn until_operation(host: &TestHost, id: AddonId, is_it: impl Fn(&Operation) -> bool) {
    until("the operation", || async {
        host.control.addon(id).await.unwrap().addon.operation.filter(|operation| is_it(operation)).map(drop)
    })
    .await;
}

#[tokio::test]
async fn an_app_that_could_not_be_told_is_told_later_by_itself() {
    let clock = Arc::new(ManualClock::default());
    let (host, rejects) = host_at(&clock).await;
    let id = ready(&host, "one").await;
    rejects.store(true, Ordering::SeqCst);
    attach(&host, Some("shop")).await.unwrap();
    until_operation(&host, id, |operation| operation.state == OperationState::Failed).await;
    until_joined(&host, id, &["shop"]).await;
    rejects.store(false, Ordering::SeqCst);
    clock.advance_ms(30_000);
    until_followed(&host, id).await;
    assert_eq!(for_app(&host, id).await.1, 5432);
}

#[tokio::test]
async fn whoever_asks_for_the_same_network_again_has_the_app_told_at_once() {
    let clock = Arc::new(ManualClock::default());
    let (host, rejects) = host_at(&clock).await;
    let id = ready(&host, "one").await;
    rejects.store(true, Ordering::SeqCst);
    attach(&host, Some("shop")).await.unwrap();
    until_operation(&host, id, |operation| operation.state == OperationState::Failed).await;
    rejects.store(false, Ordering::SeqCst);
    attach(&host, Some("shop")).await.unwrap();
    until_followed(&host, id).await;
    let told = host.calls("db", Export::GetConfig);
    attach(&host, Some("shop")).await.unwrap();
    assert_eq!(host.control.addon(id).await.unwrap().addon.running(), None, "it was told");
    assert_eq!(host.calls("db", Export::GetConfig), told);
}

#[tokio::test]
async fn an_app_gets_and_leaves_its_network_while_old_credentials_work() {
    let clock = Arc::new(ManualClock::default());
    let (host, _) = host_at(&clock).await;
    let id = ready(&host, "one").await;
    host.control.rotate_addon(id, 3_600_000).await.unwrap();
    let overlaps = |operation: &Operation| operation.kind == OperationKind::Rotate && operation.stage == Stage::Overlap;
    until_operation(&host, id, overlaps).await;
    for (network, networks) in [(Some("shop"), &["shop"][..]), (None, &[]), (Some("shop"), &["shop"])] {
        attach(&host, network).await.unwrap();
        until_joined(&host, id, networks).await;
        until("the app to be told", || async {
            host.control.addon(id).await.unwrap().addon.outdated.is_none().then_some(())
        })
        .await;
        assert_eq!(for_app(&host, id).await.1 == 5432, network.is_some());
        let asked = host.script.last.lock().unwrap()[&Export::GetConfig].clone();
        assert_eq!(asked.generation, 1, "it is given the new ones");
    }
    until_operation(&host, id, overlaps).await;
    assert_eq!(host.calls("db", Export::EndRotation), 0);
    clock.advance_ms(3_600_000);
    until_operation(&host, id, |operation| !operation.is_running()).await;
    let operation = host.control.addon(id).await.unwrap().addon.operation.unwrap();
    assert_eq!((operation.kind, operation.state), (OperationKind::Rotate, OperationState::Succeeded));
}

#[tokio::test]
async fn an_app_is_told_of_its_network_when_what_is_under_way_has_ended() {
    let clock = Arc::new(ManualClock::default());
    let (host, _) = host_at(&clock).await;
    let id = ready(&host, "one").await;
    let held = Arc::new(tokio::sync::Semaphore::new(0));
    host.script.held.lock().unwrap().insert("db".into(), Arc::clone(&held));
    let larger = larder_control::PatchAddon { parameters: Some(json!({ "n": 2 }).into()), ..Default::default() };
    host.control.patch_addon(id, larger).await.unwrap();
    until("the call", || async { (host.calls("db", Export::BeginUpdate) == 1).then_some(()) }).await;
    attach(&host, Some("shop")).await.unwrap();
    until_joined(&host, id, &["shop"]).await;
    held.add_permits(100);
    // Whoever waits for it sees how it has ended. A slow machine may have made it rest for a moment.
    let updated = until("its end", || async {
        let operation = host.control.addon(id).await.unwrap().addon.operation.unwrap();
        if operation.is_running() {
            clock.advance_ms(10);
            return None;
        }
        Some(operation)
    })
    .await;
    assert_eq!((updated.kind, updated.state), (OperationKind::Update, OperationState::Succeeded));
    clock.advance_ms(5_000);
    until_operation(&host, id, |operation| operation.kind == OperationKind::Follow && !operation.is_running()).await;
    until_followed(&host, id).await;
}

#[tokio::test]
async fn what_an_addon_was_configured_with_is_blotted_out_while_it_is_had_back_elsewhere() {
    let clock = Arc::new(ManualClock::default());
    let (host, _) = host_at(&clock).await;
    let is_first = AtomicBool::new(true);
    let answer = move |export| match export {
        Export::GetConfig => {
            let (value, said) = match is_first.swap(false, Ordering::SeqCst) {
                true => ("pa55word", "it is pa55word"),
                false => ("another", "it was pa55word"),
            };
            let thing = RawEntry { name: "THING".into(), value: SecretString::new(value), secret: true };
            let line = LogLine { stream: "stdout", text: said.into() };
            let config = RawConfig { variables: vec![thing], credentials: vec![] };
            CallReport { log: vec![line], ..report(Ok(Ok(Reply::Config(config)))) }
        }
        other => begin(other),
    };
    host.script.answers.lock().unwrap().insert("db".into(), Box::new(answer));
    let id = ready(&host, "one").await;
    host.control.delete_addon(id, false).await.unwrap();
    attach(&host, Some("shop")).await.unwrap();
    let back = host.control.undelete_addon(id).await.unwrap();
    assert_eq!(back.addon.state, AddonState::WaitingForProvision, "it is to say anew where it is");
    until("it to be had back", || async {
        clock.advance_ms(1_000);
        (host.control.addon(id).await.unwrap().addon.state == AddonState::Ready).then_some(())
    })
    .await;
    let log = host.control.addon_log(id, 0, 100).await.unwrap();
    let said: Vec<&str> = log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(said, ["it is ••••", "it was ••••"]);
}

/// Lets the provider `db` make common servers, parts of them, and addons that share those.
async fn offers_all(host: &TestHost) {
    let mut manifest = manifest();
    manifest["services"][0]["provision_types"] = json!(["independent", "communal", "shared"]);
    let digest = Digest(sha2::Sha256::digest("db, the second").into());
    host.script.describes.lock().unwrap().insert(digest, Box::new(move |_| Ok(manifest.clone())));
    host.upload_version("db", "db, the second").await;
    let name = "db".parse().unwrap();
    let revision = host.control.provider(&name).await.unwrap().revision;
    let granted = vec![Permission::parse("docker", "volumes=1").unwrap()];
    host.control.set_grants(&name, granted, revision).await.unwrap();
    // The server comes first, and it alone has a container.
    let is_first = AtomicBool::new(true);
    let answer = move |export| match export {
        Export::BeginProvision if !is_first.swap(false, Ordering::SeqCst) => report(usual(export)),
        other => begin(other),
    };
    host.script.answers.lock().unwrap().insert("db".into(), Box::new(answer));
    host.script.looks.lock().unwrap().clear();
}

#[tokio::test]
async fn whoever_shares_a_part_of_a_common_server_reaches_that_in_a_network_of_its_own() {
    let host = TestHost::start(&["db"]).await;
    host.engine.add_image(&image());
    host.engine.add_network("shop");
    host.engine.add_network("blue");
    offers_all(&host).await;
    let owners: AppName = "demo.blue".parse().unwrap();
    host.control.create_app(&owners).await.unwrap();
    let asked = |app: &AppName, provision_type| CreateAddon {
        app: app.clone(),
        provision_type: Some(provision_type),
        ..TestHost::wish("db", "one", None)
    };
    let part = host.control.create_addon(asked(&owners, ProvisionType::Communal)).await.unwrap().0.spec;
    assert_eq!(host.settled(part.id).await.addon.state, AddonState::Ready);
    let shares = CreateAddon { shared_experiment: Some("blue".into()), ..asked(&demo(), ProvisionType::Shared) };
    let sharer = host.control.create_addon(shares).await.unwrap().0.spec;
    assert_eq!((sharer.parent, host.settled(sharer.id).await.addon.state), (Some(part.id), AddonState::Ready));
    let server = part.parent.unwrap();
    until_joined(&host, server, &[]).await;

    let places = async |id| host.control.addon_config(id).await.unwrap().places;
    assert_eq!(places(sharer.id).await, places(part.id).await);
    assert_eq!(places(sharer.id).await.len(), 1);
    attach(&host, Some("shop")).await.unwrap();
    until_joined(&host, server, &["shop"]).await;
    host.control.set_app_network(&owners, Some("blue".parse().unwrap())).await.unwrap();
    until_joined(&host, server, &["blue", "shop"]).await;
    attach(&host, None).await.unwrap();
    until_joined(&host, server, &["blue"]).await;
    let network = host.store.networks(server).await.unwrap();
    assert_eq!(network, ["blue".parse().unwrap()]);
    assert!(host.store.addon(sharer.id).await.unwrap().is_some());
}
