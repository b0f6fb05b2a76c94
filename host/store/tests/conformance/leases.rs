//! Leasing due work.

use std::collections::BTreeMap;

use larder_domain::failure::{GuestFailure, Pending, StepFailure};
use larder_domain::work::LEASE_MS;
use larder_domain::{AddonId, AddonState, Event, Next, Step};

use crate::world::{Build, Turn, World, config, new_addon, other_node, provider};

pub(crate) async fn due_work_is_leased_once_until_the_lease_runs_out(world: World) {
    world.create(new_addon(&world, None)).await;
    let first = world.turn().await.unwrap();
    assert_eq!((first.lease.owner, first.lease.until), (world.node, world.store.now().plus_ms(LEASE_MS)));
    let thief = other_node(&world);
    assert_eq!(world.store.lease_due(thief, 5, vec![]).await.unwrap(), []);
    world.clock.advance_ms(LEASE_MS - 1);
    assert_eq!(world.store.lease_due(thief, 5, vec![]).await.unwrap(), []);
    world.clock.advance_ms(1);
    assert_eq!(world.store.lease_due(thief, 5, vec![]).await.unwrap().len(), 1);
    assert_eq!(world.store.renew(std::slice::from_ref(&first.lease)).await.unwrap(), [first.lease]);
}

pub(crate) async fn renewed_leases_last(world: World) {
    world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    world.clock.advance_ms(LEASE_MS - 1);
    assert_eq!(world.store.renew(std::slice::from_ref(&turn.lease)).await.unwrap(), []);
    world.clock.advance_ms(LEASE_MS - 1);
    assert!(world.turn().await.is_none());
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), Some(world.store.now().plus_ms(1)));
}

pub(crate) async fn released_work_is_due_when_told(world: World) {
    world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    let due = world.store.now().plus_ms(700);
    world.store.release(&turn.lease, due).await.unwrap();
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), Some(due));
    assert!(world.turn().await.is_none());
    world.clock.advance_ms(700);
    assert!(world.turn().await.is_some());
}

pub(crate) async fn waiting_work_is_leased_when_it_is_due(world: World) {
    world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: String::new() }).await.unwrap();
    let pending = Pending { after_ms: 5_000, message: "half way".into(), percent: Some(50) };
    let applied = world.result(&turn.lease, Event::StillPending(pending)).await.unwrap();
    let due = world.store.now().plus_ms(5_000);
    assert_eq!(applied.next, Next::At(due));
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), Some(due));
    world.clock.advance_ms(4_999);
    assert!(world.turn().await.is_none());
    world.clock.advance_ms(1);
    let turn = world.turn().await.unwrap();
    assert_eq!((turn.step, turn.record.addon.percent), (Step::Complete, Some(50)));
}

pub(crate) async fn what_is_poked_during_a_lease_is_due_once_when_it_ends(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: String::new() }).await.unwrap();
    let pending = || Event::StillPending(Pending { after_ms: 60_000, message: "later".into(), percent: None });
    for _ in 0..3 {
        world.store.poke_addon(id).await.unwrap();
    }
    // The holder may still write, and nobody else begins before it has ended.
    assert_eq!(world.store.renew(std::slice::from_ref(&turn.lease)).await.unwrap(), []);
    assert!(world.turn().await.is_none());
    world.result(&turn.lease, pending()).await.unwrap();
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, pending()).await.unwrap();
    assert!(world.turn().await.is_none(), "a poke is good for one call");
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), Some(world.store.now().plus_ms(60_000)));

    // Without a lease it is due at once, and that is all.
    world.store.poke_addon(id).await.unwrap();
    let turn = world.turn().await.unwrap();
    // One who gives up gives the poke back too; one who dies leaves it to the next.
    world.store.poke_addon(id).await.unwrap();
    world.store.release(&turn.lease, world.store.now().plus_ms(1_000)).await.unwrap();
    world.turn().await.unwrap();
    world.store.poke_addon(id).await.unwrap();
    world.clock.advance_ms(LEASE_MS);
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, pending()).await.unwrap();
    assert!(world.turn().await.is_none(), "its call began after the poke");
}

pub(crate) async fn a_poke_does_not_wake_what_rests(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let (turn, _) = world.provision(config(&[])).await;
    world.store.poke_addon(id).await.unwrap();
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), None);
    world.store.poke_addon(id).await.unwrap();
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), None);
}

