//! Exports and imports over an engine that is none: what flows, who is told what, and that no container stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream;
use larder_containers::fake::{Call, FakeEngine, FakeProgram};
use larder_control::{BrokenBody, Code, ControlError, CreateAddon, Exported, ImportBody, TransferLimits};
use larder_domain::docker::{ObjectSpec, Wanted};
use larder_domain::grants::Permission;
use larder_domain::operation::{NewOperation, Operation, OperationKind, OperationState, Stage};
use larder_domain::ports::engine::{ContainerState, Engine, EngineError, NewContainer, Owner, Passage, StreamThrough};
use larder_domain::ports::runtime::{CallReport, Export, Reply};
use larder_domain::ports::store::{AddonStore, Change, Fence, ObjectStore as _};
use larder_domain::{AddonId, AddonState, Digest, Event, InstallationId, OperationId, ProvisionType, SecretString};
use larder_store::{ManualClock, SystemClock};
use serde_json::{Value, json};
use sha2::Digest as _;

use super::support::{TestHost, manifest, report, until, usual};

const IMAGE: &str = "pg:1";
const SERVER: &str = r#"{"kind":"container","name":"server","image":"pg:1","memory_bytes":67108864}"#;

struct World {
    host: TestHost,
    engine: Arc<FakeEngine>,
    id: AddonId,
}

fn described(more: &Value) -> Value {
    let env = json!({ "PGPASSWORD": "correct-horse" });
    let container = json!({ "image": IMAGE, "memory_bytes": 64 << 20, "command": ["dump"], "env": env });
    let mut described = json!({ "container": container, "content_type": "application/sql", "extension": "sql" });
    described.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    described
}

fn says(described: Value) -> impl Fn(Export) -> CallReport + Send + Sync {
    move |export| match export {
        Export::BeginExport | Export::BeginImport => {
            report(Ok(Ok(Reply::Transfer(SecretString::new(described.to_string())))))
        }
        Export::BeginProvision => {
            let wanted = Wanted::parse(SecretString::new(SERVER)).unwrap();
            let objects = [(wanted.spec.name().clone(), wanted)].into();
            CallReport { objects: Some(objects), ..report(usual(export)) }
        }
        _ => report(usual(export)),
    }
}

impl World {
    async fn new(program: FakeProgram) -> Self {
        Self::within(program, TransferLimits::default()).await
    }

    async fn within(program: FakeProgram, limits: TransferLimits) -> Self {
        Self::at(program, limits, Arc::new(SystemClock::new())).await
    }

    /// An addon whose data are printed or read by this program, by a provider that was granted it.
    async fn at(program: FakeProgram, limits: TransferLimits, clock: Arc<dyn larder_store::Clock>) -> Self {
        let host = TestHost::start_with(&[], clock, |control| control.with_transfers(limits)).await;
        let engine = host.engine.clone();
        let image = IMAGE.parse().unwrap();
        engine.add_to_registry(&image);
        engine.runs(&image, program);
        let request = json!({ "capability": "docker", "value": IMAGE, "required": false, "reason": "to dump" });
        let mut manifest = manifest();
        manifest["requests"] = json!([request]);
        manifest["services"][0]["provision_types"] = json!(["independent", "communal"]);
        let digest = Digest(sha2::Sha256::digest("pipes").into());
        host.script.describes.lock().unwrap().insert(digest, Box::new(move |_| Ok(manifest.clone())));
        host.script.answers.lock().unwrap().insert("pipes".into(), Box::new(says(described(&json!({})))));
        host.upload_version("pipes", "pipes").await;
        let name = "pipes".parse().unwrap();
        let revision = host.control.provider(&name).await.unwrap().revision;
        let granted = vec![Permission::parse("docker", IMAGE).unwrap()];
        host.control.set_grants(&name, granted, revision).await.unwrap();
        let id = host.create("pipes", "one").await.spec.id;
        assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
        let server = format!("larder-{id}-server");
        let runs = || async { (engine.state(&server).await == Ok(Some(ContainerState::Running))).then_some(()) };
        until("the server", runs).await;
        Self { host, engine, id }
    }

    fn now_says(&self, described: Value) {
        self.host.script.answers.lock().unwrap().insert("pipes".into(), Box::new(says(described)));
    }

    async fn operation(&self) -> Operation {
        self.host.control.addon(self.id).await.unwrap().addon.operation.unwrap()
    }

    /// The operation, once it has ended and its container is gone.
    async fn ended(&self) -> Operation {
        until("the end of the transfer", || async {
            let is_over = self.streams().is_empty();
            Some(self.operation().await).filter(|operation| !operation.is_running() && is_over)
        })
        .await
    }

