//! What is left of an addon after its end, and for how long.

use larder_domain::failure::{GuestFailure, StepFailure};
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::{Change, Fence};
use larder_domain::{AddonState, Cleanup, Event, Next, SecretString, Step};

use crate::world::{World, change, config, new_addon, used};

pub(crate) async fn state_and_secrets_go_with_the_cleanup(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let (turn, _) = world.provision(config(&[])).await;
    let state = GuestState::from([("id".into(), vec![1])]);
    world.store.checkpoint(&turn.lease, id, &state).await.unwrap();
    let issued = ["server-hunter2", "user-\"hunter2\""].map(SecretString::new).to_vec();
    let ready = change(id, Event::VariablesSet, Fence::Lease(turn.lease));
    world.store.apply(Change { issued: Some(issued.clone()), ..ready }).await.unwrap();
    world.delete(id).await;
    assert_eq!(world.store.issued(id).await.unwrap(), issued, "its provider may tell them");
    let cleanup = world.turn().await.unwrap();
    assert!(world.store.addon_config(id).await.unwrap().is_some(), "the provider may need it");

    let done = change(id, Event::CleanedUp, Fence::Lease(cleanup.lease));
    let done = world.store.apply(Change { state: Some(state), issued: Some(issued), ..done }).await.unwrap();
    assert_eq!((done.addon.cleanup, done.next), (Cleanup::Done, Next::Rest));
    assert_eq!(world.store.addon_config(id).await.unwrap(), None);
    assert_eq!(world.store.issued(id).await.unwrap(), []);
    assert!(world.store.guest_state(id).await.unwrap().is_empty(), "even what came with the last answer");
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), None);
    assert!(world.store.addon(id).await.unwrap().is_some());
}

pub(crate) async fn nothing_begun_needs_no_cleanup(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let deleted = world.delete(id).await;
    assert_eq!((deleted.addon.cleanup, deleted.next), (Cleanup::None, Next::Rest));
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), None);
    assert_eq!(world.store.addon_config(id).await.unwrap(), None);
    let record = world.store.addon(id).await.unwrap();
    world.clock.advance_ms(5);
    assert_eq!(world.delete(id).await.next, Next::Unchanged, "twice is no error");
    assert_eq!(world.store.addon(id).await.unwrap(), record, "and no change");
}

pub(crate) async fn a_failed_cleanup_comes_again(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let first = world.turn().await.unwrap();
    world.delete(id).await;
    world.store.release(&first.lease, world.store.now()).await.unwrap();
    let turn = world.turn().await.unwrap();
    let failure = StepFailure::Guest(GuestFailure::Failed("the network is down".into()));
    let applied = world.result(&turn.lease, Event::Failed(Step::Deprovision, failure)).await.unwrap();
    let failing = Cleanup::Failing { attempts: 1, last_error: "the network is down".into() };
    assert_eq!((&applied.addon.cleanup, applied.addon.state), (&failing, AddonState::Deprovisioned));
    assert_eq!(world.store.addon(id).await.unwrap().unwrap().addon, applied.addon);
    let Next::At(due) = applied.next else { crate::world::panic_with("it is not tried again") };
    world.clock.advance_ms(due.since_ms(world.store.now()));
    let turn = world.turn().await.unwrap();
    assert_eq!(world.result(&turn.lease, Event::CleanedUp).await.unwrap().next, Next::Rest);
}

pub(crate) async fn an_error_cleans_up(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, Some(&app))).await;
    let turn = world.turn().await.unwrap();
    let failure = StepFailure::Guest(GuestFailure::Rejected("no such size".into()));
    let applied = world.result(&turn.lease, Event::Failed(Step::Begin, failure)).await.unwrap();
    assert_eq!(applied.addon.state, AddonState::Error);
    let stored = world.store.addon(id).await.unwrap().unwrap().addon;
    assert_eq!(stored, applied.addon);
    assert_eq!(stored.error.unwrap().code, "provider_rejected");
    assert_eq!(world.store.apps(None, 1).await.unwrap(), [(app, used(0))]);
    let turn = world.turn().await.unwrap();
    assert_eq!(turn.step, Step::Deprovision);
    world.result(&turn.lease, Event::CleanedUp).await.unwrap();
    assert_eq!(world.delete(id).await.addon.cleanup, Cleanup::Pending, "a user's wish has it cleaned up again");
}
