//! What addons are to have on engines, where it is published, and who is a part of whom.

use larder_domain::docker::{Objects, Wanted};
use larder_domain::ports::store::{
    Change, Child, Created, Desired, Fence, InUse, Leased, NewAddon, Phase, Publish, Unless,
};
use larder_domain::work::{LEASE_MS, Lease, WorkKind};
use larder_domain::{AddonId, AddonState, Digest, Event, ProvisionType, Role, SecretString};

use crate::world::{Build, Turn, World, change, config, new_addon};

pub(crate) fn objects(documents: &[&str]) -> Objects {
    let wanted = documents.iter().map(|document| Wanted::parse(SecretString::new(*document)).unwrap());
    wanted.map(|wanted| (wanted.spec.name().clone(), wanted)).collect()
}

const ONE: Digest = Digest([1; 32]);
const TWO: Digest = Digest([2; 32]);
pub(crate) const DATA: &str = r#"{"kind":"volume","name":"data"}"#;
const SERVER: &str = r#"{"kind":"container","name":"server","image":"redis:7","memory_bytes":67108864,"ports":[6379]}"#;
const LARGER: &str = r#"{"kind":"container","name":"server","image":"redis:7","memory_bytes":99999999,"ports":[6379]}"#;

/// Stores with the addon's next answer that it is to have these.
pub(crate) async fn want(world: &World, turn: &Turn, documents: &[&str]) {
    want_by(world, turn, ONE, documents).await;
}

async fn want_by(world: &World, turn: &Turn, by: Digest, documents: &[&str]) {
    let event = Event::StillPending(larder_domain::failure::Pending::bounded(1_000, "later".into(), None));
    let change = change(turn.record.spec.id, event, Fence::Lease(turn.lease.clone()));
    world.store.apply(Change { objects: Some(Desired { by, all: objects(documents) }), ..change }).await.unwrap();
}

async fn begun(world: &World) -> (AddonId, Turn) {
    let id = world.create(new_addon(world, None)).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    (id, turn)
}

/// The lease on an addon's objects, which must be due.
async fn reconciling(world: &World) -> Lease {
    let leased = world.store.lease_due(world.node, 8, vec![]).await.unwrap();
    let found = leased.into_iter().find_map(|leased| match leased {
        Leased::Other(lease) if lease.kind == WorkKind::Objects => Some(lease),
        _ => None,
    });
    found.unwrap()
}

/// Whether work about objects is due.
async fn are_due(world: &World) -> bool {
    let leased = world.store.lease_due(world.node, 8, vec![]).await.unwrap();
    leased.iter().any(|leased| matches!(leased, Leased::Other(_)))
}

fn publish(addon: AddonId, taken: &[u16]) -> Publish {
    let (engine, object) = ("default".parse().unwrap(), "server".parse().unwrap());
    Publish { engine, addon, object, ports: vec![6379], range: 21_000..=21_002, taken: taken.to_vec() }
}

pub(crate) async fn what_changes_is_made_anew_and_what_does_not_stays(world: World) {
    let (id, turn) = begun(&world).await;
    want(&world, &turn, &[DATA, SERVER]).await;
    let all = world.store.objects(id).await.unwrap();
    assert_eq!(
        all.iter().map(|o| (o.name.as_str(), o.revision, o.phase)).collect::<Vec<_>>(),
        [("data", 1, Phase::Waiting), ("server", 1, Phase::Waiting)]
    );
    for object in &all {
        assert!(world.store.note_object(id, &object.name, 1, Phase::Made, "there".into()).await.unwrap());
    }
    world.store.settle_objects(&reconciling(&world).await, None).await.unwrap();

    world.clock.advance_ms(1_000);
    let turn = world.turn().await.unwrap();
    want_by(&world, &turn, TWO, &[DATA, LARGER]).await;
    let all = world.store.objects(id).await.unwrap();
    assert_eq!((all[0].revision, all[0].phase, all[1].revision, all[1].phase), (1, Phase::Made, 2, Phase::Waiting));
    assert_eq!((all[0].by, all[1].by), (Some(ONE), Some(TWO)), "another version that wants the same changes nothing");
    // Who still works on what it was before writes nothing.
    assert!(!world.store.note_object(id, &all[1].name, 1, Phase::Made, "there".into()).await.unwrap());
}

