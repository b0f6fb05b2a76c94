//! Objects of addons on which an operation is under way: nothing is lost that it may be taken back to.

use std::sync::{Arc, Mutex};

use larder_containers::fake::Call;
use larder_domain::AddonId;
use larder_domain::docker::Objects;
use larder_domain::failure::{GuestFailure, Pending};
use larder_domain::operation::OperationState;
use larder_domain::ports::engine::{ContainerState, EngineError};
use larder_domain::ports::runtime::{CallReport, Export, Reply};
use larder_domain::ports::store::ObjectStore as _;

use crate::ownership::{DATA, SERVER, host, objects, ready};
use crate::support::{TestHost, report, until, usual};

const SECOND: &str = r#"{"kind":"container","name":"second","image":"shop/db:1","memory_bytes":67108864,"ports":[1]}"#;

/// Whether the operation succeeds, once that is decided.
type Outcome = Arc<Mutex<Option<bool>>>;

/// Begins a rotation that wants these objects, and waits until somebody decides how it ends.
async fn rotate(host: &TestHost, id: AddonId, wanted: Option<Objects>) -> Outcome {
    let outcome = Outcome::default();
    let decided = Arc::clone(&outcome);
    let answer = move |export| match (export, *decided.lock().unwrap()) {
        (Export::BeginRotation, _) => CallReport { objects: wanted.clone(), ..report(usual(export)) },
        (Export::ProvisionComplete, None) => {
            report(Ok(Ok(Reply::Pending(Pending::bounded(10, "turning".into(), None)))))
        }
        (Export::ProvisionComplete, Some(false)) => report(Ok(Err(GuestFailure::Rejected("it does not fit".into())))),
        _ => report(usual(export)),
    };
    host.script.looks.lock().unwrap().clear();
    host.script.answers.lock().unwrap().insert("db".into(), Box::new(answer));
    let before = host.calls("db", Export::ProvisionComplete);
    host.control.rotate_addon(id, 0).await.unwrap();
    until("the rotation", || async { (host.calls("db", Export::ProvisionComplete) > before).then_some(()) }).await;
    outcome
}

/// Has it end.
async fn end(host: &TestHost, id: AddonId, outcome: &Outcome, succeeds: bool) {
    *outcome.lock().unwrap() = Some(succeeds);
    let state = if succeeds { OperationState::Succeeded } else { OperationState::Failed };
    until("its end", || async {
        (host.control.addon(id).await.unwrap().addon.operation.unwrap().state == state).then_some(())
    })
    .await;
}

fn server(id: AddonId) -> String {
    format!("larder-{id}-server")
}

async fn runs(host: &TestHost, id: AddonId) {
    let runs = || host.engine.container(&server(id)).is_some_and(|it| it.state == ContainerState::Running);
    until("the server", || async { runs().then_some(()) }).await;
}

#[tokio::test]
async fn a_volume_stays_as_long_as_its_removal_can_be_taken_back() {
    let host = host().await;
    let id = ready(&host, "one").await;
    let [old, new] = ["data", "data2"].map(|name| format!("larder-{id}-{name}"));
    let moved = || Some(objects(&[&DATA.replace("data", "data2"), &SERVER.replace("\"data\"", "\"data2\"")]));
    let mounts = |full_name: &str| {
        host.engine.container(&server(id)).is_some_and(|it| it.volumes.values().any(|it| it == full_name))
    };
    for succeeds in [false, true] {
        let outcome = rotate(&host, id, moved()).await;
        until("the other server", || async { mounts(&new).then_some(()) }).await;
        assert!(host.engine.volumes().contains(&old), "nobody knows yet whether it is to come back");
        end(&host, id, &outcome, succeeds).await;
        let (stays, goes) = if succeeds { (&new, &old) } else { (&old, &new) };
        until("what is left", || async { (host.engine.volumes() == [stays.as_str()] && mounts(stays)).then_some(()) })
            .await;
        assert!(!host.engine.volumes().contains(goes));
    }
    let history = host.control.history(Some(id), 0, 100).await.unwrap();
    assert!(!history.iter().any(|entry| entry.kind == "volume_lost"));
}

#[tokio::test]
async fn what_ends_meanwhile_runs_again_however_the_operation_ends() {
    let host = host().await;
    let id = ready(&host, "one").await;
    for succeeds in [true, false] {
        runs(&host, id).await;
        let outcome = rotate(&host, id, None).await;
        let looks = host.engine.count(Call::State);
        host.engine.exit(&server(id), 1, false, "");
        until("somebody to look", || async { (host.engine.count(Call::State) > looks + 1).then_some(()) }).await;
        assert_ne!(host.engine.container(&server(id)).unwrap().state, ContainerState::Running);
        end(&host, id, &outcome, succeeds).await;
        runs(&host, id).await;
    }
}

