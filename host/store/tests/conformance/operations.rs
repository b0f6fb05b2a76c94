//! What operations keep, adopt and bring back, and who follows whom.

use larder_domain::docker::Wanted;
use larder_domain::failure::{GuestFailure, Pending, StepFailure};
use larder_domain::operation::{Health, NewOperation, OperationKind, OperationState, PlanAndParameters};
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::{Change, Desired, Fence};
use larder_domain::{AddonId, Digest, Event, OperationId, ProvisionType, SecretString, Step};
use serde_json::json;

use crate::world::{Build, Turn, World, change, config, new_addon};

const DATA: &str = r#"{"kind":"volume","name":"data"}"#;
const SERVER: &str = r#"{"kind":"container","name":"server","image":"redis:7","memory_bytes":67108864}"#;
const LARGER: &str = r#"{"kind":"container","name":"server","image":"redis:7","memory_bytes":99999999}"#;
const MORE: &str = r#"{"kind":"volume","name":"more"}"#;

fn objects(by: u8, documents: &[&str]) -> Option<Desired> {
    let wanted = documents.iter().map(|document| Wanted::parse(SecretString::new(*document)).unwrap());
    let all = wanted.map(|wanted| (wanted.spec.name().clone(), wanted)).collect();
    Some(Desired { by: Digest([by; 32]), all })
}

fn state(text: &str) -> GuestState {
    GuestState::from([("k".to_owned(), text.as_bytes().to_vec())])
}

fn wish(kind: OperationKind) -> Event {
    let change = PlanAndParameters { plan: "large".parse().unwrap(), parameters: json!({ "size": 9 }).into() };
    let change = (kind == OperationKind::Update).then_some(change);
    let id = OperationId::generate();
    Event::OperationRequested(Box::new(NewOperation {
        id,
        kind,
        deadline_ms: 900_000,
        overlap_ms: 0,
        change,
        after: None,
    }))
}

async fn ask(world: &World, id: AddonId, kind: OperationKind) {
    world.store.apply(change(id, wish(kind), Fence::User)).await.unwrap();
}

/// A ready addon whose provider has written `first` and wants a volume and a server.
async fn ready(world: &World) -> AddonId {
    let id = world.create(new_addon(world, None)).await;
    let turn = world.turn().await.unwrap();
    let begun = change(id, Event::Begun { message: "begun".into() }, Fence::Lease(turn.lease.clone()));
    let begun = Change { objects: objects(1, &[DATA, SERVER]), state: Some(state("first")), ..begun };
    world.store.apply(begun).await.unwrap();
    world.result(&turn.lease, Event::Configured(Box::new(config(&[])))).await.unwrap();
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    id
}

/// The addon's turn; work about its objects is left alone.
async fn turn(world: &World) -> Turn {
    let leased = world.store.lease_due(world.node, 8, vec![]).await.unwrap();
    let turn = leased.into_iter().find_map(|leased| match leased {
        larder_domain::ports::store::Leased::Addon { .. } => Some(crate::world::turn(leased)),
        larder_domain::ports::store::Leased::Other(_) => None,
    });
    turn.unwrap()
}

/// Names, revisions and the versions that wanted them.
async fn wanted(world: &World, id: AddonId) -> Vec<(String, u64, u8)> {
    let objects = world.store.objects(id).await.unwrap().into_iter();
    objects.filter(|o| o.wanted.is_some()).map(|o| (o.name.to_string(), o.revision, o.by.unwrap().0[0])).collect()
}

fn named((name, can_come_back): (&str, bool)) -> (String, bool) {
    (name.to_owned(), can_come_back)
}

async fn coming_back(world: &World, id: AddonId) -> Vec<(String, bool)> {
    let objects = world.store.objects(id).await.unwrap().into_iter();
    objects.map(|object| (object.name.to_string(), object.can_come_back)).collect()
}

