//! Several engines: where addons go, and that a bad engine holds up nobody but its own.

mod added;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use larder_containers::fake::{Call, FakeEngine};
use larder_control::{Code, ControlError, CreateAddon, EngineReport, EngineSettings, EngineState, NamedEngine};
use larder_domain::docker::{Image, Wanted};
use larder_domain::engines::{EngineLabels, EngineWish};
use larder_domain::ids::InstallationId;
use larder_domain::network::Host;
use larder_domain::ports::engine::{
    Attached, ContainerState, Engine, EngineError, EngineEvents, EngineInfo, Exec, ExecOutput, Found, NewContainer,
    Owner, Passage,
};
use larder_domain::ports::runtime::{CallReport, Export};
use larder_domain::ports::store::{ObjectStore as _, Phase};
use larder_domain::{AddonId, AddonRecord, AddonState, Cleanup, NetworkName, SecretString};

use crate::support::{TestHost, report, until, usual};

/// Far more than one provider has places for.
const MANY: usize = 80;

pub(crate) fn named(name: &str, labels: &str, engine: Arc<dyn Engine>) -> NamedEngine {
    let labels = match labels.parse() {
        Ok(EngineWish::Labelled(labels)) => labels,
        _ => EngineLabels::new(),
    };
    let (name, url, advertise) = (name.parse().unwrap(), format!("unix:///{name}"), Host::parse("127.0.0.1").unwrap());
    let publish_at = "127.0.0.1".parse().unwrap();
    NamedEngine::new(
        engine,
        EngineSettings { name, url, advertise, publish_at, ports: 21_000..=21_999, labels, weight: 1 },
    )
}

fn silent() -> EngineError {
    EngineError::Unreachable("nobody is there".into())
}

