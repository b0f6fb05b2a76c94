//! A whole host without wasm: the real store and worker over a scripted runtime and sink.

mod breakable;

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use larder_containers::fake::FakeEngine;
use larder_control::worker::watch_engines;
use larder_control::{Control, ControlError, CreateAddon, EngineSettings, NamedEngine, Pauses, Worker, WorkerConfig};
use larder_domain::config::{RawConfig, RawEntry, Variable};
use larder_domain::docker::{LocalName, Status};
use larder_domain::engines::EngineLabels;
use larder_domain::failure::{Fault, GuestFailure, Pending};
use larder_domain::grants::Permission;
use larder_domain::limits::{AFTER_MS_MAX, CallLimits};
use larder_domain::network::Host;
use larder_domain::operation::Health;
use larder_domain::ports::runtime::{Call, CallReport, Export, Interface, ProviderRuntime, Reply, Usage};
use larder_domain::ports::store::ProviderStore as _;
use larder_domain::ports::{AppSink, SinkError};
use larder_domain::provider::{Refusal, Version, VersionState};
use larder_domain::retry::Backoff;
use larder_domain::{AddonId, AddonRecord, AppName, Digest, SecretString};
use larder_store::{Clock, KeyfileSealer, SqlStore, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore, watch};

pub(crate) use breakable::Breakable;

/// How often workers look whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a provider does in a call.
pub(crate) type Answer = Result<Result<Reply, GuestFailure>, Fault>;

/// How a provider answers each function.
pub(crate) type Behaviour = Box<dyn Fn(Export) -> CallReport + Send + Sync>;

/// What a version says of itself under options.
pub(crate) type Describe = Box<dyn Fn(&Value) -> Result<Value, String> + Send + Sync>;

/// Behaviours by provider; everything succeeds unless told otherwise.
#[derive(Default)]
pub(crate) struct Script {
    /// What each call returns, by provider.
    pub(crate) answers: Mutex<HashMap<String, Behaviour>>,
    /// What versions say of themselves that are not ordinary.
    pub(crate) describes: Mutex<HashMap<Digest, Describe>>,
    /// Providers whose calls wait for ever.
    pub(crate) hanging: Mutex<HashSet<String>>,
    /// Providers each of whose calls waits until it is let go.
    pub(crate) held: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Providers that say in `provision-complete` how this container is doing.
    pub(crate) looks: Mutex<HashMap<String, LocalName>>,
    /// Whether versions that are uploaded from now on tell how addons do.
    pub(crate) tells_health: AtomicBool,
    /// Each call that began: provider and function.
    pub(crate) calls: Mutex<Vec<(String, Export)>>,
    /// The last call of each function.
    pub(crate) last: Mutex<HashMap<Export, Call>>,
    /// Woken at each call that begins.
    pub(crate) called: Notify,
    under_way: Mutex<HashSet<AddonId>>,
    /// Whether two calls of one addon ever overlapped.
    pub(crate) overlapped: AtomicBool,
}

/// A runtime whose components are just their names.
pub(crate) struct Scripted(pub Arc<Script>);

/// Marks an addon's call as under way for as long as it lives.
struct UnderWay(Arc<Script>, AddonId);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap().remove(&self.1);
    }
}

