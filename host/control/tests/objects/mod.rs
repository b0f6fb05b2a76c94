//! Addons with containers, over an engine that is none.

use std::fmt::Debug;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use larder_domain::docker::{Image, Objects, Wanted};
use larder_domain::network::Scheme;
use larder_domain::operation::{HealthState, Stage};
use larder_domain::ports::Store as _;
use larder_domain::ports::engine::{ContainerState, EngineError};
use larder_domain::ports::runtime::{CallReport, Export};
use larder_domain::ports::store::{ObjectStore as _, Phase, WorkStore as _};
use larder_domain::provider::VersionState;
use larder_domain::{AddonRecord, AddonState, Cleanup, SecretString};
use larder_store::{Clock, ManualClock, SystemClock};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use larder_containers::fake::Call;

use crate::support::{TestHost, report, until, usual};

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
    host_at(Arc::new(SystemClock::new())).await
}

async fn host_at(clock: Arc<dyn Clock>) -> TestHost {
    let host = TestHost::start_at(&["db"], clock).await;
    host.script.answers.lock().unwrap().insert("db".into(), Box::new(begin));
    host.script.looks.lock().unwrap().insert("db".into(), "server".parse().unwrap());
    host
}

/// The same, and the provider may have volumes, so that its calls are told where its containers are.
async fn host_with_grant() -> TestHost {
    let host = host().await;
    host.grant("db").await;
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

/// Has an addon removed, and waits until its cleanup is done.
async fn is_over(host: &TestHost, record: &AddonRecord) {
    host.control.delete_addon(record.spec.id, false).await.unwrap();
    let is_done = async || {
        let addon = host.control.addon(record.spec.id).await.unwrap().addon;
        (addon.cleanup == Cleanup::Done).then_some(())
    };
    until("the cleanup", is_done).await;
}

#[tokio::test]
async fn what_ends_is_removed_once() {
    let host = host().await;
    host.engine.add_image(&image());
    for round in 1..=5 {
        let record = host.create("db", &format!("nr{round}")).await;
        assert_eq!(host.settled(record.spec.id).await.addon.state, AddonState::Ready);
        is_over(&host, &record).await;
        assert_eq!(host.engine.count(Call::RemoveContainer), round);
    }
}

async fn has_no_network(host: &TestHost) {
    until("the network to be gone", async || host.engine.networks().is_empty().then_some(())).await;
}

#[tokio::test]
async fn the_network_goes_with_the_last_container_and_comes_with_the_next() {
    let host = host().await;
    host.engine.add_image(&image());
    for round in 0..2 {
        let [one, other] = [format!("one-{round}"), format!("other-{round}")];
        let (one, other) = (host.create("db", &one).await, host.create("db", &other).await);
        for record in [&one, &other] {
            assert_eq!(host.settled(record.spec.id).await.addon.state, AddonState::Ready);
        }
        is_over(&host, &one).await;
        assert_eq!(host.engine.networks().len(), 1, "the other is in it");
        is_over(&host, &other).await;
        has_no_network(&host).await;
    }
    // Both at once: whoever is later takes it along.
    let (one, other) = (host.create("db", "one").await, host.create("db", "other").await);
    for record in [&one, &other] {
        host.settled(record.spec.id).await;
    }
    tokio::join!(is_over(&host, &one), is_over(&host, &other));
    has_no_network(&host).await;
}

#[tokio::test]
async fn a_network_that_somebody_else_uses_keeps_no_addon_from_ending() {
    let host = host().await;
    host.engine.add_image(&image());
    let record = host.create("db", "one").await;
    host.settled(record.spec.id).await;
    host.engine.fail(Call::RemoveNetwork, 1, &EngineError::Conflict("active endpoints".into()));
    let tries = host.engine.count(Call::RemoveNetwork);
    is_over(&host, &record).await;
    let tried = async || (host.engine.count(Call::RemoveNetwork) > tries).then_some(());
    until("a try", tried).await;
    assert_eq!(host.engine.networks().len(), 1);
    // The next look at everything finds it unused.
    host.engine.break_events(&EngineError::Failed("it was started again".into()));
    has_no_network(&host).await;
}

#[tokio::test]
async fn an_engine_that_fails_at_the_network_is_asked_again() {
    let host = host().await;
    host.engine.add_image(&image());
    let record = host.create("db", "one").await;
    host.settled(record.spec.id).await;
    host.engine.fail(Call::RemoveNetwork, 3, &EngineError::Failed("out of order".into()));
    let watches = host.engine.count(Call::Events);
    is_over(&host, &record).await;
    has_no_network(&host).await;
    assert_eq!(host.engine.count(Call::Events), watches, "and is watched meanwhile");
}

#[tokio::test]
async fn an_addon_in_use_waits_for_its_address_and_says_so() {
    let host = host().await;
    host.engine.add_image(&image());
    let id = host.create("db", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let name = format!("larder-{id}-server");
    let published = host.engine.container(&name).unwrap().published;
    let address = published[&5432];
    let runs = async || {
        let container = host.engine.container(&name)?;
        (container.state == ContainerState::Running).then_some(container.published)
    };
    let end: [&dyn Fn(); 2] = [&|| host.engine.exit(&name, 1, false, ""), &|| host.engine.destroy(&name)];
    for (nth, end) in end.into_iter().enumerate() {
        // In the moment in which nobody listens there, somebody else begins to.
        host.engine.take_address(address);
        end();
        let health = async || {
            let health = host.control.addon(id).await.unwrap().addon.health;
            health.reason.filter(|reason| reason.contains("waits for its address"))
        };
        let reason = until("its health to tell", health).await;
        assert!(reason.contains(&address.to_string()), "{reason}");
        let tries = host.engine.count(Call::Start);
        until("another try", async || (host.engine.count(Call::Start) > tries).then_some(())).await;
        host.engine.free_address(address);
        assert_eq!(until("it to run again", runs).await, published, "where the variables say");
        let history = host.control.history(Some(id), 0, 100).await.unwrap();
        let told = |words: &str| history.iter().filter(|entry| entry.message.contains(words)).count();
        assert_eq!(told("waits for its address"), nth + 1, "once, not with each try");
    }
}

#[tokio::test]
async fn a_container_that_somebody_has_paused_is_left_to_them() {
    let host = host().await;
    host.engine.add_image(&image());
    let record = host.create("db", "one").await;
    let id = record.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let name = format!("larder-{id}-server");
    let starts = host.engine.count(Call::Start);
    host.engine.pause(&name, true);
    let health = async |state: HealthState| {
        until("the addon's health", || async {
            let health = host.control.addon(id).await.unwrap().addon.health;
            (health.state == state).then_some(health)
        })
        .await
    };
    let ill = health(HealthState::Unhealthy).await;
    let why = format!("the container server is paused; `docker unpause {name}` lets it go on");
    assert_eq!(ill.reason, Some(why));
    host.engine.pause(&name, false);
    health(HealthState::Healthy).await;
    assert_eq!(host.engine.count(Call::Start), starts);
}

#[tokio::test]
async fn what_runs_again_in_an_overlap_is_not_said_to_be_ill_until_that_ends() {
    let host = host().await;
    host.engine.add_image(&image());
    host.script.tells_health.store(true, Ordering::SeqCst);
    // In its trial there is no container to look at.
    let looked_at = host.script.looks.lock().unwrap().remove("db").unwrap();
    assert_eq!(host.upload_version("db", "tells how its addons do").await.state, VersionState::Active);
    host.script.looks.lock().unwrap().insert("db".into(), looked_at);
    let id = host.create("db", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    host.control.rotate_addon(id, 3_600_000).await.unwrap();
    assert_eq!(host.settled(id).await.addon.operation.unwrap().stage, Stage::Overlap);
    host.engine.exit(&format!("larder-{id}-server"), 1, false, "");
    let health = until("it to be said", || async {
        let history = host.control.history(Some(id), 0, 100).await.unwrap();
        let was_ill = history.iter().any(|entry| entry.data["health"] == "unhealthy");
        let health = host.control.addon(id).await.unwrap().addon.health;
        (was_ill && health.state != HealthState::Unhealthy).then_some(health)
    })
    .await;
    assert_eq!(health.state, HealthState::Unknown, "nobody has asked its provider");
    assert!(host.control.addon(id).await.unwrap().addon.running().is_some());
}

/// Whether the last call of this function may connect to a port of the engine's.
fn reaches(host: &TestHost, export: Export, port: u16) -> bool {
    let call = host.script.last.lock().unwrap()[&export].clone();
    call.network.permits_address(Scheme::Tcp, ([127, 0, 0, 1], port).into())
}

#[tokio::test]
async fn what_waits_to_be_started_first_is_not_reached_yet() {
    let host = host_with_grant().await;
    host.engine.add_image(&image());
    host.engine.fail(Call::Start, 4, &EngineError::Failed("no room".into()));
    let id = host.create("db", "one").await.spec.id;
    until("its port", || async { (!host.store.published(id).await.unwrap().is_empty()).then_some(()) }).await;
    let before = host.calls("db", Export::ProvisionComplete);
    host.store.poke_addon(id).await.unwrap();
    until("a call", || async { (host.calls("db", Export::ProvisionComplete) > before).then_some(()) }).await;
    assert!(!reaches(&host, Export::ProvisionComplete, 21_000), "whoever listens there is somebody else");
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    assert!(reaches(&host, Export::GetConfig, 21_000) && !reaches(&host, Export::GetConfig, 21_001));
    // It is made anew at the same port, so nobody is kept from trying.
    host.engine.fail(Call::CreateContainer, 1, &EngineError::Failed("no room".into()));
    host.engine.destroy(&format!("larder-{id}-server"));
    until("a failure", || async { (host.engine.count(Call::CreateContainer) > 1).then_some(()) }).await;
    host.control.rotate_addon(id, 0).await.unwrap();
    until("a call", || async { (host.calls("db", Export::BeginRotation) > 0).then_some(()) }).await;
    assert!(reaches(&host, Export::BeginRotation, 21_000));
}

#[tokio::test]
async fn a_registry_that_is_down_is_asked_after_growing_pauses_and_told_of_once() {
    let clock = Arc::new(ManualClock::default());
    let host = host_at(clock.clone()).await;
    host.engine.fail(Call::Pull, 4, &EngineError::Failed("toomanyrequests".into()));
    let id = host.create("db", "one").await.spec.id;
    for (attempt, pause_ms) in [(1, 2_000), (2, 4_000), (3, 8_000), (4, 16_000)] {
        until("an attempt", || async { (host.engine.count(Call::Pull) == attempt).then_some(()) }).await;
        let waits = async || {
            let lease = host.store.objects(id).await.unwrap().remove(0);
            lease.message.contains("toomanyrequests").then_some(())
        };
        until("its failure", waits).await;
        due_in(&host, pause_ms).await;
        if attempt == 4 {
            host.engine.add_to_registry(&image());
        }
        clock.advance_ms(pause_ms);
    }
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let history = host.control.history(Some(id), 0, 1_000).await.unwrap();
    assert_eq!(history.iter().filter(|entry| entry.kind == "pulling").count(), 1);
}

/// Waits until the next piece of work that is due is due then.
async fn due_in(host: &TestHost, ms: u64) {
    let due = host.store.now().plus_ms(ms);
    until("it to be put off", || async { (host.store.next_due(vec![]).await.unwrap() == Some(due)).then_some(()) })
        .await;
}

#[tokio::test]
async fn a_container_that_was_gone_is_known_to_be_there_again_without_any_event() {
    let host = host().await;
    host.engine.add_image(&image());
    let id = host.create("db", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    // From now on nobody tells what happens, and nobody looks by himself.
    let away = EngineError::Failed("the proxy is away".into());
    host.engine.always_fail(Call::Events, &host.store.installation().to_string(), Some(&away));
    let watched = host.engine.count(Call::Events);
    host.engine.break_events(&away);
    until("nobody to listen", || async { (host.engine.count(Call::Events) > watched).then_some(()) }).await;
    host.engine.destroy(&format!("larder-{id}-server"));
    host.store.poke_objects(id).await.unwrap();
    let is_done = || async { (host.engine.count(Call::Start) == 2 && !works(&host).await).then_some(()) };
    until("its work to be over", is_done).await;
    let phases: Vec<Phase> = host.store.objects(id).await.unwrap().iter().map(|object| object.phase).collect();
    assert_eq!(phases, [Phase::Made], "whoever inspects it would wait for ever");
}

/// Whether there is work that is due, or under way.
async fn works(host: &TestHost) -> bool {
    host.store.next_due(vec![]).await.unwrap().is_some()
}

/// All that is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn what_is_logged_of_an_engine_holds_no_secret() {
    let log = Log::default();
    // Of one subscriber alone, `tracing` takes what any thread thinks of a line for what all do, and others' threads have none.
    let _other = tracing::Dispatch::new(Log::default());
    let _logging = tracing::subscriber::set_default(log.clone());
    let host = host().await;
    host.engine.add_image(&image());
    let why = format!("exec: {IN_ITS_ENVIRONMENT}: not found; {ISSUED}");
    host.engine.fail(Call::CreateContainer, 1, &EngineError::Failed(why));
    let id = host.create("db", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let said = log.0.lock().unwrap().clone();
    assert!(said.contains("exec: ••••: not found; ••••") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn what_is_made_during_a_call_is_reached_in_the_next() {
    let host = host_with_grant().await;
    host.engine.add_image(&image());
    // Long enough for the provider to be asked meanwhile.
    host.engine.fail(Call::CreateContainer, 8, &EngineError::Failed("out of order".into()));
    let held = Arc::new(tokio::sync::Semaphore::new(1));
    host.script.held.lock().unwrap().insert("db".into(), Arc::clone(&held));
    let id = host.create("db", "one").await.spec.id;
    until("the first look", || async { (host.calls("db", Export::ProvisionComplete) > 0).then_some(()) }).await;
    let is_made = || async {
        let objects = host.store.objects(id).await.unwrap();
        objects.iter().all(|object| object.phase == Phase::Made).then_some(())
    };
    until("the container", is_made).await;
    held.add_permits(1_000);
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let history = host.control.history(Some(id), 0, 100).await.unwrap();
    assert!(history.iter().any(|entry| entry.message.contains("just been started")));
    assert!(host.calls("db", Export::ProvisionComplete) > 1);
}

#[tokio::test]
async fn what_an_engine_says_is_told_whoever_looks_and_what_is_lost_is_told_once() {
    let host = host().await;
    host.engine.add_image(&image());
    let id = host.create("db", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let name = format!("larder-{id}-server");
    let told = async |kind: &str| {
        let history = host.control.history(Some(id), 0, 1_000).await.unwrap();
        history.iter().filter(|entry| entry.kind == kind).count()
    };
    let runs = async || host.engine.container(&name).filter(|it| it.state == ContainerState::Running).map(drop);
    let end: [(Call, &str, &dyn Fn()); 2] = [
        (Call::CreateContainer, "container_lost", &|| host.engine.destroy(&name)),
        (Call::Start, "container_ended", &|| {
            host.engine.lists_as_running(&name, true);
            host.engine.exit(&name, 1, false, "");
        }),
    ];
    for (call, kind, end) in end {
        let full = EngineError::Failed(format!("no space left on device for {IN_ITS_ENVIRONMENT}"));
        host.engine.always_fail(call, &name, Some(&full));
        let tries = host.engine.count(call);
        end();
        until("a fourth try", async || (host.engine.count(call) >= tries + 4).then_some(())).await;
        let server = host.store.objects(id).await.unwrap().remove(0);
        assert_eq!(server.phase, Phase::Waiting);
        assert_eq!(server.message, "the Docker engine failed: no space left on device for ••••");
        let health = host.control.addon(id).await.unwrap().addon.health;
        let why = format!("the container server does not run: {}", server.message);
        assert_eq!((health.state, health.reason), (HealthState::Unhealthy, Some(why)));
        assert_eq!(told(kind).await, 1, "{kind}: once, not with each try");
        host.engine.lists_as_running(&name, false);
        host.engine.always_fail(call, &name, None);
        until("it to run again", runs).await;
        until("it to be noted", async || {
            let server = host.store.objects(id).await.unwrap().remove(0);
            (server.phase == Phase::Made && server.message == "there").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_lost_before_an_addon_is_ready_is_missed_when_it_is() {
    let host = host().await;
    // It has looked already, and says that all is done.
    host.script.looks.lock().unwrap().clear();
    host.engine.add_image(&image());
    let held = Arc::new(tokio::sync::Semaphore::new(1));
    host.script.held.lock().unwrap().insert("db".into(), Arc::clone(&held));
    let id = host.create("db", "one").await.spec.id;
    until("it to be asked", async || (host.calls("db", Export::ProvisionComplete) > 0).then_some(())).await;
    let name = format!("larder-{id}-server");
    until("the container", async || host.engine.container(&name)).await;
    let full = EngineError::Failed("no space left on device".into());
    host.engine.always_fail(Call::CreateContainer, &name, Some(&full));
    host.engine.destroy(&name);
    until("it to be lost", async || {
        let server = host.store.objects(id).await.unwrap().remove(0);
        (server.phase == Phase::Waiting && server.message.contains("no space")).then_some(())
    })
    .await;
    held.add_permits(1_000);
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let why = "the container server does not run: the Docker engine failed: no space left on device";
    until("it to be missed", async || {
        let health = host.control.addon(id).await.unwrap().addon.health;
        (health.state == HealthState::Unhealthy && health.reason.as_deref() == Some(why)).then_some(())
    })
    .await;
    host.engine.always_fail(Call::CreateContainer, &name, None);
    until("it to be well", async || {
        let health = host.control.addon(id).await.unwrap().addon.health;
        (health.state == HealthState::Healthy).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_an_engine_says_beside_a_container_is_told_of_that() {
    let host = host().await;
    host.engine.add_image(&image());
    let full = EngineError::Failed("all predefined address pools have been fully subnetted".into());
    host.engine.fail(Call::EnsureNetwork, 1_000, &full);
    let id = host.create("db", "one").await.spec.id;
    until("it to be told", || async {
        let server = host.store.objects(id).await.unwrap().pop()?;
        (server.phase == Phase::Waiting && server.message.contains("fully subnetted")).then_some(())
    })
    .await;
}
