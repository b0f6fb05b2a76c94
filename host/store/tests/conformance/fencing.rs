//! Who may write: the holder of the lease, until it ends or a user's wish supersedes it.

use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::Fence;
use larder_domain::work::{LEASE_MS, Lease, Token};
use larder_domain::{AddonState, Event, Next, Step};

use crate::world::{World, change, config, new_addon};

fn begun() -> Event {
    Event::Begun { message: "begun".into() }
}

pub(crate) async fn a_result_needs_the_lease(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let other = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    assert_eq!(turn.record.spec.id, id);
    let forged = Lease { token: Token(turn.lease.token.0 + 1), ..turn.lease.clone() };
    assert!(matches!(world.result(&forged, begun()).await, Err(StoreError::Fenced)));
    let of_another = change(other, begun(), Fence::Lease(turn.lease.clone()));
    assert!(matches!(world.store.apply(of_another).await, Err(StoreError::Fenced)));

    assert_eq!(world.result(&turn.lease, begun()).await.unwrap().next, Next::Do(Step::Complete));
    assert!(world.store.holds(id, turn.lease.token).await.unwrap());
    world.clock.advance_ms(LEASE_MS + 1);
    let later = world.turns(2).await;
    assert!(later.iter().any(|later| later.record.spec.id == id && later.lease.token > turn.lease.token));
    assert!(matches!(world.result(&turn.lease, begun()).await, Err(StoreError::Fenced)));
    assert!(!world.store.holds(id, turn.lease.token).await.unwrap());
}

pub(crate) async fn a_delete_takes_the_right_to_write(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, Some(&app))).await;
    let (turn, _) = world.provision(config(&[("A_URL", "late")])).await;
    let deleted = world.delete(id).await;
    assert_eq!(deleted.addon.state, AddonState::Deprovisioned);
    assert!(matches!(world.result(&turn.lease, Event::VariablesSet).await, Err(StoreError::Fenced)));
    assert_eq!(world.store.renew(std::slice::from_ref(&turn.lease)).await.unwrap(), vec![turn.lease.clone()]);
    assert!(!world.store.holds(id, turn.lease.token).await.unwrap());
    assert_eq!(world.sees(&app).await, [] as [String; 0], "no variable appears after the delete");
    assert_eq!(world.store.addon(id).await.unwrap().unwrap().addon, deleted.addon);
}

pub(crate) async fn a_delete_does_not_let_calls_overlap(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    world.delete(id).await;
    assert!(world.turn().await.is_none(), "the first call may still run");
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), Some(turn.lease.until));
    world.store.release(&turn.lease, world.store.now().plus_ms(60_000)).await.unwrap();
    let cleanup = world.turn().await.unwrap();
    assert_eq!((cleanup.record.spec.id, cleanup.step), (id, Step::Deprovision));
    world.store.release(&turn.lease, world.store.now()).await.unwrap();
    assert!(world.turn().await.is_none(), "releasing a lost lease does no harm");
    world.result(&cleanup.lease, Event::CleanedUp).await.unwrap();
}

pub(crate) async fn a_superseded_holder_that_dies_blocks_nobody_for_long(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    world.turn().await.unwrap();
    world.delete(id).await;
    world.clock.advance_ms(LEASE_MS - 1);
    assert!(world.turn().await.is_none());
    world.clock.advance_ms(1);
    assert_eq!(world.turn().await.unwrap().step, Step::Deprovision);
}

pub(crate) async fn illegal_events_store_nothing(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    let before = world.store.addon(id).await.unwrap();
    assert!(matches!(world.result(&turn.lease, Event::VariablesSet).await, Err(StoreError::Illegal(_))));
    assert_eq!(world.store.addon(id).await.unwrap(), before);
    assert_eq!(world.store.history(Some(id), 0, 10).await.unwrap().len(), 1);
    let unknown = change(larder_domain::AddonId::generate(), Event::DeprovisionRequested, Fence::User);
    assert!(matches!(world.store.apply(unknown).await, Err(StoreError::Missing("addon"))));
}

pub(crate) async fn a_checkpoint_needs_the_lease(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    let state = GuestState::from([("step".into(), vec![1, 0, 255])]);
    world.store.checkpoint(&turn.lease, id, &state).await.unwrap();
    assert_eq!(world.store.guest_state(id).await.unwrap(), state);
    world.delete(id).await;
    let late = world.store.checkpoint(&turn.lease, id, &GuestState::new()).await;
    assert!(matches!(late, Err(StoreError::Fenced)));
    assert_eq!(world.store.guest_state(id).await.unwrap(), state, "the cleanup needs it");
}

pub(crate) async fn a_released_lease_is_worth_nothing(world: World) {
    world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    world.store.release(&turn.lease, world.store.now().plus_ms(10)).await.unwrap();
    assert!(matches!(world.result(&turn.lease, begun()).await, Err(StoreError::Fenced)));
}