#[async_trait]
impl ProviderRuntime for Scripted {
    fn inspect(&self, _wasm: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    async fn load(&self, _digest: Digest, _wasm: Vec<u8>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn load_kept(&self, _digest: Digest) -> bool {
        true
    }

    fn is_loaded(&self, _digest: Digest) -> bool {
        true
    }

    fn exports(&self, _digest: Digest) -> Vec<Interface> {
        let health = self.0.tells_health.load(Ordering::SeqCst).then_some(Interface::Health);
        [Interface::Update, Interface::Rotation, Interface::Transfer].into_iter().chain(health).collect()
    }

    fn unload(&self, _digest: Digest) {}

    fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn describe(
        &self,
        digest: Digest,
        options: &SecretString,
        _: CallLimits,
    ) -> Result<Result<String, String>, Fault> {
        if let Some(scripted) = self.0.describes.lock().unwrap().get(&digest) {
            return Ok(scripted(&serde_json::from_str(options.reveal()).unwrap()).map(|manifest| manifest.to_string()));
        }
        Ok(Ok(manifest().to_string()))
    }

    async fn call(&self, call: Call) -> CallReport {
        let provider = call.addon.provider.to_string();
        if !self.0.under_way.lock().unwrap().insert(call.addon.id) {
            self.0.overlapped.store(true, Ordering::SeqCst);
        }
        let _under_way = UnderWay(Arc::clone(&self.0), call.addon.id);
        self.0.calls.lock().unwrap().push((provider.clone(), call.export));
        self.0.last.lock().unwrap().insert(call.export, call.clone());
        self.0.called.notify_waiters();
        if self.0.hanging.lock().unwrap().contains(&provider) && call.export != Export::Deprovision {
            std::future::pending::<()>().await;
        }
        let held = self.0.held.lock().unwrap().get(&provider).map(Arc::clone);
        if let Some(held) = held {
            held.acquire().await.unwrap().forget();
        }
        let looked_at = self.0.looks.lock().unwrap().get(&provider).cloned();
        if let Some(container) = looked_at.filter(|_| call.export == Export::ProvisionComplete) {
            return report(told(call.context.inspect(&container).await.unwrap()));
        }
        let scripted = self.0.answers.lock().unwrap().get(&provider).map(|answer| answer(call.export));
        scripted.unwrap_or_else(|| report(usual(call.export)))
    }
}

/// What a provider makes of a container.
fn told(status: Status) -> Answer {
    let pending = |message| Ok(Reply::Pending(Pending::bounded(AFTER_MS_MAX, message, None)));
    Ok(match status {
        Status::Waiting { message } => pending(message),
        Status::Running { .. } => Ok(Reply::Done),
        Status::Exited { log, .. } => Err(GuestFailure::Failed(log)),
        Status::Failed { reason } => Err(GuestFailure::Failed(reason)),
    })
}

/// What an ordinary provider says of itself.
pub(crate) fn manifest() -> Value {
    let plan = json!({ "name": "default", "description": "One", "parameters": { "type": "object" } });
    let service = json!({ "name": "thing", "description": "A thing", "variables": ["THING"], "plans": [plan] });
    let request =
        json!({ "capability": "docker", "value": "volumes=1", "required": false, "reason": "To keep things" });
    json!({ "version": "1", "description": "Scripted", "services": [service], "requests": [request] })
}

/// An answer and nothing beside it.
pub(crate) fn report(outcome: Answer) -> CallReport {
    CallReport {
        outcome,
        state: None,
        log: vec![],
        denied: vec![],
        denials: 0,
        objects: None,
        issued: vec![],
        cpu: Duration::ZERO,
        wall: Duration::ZERO,
    }
}

/// What an honest provider answers.
pub(crate) fn usual(export: Export) -> Answer {
    let thing = RawEntry { name: "THING".into(), value: SecretString::new("a thing"), secret: false };
    Ok(Ok(match export {
        Export::BeginProvision => Reply::Begun("begun".into()),
        Export::BeginUpdate | Export::BeginRotation => Reply::Begun("begun".into()),
        Export::BeginExport | Export::BeginImport => Reply::Transfer(SecretString::new("{}")),
        Export::CheckHealth => Reply::Health(Health::HEALTHY),
        Export::ProvisionComplete | Export::Deprovision | Export::EndRotation => Reply::Done,
        Export::GetConfig => Reply::Config(RawConfig { variables: vec![thing], credentials: vec![] }),
    }))
}

/// A sink that can be told to refuse, and remembers what it has.
#[derive(Default)]
pub(crate) struct FakeSink {
    pub(crate) refuses: AtomicBool,
    pub(crate) has: Mutex<HashSet<AddonId>>,
}

#[async_trait]
impl AppSink for FakeSink {
    async fn set(&self, _: &AppName, addon: AddonId, _: &[Variable]) -> Result<(), SinkError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(SinkError("the platform does not answer".into()));
        }
        self.has.lock().unwrap().insert(addon);
        Ok(())
    }