/// A provider whose addons have a volume.
fn with_volume(export: Export) -> CallReport {
    let volume = Wanted::parse(SecretString::new(r#"{"kind":"volume","name":"data"}"#)).unwrap();
    let objects = (export == Export::BeginProvision).then(|| [(volume.spec.name().clone(), volume)].into());
    CallReport { objects, ..report(usual(export)) }
}

async fn host(engines: Vec<NamedEngine>) -> TestHost {
    let host = TestHost::start_on(&["keeper"], engines).await;
    host.script.answers.lock().unwrap().insert("keeper".into(), Box::new(with_volume));
    host
}

async fn made(engine: &FakeEngine, addon: AddonId) {
    let volume = format!("larder-{addon}-data");
    until("its volume", || async { engine.volumes().contains(&volume).then_some(()) }).await;
}

fn on(record: &AddonRecord) -> &str {
    record.engine.as_ref().map_or("-", |engine| engine.as_str())
}

async fn report_of(host: &TestHost, name: &str) -> EngineReport {
    let reports = host.control.engine_reports().await.unwrap();
    reports.into_iter().find(|report| report.name.as_str() == name).unwrap()
}

#[tokio::test]
async fn objects_are_made_on_the_engine_that_was_wished_for() {
    let (a, b) = (Arc::new(FakeEngine::default()), Arc::new(FakeEngine::default()));
    let host = host(vec![named("a", "disk=hdd,zone=x", a.clone()), named("b", "disk=ssd,zone=x", b.clone())]).await;
    let by_name = host.create_on("keeper", "one", "b").await;
    let by_label = host.create_on("keeper", "two", "disk=ssd,zone=x").await;
    let by_room = host.create("keeper", "three").await;
    assert_eq!((on(&by_name), on(&by_label), on(&by_room)), ("b", "b", "a"));
    for (engine, record) in [(&b, &by_name), (&b, &by_label), (&a, &by_room)] {
        made(engine, record.spec.id).await;
    }
    assert_eq!((a.volumes().len(), b.volumes().len()), (1, 2));

    // An app's place holds for all that it asks for without a wish of its own.
    let app = "demo".parse().unwrap();
    host.control.set_app_engine(&app, Some("disk=ssd".parse().unwrap())).await.unwrap();
    let (of_app, own) = (host.create("keeper", "four").await, host.create_on("keeper", "five", "a").await);
    assert_eq!((on(&of_app), on(&own)), ("b", "a"));

    for wish in ["c", "disk=nvme", "zone=x,disk=tape"] {
        let refused = host.ask("keeper", "six", Some(wish)).await.unwrap_err().to_string();
        assert!(refused.contains(wish.split(',').next_back().unwrap()), "{refused}");
    }
    let unfit = host.control.set_app_engine(&app, Some("c".parse().unwrap())).await;
    assert!(unfit.is_err_and(|error| error.to_string().contains("`c`")));

    host.control.delete_addon(by_name.spec.id, false).await.unwrap();
    let counted =
        || async { ((report_of(&host, "a").await.addons, report_of(&host, "b").await.addons) == (2, 2)).then_some(()) };
    until("it to be counted no more", counted).await;
    assert!(!b.volumes().contains(&format!("larder-{}-data", by_name.spec.id)));
}

#[tokio::test]
async fn an_addon_without_objects_is_on_no_engine() {
    let engine = Arc::new(FakeEngine::default());
    let mut host = TestHost::start(&["plain"]).await;
    host.over_to(vec![named("a", "", engine)]);
    let record = host.create("plain", "one").await;
    assert_eq!(on(&host.settled(record.spec.id).await), "-");
    let refused = host.ask("plain", "two", Some("a")).await.unwrap_err().to_string();
    assert!(refused.contains("nothing on an engine"), "{refused}");
}

#[tokio::test]
async fn a_dead_engine_holds_up_its_own_addons_alone() {
    let (good, dead) = (Arc::new(FakeEngine::default()), Arc::new(FakeEngine::default()));
    for call in [Call::Objects, Call::Events, Call::Info, Call::CreateVolume, Call::EnsureNetwork] {
        dead.fail(call, 1_000, &silent());
    }
    let host = host(vec![named("good", "", good.clone()), named("dead", "", dead.clone())]).await;
    let mut waiting = vec![];
    for at in 0..MANY {
        waiting.push(host.create_on("keeper", &format!("d{at}"), "dead").await.spec.id);
    }
    let fine = host.create_on("keeper", "fine", "good").await.spec.id;
    made(&good, fine).await;
    // It was asked now and then, and not once for each that waits.
    assert!(dead.count(Call::Objects) < MANY, "{}", dead.count(Call::Objects));

    // Whoever asks is told what it waits for.
    let told = || async {
        let objects = host.store.objects(waiting[0]).await.unwrap();
        let object = objects.first()?;
        (object.phase == Phase::Waiting && object.message.contains("nobody is there")).then_some(())
    };
    until("the object to say what it waits for", told).await;
    let EngineState::Unreachable { error, .. } = report_of(&host, "dead").await.state else { panic!() };
    assert_eq!(error, silent());
    let EngineState::Reachable { .. } = report_of(&host, "good").await.state else { panic!() };
}

#[tokio::test]
async fn what_waited_is_made_when_its_engine_is_there_again() {
    let (good, late) = (Arc::new(FakeEngine::default()), Arc::new(FakeEngine::default()));
    late.fail(Call::Objects, 1, &silent());
    late.fail(Call::Events, 1, &silent());
    let host = host(vec![named("good", "", good), named("late", "", late.clone())]).await;
    for at in 0..8 {
        let record = host.create_on("keeper", &format!("l{at}"), "late").await;
        made(&late, record.spec.id).await;
    }
}

#[tokio::test]
async fn a_slow_engine_leaves_places_to_the_others() {
    let (good, slow) = (Arc::new(FakeEngine::default()), Arc::new(Slow::default()));
    let host = host(vec![named("good", "", good.clone()), named("slow", "", slow.clone())]).await;
    for at in 0..MANY {
        host.create_on("keeper", &format!("s{at}"), "slow").await;
    }
    until("the slow engine to be busy", || async { (slow.asked.load(Ordering::SeqCst) > 8).then_some(()) }).await;
    for at in 0..8 {
        let record = host.create_on("keeper", &format!("g{at}"), "good").await;
        made(&good, record.spec.id).await;
    }
    assert!(slow.asked.load(Ordering::SeqCst) <= 22, "a third of a provider's places, and who watches it");
}

#[tokio::test]
async fn cleanups_wait_for_a_place_before_their_provider_is_called() {
    let (engine, count) = (Arc::new(FakeEngine::default()), 60);
    let host = host(vec![named("a", "", engine.clone())]).await;
    let mut all = vec![];
    for at in 0..count {
        let id = host.create("keeper", &format!("a{at}")).await.spec.id;
        made(&engine, id).await;
        assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
        all.push(id);
    }
    engine.removes_volumes(false);
    futures_util::future::join_all(all.iter().map(|id| host.control.delete_addon(*id, false))).await;
    until("places to be taken", || async { (engine.count(Call::RemoveVolume) == 24).then_some(()) }).await;
    // Others have some of them, and all of them their turn: whoever has looked for a place in vain is tried again by then.
    let other = host.create("keeper", "other").await.spec.id;
    made(&engine, other).await;
    assert_eq!(host.calls("keeper", Export::Deprovision), 24);
    engine.removes_volumes(true);
    for id in all {
        until("the cleanup", || async {
            (host.control.addon(id).await.unwrap().addon.cleanup == Cleanup::Done).then_some(())
        })
        .await;
        let history = host.control.history(Some(id), 0, 100).await.unwrap();
        assert!(!history.iter().any(|entry| entry.data["outcome"] == "host_fault"), "{history:?}");
    }
    assert_eq!(host.calls("keeper", Export::Deprovision), count);
}

#[tokio::test]
async fn a_slow_engine_leaves_places_to_its_providers_calls_and_to_other_providers() {
    let slow = Arc::new(Slow::default());
    let host = TestHost::start_on(&["keeper", "other"], vec![named("slow", "", slow.clone())]).await;
    for provider in ["keeper", "other"] {
        host.script.answers.lock().unwrap().insert(provider.into(), Box::new(with_volume));
    }
    for at in 0..MANY {
        host.create("keeper", &format!("s{at}")).await;
    }
    let called = |provider, count| host.calls(provider, Export::BeginProvision) == count;
    until("all calls", || async { called("keeper", MANY).then_some(()) }).await;
    let busy = slow.asked.load(Ordering::SeqCst);
    host.create("other", "one").await;
    until("its objects to be looked at", || async { (slow.asked.load(Ordering::SeqCst) > busy).then_some(()) }).await;
}

#[tokio::test]
async fn an_engine_that_is_not_configured_any_more_loses_nothing() {
    let (a, b) = (Arc::new(FakeEngine::default()), Arc::new(FakeEngine::default()));
    let mut host = host(vec![named("a", "", a.clone()), named("b", "", b.clone())]).await;
    let id = host.create_on("keeper", "one", "b").await.spec.id;
    made(&b, id).await;
    host.settled(id).await;

    host.over_to(vec![named("a", "", a.clone())]);
    let gone = report_of(&host, "b").await;
    assert!(matches!(gone.state, EngineState::Unconfigured) && gone.addons == 1, "{gone:?}");
    let record = host.control.addon(id).await.unwrap();
    assert_eq!((record.addon.state, on(&record)), (AddonState::Ready, "b"));
    // Deleted meanwhile, it still knows what is left to do, and where.
    host.control.delete_addon(id, false).await.unwrap();
    let told = || async {
        let history = host.control.history(Some(id), 0, 1_000).await.unwrap();
        history.iter().any(|entry| entry.message.contains("`b` is not configured any more")).then_some(())
    };
    until("the cleanup to say what it waits for", told).await;
    assert_eq!(report_of(&host, "b").await.addons, 1);
    assert_eq!(b.volumes().len(), 1);

    host.over_to(vec![named("a", "", a.clone()), named("b", "", b.clone())]);
    until("its volume to go", || async { b.volumes().is_empty().then_some(()) }).await;
    assert!(a.volumes().is_empty());
}

#[tokio::test]
async fn what_is_nobodys_is_removed_wherever_it_can_be() {
    let (a, b) = (Arc::new(FakeEngine::default()), Arc::new(FakeEngine::default()));
    let host = host(vec![named("a", "", a.clone()), named("b", "", b.clone())]).await;
    let owner = |host: &TestHost| Owner {
        installation: larder_domain::ports::Store::installation(&*host.store),
        addon: AddonId::generate(),
        name: "data".parse().unwrap(),
        revision: 1,
    };
    for (engine, name) in [(&a, "larder-x-data"), (&b, "larder-y-data")] {
        engine.create_volume(name, &owner(&host)).await.unwrap();
    }
    b.fail(Call::Objects, 1_000, &silent());
    let pruned = host.control.prune_engines().await.unwrap();
    assert_eq!(pruned.removed, ["larder-x-data"]);
    assert_eq!(pruned.failed, [("b".parse().unwrap(), silent())]);
    a.fail(Call::Objects, 1_000, &silent());
    assert!(host.control.prune_engines().await.is_err(), "nothing could be looked at");
}

/// An engine that answers no question, as long as anybody waits.
#[derive(Default)]
struct Slow {
    asked: AtomicUsize,
}

impl Slow {
    async fn never<T>(&self) -> Result<T, EngineError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[async_trait]
impl Engine for Slow {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.never().await
    }
    async fn has_image(&self, _: &Image) -> Result<bool, EngineError> {
        self.never().await
    }
    async fn pull(&self, _: &Image, _: Duration) -> Result<(), EngineError> {
        self.never().await
    }
    async fn ensure_network(&self, _: InstallationId, _: &str) -> Result<(), EngineError> {
        self.never().await
    }
    async fn has_network(&self, _: &NetworkName) -> Result<bool, EngineError> {
        self.never().await
    }
    async fn join_network(&self, _: &str, _: &NetworkName, _: &str) -> Result<(), EngineError> {
        self.never().await
    }
    async fn leave_network(&self, _: &str, _: &str, _: &str) -> Result<(), EngineError> {
        self.never().await
    }
    async fn remove_network(&self, _: InstallationId, _: &str) -> Result<(), EngineError> {
        self.never().await
    }
    async fn open_passage(&self, _: InstallationId, _: &Passage, _: &str, _: &str) -> Result<(), EngineError> {
        self.never().await
    }
    async fn passages(&self, _: InstallationId) -> Result<Vec<Passage>, EngineError> {
        self.never().await
    }
    async fn close_passage(&self, _: &str) -> Result<(), EngineError> {
        self.never().await
    }
    async fn objects(&self, _: InstallationId, _: Option<AddonId>) -> Result<Vec<Found>, EngineError> {
        self.never().await
    }
    async fn create_volume(&self, _: &str, _: &Owner) -> Result<(), EngineError> {
        self.never().await
    }
    async fn create_container(&self, _: NewContainer<'_>) -> Result<(), EngineError> {
        self.never().await
    }
    async fn start(&self, _: &str) -> Result<(), EngineError> {
        self.never().await
    }
    async fn state(&self, _: &str) -> Result<Option<ContainerState>, EngineError> {
        self.never().await
    }
    async fn stop_container(&self, _: &str, _: Duration) -> Result<(), EngineError> {
        self.never().await
    }
    async fn last_words(&self, _: &str, _: usize, _: usize) -> Result<String, EngineError> {
        self.never().await
    }
    async fn remove_container(&self, _: &str, _: Duration) -> Result<(), EngineError> {
        self.never().await
    }
    async fn remove_volume(&self, _: &str) -> Result<(), EngineError> {
        self.never().await
    }
    async fn exec(&self, _: &str, _: Exec) -> Result<ExecOutput, EngineError> {
        self.never().await
    }
    async fn attach(&self, _: &str, _: bool) -> Result<Box<dyn Attached>, EngineError> {
        self.never().await
    }
    async fn events(&self, _: InstallationId) -> Result<Box<dyn EngineEvents>, EngineError> {
        self.never().await
    }
}

#[tokio::test]
async fn an_engine_that_is_gone_for_good_is_given_up_and_cleanups_end() {
    let (near, far) = (Arc::new(FakeEngine::default()), Arc::new(FakeEngine::default()));
    let both = || vec![named("near", "", near.clone()), named("far", "", far.clone())];
    let mut host = host(both()).await;
    let far_name = "far".parse().unwrap();
    let wish = CreateAddon {
        engine: Some(EngineWish::Named("far".parse().unwrap())),
        ..TestHost::wish("keeper", "one", None)
    };
    let id = host.control.create_addon(wish).await.unwrap().0.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    made(&far, id).await;
    let refused = async |host: &TestHost| match host.control.forget_engine(&far_name).await {
        Err(ControlError::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&host).await, Code::EngineInUse, "it is configured");
    host.over_to(vec![named("near", "", near.clone())]);
    assert_eq!(refused(&host).await, Code::EngineInUse, "somebody has data there");
    host.control.delete_addon_now(id, false).await.unwrap();
    until("a try", || async { (host.calls("keeper", Export::Deprovision) > 1).then_some(()) }).await;
    assert_ne!(host.control.addon(id).await.unwrap().addon.cleanup, Cleanup::Done);
    assert_eq!(host.control.forget_engine(&far_name).await.unwrap(), 1);
    until("the cleanup", || async {
        (host.control.addon(id).await.unwrap().addon.cleanup == Cleanup::Done).then_some(())
    })
    .await;
    let reports = host.control.engine_reports().await.unwrap();
    assert_eq!(reports.iter().map(|report| report.name.as_str()).collect::<Vec<_>>(), ["near"]);
}
