//! Networks that apps' own containers are in.

use larder_domain::config::{AddonConfig, Variable};
use larder_domain::docker::{Wanted, name_in_networks};
use larder_domain::engines::{Candidate, Placement};
use larder_domain::failure::{GuestFailure, StepFailure};
use larder_domain::operation::{NewOperation, OperationKind, OperationState};
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{Change, Desired, Fence, Leased, NewAddon};
use larder_domain::work::{Lease, Subject};
use larder_domain::{
    AddonId, AddonState, AppName, Digest, Event, NetworkName, OperationId, ProvisionType, Role, SecretString, Step,
};

use crate::world::{Build, World, change, config, new_addon, turn};

const HOUR_MS: u64 = 3_600_000;

fn network(name: &str) -> NetworkName {
    name.parse().unwrap()
}

/// A new addon that is on an engine.
fn placed(world: &World, app: Option<&AppName>) -> NewAddon {
    let candidates = vec![Candidate { name: "a".parse().unwrap(), weight: 1, is_added: false }];
    let engine = Some(Placement { candidates, is_wished: false });
    NewAddon { engine, ..new_addon(world, app) }
}

/// A part of a common server.
fn part(world: &World, app: &AppName, name: &str) -> NewAddon {
    let mut server = placed(world, None);
    (server.spec.provision_type, server.spec.role) = (ProvisionType::Communal, Role::Server);
    let mut part = placed(world, Some(app)).named(name);
    part.spec.provision_type = ProvisionType::Communal;
    part.server = Some(Box::new(server));
    part
}

async fn set(world: &World, app: &AppName, name: Option<&str>) -> bool {
    world.store.set_app_network(app, name.map(network)).await.unwrap()
}

async fn networks(world: &World, addon: AddonId) -> Vec<String> {
    world.store.networks(addon).await.unwrap().into_iter().map(String::from).collect()
}

pub(crate) async fn a_container_is_in_the_networks_of_all_who_use_it(world: World) {
    let (shop, blog) = (world.app("shop").await, world.app("blog").await);
    assert_eq!(world.store.app_network(&shop).await.unwrap(), None);
    assert!(set(&world, &shop, Some("shop_default")).await);
    assert!(!set(&world, &shop, Some("shop_default")).await);
    assert_eq!(world.store.app_network(&shop).await.unwrap(), Some(network("shop_default")));
    let one = world.create(part(&world, &shop, "one")).await;
    let two = world.create(part(&world, &blog, "two")).await;
    let server = world.store.addon(one).await.unwrap().unwrap().spec.parent.unwrap();
    assert_eq!(networks(&world, server).await, ["shop_default"]);
    assert!(set(&world, &blog, Some("Blog.1")).await);
    assert_eq!(networks(&world, server).await, ["Blog.1", "shop_default"]);
    world.delete(two).await;
    assert_eq!(networks(&world, server).await, ["shop_default"]);
    let world = world.restart();
    assert_eq!(networks(&world, server).await, ["shop_default"]);
    assert!(set(&world, &shop, None).await);
    assert!(networks(&world, server).await.is_empty());

    let unknown = "nobody".parse().unwrap();
    let missing = world.store.set_app_network(&unknown, None).await;
    assert!(matches!(missing, Err(StoreError::Missing("app"))), "{missing:?}");
    assert_eq!(world.store.app_network(&unknown).await.unwrap(), None);
}

pub(crate) async fn what_is_ready_is_told_anew_and_what_is_under_way_is_asked_again(world: World) {
    let app = world.app("shop").await;
    // One is on no engine, so nothing changes for it.
    let nowhere = world.ready(new_addon(&world, Some(&app)).named("nowhere"), config(&[])).await;
    let ready = world.ready(placed(&world, Some(&app)).named("ready"), config(&[])).await;
    let begun = world.create(placed(&world, Some(&app)).named("begun")).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();

    assert!(set(&world, &app, Some("shop")).await);
    let late = world.result(&turn.lease, Event::Configured(Box::new(config(&[])))).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "it may have been told where the app was: {late:?}");
    world.store.release(&turn.lease, world.store.now()).await.unwrap();
    let mut turns = world.turns(9).await;
    turns.sort_by_key(|turn| turn.record.spec.name.clone());
    let steps: Vec<_> = turns.iter().map(|turn| (turn.record.spec.id, turn.step)).collect();
    assert_eq!(steps, [(begun, Step::Complete), (ready, Step::Complete)]);
    let kind = |record: &larder_domain::AddonRecord| record.addon.operation.as_ref().map(|operation| operation.kind);
    assert_eq!(turns.iter().map(|turn| kind(&turn.record)).collect::<Vec<_>>(), [None, Some(OperationKind::Follow)]);
    assert_eq!(kind(&world.store.addon(nowhere).await.unwrap().unwrap()), None);

    // One that is being told may be told again.
    assert!(set(&world, &app, None).await);
    for event in [Event::Configured(Box::new(config(&[]))), Event::VariablesSet] {
        let late = world.result(&turns[1].lease, event).await;
        assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
    }
}