pub(crate) async fn what_is_wanted_meanwhile_is_due_when_the_holder_ends(world: World) {
    let (id, turn) = begun(&world).await;
    want(&world, &turn, &[SERVER]).await;
    let lease = reconciling(&world).await;
    world.store.poke_objects(id).await.unwrap();
    // The holder goes on: a pull under way is not broken off.
    assert_eq!(world.store.renew(std::slice::from_ref(&lease)).await.unwrap(), []);
    world.clock.advance_ms(LEASE_MS - 1);
    world.store.settle_objects(&lease, None).await.unwrap();
    // Also when the holder wants to come again later by itself.
    let again = reconciling(&world).await;
    world.store.poke_objects(id).await.unwrap();
    world.store.settle_objects(&again, Some(world.store.now().plus_ms(60_000))).await.unwrap();
    let again = reconciling(&world).await;
    world.store.settle_objects(&again, None).await.unwrap();
    assert!(!are_due(&world).await);
}

pub(crate) async fn what_could_not_be_made_is_tried_again_when_it_is_asked_for_again(world: World) {
    let (id, turn) = begun(&world).await;
    want(&world, &turn, &[DATA]).await;
    let name = "data".parse().unwrap();
    world.store.note_object(id, &name, 1, Phase::Failed, "no room".into()).await.unwrap();
    world.store.settle_objects(&reconciling(&world).await, None).await.unwrap();
    world.clock.advance_ms(1_000);
    want(&world, &world.turn().await.unwrap(), &[DATA]).await;
    let object = world.store.objects(id).await.unwrap().pop().unwrap();
    assert_eq!((object.revision, object.phase), (2, Phase::Waiting));
    assert!(are_due(&world).await);
}

pub(crate) async fn what_stays_as_it_is_makes_no_work(world: World) {
    let (id, turn) = begun(&world).await;
    want(&world, &turn, &[SERVER]).await;
    world.store.settle_objects(&reconciling(&world).await, None).await.unwrap();
    world.clock.advance_ms(1_000);
    // A provider that says the same in each call would otherwise have its objects looked at, be woken by that, and say it again.
    let turn = world.turn().await.unwrap();
    want(&world, &turn, &[SERVER]).await;
    assert!(!are_due(&world).await);
    world.clock.advance_ms(1_000);
    let turn = world.turn().await.unwrap();
    let default = "default".parse().unwrap();
    assert!(world.store.wants_objects(&default).await.unwrap(), "wherever that may be");
    want(&world, &turn, &[]).await;
    assert_eq!(world.store.objects(id).await.unwrap()[0].wanted, None);
    assert!(!world.store.wants_objects(&default).await.unwrap());
    world.store.settle_objects(&reconciling(&world).await, None).await.unwrap();
}

pub(crate) async fn a_port_is_one_containers_until_it_is_gone(world: World) {
    let (one, turn) = begun(&world).await;
    want(&world, &turn, &[SERVER]).await;
    let first = world.store.publish(publish(one, &[])).await.unwrap().unwrap();
    assert_eq!(first.into_iter().collect::<Vec<_>>(), [(6379, 21_000)]);
    assert_eq!(world.store.publish(publish(one, &[])).await.unwrap().unwrap()[&6379], 21_000, "it keeps it");
    assert_eq!(
        world.store.publish(publish(one, &[21_000])).await.unwrap().unwrap()[&6379],
        21_001,
        "unless it is taken"
    );

    let (other, turn) = begun(&world).await;
    want(&world, &turn, &[SERVER]).await;
    assert_eq!(world.store.publish(publish(other, &[])).await.unwrap().unwrap()[&6379], 21_002);
    let (third, turn) = begun(&world).await;
    want(&world, &turn, &[SERVER]).await;
    // What was found to be taken once may be free by now.
    assert_eq!(world.store.publish(publish(third, &[])).await.unwrap().unwrap()[&6379], 21_000);
    let (fourth, turn) = begun(&world).await;
    want(&world, &turn, &[SERVER]).await;
    assert!(world.store.publish(publish(fourth, &[])).await.unwrap().is_err(), "the range is used up");

    assert_eq!(world.store.unwant_objects(other).await.unwrap(), 1);
    assert!(world.store.publish(publish(other, &[])).await.unwrap().unwrap().is_empty(), "it is not wanted");
    world.store.forget_object(other, &"server".parse().unwrap(), 1).await.unwrap();
    assert!(world.store.objects(other).await.unwrap().is_empty());
    assert_eq!(world.store.publish(publish(fourth, &[])).await.unwrap().unwrap()[&6379], 21_002);
    assert!(world.store.published(other).await.unwrap().is_empty());

    let server = "server".parse().unwrap();
    world.store.unpublish(fourth, &server, vec![80]).await.unwrap();
    assert_eq!(world.store.published(fourth).await.unwrap()[&server].len(), 1, "it never had that one");
    world.store.unpublish(fourth, &server, vec![6379]).await.unwrap();
    assert!(world.store.published(fourth).await.unwrap().is_empty());
}