    async fn unset(&self, _: &AppName, addon: AddonId) -> Result<(), SinkError> {
        self.has.lock().unwrap().remove(&addon);
        Ok(())
    }
}

/// Nobody waits for long.
const PAUSES: Pauses =
    Pauses { empty_network: Duration::ZERO, no_network_ms: 50, failed: Backoff { first_ms: 20, longest_ms: 200 } };

fn engine_settings() -> EngineSettings {
    let address = Ipv4Addr::LOCALHOST;
    let advertise = Host::parse(&address.to_string()).unwrap();
    let (name, url, labels) = ("default".parse().unwrap(), "unix:///default".to_owned(), EngineLabels::new());
    EngineSettings { name, url, advertise, publish_at: address.into(), ports: 21_000..=21_099, labels, weight: 1 }
}

/// A host with a running worker.
pub(crate) struct TestHost {
    pub(crate) control: Control,
    pub(crate) script: Arc<Script>,
    pub(crate) sink: Arc<FakeSink>,
    pub(crate) store: Arc<SqlStore>,
    pub(crate) sealer: Arc<Breakable>,
    pub(crate) engine: Arc<FakeEngine>,
    stop: watch::Sender<bool>,
    _dir: TempDir,
}

impl TestHost {
    /// Starts one with these providers, all of the service `thing`, and the app `demo`.
    pub(crate) async fn start(providers: &[&str]) -> Self {
        Self::start_at(providers, Arc::new(SystemClock::new())).await
    }

    /// The same by another clock.
    pub(crate) async fn start_at(providers: &[&str], clock: Arc<dyn Clock>) -> Self {
        Self::start_with(providers, clock, |control| control).await
    }

    /// The same, with use cases that are set up beside.
    pub(crate) async fn start_with(
        providers: &[&str],
        clock: Arc<dyn Clock>,
        set_up: impl FnOnce(Control) -> Control,
    ) -> Self {
        let engine = Arc::new(FakeEngine::default());
        let engines = vec![NamedEngine::new(engine.clone(), engine_settings())];
        Self::start_over(providers, clock, engine, |control| set_up(control.with_engines(engines))).await
    }

    /// One with engines, on which the providers may have a volume for each addon.
    pub(crate) async fn start_on(providers: &[&str], engines: Vec<NamedEngine>) -> Self {
        let clock = Arc::new(SystemClock::new());
        let host = Self::start_over(providers, clock, Arc::default(), |control| control.with_engines(engines)).await;
        for name in providers {
            host.grant(name).await;
        }
        host
    }

    /// The same host with other engines, as after a restart.
    pub(crate) fn over_to(&mut self, engines: Vec<NamedEngine>) {
        self.over_to_with(engines, |control| control);
    }

    /// The same, with use cases that are set up beside.
    pub(crate) fn over_to_with(&mut self, engines: Vec<NamedEngine>, set_up: impl FnOnce(Control) -> Control) {
        self.stop.send_replace(true);
        let runtime = Arc::new(Scripted(Arc::clone(&self.script)));
        let control = Control::new(self.store.clone(), runtime, self.sink.clone());
        let control = set_up(control.with_engines(engines).with_pauses(PAUSES));
        self.stop = run(&control);
        self.control = control;
    }