pub(crate) async fn providers_take_turns(world: World) {
    for n in 0..20 {
        world.create(new_addon(&world, None).named(&format!("a-{n}")).by("big")).await;
    }
    world.create(new_addon(&world, None).by("small")).await;
    world.create(new_addon(&world, None).by("tiny")).await;
    let mut served = vec![];
    for _ in 0..5 {
        served.extend(world.turn().await.map(|turn| turn.lease.provider.to_string()));
    }
    assert_eq!(served, ["big", "small", "tiny", "big", "big"], "one each, in turn");

    for name in ["small", "tiny"] {
        world.create(new_addon(&world, None).named("more").by(name)).await;
        world.create(new_addon(&world, None).named("most").by(name)).await;
    }
    let mut counts = BTreeMap::new();
    for turn in world.turns(6).await {
        *counts.entry(turn.lease.provider.to_string()).or_insert(0) += 1;
    }
    assert_eq!(counts, ["big", "small", "tiny"].map(|name| (name.to_owned(), 2)).into());
}

pub(crate) async fn one_provider_gets_all_when_alone(world: World) {
    for n in 0..30 {
        world.create(new_addon(&world, None).named(&format!("a-{n}"))).await;
    }
    assert_eq!(world.turns(20).await.len(), 20);
    assert_eq!(world.turns(20).await.len(), 10);
    assert_eq!(world.turns(20).await.len(), 0);
}

pub(crate) async fn saturated_providers_are_left_out(world: World) {
    world.create(new_addon(&world, None).by("busy")).await;
    let id = world.create(new_addon(&world, None).by("free")).await;
    let saturated = || vec![provider("busy")];
    let leased = world.store.lease_due(world.node, 5, saturated()).await.unwrap();
    assert_eq!(leased.len(), 1);
    assert_eq!(crate::world::turn(leased[0].clone()).record.spec.id, id);
    assert_eq!(world.store.next_due(saturated()).await.unwrap(), Some(world.store.now().plus_ms(LEASE_MS)));
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), Some(world.store.now()));
}

pub(crate) async fn an_overdue_addon_ends_without_a_call(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    for _ in 0..30 {
        let turn = world.turn().await.unwrap();
        world.clock.advance_ms(60_000);
        world.store.release(&turn.lease, world.store.now()).await.unwrap();
        if turn.step == Step::Deprovision {
            assert_eq!(world.store.addon(id).await.unwrap().unwrap().addon.state, AddonState::Error);
            return;
        }
    }
    crate::world::panic_with("the provision deadline never came");
}

pub(crate) async fn tokens_rise_over_rests(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, Some(&app))).await;
    let (turn, _) = world.provision(config(&[])).await;
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), None, "what is ready has no work");
    world.delete(id).await;
    let cleanup = world.turn().await.unwrap();
    assert!(cleanup.lease.token > turn.lease.token);
}

pub(crate) async fn watchers_hear_of_due_work(world: World) {
    let mut watcher = world.store.watch_work();
    world.create(new_addon(&world, None)).await;
    assert!(watcher.changed().await);
    let turn = world.turn().await.unwrap();
    world.store.release(&turn.lease, world.store.now()).await.unwrap();
    assert!(watcher.changed().await);
    drop(world);
    assert!(!watcher.changed().await, "the store is closed");
}

/// Random doings, after each of which two ways to look for due work must agree.
pub(crate) async fn whatever_is_due_is_found(world: World) {
    let app = world.app("shop").await;
    let mut random = Random(7);
    let (mut held, mut ids): (Vec<Turn>, Vec<AddonId>) = (vec![], vec![]);
    for n in 0..600 {
        match random.below(8) {
            0 | 1 => {
                let new = new_addon(&world, Some(&app)).named(&format!("a-{n}")).by(&format!("p-{}", random.below(20)));
                ids.push(world.create(new).await);
            }
            2 => held.extend(world.turns(random.below(4)).await),
            3 if !held.is_empty() => {
                let turn = held.swap_remove(random.below(held.len()));
                let due = world.store.now().plus_ms(random.below(5_000) as u64);
                world.store.release(&turn.lease, due).await.unwrap();
            }
            4 if !held.is_empty() => {
                let turn = &held[random.below(held.len())];
                let retry = GuestFailure::Retry { after_ms: random.below(9_000) as u64, reason: "later".into() };
                let _ = world.result(&turn.lease, Event::Failed(turn.step, StepFailure::Guest(retry))).await;
            }
            5 if !ids.is_empty() => drop(world.delete(ids.swap_remove(random.below(ids.len()))).await),
            // Refused after something was written, so that it is rolled back.
            6 => drop(world.store.create_addon(new_addon(&world, Some(&"none".parse().unwrap()))).await.unwrap()),
            _ => world.clock.advance_ms(random.below(1_000) as u64),
        }
        let due = world.store.next_due(vec![]).await.unwrap().is_some_and(|due| due <= world.store.now());
        let found = world.turn().await;
        assert!(found.is_some() == due || world.store.next_due(vec![]).await.unwrap() > Some(world.store.now()), "{n}");
        held.extend(found);
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}