#[tokio::test]
async fn what_could_not_be_made_meanwhile_is_tried_again_however_the_operation_ends() {
    let host = host().await;
    let id = ready(&host, "one").await;
    let no = EngineError::Refused("no room for another".into());
    for succeeds in [true, false] {
        runs(&host, id).await;
        let outcome = rotate(&host, id, None).await;
        host.engine.fail(Call::CreateContainer, 1, &no);
        host.engine.destroy(&server(id));
        until("the refusal", || async {
            let history = host.control.history(Some(id), 0, 1_000).await.unwrap();
            let failed = history.iter().filter(|entry| entry.kind == "object_failed").count();
            (failed == if succeeds { 1 } else { 2 }).then_some(())
        })
        .await;
        end(&host, id, &outcome, succeeds).await;
        runs(&host, id).await;
    }
}

#[tokio::test]
async fn an_address_that_apps_were_told_stays_and_what_is_new_evades() {
    let host = host().await;
    let id = ready(&host, "one").await;
    let published = || host.engine.container(&server(id)).map(|it| it.published);
    let told = published().unwrap();
    let taken = told[&5432];
    let mut next = taken;
    next.set_port(taken.port() + 1);
    host.engine.take_address(next);
    let outcome = rotate(&host, id, Some(objects(&[DATA, SERVER, SECOND]))).await;
    let second =
        || host.engine.container(&format!("larder-{id}-second")).filter(|it| it.state == ContainerState::Running);
    let another = until("the second one", || async { second() }).await.published[&1];
    assert_ne!(another, next, "nobody was told the one that it was to have");
    // Somebody takes it while nobody listens there.
    host.engine.take_address(taken);
    let starts = host.engine.count(Call::Start);
    host.engine.destroy(&server(id));
    until("several attempts", || async { (host.engine.count(Call::Start) > starts + 1).then_some(()) }).await;
    assert_eq!(published(), Some(told.clone()));
    host.engine.free_address(taken);
    runs(&host, id).await;
    assert_eq!(published(), Some(told));
    end(&host, id, &outcome, true).await;
}

#[tokio::test]
async fn what_is_refused_gives_its_ports_back_unless_apps_were_told() {
    let host = host().await;
    let id = ready(&host, "one").await;
    let published = async || host.store.published(id).await.unwrap();
    let told = published().await;
    host.engine.fail(Call::CreateContainer, 2, &EngineError::Refused("no room for another".into()));
    host.engine.destroy(&server(id));
    let outcome = rotate(&host, id, Some(objects(&[DATA, SERVER, SECOND]))).await;
    until("two attempts", || async { (host.engine.count(Call::CreateContainer) > 2).then_some(()) }).await;
    until("the ports to be given back", || async { (published().await == told).then_some(()) }).await;
    end(&host, id, &outcome, true).await;
    runs(&host, id).await;
    until("the second one", || async { (published().await.len() == 2).then_some(()) }).await;
}

#[tokio::test]
async fn what_can_not_be_removed_keeps_nothing_else_waiting() {
    let host = host().await;
    let id = ready(&host, "one").await;
    // Somebody's own container uses the volume.
    let (volume, error) = (format!("larder-{id}-data"), EngineError::Conflict("the volume is in use".into()));
    host.engine.always_fail(Call::RemoveVolume, &volume, Some(&error));
    let other = SERVER.replace(r#","mounts":[{"volume":"data","path":"/data"}]"#, "").replace("67108864", "77108864");
    let outcome = rotate(&host, id, Some(objects(&[&other]))).await;
    end(&host, id, &outcome, true).await;
    until("the other container", || async {
        let there = host.engine.container(&server(id))?;
        (there.spec.memory_bytes == 77_108_864 && there.state == ContainerState::Running).then_some(())
    })
    .await;
    host.engine.always_fail(Call::RemoveVolume, &volume, None);
    until("the volume to go", || async { host.engine.volumes().is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn a_container_that_can_not_be_made_keeps_no_other_waiting() {
    let host = host().await;
    let id = ready(&host, "one").await;
    let first = SECOND.replace("second", "a-first");
    let outcome = rotate(&host, id, Some(objects(&[DATA, SERVER, &first]))).await;
    end(&host, id, &outcome, true).await;
    let name = format!("larder-{id}-a-first");
    let both_run = || {
        let runs = |name: &str| host.engine.container(name).is_some_and(|it| it.state == ContainerState::Running);
        runs(&name) && runs(&server(id))
    };
    until("both", || async { both_run().then_some(()) }).await;
    let error = EngineError::Failed("no space left on device".into());
    host.engine.always_fail(Call::CreateContainer, &name, Some(&error));
    host.engine.destroy(&name);
    host.engine.destroy(&server(id));
    until("the other one", || async { host.engine.containers().contains(&server(id)).then_some(()) }).await;
}
