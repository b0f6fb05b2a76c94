//! Whose an object is: what the look at everything and an addon's own work remove, and what they leave alone.

use std::sync::Arc;
use std::time::Duration;

use larder_containers::fake::{Call, FakeEngine};
use larder_control::EngineState;
use larder_domain::docker::{Image, ObjectSpec, Objects, Wanted};
use larder_domain::ids::OperationId;
use larder_domain::ports::Store as _;
use larder_domain::ports::engine::{ContainerState, Engine as _, EngineError, NewContainer, Owner, StreamThrough};
use larder_domain::ports::runtime::{CallReport, Export};
use larder_domain::{AddonId, AddonState, Cleanup, SecretString};
use larder_store::SystemClock;

use crate::engines::named;
use crate::support::{TestHost, report, until, usual};

pub(crate) const DATA: &str = r#"{"kind":"volume","name":"data"}"#;
pub(crate) const SERVER: &str = r#"{"kind":"container","name":"server","image":"shop/db:1","memory_bytes":67108864,
    "ports":[5432],"mounts":[{"volume":"data","path":"/data"}]}"#;

pub(crate) fn image() -> Image {
    "shop/db:1".parse().unwrap()
}

/// What a provider wants by these documents.
pub(crate) fn objects(documents: &[&str]) -> Objects {
    let wanted = documents.iter().map(|document| Wanted::parse(SecretString::new(*document)).unwrap());
    wanted.map(|wanted| (wanted.spec.name().clone(), wanted)).collect()
}

/// A host whose provider `db` makes a server with a volume for each addon, while `plain` makes nothing on engines.
pub(crate) async fn host() -> TestHost {
    let grace = |control: larder_control::Control| control.with_delete_grace(Duration::from_secs(3_600));
    let host = TestHost::start_with(&["db", "plain"], Arc::new(SystemClock::new()), grace).await;
    let begin = |export| {
        let objects = (export == Export::BeginProvision).then(|| objects(&[DATA, SERVER]));
        CallReport { objects, ..report(usual(export)) }
    };
    host.script.answers.lock().unwrap().insert("db".into(), Box::new(begin));
    host.script.looks.lock().unwrap().insert("db".into(), "server".parse().unwrap());
    host.engine.add_image(&image());
    host
}

pub(crate) async fn ready(host: &TestHost, name: &str) -> AddonId {
    let id = host.create("db", name).await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    id
}

fn owner(host: &TestHost, addon: AddonId, name: &str) -> Owner {
    Owner { installation: host.store.installation(), addon, name: name.parse().unwrap(), revision: 1 }
}

/// Makes a volume of an addon behind the host's back. Its full name.
async fn add_volume(host: &TestHost, addon: AddonId, name: &str) -> String {
    let full_name = format!("larder-{addon}-{name}");
    host.engine.create_volume(&full_name, &owner(host, addon, name)).await.unwrap();
    full_name
}

/// Makes a container of an addon behind the host's back.
async fn add_container(host: &TestHost, full_name: &str, owner: Owner, operation: Option<OperationId>) {
    let ObjectSpec::Container(spec) = ObjectSpec::parse(SERVER).unwrap() else { panic!() };
    let spec = larder_domain::docker::ContainerSpec { mounts: vec![], ..*spec };
    let stream = operation.map(|operation| StreamThrough { operation, has_input: false, beside: None });
    let container = NewContainer {
        full_name: full_name.into(),
        owner,
        labels: [].into(),
        spec: &spec,
        volumes: [].into(),
        published: [].into(),
        network: "any".into(),
        stream,
    };
    host.engine.create_container(container).await.unwrap();
}

/// An addon that is over and has had nothing on engines.
async fn over(host: &TestHost, name: &str) -> AddonId {
    let id = host.create("plain", name).await.spec.id;
    host.settled(id).await;
    host.control.delete_addon_now(id, false).await.unwrap();
    until("the cleanup", || async {
        (host.control.addon(id).await.unwrap().addon.cleanup == Cleanup::Done).then_some(())
    })
    .await;
    id
}

/// Waits until everything was looked at that was there before: the volume of an addon that is over goes with that, the last one.
async fn swept(host: &TestHost) {
    let id = over(host, "last").await;
    let last = add_volume(host, id, "data").await;
    host.engine.break_events(&EngineError::Failed("it was started again".into()));
    until("what is left to go", || async { (!host.engine.volumes().contains(&last)).then_some(()) }).await;
}

fn has(engine: &FakeEngine, id: AddonId) -> bool {
    engine.volumes().contains(&format!("larder-{id}-data"))
        && engine.containers().contains(&format!("larder-{id}-server"))
}

async fn unknown(host: &TestHost) -> Vec<String> {
    let report = host.control.engine_reports().await.unwrap().remove(0);
    let EngineState::Reachable { unknown, .. } = report.state else { panic!("{report:?}") };
    unknown.into_iter().map(|found| found.full_name).collect()
}

