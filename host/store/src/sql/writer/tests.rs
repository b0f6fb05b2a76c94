//! Groups: what one job's failure means for the others, and what happens at the bounds.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use larder_domain::StoreTime;
use larder_domain::ports::{Storage, StoreError};
use rusqlite::Connection;
use tokio::join;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{Committer, Writer};
use crate::ManualClock;
use crate::sql::clock::StoreClock;
use crate::sql::database::Conn;
use crate::sql::error::{Failure, Result, Stop};
use crate::sql::tx::{Counters, Tx};
use crate::sql::watch::Pokes;

fn writer(queue_jobs_max: usize) -> Writer {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(
        "CREATE TABLE installation (clock_ms, last_token, last_entry, last_line);
         CREATE TABLE idempotency (id INTEGER PRIMARY KEY, since);
         CREATE TABLE word (text TEXT PRIMARY KEY);
         CREATE TABLE echo (text TEXT REFERENCES word (text) DEFERRABLE INITIALLY DEFERRED)",
    )
    .unwrap();
    let clock = StoreClock::resume(Arc::new(ManualClock::default()), StoreTime(0));
    let committer = Committer::new(Conn::Sqlite(conn), clock, Pokes::default(), Counters::default());
    Writer::start(committer, queue_jobs_max, Duration::ZERO).unwrap()
}

fn say(text: &'static str) -> impl FnMut(&mut Tx<'_>) -> Result<()> + Send {
    move |tx| tx.execute("INSERT INTO word VALUES (?)", [text]).map(|_| ())
}

async fn said(writer: &Writer) -> Vec<String> {
    let all =
        |tx: &mut Tx<'_>| crate::sql::tx::list(tx.conn, "SELECT text FROM word ORDER BY rowid", (), |row| row.take());
    writer.run(all).await.unwrap()
}

/// Holds the writer, so that what is queued meanwhile becomes one group with it.
struct Gate {
    reached: UnboundedReceiver<()>,
    go_on: Sender<()>,
}

impl Gate {
    /// The gate, and the job that stands in it.
    fn new() -> (Self, impl FnMut(&mut Tx<'_>) -> Result<()> + Send) {
        let (go_on, opened) = channel();
        let (reaches, reached) = unbounded_channel();
        let job = move |_: &mut Tx<'_>| {
            let _ = reaches.send(());
            let _ = opened.recv();
            Ok(())
        };
        (Self { reached, go_on }, job)
    }

    async fn reached(&mut self) {
        self.reached.recv().await.unwrap();
    }

    fn open(self) {
        self.go_on.send(()).unwrap();
    }
}

#[tokio::test]
async fn a_job_that_fails_takes_back_only_what_it_wrote() {
    let writer = writer(16);
    let (mut gate, holds) = Gate::new();
    let fails = |tx: &mut Tx<'_>| say("failed")(tx).and(Err::<(), _>(Failure(StoreError::Fenced)));
    let refuses = |tx: &mut Tx<'_>| {
        say("refused")(tx)?;
        Err::<(), _>(Stop::Refused("no"))
    };
    let panics = |tx: &mut Tx<'_>| -> Result<()> {
        say("panicked")(tx)?;
        panic!("a bug")
    };
    let (_, (first, failed, refused, panicked, last, ())) = join!(writer.run(holds), async {
        gate.reached().await;
        join!(
            writer.run(say("first")),
            writer.run(fails),
            writer.attempt(refuses),
            writer.run(panics),
            writer.run(say("last")),
            async { gate.open() },
        )
    });
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(failed, Err(StoreError::Fenced)));
    assert!(matches!(refused, Ok(Err("no"))));
    assert!(matches!(panicked, Err(StoreError::Database(_))));
    assert_eq!(said(&writer).await, ["first", "last"]);
}

#[tokio::test]
async fn what_comes_while_a_group_runs_goes_with_it() {
    let writer = writer(16);
    let (mut gate, mut holds) = Gate::new();
    // By itself it could not be committed.
    let echoes = move |tx: &mut Tx<'_>| {
        tx.execute("INSERT INTO echo VALUES ('late')", ())?;
        holds(tx)
    };
    let (early, (late, ())) = join!(writer.run(echoes), async {
        gate.reached().await;
        join!(writer.run(say("late")), async { gate.open() })
    });
    assert!(early.is_ok() && late.is_ok(), "{early:?} {late:?}");
    assert_eq!(said(&writer).await, ["late"]);
}

#[tokio::test]
async fn a_group_that_is_not_committed_fails_for_every_job() {
    let writer = writer(16);
    let (mut gate, holds) = Gate::new();
    let breaks_the_commit = |tx: &mut Tx<'_>| tx.execute("INSERT INTO echo VALUES ('of nothing')", ());
    let refuses = |_: &mut Tx<'_>| Err::<(), _>(Stop::Refused("because of the first"));
    let (_, (first, broken, refused, ())) = join!(writer.run(holds), async {
        gate.reached().await;
        join!(writer.run(say("first")), writer.run(breaks_the_commit), writer.attempt(refuses), async { gate.open() })
    });
    assert!(matches!(first, Err(StoreError::Database(_))));
    assert!(matches!(broken, Err(StoreError::Database(_))));
    assert!(matches!(refused, Err(StoreError::Database(_))));
    writer.run(say("second")).await.unwrap();
    assert_eq!(said(&writer).await, ["second"], "the next group is on its own");
}

#[tokio::test]
async fn a_full_disk_fails_jobs_and_not_the_writer() {
    let writer = writer(16);
    writer.run(say("before")).await.unwrap();
    let pages = |pages: u32| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        move |tx: &mut Tx<'_>| tx.find(&sql, (), |row| row.uint())
    };
    writer.run(pages(1)).await.unwrap();
    let large = |tx: &mut Tx<'_>| tx.execute("INSERT INTO word VALUES (hex(zeroblob(1000000)))", ());
    assert!(matches!(writer.run(large).await, Err(StoreError::Storage(Storage::Full))));
    writer.run(pages(1_000_000)).await.unwrap();
    writer.run(large).await.unwrap();
    assert_eq!(said(&writer).await.len(), 2);
}

#[tokio::test]
async fn a_full_queue_is_busy() {
    let writer = writer(1);
    let (mut gate, holds) = Gate::new();
    let (blocked, (queued, refused)) = join!(writer.run(holds), async {
        gate.reached().await;
        join!(writer.run(say("queued")), async {
            let refused = writer.run(say("too many")).await;
            gate.open();
            refused
        })
    });
    assert!(blocked.is_ok() && queued.is_ok());
    assert!(matches!(refused, Err(StoreError::Busy)));
    assert_eq!(said(&writer).await, ["queued"]);
}

#[tokio::test]
async fn what_is_queued_is_done_before_the_end() {
    let writer = Arc::new(writer(16));
    let (gate, holds) = Gate::new();
    let ask = |job: &'static str| {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move { writer.run(say(job)).await })
    };
    let (told, told_too) = (ask("one"), ask("two"));
    let (blocked, ()) = join!(writer.run(holds), async move { gate.open() });
    blocked.unwrap();
    assert!(told.await.unwrap().is_ok() && told_too.await.unwrap().is_ok());
    drop(writer);
}
