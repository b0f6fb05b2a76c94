//! Deleted addons that can be had back, over the worker, a sink and an engine.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use larder_containers::fake::Call;
use larder_control::{Code, ControlError};
use larder_domain::docker::{Objects, Wanted};
use larder_domain::ports::Store as _;
use larder_domain::ports::engine::{ContainerState, EngineError};
use larder_domain::ports::runtime::{CallReport, Export};
use larder_domain::ports::store::{ObjectStore as _, Phase, StoredObject};
use larder_domain::{AddonId, AddonState, Cleanup, SecretString};
use larder_store::{ManualClock, SystemClock};

use crate::support::{TestHost, report, until, usual};

const HOUR: Duration = Duration::from_secs(3_600);
const DATA: &str = r#"{"kind":"volume","name":"data"}"#;
const SERVER: &str = r#"{"kind":"container","name":"server","image":"redis:7","memory_bytes":67108864,"ports":[6379],
    "mounts":[{"volume":"data","path":"/data"}]}"#;

async fn host(clock: &Arc<ManualClock>) -> TestHost {
    TestHost::start_with(&["honest"], clock.clone(), |control| control.with_delete_grace(HOUR)).await
}

async fn cleanup_is_done(host: &TestHost, id: AddonId) {
    until("the cleanup", || async {
        (host.control.addon(id).await.unwrap().addon.cleanup == Cleanup::Done).then_some(())
    })
    .await;
}

async fn sink_has(host: &TestHost, id: AddonId, has: bool) {
    until("the sink", || async { (host.sink.has.lock().unwrap().contains(&id) == has).then_some(()) }).await;
}

