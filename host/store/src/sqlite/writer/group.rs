//! One group of jobs, from `BEGIN` to the answers.

use std::sync::Arc;

use larder_domain::{StoreTime, WallTime};
use rusqlite::{Connection, params};

use super::job::{Job, Uncommitted};
use crate::sqlite::clock::{CLOCK_SAVE_MS, StoreClock};
use crate::sqlite::purge;
use crate::sqlite::tx::{Counters, Memory, Tx};
use crate::sqlite::watch::Pokes;

/// Prepared statements that are kept; more than this backend has.
pub(in crate::sqlite) const STATEMENTS_CACHED_MAX: usize = 128;

/// A group's one moment, for the store and for people.
type Moment = (StoreTime, WallTime);

/// Owns the connection for writing.
pub(in crate::sqlite) struct Committer {
    conn: Connection,
    clock: StoreClock,
    pokes: Pokes,
    memory: Memory,
    /// As they stand in the database.
    saved: (StoreTime, Counters),
}

impl Committer {
    pub(in crate::sqlite) fn new(conn: Connection, clock: StoreClock, pokes: Pokes, counters: Counters) -> Self {
        let saved = (clock.now(), counters);
        Self { conn, clock, pokes, memory: Memory { counters, ..Memory::default() }, saved }
    }

    /// Runs the jobs, commits them and answers them all. Leaves the group empty.
    pub(super) fn commit(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let committed = self.try_commit(group).map_err(|error| {
            tracing::error!(%error, jobs = group.len(), "a group of jobs was not stored");
            if let Err(error) = self.roll_back() {
                tracing::error!(%error, "nor could it be rolled back");
            }
            Uncommitted(Arc::new(error))
        });
        let poked = std::mem::take(&mut self.memory.poked);
        if committed.is_ok() {
            self.pokes.send(poked);
        }
        for job in group.drain(..) {
            job.answer(committed.clone());
        }
    }

    fn try_commit(&mut self, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let moment = (self.clock.now(), self.clock.wall());
        self.step("BEGIN IMMEDIATE")?;
        if !self.run_together(group, moment) {
            self.roll_back()?;
            self.step("BEGIN IMMEDIATE")?;
            for job in group {
                self.in_savepoint(moment, |tx| job.run(tx))?;
            }
        }
        if moment.0 >= self.memory.purge_at {
            self.in_savepoint(moment, purge::expired)?;
        }
        let saved = self.save(moment.0)?;
        self.step("COMMIT")?;
        self.saved = saved;
        Ok(())
    }

    /// Runs the jobs without savepoints. False if one has written something that is not to be kept.
    fn run_together(&mut self, group: &mut [Box<dyn Job>], moment: Moment) -> bool {
        group.iter_mut().all(|job| {
            let written = self.conn.total_changes();
            self.run(moment, |tx| job.run(tx)) || (self.conn.total_changes() == written && !self.conn.is_autocommit())
        })
    }

    fn run<T>(&mut self, (now, wall): Moment, run: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        run(&mut Tx { conn: &self.conn, now, wall, memory: &mut self.memory })
    }

    /// Keeps what `run` wrote if it says so. Fails if SQLite could not go on and has rolled back the whole transaction
    /// (a full disk does that): then there is no savepoint to release.
    fn in_savepoint(
        &mut self,
        moment: (StoreTime, WallTime),
        run: impl FnOnce(&mut Tx<'_>) -> bool,
    ) -> rusqlite::Result<()> {
        self.step("SAVEPOINT job")?;
        if !self.run(moment, run) {
            self.memory.agenda.forget();
            self.step("ROLLBACK TO job")?;
        }
        self.step("RELEASE job")
    }

    /// Stores the time with whatever moved a counter, and now and then by itself.
    fn save(&self, now: StoreTime) -> rusqlite::Result<(StoreTime, Counters)> {
        let (time, counters) = self.saved;
        if self.memory.counters == counters && now.since_ms(time) < CLOCK_SAVE_MS {
            return Ok(self.saved);
        }
        let Counters { token, entry, line } = self.memory.counters;
        self.conn
            .prepare_cached("UPDATE installation SET clock_ms = ?, last_token = ?, last_entry = ?, last_line = ?")?
            .execute(params![now.0, token, entry, line])?;
        Ok((now, self.memory.counters))
    }

    /// Ends the transaction, unless SQLite has done so already because it could not go on.
    fn roll_back(&mut self) -> rusqlite::Result<()> {
        self.memory.agenda.forget();
        if self.conn.is_autocommit() { Ok(()) } else { self.step("ROLLBACK") }
    }

    fn step(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    /// Stores the time a last time, so that the next run goes on from here.
    pub(super) fn close(mut self) {
        self.saved.0 = StoreTime::default();
        self.commit(&mut Vec::new());
        // SQLite moves the log into the database when the last connection goes.
        if let Err((_, error)) = self.conn.close() {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}
