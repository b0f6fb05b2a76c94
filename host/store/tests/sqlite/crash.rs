//! What becomes of a store that dies, and of rows that can't be read.

use std::path::Path;

use larder_domain::Event;

use crate::world::{Build, new_addon};
use crate::{beside, world_in};

/// What a process that is killed leaves behind: its files as they are at this moment.
fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn whatever_was_answered_outlives_a_kill() {
    let (dir, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = world_in(dir.path());
    world.clock.advance_ms(1_000_000);
    let mut answered = vec![];
    for n in 0..20 {
        answered.push(world.create(new_addon(&world, None).named(&format!("a-{n}"))).await);
    }
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    copy(dir.path(), left.path());

    let revived = world_in(left.path());
    for id in answered {
        let (before, after) = (world.store.addon(id).await.unwrap(), revived.store.addon(id).await.unwrap());
        assert!(before.is_some() && before == after);
    }
    assert!(revived.store.now() >= world.store.now(), "what was stored is not in the future");
    assert_eq!(revived.turns(50).await.len(), 20, "the dead process' lease is void at once");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    let broken = world.create(new_addon(&world, None)).await;
    let whole = world.create(new_addon(&world, None).named("b")).await;
    beside(dir.path()).execute("UPDATE addon SET state = 'gone' WHERE id = ?", [broken.0.as_bytes()]).unwrap();
    let turns = world.turns(5).await;
    assert_eq!(turns.iter().map(|turn| turn.record.spec.id).collect::<Vec<_>>(), [whole]);
    assert!(world.store.addon(broken).await.is_err());

    beside(dir.path()).execute("UPDATE addon SET state = 'waiting_for_provision'", []).unwrap();
    assert!(world.turn().await.is_none());
    world.clock.advance_ms(60_000);
    world.store.release(&turns[0].lease, world.store.now().plus_ms(1)).await.unwrap();
    assert_eq!(world.turn().await.unwrap().record.spec.id, broken, "it is tried again");
}
