//! One group of jobs, from `BEGIN` to the answers.

use std::sync::Arc;

use larder_domain::StoreTime;
use rusqlite::{Connection, params};

use super::job::{Job, Uncommitted};
use crate::sqlite::clock::{CLOCK_SAVE_MS, StoreClock};
use crate::sqlite::purge;
use crate::sqlite::tx::{Counters, Memory, Tx};
use crate::sqlite::watch::Pokes;

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
        conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
        let saved = (clock.now(), counters);
        Self { conn, clock, pokes, memory: Memory { counters, ..Memory::default() }, saved }
    }

    /// Runs the jobs, commits them and answers them all. Leaves the group empty.
    pub(super) fn commit(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let committed = self.try_commit(group).map_err(|error| {
            tracing::error!(%error, jobs = group.len(), "a group of jobs was not stored");
            // Best effort: SQLite itself has rolled back if it could not go on.
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
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
        self.step("BEGIN IMMEDIATE")?;
        let (now, wall) = (self.clock.now(), self.clock.wall());
        for job in group {
            self.savepoint(now, |tx| job.run(tx), wall)?;
        }
        if now >= self.memory.purge_at {
            self.savepoint(now, purge::expired, wall)?;
        }
        self.save(now)?;
        self.step("COMMIT")
    }
}