pub(crate) async fn an_update_is_adopted_when_it_is_configured(world: World) {
    let id = ready(&world).await;
    ask(&world, id, OperationKind::Update).await;
    assert_eq!(coming_back(&world, id).await, [("data", true), ("server", true)].map(named));
    let turn = turn(&world).await;
    assert_eq!((turn.step, turn.record.spec.plan.as_str()), (Step::BeginUpdate, "small"));
    let asked = turn.record.change.unwrap();
    assert_eq!((asked.plan.as_str(), asked.parameters.reveal()), ("large", &json!({ "size": 9 })));
    world.result(&turn.lease, Event::Begun { message: "growing".into() }).await.unwrap();
    world.result(&turn.lease, Event::Configured(Box::new(config(&[])))).await.unwrap();
    assert_eq!(coming_back(&world, id).await, [("data", false), ("server", false)].map(named), "there is no way back");
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    let record = world.store.addon(id).await.unwrap().unwrap();
    assert_eq!((record.spec.plan.as_str(), record.spec.parameters.reveal()), ("large", &json!({ "size": 9 })));
    assert_eq!((record.change, record.addon.operation.unwrap().state), (None, OperationState::Succeeded));
}

pub(crate) async fn what_a_failed_operation_changed_is_brought_back(world: World) {
    let id = ready(&world).await;
    ask(&world, id, OperationKind::Update).await;
    let turn = turn(&world).await;
    let begun = change(id, Event::Begun { message: "growing".into() }, Fence::Lease(turn.lease.clone()));
    let begun = Change { objects: objects(2, &[LARGER, MORE]), state: Some(state("second")), ..begun };
    world.store.apply(begun).await.unwrap();
    assert_eq!(wanted(&world, id).await, [("more".to_owned(), 1, 2), ("server".to_owned(), 2, 2)]);
    // Nobody forgets what can come back, nor its ports.
    world.store.forget_object(id, &"data".parse().unwrap(), 1).await.unwrap();
    assert_eq!(coming_back(&world, id).await, [("data", true), ("more", false), ("server", true)].map(named));
    let no = StepFailure::Guest(GuestFailure::Failed("no".into()));
    world.result(&turn.lease, Event::Failed(Step::Complete, no)).await.unwrap();
    assert_eq!(coming_back(&world, id).await, [("data", false), ("more", false), ("server", false)].map(named));
    // The server is made anew as it was; the volume was never removed; what came with the update goes.
    assert_eq!(wanted(&world, id).await, [("data".to_owned(), 2, 1), ("server".to_owned(), 3, 1)]);
    assert_eq!(world.store.guest_state(id).await.unwrap(), state("first"));
    let record = world.store.addon(id).await.unwrap().unwrap();
    assert_eq!((record.spec.plan.as_str(), record.change), ("small", None));
}

pub(crate) async fn an_addon_has_one_operation_at_a_time(world: World) {
    let id = ready(&world).await;
    ask(&world, id, OperationKind::Update).await;
    let second = world.store.apply(change(id, wish(OperationKind::Rotate), Fence::User)).await;
    assert!(matches!(second, Err(StoreError::Illegal(_))), "{second:?}");
}

pub(crate) async fn sharers_follow_what_their_owner_gives(world: World) {
    let app = world.app("demo").await;
    let owner = world.ready(new_addon(&world, Some(&app)), config(&[("URL", "old")])).await;
    let mut new = new_addon(&world, Some(&app)).named("sharer");
    (new.spec.provision_type, new.spec.parent) = (ProvisionType::Shared, Some(owner));
    let sharer = world.ready(new, config(&[("SHARED", "old")])).await;
    ask(&world, owner, OperationKind::Rotate).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    world.result(&turn.lease, Event::Configured(Box::new(config(&[("URL", "new")])))).await.unwrap();
    let following = world.turn().await.unwrap();
    assert_eq!((following.record.spec.id, following.step), (sharer, Step::Complete));
    // The owner changes again before it has done so: it begins once more.
    ask_to_follow(&world, sharer).await;
    let again = world.result(&following.lease, Event::Configured(Box::new(config(&[("SHARED", "new")])))).await;
    assert!(matches!(again, Err(StoreError::Fenced)), "{again:?}");
    assert_eq!(world.sees(&app).await, ["SHARED=old", "URL=new"]);
}

