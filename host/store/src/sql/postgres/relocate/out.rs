//! The way back: all that is in a server's database, of one moment, in a new database of a file.
//!
//! A transaction that only reads sees one state of all tables, whatever nodes write meanwhile, and none of them waits for it. What was read
//! is compared with what the file has then, as on the way there.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use larder_domain::ports::Sealer;
use postgres::Client;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};

use super::rows::{Counted, each_here, each_there, types};
use super::shape::{self, Table};
use super::sum::Sum;
use super::{Progress, ROWS_WAIT_MS_MAX, RelocateError, Result};
use crate::sql::adopt;
use crate::sql::database::to_sqlite;
use crate::sql::postgres::migrations::COPY_LOCK;
use crate::sql::postgres::{Connector, NOW, TURN_WAIT_MS_MAX, unusable};

/// What of whoever asked for a copy, and how far it is.
#[derive(Debug, Default)]
pub(in crate::sql) struct Watch {
    /// Nobody wants it any more.
    is_over: AtomicBool,
    /// Rises as long as the server answers.
    answers: AtomicU64,
    /// The server is not needed any more.
    is_read: AtomicBool,
}

impl Watch {
    pub(in crate::sql) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// How much the server has said; nothing more is expected of it if there is none.
    pub(in crate::sql) fn answers(&self) -> Option<u64> {
        (!self.is_read.load(Ordering::Relaxed)).then(|| self.answers.load(Ordering::Relaxed))
    }

    fn goes_on(&self) -> Result<(), RelocateError> {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if self.is_over.load(Ordering::Relaxed) { Err(RelocateError::BrokenOff) } else { Ok(()) }
    }
}

/// The new database. Its file is there and empty. If it does not come to be whole nobody wants it: so nothing is kept that would bring back
/// what was in it.
pub(in crate::sql) fn empty(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    conn.execute_batch(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -32768; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
    )?;
    Ok(conn)
}

/// Copies everything to a new database, and looks at it.
pub(in crate::sql) fn copy_out(
    connector: &Connector,
    mut target: Connection,
    sealer: &dyn Sealer,
    watch: &Watch,
) -> Result<(), RelocateError> {
    crate::sql::migrations::run(&mut target).map_err(RelocateError::Made)?;
    let mut source = connector.copying().map_err(unusable)?;
    source.batch_execute(&format!(
        "SET client_min_messages = warning; SET statement_timeout = 0; SET TimeZone = 'UTC'; SET lock_timeout = {TURN_WAIT_MS_MAX};
         SET idle_in_transaction_session_timeout = {ROWS_WAIT_MS_MAX}; SET tcp_user_timeout = {ROWS_WAIT_MS_MAX};
         SELECT pg_advisory_lock_shared({COPY_LOCK})"
    ))?;
    source.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let waiting = source.cancel_token();
    let mut out = Out { source, target, watch, told: &mut |_| {}, is_counted: false };
    let fetched = out.fetch_all(NOW).inspect_err(|_| connector.cancel(&waiting))?;
    // The server is needed no more, and neither is anybody kept from starting.
    out.source.batch_execute(&format!("COMMIT; SELECT pg_advisory_unlock_shared({COPY_LOCK})"))?;
    watch.is_read.store(true, Ordering::Relaxed);
    out.settle(&fetched)?;
    adopt::check(&out.target, sealer)?;
    out.target.close().map_err(|(_, error)| error.into())
}

/// Both databases, each in a transaction.
pub(super) struct Out<'a> {
    pub(super) source: Client,
    pub(super) target: Connection,
    pub(super) watch: &'a Watch,
    pub(super) told: &'a mut dyn FnMut(Progress<'_>),
    /// Whether it is to be told of how many rows.
    pub(super) is_counted: bool,
}

/// What was read from a server.
pub(super) struct Fetched {
    /// The store's time.
    now: i64,
    pub(super) tables: Vec<(Table, Sum)>,
    /// The last numbers that were given, table by table.
    numbers: Vec<(String, i64)>,
}

impl Out<'_> {
    /// Fetches all rows. The query says the store's time.
    pub(super) fn fetch_all(&mut self, time: &str) -> Result<Fetched, RelocateError> {
        // The first that is asked decides of which moment all of it is.
        let now: i64 = self.source.query_one(time, &[])?.try_get(0)?;
        shape::refuse_other_schema(&mut self.source)?;
        let tables = shape::tables(&self.target)?;
        shape::refuse_unlike(&mut self.source, &tables)?;
        self.target.execute_batch("BEGIN")?;
        let mut fetched = vec![];
        for table in tables.into_iter().filter(|table| !table.is_of_nodes()) {
            let sum = self.fetch(&table)?;
            fetched.push((table, sum));
        }
        Ok(Fetched { now, tables: fetched, numbers: self.numbers()? })
    }

    /// Looks at all that was stored, and ends the transaction here.
    pub(super) fn settle(&mut self, fetched: &Fetched) -> Result<(), RelocateError> {
        for (table, sum) in &fetched.tables {
            if self.read_back(table, sum.rows)?.is_unlike(sum) {
                return Err(RelocateError::Different(table.name.clone()));
            }
        }
        self.finish(fetched.now, &fetched.numbers)
    }

    fn fetch(&mut self, table: &Table) -> Result<Sum, RelocateError> {
        let types = types(&mut self.source, table)?;
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.quoted(), table.columns(), table.places());
        let mut insert = self.target.prepare(&sql)?;
        let of = if self.is_counted { shape::count_there(&mut self.source, table)? } else { 0 };
        let mut counted = Counted::begin(self.told, false, table, of);
        let watch = self.watch;
        each_there(&mut self.source, table, &types, |values| {
            watch.goes_on()?;
            counted.add(values);
            insert.execute(params_from_iter(values.iter().map(|value| to_sqlite(*value))))?;
            Ok(())
        })?;
        Ok(counted.sum)
    }

    fn read_back(&mut self, table: &Table, of: u64) -> Result<Sum, RelocateError> {
        let mut counted = Counted::begin(self.told, true, table, of);
        each_here(&self.target, table, |values| {
            self.watch.goes_on()?;
            counted.add(values);
            Ok(())
        })?;
        Ok(counted.sum)
    }

    /// The last numbers that the server gave, table by table.
    fn numbers(&mut self) -> Result<Vec<(String, i64)>, RelocateError> {
        let mut numbers = vec![];
        for (table, column) in shape::identities(&mut self.source)? {
            let last = shape::last_number_there(&mut self.source, &table, &column)?;
            numbers.push((table, last));
        }
        Ok(numbers)
    }

    /// Has clock and numbers go on from where they were, and ends the transaction.
    fn finish(&mut self, now: i64, numbers: &[(String, i64)]) -> Result<(), RelocateError> {
        self.target.execute("UPDATE installation SET clock_ms = ?", [now])?;
        for (table, last) in numbers {
            // Only a table that gives no number twice has a row there.
            let sql = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?";
            self.target.execute(sql, params![last, table])?;
        }
        self.target.execute_batch(
            "UPDATE work SET lease_owner = NULL, lease_until = NULL, lease_token = NULL WHERE lease_until IS NOT NULL; COMMIT",
        )?;
        Ok(())
    }
}
