//! On which engine an addon is, and that it stays there.

use std::sync::Arc;

use larder_domain::engines::{Candidate, Placement};
use larder_domain::ports::store::{Change, CreateRefusal, Created, Desired, Fence, Inhabited, Leased, NewAddon};
use larder_domain::{AddonId, AddonRecord, Digest, EngineName, Event, ProvisionType, Role};

use crate::objects::{DATA, objects, want};
use crate::world::{Build, World, change, config, new_addon};

fn placement(engines: &[(&str, u32)]) -> Placement {
    let candidates =
        engines.iter().map(|(name, weight)| Candidate { name: engine(name), weight: *weight, is_added: false });
    Placement { candidates: candidates.collect(), is_wished: false }
}

fn engine(name: &str) -> EngineName {
    name.parse().unwrap()
}

fn placed(world: &World, placement: &Placement) -> NewAddon {
    NewAddon { engine: Some(placement.clone()), ..new_addon(world, None) }
}

async fn create(world: &World, new: NewAddon) -> AddonRecord {
    match world.store.create_addon(new).await.unwrap().unwrap() {
        Created::New(record) | Created::Replayed(record) => record,
    }
}

fn on(record: &AddonRecord) -> &str {
    record.engine.as_ref().map_or("-", EngineName::as_str)
}

async fn counts(world: &World) -> Vec<(String, u64)> {
    let addons = world.store.engine_addons().await.unwrap();
    addons.into_iter().map(|(name, count)| (name.to_string(), count)).collect()
}

pub(crate) async fn addons_go_where_the_most_room_is_and_stay_there(world: World) {
    let both = placement(&[("a", 1), ("b", 2)]);
    let mut made = vec![];
    for _ in 0..6 {
        made.push(create(&world, placed(&world, &both)).await);
    }
    // Of equal ones the first; b takes twice as many.
    assert_eq!(made.iter().map(on).collect::<Vec<_>>(), ["b", "a", "b", "b", "a", "b"]);
    assert_eq!(counts(&world).await, [("a".to_owned(), 2), ("b".to_owned(), 4)]);
    // What is over needs no room.
    for record in made.iter().filter(|record| on(record) == "a") {
        world.delete(record.spec.id).await;
    }
    assert_eq!(counts(&world).await, [("b".to_owned(), 4)]);
    assert_eq!(on(&create(&world, placed(&world, &both)).await), "a");

    let world = world.restart();
    let kept = world.store.addon(made[0].spec.id).await.unwrap().unwrap();
    assert_eq!(on(&kept), "b");
    // It is asked no second time, wherever it might go now.
    let again = world.store.pin_engine(kept.spec.id, &placement(&[("c", 1)])).await.unwrap();
    assert_eq!(again, Some(engine("b")));
    assert_eq!(counts(&world).await, [("a".to_owned(), 1), ("b".to_owned(), 4)]);
}

pub(crate) async fn many_at_once_are_spread(world: World) {
    let both = placement(&[("a", 1), ("b", 1)]);
    let news: Vec<NewAddon> = (0..40).map(|_| placed(&world, &both)).collect();
    let creating = news.into_iter().map(|new| {
        let store = Arc::clone(&world.store);
        tokio::spawn(async move { store.create_addon(new).await.unwrap().unwrap() })
    });
    for created in creating.collect::<Vec<_>>() {
        assert!(matches!(created.await.unwrap(), Created::New(_)));
    }
    assert_eq!(counts(&world).await, [("a".to_owned(), 20), ("b".to_owned(), 20)]);
}

pub(crate) async fn an_addon_that_needed_none_gets_one_when_it_does(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    assert_eq!(world.store.addon(id).await.unwrap().unwrap().engine, None);
    assert_eq!(counts(&world).await, []);
    let none = placement(&[]);
    assert_eq!(world.store.pin_engine(id, &none).await.unwrap(), None);
    let (one, other) = (placement(&[("a", 1)]), placement(&[("b", 1)]));
    assert_eq!(world.store.pin_engine(id, &one).await.unwrap(), Some(engine("a")));
    assert_eq!(world.store.pin_engine(id, &other).await.unwrap(), Some(engine("a")));
    assert_eq!(counts(&world).await, [("a".to_owned(), 1)]);
    assert_eq!(world.store.pin_engine(AddonId::generate(), &one).await.unwrap(), None);
    // Counted once, and no more once it is over.
    let both = placement(&[("a", 1), ("b", 1)]);
    assert_eq!(on(&create(&world, placed(&world, &both)).await), "b");
    world.delete(id).await;
    assert_eq!(on(&create(&world, placed(&world, &both)).await), "a");
}

pub(crate) async fn a_part_is_where_the_whole_is(world: World) {
    let both = placement(&[("a", 1), ("b", 1)]);
    let user = |name: &str, placement: &Placement| {
        let mut server = placed(&world, placement);
        (server.spec.provision_type, server.spec.role) = (ProvisionType::Communal, Role::Server);
        let mut user = placed(&world, placement).named(name);
        user.spec.provision_type = ProvisionType::Communal;
        user.server = Some(Box::new(server));
        user
    };
    let first = create(&world, user("one", &both)).await;
    let server = world.store.addon(first.spec.parent.unwrap()).await.unwrap().unwrap();
    assert_eq!((on(&server), on(&first)), ("a", "a"));
    // Only the server takes room.
    let second = create(&world, user("two", &both)).await;
    assert_eq!(on(&second), "a");
    assert_eq!(on(&create(&world, placed(&world, &both)).await), "b");
    assert_eq!(on(&create(&world, placed(&world, &both)).await), "a");

    // Nobody is put elsewhere against a wish.
    let wished = Placement { is_wished: true, ..placement(&[("b", 1)]) };
    let refused = world.store.create_addon(user("three", &wished)).await.unwrap();
    assert_eq!(refused.unwrap_err(), CreateRefusal::ParentElsewhere(engine("a")));
    let wished = Placement { is_wished: true, ..placement(&[("a", 1)]) };
    assert_eq!(on(&create(&world, user("three", &wished)).await), "a");
}

