//! History, logs, and what is stored together.

use larder_domain::failure::Pending;
use larder_domain::history::{Entry, MILESTONES};
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::{GuestState, LogLine};
use larder_domain::ports::store::{Change, Fence};
use larder_domain::{AddonId, Event, Step};

use crate::world::{Build, Turn, World, change, config, new_addon};

pub(crate) async fn entries_are_numbered_per_addon_and_ordered_over_all(world: World) {
    let app = world.app("shop").await;
    let first = world.ready(new_addon(&world, Some(&app)), config(&[])).await;
    let second = world.create(new_addon(&world, Some(&app)).named("b")).await;
    world.delete(first).await;
    world.delete(second).await;

    let all = world.store.history(None, 0, 100).await.unwrap();
    let line = |of: AddonId| all.iter().filter(move |e| e.addon == of).map(|e| (e.seq, e.kind.as_str()));
    let ready = ["created", "call", "call", "provisioned", "ready", "deprovisioned"];
    assert_eq!(line(first).collect::<Vec<_>>(), (1..).zip(ready).collect::<Vec<_>>());
    assert_eq!(line(second).collect::<Vec<_>>(), [(1, "created"), (2, "deprovisioned")]);
    assert!(all.is_sorted_by(|a, b| a.id < b.id));
    let of_first = world.store.history(Some(first), 0, 100).await.unwrap();
    assert_eq!(of_first, all.iter().filter(|e| e.addon == first).cloned().collect::<Vec<_>>());
    assert_eq!(of_first[1].data["call"], "begin-provision");
}

pub(crate) async fn entries_are_read_page_by_page(world: World) {
    let mut ids = vec![];
    for n in 0..5 {
        ids.push(world.create(new_addon(&world, None).named(&format!("a-{n}"))).await);
    }
    let (mut after, mut seen) = (0, vec![]);
    loop {
        let page = world.store.history(None, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = last.id;
        seen.extend(page.into_iter().map(|entry| entry.addon));
    }
    assert_eq!(seen, ids);
}

pub(crate) async fn watchers_hear_of_entries(world: World) {
    let mut watcher = world.store.watch_history();
    world.create(new_addon(&world, None)).await;
    world.create(new_addon(&world, None)).await;
    assert!(watcher.changed().await);
    assert_eq!(world.store.history(None, 0, 9).await.unwrap().len(), 2, "what was told of is there");
    drop(world);
    // Two commits are one word. One more may come from a session that has begun to listen by now; then the store is closed.
    assert!(!watcher.changed().await || !watcher.changed().await, "no words without an end");
}

pub(crate) async fn state_is_stored_with_the_outcome_or_not_at_all(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    let state = GuestState::from([("id".into(), b"container".to_vec())]);
    let log = vec![LogLine { stream: "info", text: "made it".into() }];
    let with = |event| Change { state: Some(state.clone()), log: log.clone(), ..by(&turn, event) };

    assert!(matches!(world.store.apply(with(Event::VariablesSet)).await, Err(StoreError::Illegal(_))));
    assert!(world.store.guest_state(id).await.unwrap().is_empty());
    assert_eq!(world.store.log(id, 0, 9).await.unwrap(), []);

    world.store.apply(with(Event::Begun { message: String::new() })).await.unwrap();
    assert_eq!(world.store.guest_state(id).await.unwrap(), state);
    let lines = world.store.log(id, 0, 9).await.unwrap();
    assert_eq!(lines.iter().map(|l| (l.stream.as_str(), l.text.as_str())).collect::<Vec<_>>(), [("info", "made it")]);
    assert_eq!(world.store.log(id, lines[0].id, 9).await.unwrap(), []);
}

pub(crate) async fn a_short_state_comes_with_the_lease(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let mut turn = world.turn().await.unwrap();
    assert_eq!(turn.state, Some(GuestState::new()), "there is none yet");
    // Sealed, the first is below the bound and the second above it.
    for (bytes, comes_along) in [(4_000, true), (4_096, false)] {
        let state = GuestState::from([("x".into(), vec![7; bytes])]);
        let pending = Pending { after_ms: 1_000, message: "soon".into(), percent: None };
        let event = if turn.step == Step::Begin {
            Event::Begun { message: String::new() }
        } else {
            Event::StillPending(pending)
        };
        world.store.apply(Change { state: Some(state.clone()), ..by(&turn, event) }).await.unwrap();
        world.store.release(&turn.lease, world.store.now()).await.unwrap();
        world.clock.advance_ms(1_000);
        turn = world.turn().await.unwrap();
        assert_eq!(turn.state, comes_along.then(|| state.clone()), "{bytes} bytes");
        assert_eq!(world.store.guest_state(id).await.unwrap(), state);
    }
}

pub(crate) async fn logs_are_bounded(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    let line = |text: String| LogLine { stream: "stdout", text };
    let many = (0..2_500).map(|n| line(n.to_string())).collect();
    let begun = by(&turn, Event::Begun { message: String::new() });
    world.store.apply(Change { log: many, ..begun }).await.unwrap();
    let lines = world.store.log(id, 0, 5_000).await.unwrap();
    let texts = [&lines[0], &lines[lines.len() - 1]].map(|line| line.text.as_str());
    assert_eq!((lines.len(), texts), (2_000, ["500", "2499"]), "the oldest have gone");

    let long = (0..40).map(|_| line("x".repeat(64 * 1024))).collect();
    let configured = by(&turn, Event::Configured(Box::new(config(&[]))));
    world.store.apply(Change { log: long, ..configured }).await.unwrap();
    let bytes: usize = world.store.log(id, 0, 5_000).await.unwrap().iter().map(|line| line.text.len()).sum();
    assert_eq!(bytes, 1024 * 1024);
}

pub(crate) async fn a_history_without_end_is_bounded(world: World) {
    let id = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: String::new() }).await.unwrap();
    let mut lease = turn.lease;
    for _ in 0..1_400 {
        let pending = Pending { after_ms: 1, message: "not yet".into(), percent: None };
        world.result(&lease, Event::StillPending(pending)).await.unwrap();
        world.clock.advance_ms(1);
        lease = world.turn().await.unwrap().lease;
    }
    let entries = world.store.history(Some(id), 0, 5_000).await.unwrap();
    assert!((1_000..=1_280).contains(&entries.len()), "{}", entries.len());
    assert_eq!((entries[0].seq, entries[0].kind.as_str()), (1, "created"), "what became of it stays");
    assert_eq!(entries[entries.len() - 1].seq, 1_402, "and so do the newest");
}

pub(crate) async fn what_happens_over_and_over_is_bounded_and_what_became_of_it_stays(world: World) {
    let id = world.ready(new_addon(&world, None), config(&[])).await;
    for n in 0..1_400 {
        let kind = ["pulling", "container_ended", "health", "network_missing"][n % 4];
        world.store.record(id, Entry::new(kind, "again")).await.unwrap();
    }
    world.delete(id).await;
    let entries = world.store.history(Some(id), 0, 5_000).await.unwrap();
    assert!((1_000..=1_280).contains(&entries.len()), "{}", entries.len());
    let milestones = entries.iter().map(|entry| entry.kind.as_str()).filter(|kind| MILESTONES.contains(kind));
    assert_eq!(milestones.collect::<Vec<_>>(), ["created", "provisioned", "ready", "deprovisioned"]);
}

fn by(turn: &Turn, event: Event) -> Change {
    change(turn.record.spec.id, event, Fence::Lease(turn.lease.clone()))
}