/// Asks for something; old credentials work for an hour.
async fn ask(world: &World, id: AddonId, kind: OperationKind) {
    let operation = OperationId::generate();
    let wish =
        NewOperation { id: operation, kind, deadline_ms: HOUR_MS, overlap_ms: HOUR_MS, change: None, after: None };
    world.store.apply(change(id, Event::OperationRequested(Box::new(wish)), Fence::User)).await.unwrap();
}

async fn operation(world: &World, id: AddonId) -> Option<(OperationKind, OperationState)> {
    let operation = world.store.addon(id).await.unwrap().unwrap().addon.operation;
    operation.map(|operation| (operation.kind, operation.state))
}

pub(crate) async fn an_app_gets_a_network_whatever_is_under_way_and_is_told(world: World) {
    let app = world.app("shop").await;
    let id = world.create(placed(&world, Some(&app))).await;
    let (turn, _) = world.provision(config(&[])).await;
    // Its app is about to have its variables, so it is told at once when that is done.
    assert!(set(&world, &app, Some("shop")).await);
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(operation(&world, id).await, Some((OperationKind::Follow, OperationState::Running)));
    told(&world, id).await;

    ask(&world, id, OperationKind::Rotate).await;
    let turn = world.turn().await.unwrap();
    for (event, network) in [
        (Event::Begun { message: "begun".into() }, None),
        (Event::Configured(Box::new(config(&[]))), Some("shop")),
        (Event::VariablesSet, None),
    ] {
        assert!(set(&world, &app, network).await);
        world.result(&turn.lease, event).await.unwrap();
    }
    // The old credentials may work for days, and the app can't wait so long.
    let overlaps = Some((OperationKind::Rotate, OperationState::Running));
    told_within(&world, id, overlaps).await;
    assert!(set(&world, &app, Some("shop")).await);
    let world = world.restart();
    told_within(&world, id, overlaps).await;
    // Nor for the next try, if somebody asks for the same once more.
    assert!(set(&world, &app, Some("blue")).await);
    let turn = world.turn().await.unwrap();
    let no = StepFailure::Guest(GuestFailure::Rejected("not now".into()));
    world.result(&turn.lease, Event::Failed(Step::Complete, no)).await.unwrap();
    assert!(world.turn().await.is_none());
    assert!(!set(&world, &app, Some("blue")).await);
    told_within(&world, id, overlaps).await;
    assert!(!set(&world, &app, Some("blue")).await);
    assert!(world.turn().await.is_none(), "it was told");
    world.clock.advance_ms(HOUR_MS);
    let turn = world.turn().await.unwrap();
    assert_eq!(turn.step, Step::EndRotation);
    world.result(&turn.lease, Event::RotationEnded).await.unwrap();
    world.clock.advance_ms(HOUR_MS);
    assert!(world.turn().await.is_none(), "it was told");

    ask(&world, id, OperationKind::Export).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::TransferBegun(SecretString::new("{}"))).await.unwrap();
    assert!(set(&world, &app, None).await);
    assert!(world.turn().await.is_none(), "data flow");
    world.store.apply(change(id, Event::TransferEnded { bytes: 5, result: Ok(()) }, Fence::User)).await.unwrap();
    assert_eq!(operation(&world, id).await, Some((OperationKind::Export, OperationState::Succeeded)));
    assert!(world.turn().await.is_none(), "whoever waits for it is to see how it ended");
    world.clock.advance_ms(5_000);
    told(&world, id).await;
    world.clock.advance_ms(HOUR_MS);
    assert!(world.turn().await.is_none(), "once");
}

/// The addon tells its app anew while something else goes on.
async fn told_within(world: &World, id: AddonId, within: Option<(OperationKind, OperationState)>) {
    let turn = world.turn().await.unwrap();
    assert_eq!((turn.record.spec.id, turn.step), (id, Step::Complete));
    world.result(&turn.lease, Event::Configured(Box::new(config(&[])))).await.unwrap();
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(operation(world, id).await, within);
    assert!(world.turn().await.is_none());
}

/// The addon is the one that tells its app anew, and does.
async fn told(world: &World, id: AddonId) {
    let turn = world.turn().await.unwrap();
    assert_eq!((turn.record.spec.id, turn.step), (id, Step::Complete));
    assert_eq!(operation(world, id).await, Some((OperationKind::Follow, OperationState::Running)));
    world.result(&turn.lease, Event::Configured(Box::new(config(&[])))).await.unwrap();
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(operation(world, id).await, Some((OperationKind::Follow, OperationState::Succeeded)));
}

