//! Operations on ready addons: what the provider is called with, what the app has afterwards, and what is left of one that failed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use larder_control::{Code, ControlError, PatchAddon};
use larder_domain::failure::GuestFailure;
use larder_domain::operation::{Operation, OperationKind, OperationState};
use larder_domain::ports::runtime::{CallReport, Export, GuestState};
use larder_domain::ports::store::AddonStore;
use larder_domain::{AddonId, AddonRecord, AddonState};
use larder_store::ManualClock;
use serde_json::json;

use super::support::{TestHost, report, until, usual};

async fn ready(host: &TestHost, provider: &str, name: &str) -> AddonId {
    let id = host.create(provider, name).await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    id
}

fn update(parameters: serde_json::Value) -> PatchAddon {
    PatchAddon { parameters: Some(parameters.into()), ..PatchAddon::default() }
}

fn operation(record: &AddonRecord) -> &Operation {
    record.addon.operation.as_ref().unwrap()
}

fn code(refused: Result<AddonRecord, ControlError>) -> Code {
    match refused {
        Err(ControlError::Refused { code, .. }) => code,
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn an_update_is_called_with_what_is_to_be_and_what_was() {
    let host = TestHost::start(&["honest"]).await;
    let id = ready(&host, "honest", "one").await;
    host.control.patch_addon(id, update(json!({ "n": 2 }))).await.unwrap();
    let record = host.settled(id).await;
    assert_eq!(
        (operation(&record).state, record.spec.parameters.reveal()),
        (OperationState::Succeeded, &json!({ "n": 2 }))
    );
    let call = host.script.last.lock().unwrap()[&Export::BeginUpdate].clone();
    assert_eq!(
        (call.addon.parameters.reveal(), call.previous.unwrap().parameters.reveal()),
        (&json!({ "n": 2 }), &json!({}))
    );
    let asked = host.script.last.lock().unwrap()[&Export::GetConfig].clone();
    assert_eq!(asked.addon.parameters.reveal(), &json!({ "n": 2 }), "its configuration is that of what it is to be");
    // What it has already is not asked for again.
    host.control.patch_addon(id, update(json!({ "n": 2 }))).await.unwrap();
    assert_eq!(host.calls("honest", Export::BeginUpdate), 1);
}

#[tokio::test]
async fn an_addon_is_protected_with_its_update() {
    let host = TestHost::start(&["honest"]).await;
    let id = ready(&host, "honest", "one").await;
    let patch = PatchAddon { protected: Some(true), ..update(json!({ "n": 2 })) };
    let asked = host.control.patch_addon(id, patch).await.unwrap();
    assert!(asked.spec.protected && asked.addon.running().is_some());
    let record = host.settled(id).await;
    assert_eq!((operation(&record).state, record.spec.protected), (OperationState::Succeeded, true));
    // Also where nothing else changes.
    let patch = PatchAddon { protected: Some(false), ..update(json!({ "n": 2 })) };
    assert!(!host.control.patch_addon(id, patch).await.unwrap().spec.protected);
    let history = host.control.history(Some(id), 0, 100).await.unwrap();
    let kinds: Vec<_> =
        history.iter().map(|entry| entry.kind.as_str()).filter(|kind| kind.contains("protected")).collect();
    assert_eq!(kinds, ["protected", "unprotected"]);
}

#[tokio::test]
async fn a_failed_update_leaves_the_addon_as_it_was() {
    let host = TestHost::start(&["picky"]).await;
    let state = |text: &str| GuestState::from([("k".to_owned(), text.as_bytes().to_vec())]);
    let says = move |export| match export {
        Export::BeginProvision => CallReport { state: Some(state("first")), ..report(usual(export)) },
        Export::BeginUpdate => CallReport { state: Some(state("second")), ..report(usual(export)) },
        _ => report(usual(export)),
    };
    host.script.answers.lock().unwrap().insert("picky".into(), Box::new(says));
    let id = ready(&host, "picky", "one").await;
    let refuses = move |export| match export {
        Export::ProvisionComplete => report(Ok(Err(GuestFailure::Failed("too large".into())))),
        _ => says(export),
    };
    host.script.answers.lock().unwrap().insert("picky".into(), Box::new(refuses));
    host.control.patch_addon(id, update(json!({ "n": 2 }))).await.unwrap();
    let record = host.settled(id).await;
    let failed = operation(&record);
    assert_eq!(
        (failed.state, failed.error.as_ref().unwrap().code.as_str()),
        (OperationState::Failed, "provider_failed")
    );
    assert_eq!((record.addon.state, record.spec.parameters.reveal()), (AddonState::Ready, &json!({})));
    assert_eq!(host.store.guest_state(id).await.unwrap(), state("first"), "what it wrote meanwhile is taken back");
    assert!(host.sink.has.lock().unwrap().contains(&id));
}

#[tokio::test]
async fn a_rotation_ends_the_old_credentials_after_the_overlap() {
    let clock = Arc::new(ManualClock::default());
    let host = TestHost::start_at(&["honest"], clock.clone()).await;
    let id = ready(&host, "honest", "one").await;
    host.control.rotate_addon(id, 60_000).await.unwrap();
    let record = host.settled(id).await;
    assert_eq!((operation(&record).kind, operation(&record).state), (OperationKind::Rotate, OperationState::Running));
    assert_eq!(record.addon.generation, 1);
    assert_eq!(host.script.last.lock().unwrap()[&Export::GetConfig].generation, 1);
    assert_eq!(host.calls("honest", Export::EndRotation), 0, "both work");
    assert_eq!(code(host.control.rotate_addon(id, 0).await), Code::OperationInProgress);
    clock.advance_ms(60_000);
    let ended = || async {
        let record = host.control.addon(id).await.unwrap();
        (operation(&record).state == OperationState::Succeeded).then_some(())
    };
    until("the end of the old credentials", ended).await;
    assert_eq!(host.calls("honest", Export::EndRotation), 1);
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_and_changes_nothing() {
    let host = TestHost::start(&["honest"]).await;
    let id = ready(&host, "honest", "one").await;
    let bad_plan = PatchAddon { plan: Some("huge".parse().unwrap()), ..PatchAddon::default() };
    assert_eq!(code(host.control.patch_addon(id, bad_plan).await), Code::UnknownPlan);
    assert_eq!(code(host.control.patch_addon(id, update(json!(3))).await), Code::InvalidParameters);
    let long = Operation::OVERLAP_MS_MAX + 1;
    assert_eq!(code(host.control.rotate_addon(id, long).await), Code::InvalidOverlap);
    assert_eq!(code(host.control.rotate_addon(AddonId::generate(), 0).await), Code::UnknownAddon);
    let half = PatchAddon { protected: Some(true), ..update(json!(3)) };
    assert_eq!(code(host.control.patch_addon(id, half).await), Code::InvalidParameters);
    assert!(!host.control.addon(id).await.unwrap().spec.protected, "all of it or nothing");
    host.control.delete_addon(id, false).await.unwrap();
    assert_eq!(code(host.control.rotate_addon(id, 0).await), Code::NotReady);
    assert_eq!(code(host.control.patch_addon(id, update(json!({}))).await), Code::NotReady, "though it has them");
    assert_eq!(host.calls("honest", Export::BeginUpdate) + host.calls("honest", Export::BeginRotation), 0);
}

#[tokio::test]
async fn a_sink_that_has_the_old_variables_is_given_the_new_ones() {
    let host = TestHost::start(&["honest"]).await;
    let id = ready(&host, "honest", "one").await;
    host.sink.refuses.store(true, Ordering::SeqCst);
    host.control.rotate_addon(id, 0).await.unwrap();
    let refused = || async {
        let history = host.control.history(Some(id), 0, 100).await.unwrap();
        history.iter().any(|entry| entry.data["call"] == "set-variables").then_some(())
    };
    until("a refusal", refused).await;
    host.sink.refuses.store(false, Ordering::SeqCst);
    until("the rotation", || async {
        let record = host.control.addon(id).await.unwrap();
        (operation(&record).state == OperationState::Succeeded).then_some(())
    })
    .await;
}