pub(crate) async fn an_addon_that_is_had_back_takes_room_again(world: World) {
    let both = placement(&[("a", 1), ("b", 1)]);
    let id = world.ready(placed(&world, &both), config(&[])).await;
    let grace_ms = 1_000;
    // Each time it is counted down and up again: the counts end up neither below nor above what is there.
    for _ in 0..2 {
        world.delete_later(id, grace_ms).await;
        world.store.undelete(id, u64::MAX).await.unwrap().unwrap();
    }
    let next = [create(&world, placed(&world, &both)).await, create(&world, placed(&world, &both)).await];
    assert_eq!(next.each_ref().map(on), ["b", "a"], "it is on `a`, and so there is more room on `b`");
    world.delete(id).await;
    assert_eq!(on(&create(&world, placed(&world, &both)).await), "a");
}

pub(crate) async fn an_app_can_have_a_place(world: World) {
    let app = world.app("shop").await;
    assert_eq!(world.store.app_engine(&app).await.unwrap(), None);
    for wish in ["rack-1", "disk=ssd,zone=a"] {
        world.store.set_app_engine(&app, Some(wish.parse().unwrap())).await.unwrap();
        assert_eq!(world.store.app_engine(&app).await.unwrap().unwrap().to_string(), wish);
    }
    world.store.set_app_engine(&app, None).await.unwrap();
    assert_eq!(world.store.app_engine(&app).await.unwrap(), None);
    let unknown = "nobody".parse().unwrap();
    assert_eq!(world.store.app_engine(&unknown).await.unwrap(), None);
    assert!(world.store.set_app_engine(&unknown, None).await.is_err());
}

pub(crate) async fn an_addon_is_not_forgotten_while_it_has_objects(world: World) {
    let with = create(&world, placed(&world, &placement(&[("a", 1)]))).await.spec.id;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    crate::objects::want(&world, &turn, &[crate::objects::DATA]).await;
    for (name, wants) in [("a", true), ("b", false)] {
        assert_eq!(world.store.wants_objects(&engine(name)).await.unwrap(), wants, "{name}");
    }
    world.delete(with).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::CleanedUp).await.unwrap();
    let without = world.ready(new_addon(&world, None).named("other"), config(&[])).await;
    world.delete(without).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::CleanedUp).await.unwrap();

    world.clock.advance_ms(31 * 24 * 3_600_000);
    for name in ["one", "two", "three"] {
        world.app(name).await;
    }
    assert!(world.store.addon(without).await.unwrap().is_none());
    assert_eq!(on(&world.store.addon(with).await.unwrap().unwrap()), "a");
    assert_eq!(counts(&world).await, [("a".to_owned(), 1)], "somebody has to remove what is there");
    let name = "data".parse().unwrap();
    world.store.unwant_objects(with).await.unwrap();
    world.store.forget_object(with, &name, 1).await.unwrap();
    world.clock.advance_ms(2_000);
    for name in ["four", "five", "six"] {
        world.app(name).await;
    }
    assert!(world.store.addon(with).await.unwrap().is_none());
}

pub(crate) async fn an_engine_is_forgotten_when_nobody_can_miss_it(world: World) {
    let only = placement(&[("a", 1)]);
    let one = create(&world, placed(&world, &only)).await.spec.id;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    want(&world, &turn, &[DATA]).await;
    world.delete(one).await;
    let other = create(&world, placed(&world, &only)).await.spec.id;
    let leased = world.store.lease_due(world.node, 8, vec![]).await.unwrap();
    let is_its = |leased: &Leased| matches!(leased, Leased::Addon { record, .. } if record.spec.id == other);
    let turn = crate::world::turn(leased.into_iter().find(is_its).unwrap());
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    let objects = Some(Desired { by: Digest([1; 32]), all: objects(&[DATA]) });
    let configured = change(other, Event::Configured(Box::new(config(&[]))), Fence::Lease(turn.lease.clone()));
    world.store.apply(Change { objects, ..configured }).await.unwrap();
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    let forget = async || world.store.forget_engine(&engine("a")).await.unwrap();
    assert_eq!(forget().await, Err(Inhabited(1)), "one lives");
    world.delete_later(other, 60_000).await;
    assert_eq!(forget().await, Err(Inhabited(1)), "it can be had back");
    assert_eq!(world.store.objects(one).await.unwrap().len(), 1);
    world.delete(other).await;
    assert_eq!(forget().await, Ok(2));
    assert!(world.store.objects(one).await.unwrap().is_empty());
    assert_eq!((counts(&world).await, forget().await), (vec![], Ok(0)));
    let history = world.store.history(Some(one), 0, 100).await.unwrap();
    assert_eq!(history.last().unwrap().kind, "engine_forgotten");
}