pub(crate) async fn an_app_that_could_not_be_told_is_told_later_and_later(world: World) {
    let app = world.app("shop").await;
    let id = world.ready(placed(&world, Some(&app)), config(&[])).await;
    let fail = async |world: &World| {
        let turn = world.turn().await.unwrap();
        assert_eq!((turn.record.spec.id, turn.step), (id, Step::Complete));
        let no = StepFailure::Guest(GuestFailure::Rejected("not now".into()));
        world.result(&turn.lease, Event::Failed(Step::Complete, no)).await.unwrap();
        assert_eq!(operation(world, id).await, Some((OperationKind::Follow, OperationState::Failed)));
        assert!(world.turn().await.is_none());
    };
    set(&world, &app, Some("shop")).await;
    fail(&world).await;
    world.clock.advance_ms(29_999);
    assert!(world.turn().await.is_none());
    let world = world.restart();
    world.clock.advance_ms(1);
    fail(&world).await;
    world.clock.advance_ms(59_999);
    assert!(world.turn().await.is_none(), "each time later");
    // Something else may be done to it meanwhile, and does not have it forget.
    ask(&world, id, OperationKind::Rotate).await;
    let turn = world.turn().await.unwrap();
    let no = StepFailure::Guest(GuestFailure::Rejected("not now".into()));
    world.result(&turn.lease, Event::Failed(turn.step, no)).await.unwrap();
    assert!(world.turn().await.is_none());
    world.clock.advance_ms(5_000);
    fail(&world).await;
    // Asked for once more, it is not put off, and nothing is owed any more when it was told.
    assert!(!set(&world, &app, Some("shop")).await);
    told(&world, id).await;
    assert!(!set(&world, &app, Some("shop")).await);
    world.clock.advance_ms(HOUR_MS);
    assert!(world.turn().await.is_none());
}

fn lease(leased: &Leased) -> &Lease {
    match leased {
        Leased::Addon { lease, .. } | Leased::Other(lease) => lease,
    }
}

pub(crate) async fn a_server_is_in_the_networks_of_those_who_share_its_parts(world: World) {
    let (shop, blog) = (world.app("shop").await, world.app("blog").await);
    let one = world.create(part(&world, &shop, "one")).await;
    let server = world.store.addon(one).await.unwrap().unwrap().spec.parent.unwrap();
    let document = r#"{"kind":"container","name":"server","image":"redis:7","memory_bytes":67108864}"#;
    let wanted = Wanted::parse(SecretString::new(document)).unwrap();
    let all = [(wanted.spec.name().clone(), wanted)].into();
    let objects = Some(Desired { by: Digest([1; 32]), all });
    let leased = world.store.lease_due(world.node, 9, vec![]).await.unwrap();
    let turn = leased.into_iter().find(|leased| lease(leased).subject == Subject::Addon(server)).map(turn).unwrap();
    let begun = change(server, Event::Begun { message: "begun".into() }, Fence::Lease(turn.lease));
    world.store.apply(Change { objects, ..begun }).await.unwrap();
    let looked_at = async || {
        let leased = world.store.lease_due(world.node, 9, vec![]).await.unwrap();
        let lease = leased.iter().map(lease).find(|lease| lease.subject == Subject::Objects(server)).cloned();
        world.store.settle_objects(&lease.unwrap(), None).await.unwrap();
    };
    looked_at().await;

    let mut new = placed(&world, Some(&blog));
    (new.spec.provision_type, new.spec.parent) = (ProvisionType::Shared, Some(one));
    assert!(set(&world, &shop, Some("shop")).await);
    looked_at().await;
    assert!(set(&world, &blog, Some("blog")).await);
    let sharer = world.create(new).await;
    looked_at().await;
    assert_eq!(networks(&world, server).await, ["blog", "shop"]);
    assert!(set(&world, &blog, Some("blue")).await);
    looked_at().await;
    assert_eq!(networks(&world, server).await, ["blue", "shop"]);
    world.delete(sharer).await;
    assert_eq!(networks(&world, server).await, ["shop"]);
}

pub(crate) async fn an_addon_that_comes_back_elsewhere_is_configured_anew(world: World) {
    let app = world.app("shop").await;
    let inside = |id: AddonId| {
        let name = name_in_networks(id, &"server".parse().unwrap());
        let value = SecretString::new(format!("pg://{name}:5432/a"));
        let variables = vec![Variable { name: "A_URL".parse().unwrap(), value, secret: true }];
        AddonConfig { variables, credentials: vec![] }
    };
    for (told_inside, now, expected) in [
        (false, None, AddonState::Provisioned),
        (false, Some("shop"), AddonState::WaitingForProvision),
        (true, Some("shop"), AddonState::Provisioned),
        (true, None, AddonState::WaitingForProvision),
    ] {
        set(&world, &app, None).await;
        let new = placed(&world, Some(&app)).declares(&["A_URL"]);
        let id = new.spec.id;
        let told = if told_inside { inside(id) } else { config(&[("A_URL", "pg://127.0.0.1:21000/a")]) };
        world.ready(new, told).await;
        world.delete_later(id, HOUR_MS).await;
        set(&world, &app, now).await;
        let back = world.store.undelete(id, u64::MAX).await.unwrap().unwrap();
        assert_eq!(back.addon.state, expected, "{told_inside} {now:?}");
        world.delete(id).await;
        while let Some(turn) = world.turn().await {
            world.result(&turn.lease, Event::CleanedUp).await.unwrap();
        }
    }
}