pub(crate) async fn a_sharer_that_is_being_made_follows_as_soon_as_it_is_ready(world: World) {
    let app = world.app("demo").await;
    let owner = world.ready(new_addon(&world, Some(&app)), config(&[("URL", "old")])).await;
    let mut new = new_addon(&world, Some(&app)).named("sharer");
    (new.spec.provision_type, new.spec.parent) = (ProvisionType::Shared, Some(owner));
    let sharer = world.create(new).await;
    let (making, _) = world.provision(config(&[("SHARED", "old")])).await;
    assert_eq!(making.record.spec.id, sharer);
    ask(&world, owner, OperationKind::Rotate).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    world.result(&turn.lease, Event::Configured(Box::new(config(&[("URL", "new")])))).await.unwrap();
    // Only now its app has what the owner gave before.
    let ready = world.result(&making.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(ready.addon.running().unwrap().kind, OperationKind::Follow);
    let following = world.turn().await.unwrap();
    assert_eq!((following.record.spec.id, following.step), (sharer, Step::Complete));
    world.result(&following.lease, Event::Configured(Box::new(config(&[("SHARED", "new")])))).await.unwrap();
    let done = world.result(&following.lease, Event::VariablesSet).await.unwrap();
    assert!(done.addon.running().is_none(), "once");
    assert_eq!(world.sees(&app).await, ["SHARED=new", "URL=new"]);
}

pub(crate) async fn what_a_follow_changed_that_began_twice_is_brought_back(world: World) {
    let id = ready(&world).await;
    ask_to_follow(&world, id).await;
    let first = turn(&world).await;
    assert_eq!(first.step, Step::Complete);
    let pending = Event::StillPending(Pending::bounded(1_000, "moving".into(), None));
    let pending = change(id, pending, Fence::Lease(first.lease));
    let pending = Change { objects: objects(2, &[LARGER]), state: Some(state("second")), ..pending };
    world.store.apply(pending).await.unwrap();
    assert_eq!(wanted(&world, id).await, [("server".to_owned(), 2, 2)]);
    assert_eq!(coming_back(&world, id).await, [("data", true), ("server", true)].map(named));
    ask_to_follow(&world, id).await;
    assert_eq!(coming_back(&world, id).await, [("data", true), ("server", true)].map(named));
    let second = turn(&world).await;
    let no = StepFailure::Guest(GuestFailure::Failed("no".into()));
    world.result(&second.lease, Event::Failed(Step::Complete, no)).await.unwrap();
    assert_eq!(wanted(&world, id).await, [("data".to_owned(), 2, 1), ("server".to_owned(), 3, 1)]);
    assert_eq!(world.store.guest_state(id).await.unwrap(), state("first"));

    // When its app is told already, what was given then is what it comes back to.
    ask_to_follow(&world, id).await;
    let told = turn(&world).await;
    let configured = change(id, Event::Configured(Box::new(config(&[]))), Fence::Lease(told.lease.clone()));
    let configured = Change { objects: objects(2, &[LARGER]), state: Some(state("third")), ..configured };
    world.store.apply(configured).await.unwrap();
    ask_to_follow(&world, id).await;
    world.store.release(&told.lease, world.store.now()).await.unwrap();
    let again = turn(&world).await;
    let no = StepFailure::Guest(GuestFailure::Failed("no".into()));
    let failed = change(id, Event::Failed(Step::Complete, no), Fence::Lease(again.lease));
    let failed = Change { objects: objects(2, &[MORE]), state: Some(state("fourth")), ..failed };
    world.store.apply(failed).await.unwrap();
    assert_eq!(wanted(&world, id).await, [("server".to_owned(), 5, 2)]);
    assert_eq!(world.store.guest_state(id).await.unwrap(), state("third"));
}

pub(crate) async fn what_a_follow_changed_that_failed_in_an_overlap_is_not_kept(world: World) {
    let id = ready(&world).await;
    let Event::OperationRequested(mut rotate) = wish(OperationKind::Rotate) else { return };
    rotate.overlap_ms = 600_000;
    world.store.apply(change(id, Event::OperationRequested(rotate), Fence::User)).await.unwrap();
    let rotating = turn(&world).await;
    for event in
        [Event::Begun { message: "begun".into() }, Event::Configured(Box::new(config(&[]))), Event::VariablesSet]
    {
        world.result(&rotating.lease, event).await.unwrap();
    }
    let before = wanted(&world, id).await;
    let no = || StepFailure::Guest(GuestFailure::Failed("no".into()));
    let refused = || Event::ConfigRefused { code: "invalid_config", reason: "undeclared".into() };
    for event in [Event::Failed(Step::Complete, no()), refused()] {
        ask_to_follow(&world, id).await;
        let telling = turn(&world).await;
        assert_eq!(telling.step, Step::Complete);
        let failed = change(id, event, Fence::Lease(telling.lease));
        let failed = Change { objects: objects(2, &[SERVER]), state: Some(state("second")), ..failed };
        world.store.apply(failed).await.unwrap();
        assert_eq!(
            (wanted(&world, id).await, world.store.guest_state(id).await.unwrap()),
            (before.clone(), state("first"))
        );
    }
    ask_to_follow(&world, id).await;
    let telling = turn(&world).await;
    let told = change(id, Event::Configured(Box::new(config(&[]))), Fence::Lease(telling.lease));
    let told = Change { objects: objects(2, &[SERVER]), state: Some(state("second")), ..told };
    world.store.apply(told).await.unwrap();
    assert_eq!(wanted(&world, id).await, [("server".to_owned(), 1, 1)]);
    assert_eq!(world.store.guest_state(id).await.unwrap(), state("second"));
}

async fn ask_to_follow(world: &World, sharer: AddonId) {
    let outdated = Event::Outdated(OperationId::generate());
    world.store.apply(change(sharer, outdated, Fence::User)).await.unwrap();
}

pub(crate) async fn a_transfer_is_kept_as_long_as_it_runs(world: World) {
    let id = ready(&world).await;
    ask(&world, id, OperationKind::Export).await;
    let turn = turn(&world).await;
    let described = Event::TransferBegun(SecretString::new("{\"password\":\"hunter2\"}"));
    world.result(&turn.lease, described).await.unwrap();
    let kept = world.store.transfer(id).await.unwrap().unwrap();
    assert!(kept.reveal().contains("hunter2"));
    assert_eq!(world.store.operating().await.unwrap(), [id]);
    world.store.apply(change(id, Event::TransferEnded { bytes: 5, result: Ok(()) }, Fence::User)).await.unwrap();
    assert!(world.store.transfer(id).await.unwrap().is_none());
    assert_eq!(world.store.operating().await.unwrap(), []);
}

pub(crate) async fn health_is_noted_of_ready_addons_only(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let ill = Health::unhealthy("its container ended".into());
    world.store.note_health(id, ill.clone()).await.unwrap();
    world.store.note_health(AddonId::generate(), ill.clone()).await.unwrap();
    assert_eq!(world.store.addon(id).await.unwrap().unwrap().addon.health, Health::UNKNOWN);
    world.delete(id).await;
    let id = ready(&world).await;
    assert_eq!(world.store.addon(id).await.unwrap().unwrap().addon.health, Health::HEALTHY);
    world.store.note_health(id, ill.clone()).await.unwrap();
    let world = world.restart();
    assert_eq!(world.store.addon(id).await.unwrap().unwrap().addon.health, ill);
}