fn code<T>(result: Result<T, ControlError>) -> Code {
    match result {
        Err(ControlError::Refused { code, .. }) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

async fn variables(host: &TestHost) -> usize {
    host.control.app_config(&"demo".parse().unwrap()).await.unwrap().len()
}

#[tokio::test]
async fn a_deleted_addon_is_had_back_with_its_variables_and_its_provider_hears_of_nothing() {
    let clock = Arc::new(ManualClock::default());
    let host = host(&clock).await;
    let id = host.create("honest", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let deleted = host.control.delete_addon(id, false).await.unwrap().addon;
    let grace = deleted.kept().unwrap();
    assert_eq!(grace.until, host.store.now().plus_ms(3_600_000));
    sink_has(&host, id, false).await;
    assert_eq!((variables(&host).await, host.control.addon_config(id).await.unwrap().config), (0, None));
    assert_eq!(host.control.delete_addon(id, false).await.unwrap().addon.grace, Some(grace), "twice prolongs nothing");

    host.control.undelete_addon(id).await.unwrap();
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    sink_has(&host, id, true).await;
    assert_eq!(variables(&host).await, 1);
    assert_eq!(code(host.control.undelete_addon(id).await), Code::NotInGrace);
    assert_eq!(host.calls("honest", Export::Deprovision), 0);

    host.control.delete_addon(id, false).await.unwrap();
    sink_has(&host, id, false).await;
    clock.advance_ms(3_600_000);
    cleanup_is_done(&host, id).await;
    assert_eq!(code(host.control.undelete_addon(id).await), Code::NotInGrace);
    assert_eq!(host.calls("honest", Export::Deprovision), 1);
}

#[tokio::test]
async fn a_deletion_at_once_leaves_no_grace_and_another_host_changes_none() {
    let clock = Arc::new(ManualClock::default());
    let host = host(&clock).await;
    let (one, other) = (host.create("honest", "one").await.spec.id, host.create("honest", "two").await.spec.id);
    for id in [one, other] {
        assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    }
    assert_eq!(host.control.delete_addon_now(one, false).await.unwrap().addon.grace, None);
    cleanup_is_done(&host, one).await;
    assert_eq!(code(host.control.undelete_addon(one).await), Code::NotInGrace);

    let kept = host.control.delete_addon(other, false).await.unwrap().addon.grace;
    let without = host.control.clone().with_delete_grace(Duration::ZERO);
    assert_eq!(without.delete_addon(other, false).await.unwrap().addon.grace, kept);
    assert!(kept.is_some());
    host.control.delete_addon_now(other, false).await.unwrap();
    cleanup_is_done(&host, other).await;
}

#[tokio::test]
async fn what_was_never_ready_is_cleaned_up_at_once() {
    let clock = Arc::new(ManualClock::default());
    let host = TestHost::start_with(&["stuck"], clock, |control| control.with_delete_grace(HOUR)).await;
    host.script.hanging.lock().unwrap().insert("stuck".into());
    let id = host.create("stuck", "one").await.spec.id;
    until("the call", || async { (host.calls("stuck", Export::BeginProvision) > 0).then_some(()) }).await;
    assert_eq!(host.control.delete_addon(id, false).await.unwrap().addon.grace, None);
    cleanup_is_done(&host, id).await;
}

#[tokio::test]
async fn a_sink_that_does_not_take_the_variables_again_costs_nobody_their_data() {
    let clock = Arc::new(ManualClock::default());
    let host = host(&clock).await;
    let id = host.create("honest", "one").await.spec.id;
    host.settled(id).await;
    let kept = host.control.delete_addon(id, false).await.unwrap().addon.grace;
    sink_has(&host, id, false).await;
    host.sink.refuses.store(true, Ordering::SeqCst);
    host.control.undelete_addon(id).await.unwrap();
    let refusals = || async {
        let history = host.control.history(Some(id), 0, 100).await.unwrap();
        history.iter().filter(|entry| entry.data["call"] == "set-variables").count()
    };
    let mut seen = 0;
    loop {
        until("another refusal", || async { (refusals().await > seen).then_some(()) }).await;
        seen = refusals().await;
        if host.control.addon(id).await.unwrap().addon.state == AddonState::Deprovisioned {
            break;
        }
        clock.advance_ms(60_000);
    }
    let addon = host.control.addon(id).await.unwrap().addon;
    assert_eq!((addon.kept(), variables(&host).await), (kept.map(|kept| kept.prolonged(host.store.now())), 0));
    clock.advance_ms(3_600_000);
    host.sink.refuses.store(false, Ordering::SeqCst);
    host.control.undelete_addon(id).await.unwrap();
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    assert_eq!(host.calls("honest", Export::Deprovision), 0);
}

#[tokio::test]
async fn an_engine_that_is_slow_costs_nobody_their_addon() {
    let clock = Arc::new(ManualClock::default());
    let host = TestHost::start_with(&["docker"], clock.clone(), |control| control.with_delete_grace(HOUR)).await;
    let fake = Arc::clone(&host.engine);
    let id = with_container(&host).await;
    host.control.delete_addon(id, false).await.unwrap();
    sink_has(&host, id, false).await;
    let name = format!("larder-{id}-server");
    let is_stopped = || fake.container(&name).is_some_and(|it| it.state != ContainerState::Running);
    until("the container", || async { is_stopped().then_some(()) }).await;

    // One try in 30 s, so that it takes twice as long as a sink may.
    let tries = 8;
    fake.fail(Call::Start, tries, &EngineError::Refused("no more processes".to_owned()));
    let before = fake.count(Call::Start);
    host.control.undelete_addon(id).await.unwrap();
    for tried in 1..=tries {
        until("another try", || async {
            clock.advance_ms(500);
            (fake.count(Call::Start) >= before + tried).then_some(())
        })
        .await;
        let addon = host.control.addon(id).await.unwrap().addon;
        assert!(!addon.state.is_terminal(), "after {tried} tries it is {}", addon.state);
        if tried == tries / 2 {
            until("what is in the way", || async {
                clock.advance_ms(10);
                let addon = host.control.addon(id).await.unwrap().addon;
                addon.message.contains("server: no more processes").then_some(())
            })
            .await;
        }
    }
    until("the last try", || async {
        clock.advance_ms(500);
        (host.control.addon(id).await.unwrap().addon.state == AddonState::Ready).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_wish_has_led_to_is_not_dropped_for_it() {
    // Nothing that is put off is ever done.
    let host = host(&Arc::new(ManualClock::default())).await;
    let id = host.create("honest", "one").await.spec.id;
    for _ in 0..100 {
        assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
        host.control.delete_addon(id, false).await.unwrap();
        sink_has(&host, id, false).await;
        host.control.undelete_addon(id).await.unwrap();
    }
}

/// A ready addon with a volume and a container.
async fn with_container(host: &TestHost) -> AddonId {
    host.engine.add_image(&"redis:7".parse().unwrap());
    let wanted = [DATA, SERVER].map(|document| Wanted::parse(SecretString::new(document)).unwrap());
    let objects: Objects = wanted.into_iter().map(|wanted| (wanted.spec.name().clone(), wanted)).collect();
    let answer = move |export| match export {
        Export::BeginProvision => CallReport { objects: Some(objects.clone()), ..report(usual(export)) },
        other => report(usual(other)),
    };
    host.script.answers.lock().unwrap().insert("docker".into(), Box::new(answer));
    let id = host.create("docker", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    // Its provider does not ask how far its container is.
    let name = format!("larder-{id}-server");
    let runs = || host.engine.container(&name).is_some_and(|it| it.state == ContainerState::Running);
    until("the container", || async { runs().then_some(()) }).await;
    id
}

#[tokio::test]
async fn containers_stop_with_the_addon_and_run_again_with_it_at_the_same_address() {
    let set_up = |control: larder_control::Control| control.with_delete_grace(HOUR);
    let host = TestHost::start_with(&["docker"], Arc::new(SystemClock::new()), set_up).await;
    let fake = Arc::clone(&host.engine);
    let id = with_container(&host).await;
    let name = format!("larder-{id}-server");
    let runs = async |running: bool| {
        let is = || fake.container(&name).is_some_and(|it| (it.state == ContainerState::Running) == running);
        until("the container", || async { is().then_some(()) }).await;
    };
    runs(true).await;
    let published = fake.container(&name).unwrap().published;

    host.control.delete_addon(id, false).await.unwrap();
    runs(false).await;
    assert_eq!((fake.volumes().len(), fake.networks().len()), (1, 1));
    host.control.undelete_addon(id).await.unwrap();
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let container = fake.container(&name).unwrap();
    assert_eq!((container.state, &container.published), (ContainerState::Running, &published), "before it is ready");
    assert_eq!(fake.count(Call::CreateContainer), 1, "it is the same one, with all that it has written");
    let history = host.control.history(Some(id), 0, 100).await.unwrap();
    assert!(!history.iter().any(|entry| entry.kind.starts_with("container_")), "nothing has gone wrong");

    host.control.delete_addon(id, false).await.unwrap();
    runs(false).await;
    host.control.delete_addon_now(id, false).await.unwrap();
    cleanup_is_done(&host, id).await;
    assert!(fake.containers().is_empty() && fake.volumes().is_empty());
    until("the network to be gone", async || fake.networks().is_empty().then_some(())).await;
    assert_eq!(fake.count(Call::Start), 2, "it is not started to be removed");
}

#[tokio::test]
async fn an_engine_that_starts_nothing_is_why_an_addon_is_not_had_back_yet() {
    let clock = Arc::new(ManualClock::default());
    let host = TestHost::start_with(&["docker"], clock.clone(), |control| control.with_delete_grace(HOUR)).await;
    let fake = Arc::clone(&host.engine);
    let id = with_container(&host).await;
    let name = format!("larder-{id}-server");
    let is_stopped = async || fake.container(&name).filter(|it| it.state != ContainerState::Running).map(drop);
    let message = async |says: &str| {
        until("the addon to say it", async || {
            clock.advance_ms(500);
            let addon = host.control.addon(id).await.unwrap().addon;
            assert!(!addon.state.is_terminal(), "it is {}", addon.state);
            (addon.message.contains(says)).then_some(())
        })
        .await;
    };
    host.control.delete_addon(id, false).await.unwrap();
    until("the container", is_stopped).await;
    fake.always_fail(Call::Start, &name, Some(&EngineError::Failed("no space left on device".into())));
    host.control.undelete_addon(id).await.unwrap();
    message("its containers are being started; server: the Docker engine failed: no space left on device").await;
    // Deleted once more, it is stopped, and waits no more.
    host.control.delete_addon(id, false).await.unwrap();
    until("it to be noted", || async {
        let objects = host.store.objects(id).await.unwrap();
        let is_it = |object: &StoredObject| object.phase == Phase::Stopped && object.message.starts_with("stopped");
        objects.iter().any(is_it).then_some(())
    })
    .await;
    fake.always_fail(Call::Start, &name, None);
    fake.fail(Call::Objects, 1_000, &EngineError::Unreachable("nobody is there".into()));
    host.control.undelete_addon(id).await.unwrap();
    message("nobody is there").await;
}