#[tokio::test]
async fn an_engine_under_another_name_loses_nothing_that_can_be_had_back() {
    let mut host = host().await;
    let (kept, live) = (ready(&host, "kept").await, ready(&host, "live").await);
    host.control.delete_addon(kept, false).await.unwrap();
    host.over_to(vec![named("near", "", host.engine.clone())]);
    swept(&host).await;
    assert!(has(&host.engine, kept) && has(&host.engine, live));
    assert_eq!(unknown(&host).await, [""; 0], "nobody is told to remove it");
    assert!(host.control.prune_engines().await.unwrap().removed.is_empty());
    host.over_to(vec![named("default", "", host.engine.clone())]);
    host.control.undelete_addon(kept).await.unwrap();
    assert_eq!(host.settled(kept).await.addon.state, AddonState::Ready);
}

#[tokio::test]
async fn what_the_store_never_wanted_is_left_alone_and_goes_on_demand_or_with_its_addon() {
    let host = host().await;
    let (one, other) = (ready(&host, "one").await, ready(&host, "two").await);
    // As after a restore of an older backup.
    let younger = [add_volume(&host, one, "data2").await, format!("larder-{one}-server2")];
    add_container(&host, &younger[1], owner(&host, one, "server2"), None).await;
    let others = add_volume(&host, other, "data2").await;
    let is_there =
        || younger.iter().all(|it| host.engine.volumes().contains(it) || host.engine.containers().contains(it));
    // Its own work looks at what there is, and so does the look at everything.
    let server = format!("larder-{one}-server");
    host.engine.destroy(&server);
    until("another server", || async { (host.engine.count(Call::CreateContainer) > 3).then_some(()) }).await;
    swept(&host).await;
    assert!(is_there());

    host.control.delete_addon_now(other, false).await.unwrap();
    until("all of it to go", || async { (!host.engine.volumes().contains(&others)).then_some(()) }).await;
    assert_eq!(unknown(&host).await, [younger[1].as_str(), younger[0].as_str()]);
    let pruned = host.control.prune_engines().await.unwrap();
    assert_eq!(pruned.removed, [younger[1].as_str(), younger[0].as_str()]);
    assert!(has(&host.engine, one) && !is_there());
}

#[tokio::test]
async fn what_has_another_name_than_it_was_given_is_somebody_elses() {
    let host = host().await;
    let id = ready(&host, "one").await;
    // An image that a person made of the container has its labels, and so has what is made of the image.
    add_container(&host, "rescue", owner(&host, id, "server"), None).await;
    add_container(&host, "rescued-dump", owner(&host, id, "dump"), Some(OperationId::generate())).await;
    host.engine.destroy(&format!("larder-{id}-server"));
    until("another server", || async { has(&host.engine, id).then_some(()) }).await;
    swept(&host).await;
    host.control.delete_addon_now(id, false).await.unwrap();
    until("the addon's own to go", || async { host.engine.volumes().is_empty().then_some(()) }).await;
    swept(&host).await;
    assert_eq!(host.engine.containers(), ["rescue", "rescued-dump"]);
    assert_eq!(unknown(&host).await, ["rescue", "rescued-dump"]);
}

#[tokio::test]
async fn what_can_not_be_removed_keeps_nothing_else_waiting() {
    let host = host().await;
    let id = ready(&host, "one").await;
    let busy = EngineError::Failed("device or resource busy".into());
    let operation = OperationId::generate();
    add_container(&host, &format!("larder-{id}-{operation}"), owner(&host, id, "dump"), Some(operation)).await;
    let stuck = over(&host, "stuck").await;
    let stuck = add_volume(&host, stuck, "data").await;
    host.engine.fail(Call::RemoveContainer, 1_000, &busy);
    host.engine.fail(Call::RemoveVolume, 1, &busy);
    swept(&host).await;
    assert!(host.engine.volumes().contains(&stuck));
    let (watches, server) = (host.engine.count(Call::Events), format!("larder-{id}-server"));
    host.engine.exit(&server, 1, false, "");
    let runs = || host.engine.container(&server).is_some_and(|it| it.state == ContainerState::Running);
    until("the server to run again", || async { runs().then_some(()) }).await;
    assert_eq!(host.engine.count(Call::Events), watches, "and the engine is still watched");
}

#[tokio::test]
async fn an_addon_whose_objects_can_not_be_read_keeps_no_other_waiting_and_can_be_removed() {
    let host = host().await;
    let (bad, good) = (ready(&host, "bad").await, ready(&host, "good").await);
    host.sealer.break_all(&format!("addon/{bad}/object/"));
    let foreign = format!("larder-{bad}-else");
    add_container(&host, &foreign, owner(&host, bad, "else"), None).await;
    swept(&host).await;
    let (watches, server) = (host.engine.count(Call::Events), format!("larder-{good}-server"));
    host.engine.exit(&server, 1, false, "");
    let runs = || host.engine.container(&server).is_some_and(|it| it.state == ContainerState::Running);
    until("the other's server to run again", || async { runs().then_some(()) }).await;
    assert_eq!(unknown(&host).await, [""; 0], "nobody can say whose it is");
    assert!(host.control.prune_engines().await.unwrap().removed.is_empty());
    host.control.delete_addon_now(bad, false).await.unwrap();
    until("its cleanup", || async {
        (host.control.addon(bad).await.unwrap().addon.cleanup == Cleanup::Done).then_some(())
    })
    .await;
    assert!(!has(&host.engine, bad) && has(&host.engine, good));
    assert_eq!(host.engine.count(Call::Events), watches, "the engine was watched all the time");
    assert_eq!(host.calls("db", Export::Deprovision), 1, "its provider was asked, too");
}