    /// The containers of transfers.
    fn streams(&self) -> Vec<String> {
        let is_stream = |name: &String| self.engine.container(name).is_some_and(|container| container.stream.is_some());
        self.engine.containers().into_iter().filter(is_stream).collect()
    }

    async fn refusal(&self) -> (Code, String) {
        refusal(self.host.control.export_addon(self.id).await)
    }
}

fn refusal<T: std::fmt::Debug>(refused: Result<T, ControlError>) -> (Code, String) {
    match refused {
        Err(ControlError::Refused { code, message }) => (code, message),
        other => panic!("{other:?} is no refusal"),
    }
}

fn prints(pieces: &[&str]) -> FakeProgram {
    FakeProgram { output: pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect(), ..FakeProgram::default() }
}

fn body(pieces: Vec<Result<Vec<u8>, BrokenBody>>) -> ImportBody {
    Box::pin(stream::iter(pieces))
}

async fn read(exported: &mut Exported) -> Result<String, larder_control::BrokeOff> {
    let mut all = vec![];
    while let Some(piece) = exported.next().await? {
        all.extend(piece);
    }
    Ok(String::from_utf8(all).unwrap())
}

#[tokio::test]
async fn an_export_is_what_the_program_prints() {
    let world = World::new(prints(&["CREATE", " TABLE"])).await;
    let mut exported = world.host.control.export_addon(world.id).await.unwrap();
    assert_eq!((exported.content_type.as_str(), exported.extension.as_str()), ("application/sql", "sql"));
    let name = world.streams().remove(0);
    let container = world.engine.container(&name).unwrap();
    let server = format!("larder-{}-server", world.id);
    assert_eq!(container.stream.unwrap().beside, Some(server), "it is where the server can be reached");
    assert_eq!((container.published.len(), container.spec.name.as_str()), (0, "transfer"));
    assert_eq!(read(&mut exported).await.unwrap(), "CREATE TABLE");
    // Whoever has it all finds it succeeded.
    let operation = world.operation().await;
    assert_eq!((operation.state, operation.bytes), (OperationState::Succeeded, 12));
    assert_eq!(world.streams(), Vec::<String>::new());
}

#[tokio::test]
async fn an_export_that_fails_before_its_first_data_is_refused_with_what_the_program_said() {
    let program = FakeProgram { code: 1, errors: "password correct-horse refused\n".into(), ..FakeProgram::default() };
    let world = World::new(program).await;
    let (code, why) = world.refusal().await;
    assert_eq!(code, Code::TransferFailed);
    assert_eq!(why, "the program ended with code 1: password •••• refused");
    let operation = world.ended().await;
    assert_eq!(operation.error.unwrap().code, "transfer_failed");

    // Only the end of what it said is kept, and that may begin within a password.
    let errors = format!("rrect-horse{}", "!".repeat(6 * 1024 - 11));
    world.engine.runs(&IMAGE.parse().unwrap(), FakeProgram { code: 1, errors, ..FakeProgram::default() });
    let (_, why) = world.refusal().await;
    assert!(why.starts_with("the program ended with code 1: !!!"), "{why}");
}

#[tokio::test]
async fn an_export_that_fails_later_has_no_end() {
    let world = World::new(FakeProgram { code: 137, ..prints(&["half"]) }).await;
    let mut exported = world.host.control.export_addon(world.id).await.unwrap();
    assert!(read(&mut exported).await.is_err());
    assert_eq!(world.ended().await.state, OperationState::Failed);
}

