//! What outlives a restart, and what time takes.

use larder_domain::ports::runtime::GuestState;
use larder_domain::{Event, SecretString};

use crate::world::{Build, World, config, new_addon};

pub(crate) async fn everything_is_there_after_a_restart(world: World) {
    let app = world.app("shop").await;
    let own = vec![("OWN".parse().unwrap(), Some(SecretString::new("mine")))];
    world.store.patch_app_config(&app, own).await.unwrap().unwrap();
    let ready = world.ready(new_addon(&world, Some(&app)).declares(&["A_URL"]), config(&[("A_URL", "a")])).await;
    let driven = world.create(new_addon(&world, Some(&app)).named("b")).await;
    let turn = world.turn().await.unwrap();
    let state = GuestState::from([("k".into(), vec![1])]);
    world.store.checkpoint(&turn.lease, driven, &state).await.unwrap();
    let installation = world.store.installation();
    let records = world.store.addons(crate::lists::everything()).await.unwrap();
    let history = world.store.history(None, 0, 100).await.unwrap();

    let world = world.restart();
    assert_eq!(world.store.installation(), installation);
    assert_eq!(world.store.addons(crate::lists::everything()).await.unwrap(), records);
    assert_eq!(world.store.history(None, 0, 100).await.unwrap(), history);
    assert_eq!(world.sees(&app).await, ["A_URL=a", "OWN=mine"]);
    assert_eq!(world.store.guest_state(driven).await.unwrap(), state);
    assert_eq!(world.store.addon_config(ready).await.unwrap(), Some(config(&[("A_URL", "a")])));
    world.clock.advance_ms(larder_domain::work::LEASE_MS);
    let again = world.turn().await.unwrap();
    assert!(again.record.spec.id == driven && again.lease.token > turn.lease.token);
    world.result(&again.lease, Event::Begun { message: String::new() }).await.unwrap();
    let next = world.store.history(None, history[history.len() - 1].id, 9).await.unwrap();
    assert_eq!(next.len(), 1, "numbers go on where they were");
}

pub(crate) async fn the_clock_goes_on(world: World) {
    world.clock.advance_ms(60_000);
    let now = world.store.now();
    assert!(now.0 >= 60_000);
    world.create(new_addon(&world, None)).await;
    let mut world = world.restart();
    assert!(world.store.now() >= now);
    world.clock.set_wall(larder_domain::WallTime(-5));
    world = world.restart();
    assert!(world.store.now() >= now, "the time of day has nothing to do with it");
}

pub(crate) async fn old_rows_are_forgotten(world: World) {
    const DAY_MS: u64 = 24 * 3_600_000;
    let app = world.app("shop").await;
    let kept = world.ready(new_addon(&world, Some(&app)), config(&[])).await;
    let mut gone = vec![];
    for n in 0..60 {
        gone.push(world.create(new_addon(&world, Some(&app)).named(&format!("a-{n}"))).await);
        world.delete(gone[n]).await;
    }
    world.clock.advance_ms(30 * DAY_MS - 1);
    world.app("a").await;
    assert!(world.store.addon(gone[0]).await.unwrap().is_some());
    world.clock.set_wall(larder_domain::WallTime(i64::MAX / 2));
    world.app("b").await;
    assert!(world.store.addon(gone[0]).await.unwrap().is_some(), "setting the time of day destroys nothing");

    world.clock.advance_ms(2_000);
    for n in 0..10 {
        world.app(&format!("c-{n}")).await;
    }
    for id in gone {
        assert_eq!(world.store.addon(id).await.unwrap(), None);
        assert_eq!(world.store.history(Some(id), 0, 9).await.unwrap(), []);
    }
    assert!(world.store.addon(kept).await.unwrap().is_some());
    let last = world.store.history(None, 0, 1_000).await.unwrap().pop().unwrap();
    world.delete(kept).await;
    let newer = world.store.history(None, last.id, 9).await.unwrap();
    assert!(newer[0].id > last.id + 100, "no number comes twice");
}