    /// `engine` is the one that tests get to see.
    async fn start_over(
        providers: &[&str],
        clock: Arc<dyn Clock>,
        engine: Arc<FakeEngine>,
        set_up: impl FnOnce(Control) -> Control,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let sealer = KeyfileSealer::from_file_or_create(&dir.path().join("key")).unwrap();
        let sealer = Arc::new(Breakable::new(sealer));
        let store = Arc::new(SqlStore::open(dir.path(), sealer.clone(), clock).unwrap());
        let (script, sink) = (Arc::new(Script::default()), Arc::new(FakeSink::default()));
        let control = Control::new(store.clone(), Arc::new(Scripted(Arc::clone(&script))), sink.clone());
        let control = set_up(control.with_pauses(PAUSES));
        let stop = run(&control);
        let host = Self { control, script, sink, store, sealer, engine, stop, _dir: dir };
        for name in providers {
            host.upload(name).await;
        }
        // Those of the trials that versions stand before they serve.
        host.script.calls.lock().unwrap().clear();
        host.control.create_app(&"demo".parse().unwrap()).await.unwrap();
        host
    }

    async fn upload(&self, name: &str) {
        let version = self.upload_version(name, name).await;
        assert_eq!(version.state, VersionState::Active);
    }

    /// Uploads a version; as it is when it was checked.
    pub(crate) async fn upload_version(&self, name: &str, wasm: &str) -> Version {
        let name = name.parse().unwrap();
        let digest = self.control.upload(&name, wasm.as_bytes().to_vec()).await.unwrap().version.digest;
        self.control.wait_for_version(&name, digest, Duration::from_secs(30)).await.unwrap()
    }

    /// Lets a provider have a volume for each addon.
    pub(crate) async fn grant(&self, name: &str) {
        let name = name.parse().unwrap();
        let volume = Permission::parse("docker", "volumes=1").unwrap();
        let revision = self.store.provider(&name).await.unwrap().unwrap().revision;
        self.control.set_grants(&name, vec![volume], revision).await.unwrap();
    }

    /// Asks for an addon by this provider.
    pub(crate) async fn create(&self, provider: &str, name: &str) -> AddonRecord {
        self.ask(provider, name, None).await.unwrap()
    }

    /// Asks for one on an engine that is wished for.
    pub(crate) async fn create_on(&self, provider: &str, name: &str, wish: &str) -> AddonRecord {
        self.ask(provider, name, Some(wish)).await.unwrap()
    }

    /// Asks for an addon.
    pub(crate) async fn ask(
        &self,
        provider: &str,
        name: &str,
        wish: Option<&str>,
    ) -> Result<AddonRecord, ControlError> {
        Ok(self.control.create_addon(Self::wish(provider, name, wish)).await?.0)
    }

    /// What is asked for then.
    pub(crate) fn wish(provider: &str, name: &str, engine: Option<&str>) -> CreateAddon {
        CreateAddon {
            app: "demo".parse().unwrap(),
            service: "thing".parse().unwrap(),
            provider: Some(provider.parse().unwrap()),
            plan: None,
            name: Some(name.parse().unwrap()),
            provision_type: None,
            attach_as: Some(name.replace('-', "_").parse().unwrap()),
            shared_experiment: None,
            shared_app: None,
            parameters: json!({}).into(),
            protected: false,
            engine: engine.map(|wish| wish.parse().unwrap()),
            idempotency: None,
        }
    }

    /// Waits until an addon is ready or terminal.
    pub(crate) async fn settled(&self, id: AddonId) -> AddonRecord {
        self.control.wait_for_addon(id, Duration::from_secs(60)).await.unwrap()
    }

    /// How often this function of this provider was called.
    pub(crate) fn calls(&self, provider: &str, export: Export) -> usize {
        self.script.calls.lock().unwrap().iter().filter(|call| **call == (provider.to_owned(), export)).count()
    }
}

/// Starts what works for a control.
fn run(control: &Control) -> watch::Sender<bool> {
    let (stop, stopped) = watch::channel(false);
    // Nobody pokes it when a clock is advanced by hand.
    let config = WorkerConfig { look_every: LOOK_EVERY, ..WorkerConfig::default() };
    tokio::spawn(Worker::new(control.clone(), config).run(stopped.clone()));
    tokio::spawn(watch_engines(control.clone(), stopped));
    stop
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Asks again until the answer is there.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
