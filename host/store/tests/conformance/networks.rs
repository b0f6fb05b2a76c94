//! Networks that apps' own containers are in.

use larder_domain::config::{AddonConfig, Variable};
use larder_domain::docker::name_in_networks;
use larder_domain::engines::{Candidate, Placement};
use larder_domain::operation::{NewOperation, OperationKind};
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{Busy, Fence, NewAddon};
use larder_domain::{
    AddonId, AddonState, AppName, Event, NetworkName, OperationId, ProvisionType, Role, SecretString, Step,
};

use crate::world::{Build, World, change, config, new_addon};

const HOUR_MS: u64 = 3_600_000;

fn network(name: &str) -> NetworkName {
    name.parse().unwrap()
}

/// A new addon that is on an engine.
fn placed(world: &World, app: Option<&AppName>) -> NewAddon {
    let candidates = vec![Candidate { name: "a".parse().unwrap(), weight: 1 }];
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

async fn set(world: &World, app: &AppName, name: Option<&str>) -> Result<bool, Busy> {
    world.store.set_app_network(app, name.map(network)).await.unwrap()
}

async fn networks(world: &World, addon: AddonId) -> Vec<String> {
    world.store.networks(addon).await.unwrap().into_iter().map(String::from).collect()
}

pub(crate) async fn a_container_is_in_the_networks_of_all_who_use_it(world: World) {
    let (shop, blog) = (world.app("shop").await, world.app("blog").await);
    assert_eq!(world.store.app_network(&shop).await.unwrap(), None);
    assert_eq!(set(&world, &shop, Some("shop_default")).await, Ok(true));
    assert_eq!(set(&world, &shop, Some("shop_default")).await, Ok(false));
    assert_eq!(world.store.app_network(&shop).await.unwrap(), Some(network("shop_default")));
    let one = world.create(part(&world, &shop, "one")).await;
    let two = world.create(part(&world, &blog, "two")).await;
    let server = world.store.addon(one).await.unwrap().unwrap().spec.parent.unwrap();
    assert_eq!(networks(&world, server).await, ["shop_default"]);
    assert_eq!(set(&world, &blog, Some("Blog.1")).await, Ok(true));
    assert_eq!(networks(&world, server).await, ["Blog.1", "shop_default"]);
    world.delete(two).await;
    assert_eq!(networks(&world, server).await, ["shop_default"]);
    let world = world.restart();
    assert_eq!(networks(&world, server).await, ["shop_default"]);
    assert_eq!(set(&world, &shop, None).await, Ok(true));
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

    assert_eq!(set(&world, &app, Some("shop")).await, Ok(true));
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

    // One that is being told may be told again; whatever else is done to an addon has to end before.
    assert_eq!(set(&world, &app, None).await, Ok(true));
    for event in [Event::Configured(Box::new(config(&[]))), Event::VariablesSet] {
        let late = world.result(&turns[1].lease, event).await;
        assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
    }
    world.delete(begun).await;
    world.delete(ready).await;
    let other = placed(&world, Some(&app)).named("other");
    let id = world.create(other).await;
    while let Some(turn) = world.turn().await {
        if turn.record.spec.id == id {
            world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
            world.result(&turn.lease, Event::Configured(Box::new(config(&[])))).await.unwrap();
            assert_eq!(set(&world, &app, Some("shop")).await, Err(Busy("other".parse().unwrap())));
            world.result(&turn.lease, Event::VariablesSet).await.unwrap();
        }
    }
    let (operation, kind) = (OperationId::generate(), OperationKind::Rotate);
    let wish = NewOperation { id: operation, kind, deadline_ms: HOUR_MS, overlap_ms: 0, change: None, after: None };
    let event = Event::OperationRequested(Box::new(wish));
    world.store.apply(change(id, event, Fence::User)).await.unwrap();
    assert_eq!(set(&world, &app, Some("shop")).await, Err(Busy("other".parse().unwrap())));
    assert_eq!(world.store.app_network(&app).await.unwrap(), None);
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
        set(&world, &app, None).await.unwrap();
        let new = placed(&world, Some(&app)).declares(&["A_URL"]);
        let id = new.spec.id;
        let told = if told_inside { inside(id) } else { config(&[("A_URL", "pg://127.0.0.1:21000/a")]) };
        world.ready(new, told).await;
        world.delete_later(id, HOUR_MS).await;
        set(&world, &app, now).await.unwrap();
        let back = world.store.undelete(id).await.unwrap().unwrap();
        assert_eq!(back.addon.state, expected, "{told_inside} {now:?}");
        world.delete(id).await;
        while let Some(turn) = world.turn().await {
            world.result(&turn.lease, Event::CleanedUp).await.unwrap();
        }
    }
}
