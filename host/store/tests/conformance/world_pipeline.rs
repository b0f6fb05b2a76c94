//! What goes to a PostgreSQL server together, and what becomes of it when some of that fails.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::thread::{self, JoinHandle};

use futures_util::future::join_all;
use larder_domain::ports::Store;
use larder_domain::{Event, SecretString};
use larder_store::ManualClock;
use postgres::{Client, NoTls};

use crate::world::{World, new_addon};
use crate::world_postgres::{alter, database, node};

/// More than go together at most, each with several statements.
const ADDONS: usize = 120;

fn world(url: &str) -> World {
    let (clock, url) = (Arc::new(ManualClock::default()), url.to_owned());
    let opened = Arc::clone(&clock);
    World::new(clock, Box::new(move || Arc::new(node(&url, "one", &opened).unwrap()) as Arc<dyn Store>))
}

/// Holds up everybody who writes, until it is told to let go.
fn holding(url: &str) -> (JoinHandle<()>, Sender<()>) {
    let (url, (go, gone), (held, is_held)) = (url.to_owned(), channel(), channel());
    let holder = thread::spawn(move || {
        let mut client = Client::connect(&url, NoTls).unwrap();
        client.batch_execute("BEGIN; SELECT FROM installation FOR UPDATE").unwrap();
        held.send(()).unwrap();
        gone.recv().unwrap();
        client.batch_execute("COMMIT").unwrap();
    });
    is_held.recv().unwrap();
    (holder, go)
}

#[tokio::test]
async fn a_statement_that_fails_at_the_end_of_a_large_group_fails_alone() {
    let Some(url) = database() else { return };
    let world = world(&url);
    let app = world.app("shop").await;
    for number in 0..ADDONS {
        let mut new = new_addon(&world, Some(&app));
        new.spec.name = format!("db{number}").parse().unwrap();
        world.create(new).await;
    }
    let mut turns = world.turns(ADDONS).await;
    assert_eq!(turns.len(), ADDONS);
    // A build with assertions asks about every other one, and so hears of what failed before; none of the last ones asks anything.
    turns.sort_by_key(|turn| turn.lease.token.0 % 2 == 0);
    alter(
        &url,
        "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.message LIKE '%trap%' THEN RAISE EXCEPTION 'a trap'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON addon FOR EACH ROW EXECUTE FUNCTION trap()",
    );
    let trapped = |number: usize| number == ADDONS - 1;
    let (holder, go) = holding(&url);
    let results = turns.iter().enumerate().map(|(number, turn)| {
        let message = if trapped(number) { "trap" } else { "begun" };
        world.result(&turn.lease, Event::Begun { message: message.into() })
    });
    let mut all = Box::pin(join_all(results));
    // All are queued before any can be written.
    let is_waiting = poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx).is_pending())).await;
    assert!(is_waiting);
    go.send(()).unwrap();
    let answers = all.await;
    holder.join().unwrap();
    for (number, (turn, answer)) in turns.iter().zip(answers).enumerate() {
        assert_eq!(answer.is_err(), trapped(number), "{number}: {answer:?}");
        let record = world.store.addon(turn.record.spec.id).await.unwrap().unwrap();
        assert_eq!(record.addon.begun, !trapped(number), "{number}");
        let history = world.store.history(Some(turn.record.spec.id), 0, 100).await.unwrap();
        let begun = history.iter().filter(|entry| entry.message.contains("begun")).count();
        assert_eq!(begun, usize::from(!trapped(number)), "{number}: once, or never: {history:?}");
    }
}

/// A number that the server knows.
fn number(url: &str, sql: &'static str) -> i64 {
    let url = url.to_owned();
    let asking = thread::spawn(move || Client::connect(&url, NoTls).unwrap().query_one(sql, &[]).unwrap().get(0));
    asking.join().unwrap()
}

const COMMITS: &str = "SELECT last_commit FROM installation";
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[tokio::test]
async fn what_comes_while_a_writer_waits_for_its_turn_is_written_in_that_turn() {
    let Some(url) = database() else { return };
    let world = world(&url);
    let app = world.app("shop").await;
    let before = number(&url, COMMITS);
    let (holder, go) = holding(&url);
    let set = |number: usize| {
        let patch = vec![(format!("A{number}").parse().unwrap(), Some(SecretString::new("x")))];
        world.store.patch_app_config(&app, patch)
    };
    let mut first = Box::pin(set(0));
    assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await);
    assert!((0..10_000).any(|_| number(&url, WAITING) > 0), "nobody waits");
    let mut others = Box::pin(join_all((1..ADDONS).map(set)));
    assert!(poll_fn(|cx| Poll::Ready(others.as_mut().poll(cx).is_pending())).await);
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    for other in others.await {
        other.unwrap().unwrap();
    }
    holder.join().unwrap();
    assert_eq!(number(&url, COMMITS) - before, 1);
}

#[tokio::test]
async fn a_row_that_the_server_can_not_read_holds_up_no_other() {
    let Some(url) = database() else { return };
    let world = world(&url);
    let app = world.app("shop").await;
    for name in ["broken", "first", "second"] {
        let mut new = new_addon(&world, Some(&app));
        new.spec.name = name.parse().unwrap();
        new.spec.external_id = Some(name.to_owned());
        world.create(new).await;
    }
    // As a server speaks of a page that it can't make sense of.
    alter(
        &url,
        "ALTER TABLE addon_detail RENAME TO real_detail;
         CREATE FUNCTION unread(bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'invalid page' USING ERRCODE = 'data_corrupted'; END $$;
         DO $$ DECLARE columns text; BEGIN
             SELECT string_agg(CASE column_name WHEN 'seed' THEN
                 'CASE WHEN external_id = ''broken'' THEN unread(seed) ELSE seed END AS seed' ELSE quote_ident(column_name) END, ', ')
                 INTO columns FROM information_schema.columns WHERE table_name = 'real_detail';
             EXECUTE 'CREATE VIEW addon_detail AS SELECT ' || columns || ' FROM real_detail';
         END $$",
    );
    let turns = world.turns(10).await;
    let mut names: Vec<_> = turns.iter().map(|turn| turn.record.spec.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["first", "second"]);
    for turn in &turns {
        world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    }
    assert!(world.turn().await.is_none(), "the broken one was put off");
    alter(&url, "DROP VIEW addon_detail; ALTER TABLE real_detail RENAME TO addon_detail");
    world.clock.advance_ms(60_000);
    let left = world.turns(10).await;
    assert!(left.iter().any(|turn| turn.record.spec.name.as_str() == "broken"), "it is tried again: {left:?}");
}