#[tokio::test]
async fn an_empty_export_is_one() {
    let world = World::new(FakeProgram::default()).await;
    assert_eq!(read(&mut world.host.control.export_addon(world.id).await.unwrap()).await.unwrap(), "");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_the_container_with_it() {
    let world = World::new(FakeProgram { hangs: true, ..prints(&["begin"]) }).await;
    let exported = world.host.control.export_addon(world.id).await.unwrap();
    assert_eq!(world.streams().len(), 1);
    assert_eq!(world.refusal().await.0, Code::OperationInProgress);
    drop(exported);
    let operation = world.ended().await;
    assert_eq!(operation.error.unwrap().reason, "the client went away");
    // And one that goes away while nothing has come yet.
    world.engine.runs(&IMAGE.parse().unwrap(), FakeProgram { hangs: true, ..FakeProgram::default() });
    let waits = tokio::time::timeout(Duration::from_millis(1), world.host.control.export_addon(world.id)).await;
    assert!(waits.is_err());
    assert_eq!(world.ended().await.error.unwrap().reason, "the client went away");
}

#[tokio::test]
async fn a_deletion_wins_over_a_transfer() {
    let world = World::new(FakeProgram { hangs: true, ..prints(&["begin"]) }).await;
    let mut exported = world.host.control.export_addon(world.id).await.unwrap();
    world.host.control.delete_addon(world.id, false).await.unwrap();
    assert!(read(&mut exported).await.is_err());
    until("no containers", || async { world.engine.containers().is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn an_import_is_what_the_program_reads() {
    let world = World::new(FakeProgram::default()).await;
    let pieces = body(vec![Ok(b"INSERT".to_vec()), Ok(b" INTO".to_vec())]);
    let record = world.host.control.import_addon(world.id, pieces).await.unwrap();
    let operation = record.addon.operation.unwrap();
    assert_eq!((operation.state, operation.bytes), (OperationState::Succeeded, 11));
    assert_eq!(world.engine.received(), b"INSERT INTO");
    assert_eq!(world.streams(), Vec::<String>::new());
}

#[tokio::test]
async fn an_import_fails_with_its_program_its_client_or_its_data() {
    let fails = FakeProgram { code: 3, reads: Some(3), errors: "syntax error".into(), ..FakeProgram::default() };
    let world = World::new(fails).await;
    let pieces = || body(vec![Ok(b"one".to_vec()), Ok(b"two".to_vec())]);
    let (code, why) = refusal(world.host.control.import_addon(world.id, pieces()).await);
    assert_eq!((code, why.as_str()), (Code::TransferFailed, "the program ended with code 3: syntax error"));

    let image = IMAGE.parse().unwrap();
    // What it says itself is what counts: it may have read all that it needs.
    world.engine.runs(&image, FakeProgram { reads: Some(3), ..FakeProgram::default() });
    world.host.control.import_addon(world.id, pieces()).await.unwrap();

    world.engine.runs(&image, FakeProgram::default());
    world.now_says(described(&json!({ "end": "COMMIT" })));
    let broken = body(vec![Ok(b"INSERT".to_vec()), Err(BrokenBody)]);
    let (_, why) = refusal(world.host.control.import_addon(world.id, broken).await);
    assert_eq!(why, "the client went away");
    let (_, why) = refusal(world.host.control.import_addon(world.id, body(vec![Ok(vec![0x1f, 0x8b, 8, 0, 1])])).await);
    assert!(why.contains("begin as gzip"), "{why}");
    assert_eq!(world.ended().await.state, OperationState::Failed);
    let received = world.engine.received();
    assert!(!received.windows(6).any(|part| part == b"COMMIT"), "it was not the whole");
    world.host.control.import_addon(world.id, pieces()).await.unwrap();
    assert!(world.engine.received().ends_with(b"onetwoCOMMIT"));
}

#[tokio::test]
async fn data_and_transfers_are_bounded() {
    let limits = TransferLimits { bytes_max: 8, at_once_max: 1, ..TransferLimits::default() };
    let world = World::within(FakeProgram { hangs: true, ..prints(&["12345678"]) }, limits).await;
    let exported = world.host.control.export_addon(world.id).await.unwrap();
    assert_eq!(world.refusal().await.0, Code::Overloaded);
    drop(exported);
    world.ended().await;
    let image = IMAGE.parse().unwrap();
    world.engine.runs(&image, prints(&["123456789"]));
    // The place is given back after the end was stored.
    let (code, why) =
        until("the place", || async { Some(world.refusal().await).filter(|(code, _)| *code != Code::Overloaded) })
            .await;
    assert!(code == Code::TooLarge && why.contains("more than 8 bytes"), "{why}");
}

#[tokio::test]
async fn what_is_not_granted_or_no_transfer_is_not_run() {
    let world = World::new(FakeProgram::default()).await;
    let other = json!({ "container": { "image": "evil:1", "memory_bytes": 64 << 20 } });
    for (document, why) in [
        (other, "no grant permits evil:1"),
        (json!({ "container": { "image": IMAGE, "memory_bytes": 64 << 20, "ports": [1] } }), "has ports"),
        (json!({ "extension": "../../x" }), "extension is"),
        (json!({ "beside": "other" }), "no container other"),
    ] {
        world.now_says(described(&document));
        let (code, message) = world.refusal().await;
        assert!(code == Code::TransferFailed && message.contains(why), "{message}");
    }
    let history = world.host.control.history(Some(world.id), 0, 1000).await.unwrap();
    let denied: Vec<_> = history.iter().filter(|entry| entry.kind == "denied").collect();
    assert!(denied.len() == 1 && denied[0].message.contains("evil:1"), "{denied:?}");
    assert_eq!(world.engine.count(Call::Attach), 0);
}

#[tokio::test]
async fn an_engine_that_fails_fails_the_transfer_and_leaves_nothing() {
    let world = World::new(prints(&["x"])).await;
    for call in [Call::CreateContainer, Call::Attach, Call::Start, Call::EnsureNetwork] {
        world.engine.fail(call, 1, &EngineError::Failed("out of order".into()));
        let (code, why) = world.refusal().await;
        assert!(code == Code::TransferFailed && why.contains("out of order"), "{call:?}: {why}");
        world.ended().await;
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let clock = Arc::new(ManualClock::default());
    let program = prints(&["x"; 1000]);
    let world = World::at(program, TransferLimits::default(), clock.clone()).await;
    let mut exported = world.host.control.export_addon(world.id).await.unwrap();
    until("the heartbeat", || async { (world.operation().await.bytes > 0).then_some(()) }).await;
    clock.advance_ms(Operation::STREAM_IDLE_MS);
    let operation = world.ended().await;
    assert_eq!(operation.error.unwrap().code, "transfer_idle");
    assert!(read(&mut exported).await.is_err());
}

/// An export as a process that is gone had begun it.
async fn begun_by_nobody(world: &World) -> OperationId {
    begun_on(world, world.id).await
}

async fn begun_on(world: &World, addon: AddonId) -> OperationId {
    let id = OperationId::generate();
    let wish =
        NewOperation { id, kind: OperationKind::Export, deadline_ms: 60_000, overlap_ms: 0, change: None, after: None };
    let change = Change::new(addon, Event::OperationRequested(Box::new(wish)), Fence::User);
    world.host.store.apply(change).await.unwrap();
    id
}

#[tokio::test]
async fn a_transfer_that_a_crash_broke_off_without_a_container_is_ended_at_the_next_start() {
    let mut world = World::new(FakeProgram::default()).await;
    for hangs in [false, true] {
        if hangs {
            world.host.script.hanging.lock().unwrap().insert("pipes".to_owned());
        }
        let before = world.host.calls("pipes", Export::BeginExport);
        begun_by_nobody(&world).await;
        let is_begun = async || {
            let is_called = world.host.calls("pipes", Export::BeginExport) > before;
            let stage = world.operation().await.stage;
            (is_called && hangs == (stage == Stage::Begin)).then_some(())
        };
        until("its provider to be called", is_begun).await;
        world.host.over_to(vec![]);
        let ended = world.ended().await;
        assert_eq!(ended.error.unwrap().reason, "the host stopped while data flowed");
    }
}

#[tokio::test]
async fn a_transfer_that_can_not_be_read_keeps_no_other_from_being_ended_at_the_next_start() {
    let mut world = World::new(FakeProgram::default()).await;
    let other = world.host.create("pipes", "two").await.spec.id;
    assert_eq!(world.host.settled(other).await.addon.state, AddonState::Ready);
    for id in [world.id, other] {
        begun_on(&world, id).await;
        until("it to be begun", || async {
            let operation = world.host.control.addon(id).await.unwrap().addon.operation.unwrap();
            (operation.stage == Stage::Stream).then_some(())
        })
        .await;
    }
    assert_eq!(world.host.store.operating().await.unwrap(), [world.id, other], "the one that can't be read is first");
    world.host.sealer.break_all(&format!("addon/{}/", world.id));
    world.host.over_to(vec![]);
    until("the other to be ended", || async {
        let operation = world.host.control.addon(other).await.unwrap().addon.operation.unwrap();
        operation.error.filter(|error| error.reason == "the host stopped while data flowed").map(drop)
    })
    .await;
}

#[tokio::test]
async fn what_a_crash_has_left_is_removed_and_its_operation_ended() {
    let world = World::new(FakeProgram::default()).await;
    let operation = begun_by_nobody(&world).await;
    assert!(world.host.settled(world.id).await.addon.running().is_some());
    let ObjectSpec::Container(spec) = ObjectSpec::parse(SERVER).unwrap() else { panic!() };
    let installation = installation(&world);
    let container = NewContainer {
        full_name: format!("larder-{}-{operation}", world.id),
        owner: Owner { installation, addon: world.id, name: spec.name.clone(), revision: 0 },
        labels: [].into(),
        spec: &spec,
        volumes: [].into(),
        published: [].into(),
        network: "any".into(),
        stream: Some(StreamThrough { operation, has_input: false, beside: None }),
    };
    world.engine.create_container(container).await.unwrap();
    // After this, everything is looked at again.
    world.engine.break_events(&EngineError::Failed("it was started again".into()));
    let ended = world.ended().await;
    assert_eq!(ended.error.unwrap().reason, "the host stopped while data flowed");
    assert_eq!(world.engine.containers().len(), 1, "the server stays");
}

#[tokio::test]
async fn a_provider_that_does_not_begin_is_waited_for_no_longer() {
    let limits = TransferLimits { begin_wait: Duration::from_millis(50), ..TransferLimits::default() };
    let world = World::within(prints(&["data"]), limits).await;
    world.host.script.hanging.lock().unwrap().insert("pipes".into());
    let (code, why) = world.refusal().await;
    assert!(code == Code::TransferFailed && why.contains("has not begun"), "{why}");
    assert_eq!(world.operation().await.state, OperationState::Failed);
    world.host.script.hanging.lock().unwrap().clear();
    // It is in nobody's way, and the call that hung is not either.
    until("another", || async { world.host.control.export_addon(world.id).await.ok() }).await;
}

/// A ready addon that is a part of a common server, which has the container; and that one's full name.
async fn on_a_common_server(world: &World) -> (AddonId, String) {
    let says = says(described(&json!({})));
    let is_first = AtomicBool::new(true);
    let answer = move |export| match export {
        Export::BeginProvision if !is_first.swap(false, Ordering::SeqCst) => report(usual(export)),
        _ => says(export),
    };
    world.host.script.answers.lock().unwrap().insert("pipes".into(), Box::new(answer));
    let communal = Some(ProvisionType::Communal);
    let wish = CreateAddon { provision_type: communal, ..TestHost::wish("pipes", "two", None) };
    let record = world.host.control.create_addon(wish).await.unwrap().0;
    let (id, parent) = (record.spec.id, record.spec.parent.unwrap());
    assert_eq!(world.host.settled(id).await.addon.state, AddonState::Ready);
    assert!(world.host.store.objects(id).await.unwrap().is_empty());
    (id, format!("larder-{parent}-server"))
}

#[tokio::test]
async fn a_program_of_one_of_many_comes_to_their_server_from_outside() {
    let world = World::new(FakeProgram { hangs: true, ..prints(&["begin"]) }).await;
    let (id, server) = on_a_common_server(&world).await;
    let mut exported = world.host.control.export_addon(id).await.unwrap();
    assert_eq!(exported.next().await.unwrap().unwrap(), b"begin");
    let program = world.engine.container(&world.streams()[0]).unwrap();
    assert_eq!(program.stream.unwrap().beside, None, "a server trusts whoever is in its namespace");
    let known: Vec<_> = world.engine.container(&server).unwrap().joined.into_iter().collect();
    assert_eq!(known, [(program.network.clone(), "server".to_owned())]);
    assert!(!world.engine.networks().contains(&program.network), "it is not in the network of all");
    drop(exported);
    until("its end", || async {
        let is_left = world.engine.passages(installation(&world)).await.unwrap().is_empty();
        (is_left && world.streams().is_empty()).then_some(())
    })
    .await;
    assert!(world.engine.container(&server).unwrap().joined.is_empty());
}

#[tokio::test]
async fn a_network_that_a_crash_has_left_is_removed() {
    let world = World::new(FakeProgram::default()).await;
    let (_, server) = on_a_common_server(&world).await;
    let passage = Passage { name: "left".to_owned(), operation: OperationId::generate() };
    world.engine.open_passage(installation(&world), &passage, &server, "server").await.unwrap();
    // After this, everything is looked at again.
    world.engine.break_events(&EngineError::Failed("it was started again".into()));
    until("its end", || async { world.engine.passages(installation(&world)).await.unwrap().is_empty().then_some(()) })
        .await;
    assert!(world.engine.container(&server).unwrap().joined.is_empty());
}

fn installation(world: &World) -> InstallationId {
    larder_domain::ports::Store::installation(&*world.host.store)
}

#[tokio::test]
async fn a_host_that_stops_ends_its_transfers() {
    let world = World::new(FakeProgram { hangs: true, ..prints(&["begin"]) }).await;
    let mut exported = world.host.control.export_addon(world.id).await.unwrap();
    world.host.control.end_transfers().await;
    assert_eq!(world.ended().await.error.unwrap().reason, "the host is stopping");
    assert!(read(&mut exported).await.is_err());
}