/// A user of a communal server, with the server that it needs.
fn user(world: &World, name: &str) -> NewAddon {
    let mut server = new_addon(world, None);
    (server.spec.provision_type, server.spec.role) = (ProvisionType::Communal, Role::Server);
    let mut user = new_addon(world, None).named(name);
    user.spec.provision_type = ProvisionType::Communal;
    user.server = Some(Box::new(server));
    user
}

/// Creates a user. It and its server.
async fn parts(world: &World, new: NewAddon) -> (AddonId, AddonId) {
    match world.store.create_addon(new).await.unwrap().unwrap() {
        Created::New(record) => (record.spec.id, record.spec.parent.unwrap()),
        Created::Replayed(record) => crate::world::panic_with(&format!("{record:?} was there")),
    }
}

pub(crate) async fn a_communal_server_is_made_once_and_takes_its_users_along(world: World) {
    let parent = async |new| parts(&world, new).await;
    let user = |name: &str| user(&world, name);
    let ((one, server), (other, same)) = (parent(user("one")).await, parent(user("other")).await);
    assert_eq!(server, same);
    assert_eq!(world.store.children(server).await.unwrap(), [one, other].map(|id| Child { id, live: true }));

    // Users wait, and go on as soon as the server is ready.
    let turns = world.turns(8).await;
    let of = |id: AddonId| turns.iter().find(|turn| turn.record.spec.id == id).unwrap();
    for id in [one, other] {
        world.result(&of(id).lease, Event::AwaitingParent { message: "soon".into() }).await.unwrap();
    }
    assert!(world.turn().await.is_none());
    let lease = &of(server).lease;
    world.result(lease, Event::Begun { message: "begun".into() }).await.unwrap();
    world.result(lease, Event::Configured(Box::new(config(&[])))).await.unwrap();
    world.result(lease, Event::VariablesSet).await.unwrap();
    assert_eq!(world.turns(8).await.len(), 2);

    world.delete(server).await;
    for id in [one, other] {
        let record = world.store.addon(id).await.unwrap().unwrap();
        assert_eq!((record.addon.state, record.addon.error.unwrap().code.as_str()), (AddonState::Error, "parent_lost"));
    }
    assert!(world.store.children(server).await.unwrap().is_empty());
    let (_, next) = parent(user("third")).await;
    assert_ne!(next, server, "one that is over is nobody's server");
}

pub(crate) async fn a_server_is_deleted_without_users_or_not_at_all(world: World) {
    let (first, server) = parts(&world, user(&world, "first")).await;
    assert_eq!(
        world.store.delete_addon(server, None, Unless::Used).await.unwrap(),
        Err(InUse(vec![Child { id: first, live: true }]))
    );
    assert_eq!(world.store.addon(server).await.unwrap().unwrap().addon.state, AddonState::WaitingForProvision);

    // Whoever comes at the moment of its deletion has it, or another one, and never one that is over.
    let mut server = server;
    world.delete(first).await;
    for round in 0..20 {
        let name = format!("user-{round}");
        let come = parts(&world, user(&world, &name));
        let (deleted, (id, found)) = tokio::join!(world.store.delete_addon(server, None, Unless::Used), come);
        match deleted.unwrap() {
            Ok(_) => assert_ne!(found, server),
            Err(InUse(users)) => assert_eq!((found, users), (server, vec![Child { id, live: true }])),
        }
        assert_eq!(world.store.addon(id).await.unwrap().unwrap().addon.state, AddonState::WaitingForProvision);
        world.delete(id).await;
        server = found;
    }
    assert!(world.store.delete_addon(server, None, Unless::Used).await.unwrap().is_ok());
    let (last, other) = parts(&world, user(&world, "last")).await;
    assert!(
        world.store.delete_addon(other, None, Unless::Never).await.unwrap().is_ok(),
        "an owner can be forced to go"
    );
    assert_eq!(world.store.addon(last).await.unwrap().unwrap().addon.state, AddonState::Error);
}
