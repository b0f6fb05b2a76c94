//! One group of jobs, from `BEGIN` to the answers.

use std::sync::Arc;
use std::time::Instant;

use larder_domain::ports::StoreError;
use larder_domain::{StoreTime, WallTime};

use super::job::{Job, Uncommitted};
use crate::sql::ahead::Ahead;
use crate::sql::clock::{CLOCK_SAVE_MS, StoreClock};
use crate::sql::complaints::Complaints;
use crate::sql::database::{Conn, Step};
use crate::sql::error::{Failure, Result};
use crate::sql::memory::Neighbour;
use crate::sql::nodes::{Own, Revision};
use crate::sql::postgres::{Connector, SCHEMA, STATEMENT_MS_MAX, Time};
use crate::sql::purge;
use crate::sql::tx::{Counters, Memory, Tx, find};
use crate::sql::watch::Pokes;

/// Prepared statements that are kept; more than this backend has.
pub(in crate::sql) const STATEMENTS_CACHED_MAX: usize = 128;

/// How far the clock of a database's server may be from where this node expects it, in milliseconds, before it counts as set by somebody.
const JUMP_MS_MAX: u64 = 60_000;

/// Commits of all nodes after which one of them sweeps. Each lease leaves an entry behind in the index that due work is found by, where
/// everybody has to step over it.
const SWEEP_EVERY_COMMITS: u64 = 128;
/// How long that may take, in milliseconds: this node writes nothing meanwhile.
const SWEEP_MS_MAX: u64 = 500;
/// Commits that it is left alone for when it took too long: then the server's own sweeper has to do.
const SWEEP_FAILED_WAIT_COMMITS: u64 = 100 * SWEEP_EVERY_COMMITS;

/// A group's one moment, for the store and for people.
type Moment = (StoreTime, WallTime);

/// Owns the connection for writing.
pub(in crate::sql) struct Committer {
    conn: Conn,
    clock: StoreClock,
    pokes: Pokes,
    memory: Memory,
    /// As they stand in the database.
    saved: (StoreTime, Counters),
    /// Only where there are other writers.
    shared: Option<Shared>,
    /// Only where other stores are open on the same database in memory.
    neighbour: Option<Neighbour>,
    complaints: Complaints,
}

/// What a writer among those of other nodes has besides.
pub(in crate::sql) struct Shared {
    pub(in crate::sql) connector: Connector,
    pub(in crate::sql) time: Time,
    pub(in crate::sql) own: Own,
    pub(in crate::sql) providers_revision: Revision,
    /// What that was when this writer's turn began. It stays so until its end.
    pub(in crate::sql) revision: u64,
    /// The number of the last commit that this writer knows of.
    pub(in crate::sql) commit: u64,
    /// Whether the last commit was one after which is swept.
    pub(in crate::sql) is_to_sweep: bool,
    /// The number of the commit from which on that is done again.
    pub(in crate::sql) no_sweep_before: u64,
}

impl Committer {
    pub(in crate::sql) fn new(conn: Conn, clock: StoreClock, pokes: Pokes, counters: Counters) -> Self {
        let saved = (clock.now(), counters);
        let (memory, complaints) = (Memory { counters, ..Memory::default() }, Complaints::default());
        Self { conn, clock, pokes, memory, saved, shared: None, neighbour: None, complaints }
    }

    /// One that shares its database with those of other nodes.
    pub(in crate::sql) fn among_others(self, shared: Shared) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// One that shares its database in memory with other stores of this process.
    pub(in crate::sql) fn beside(self, neighbour: Neighbour) -> Self {
        Self { neighbour: Some(neighbour), ..self }
    }

    /// Runs the jobs, and those that have come until it is this writer's turn, and here also until all have run; commits them and answers
    /// them all. Leaves the group empty.
    pub(super) fn commit(&mut self, group: &mut Vec<Box<dyn Job>>, mut fill: impl FnMut(&mut Vec<Box<dyn Job>>)) {
        let begun = self.begin();
        // All hear at once of a server that is gone, too. Who has not waited yet has a turn of their own after one that did not come.
        if !matches!(begun, Err(Failure(StoreError::Busy))) {
            fill(group);
        }
        let committed = begun.and_then(|()| self.try_commit(group, fill)).map_err(|Failure(error)| {
            match error {
                StoreError::Storage(_) => self.complaints.hear(&error),
                // That the server is gone is told once, by whoever finds out.
                StoreError::Unreachable(_) => {}
                _ => tracing::error!(%error, jobs = group.len(), "a group of jobs was not stored"),
            }
            if let Err(Failure(error)) = self.roll_back() {
                tracing::error!(%error, "a group of jobs could not be rolled back");
            }
            Uncommitted(Arc::new(error))
        });
        let poked = std::mem::take(&mut self.memory.poked);
        if committed.is_ok() {
            self.pokes.send(poked);
            if let Some(neighbour) = &self.neighbour {
                neighbour.tell_others(poked);
            }
        }
        for job in group.drain(..) {
            if let Some(storage) = job.trouble() {
                self.complaints.hear(&storage.into());
            }
            job.answer(committed.clone());
        }
        self.sweep_now_and_then();
    }

    /// Has a server throw away what stands in the way of those who look for due work. Its own sweeper comes once a minute, which is late.
    fn sweep_now_and_then(&mut self) {
        let Some(shared) = &mut self.shared else { return };
        if !std::mem::take(&mut shared.is_to_sweep) {
            return;
        }
        let sql = "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF) work";
        let swept = self.conn.run_all(&format!("SET statement_timeout = {SWEEP_MS_MAX}")).and_then(|()| {
            let swept = self.conn.run_all(sql);
            self.conn.run_all(&format!("SET statement_timeout = {STATEMENT_MS_MAX}")).and(swept)
        });
        if let Err(Failure(error)) = swept {
            tracing::debug!(%error, "the index of due work could not be swept");
            shared.no_sweep_before = shared.commit + SWEEP_FAILED_WAIT_COMMITS;
        }
    }

    /// Of a group that was begun.
    fn try_commit(&mut self, group: &mut Vec<Box<dyn Job>>, fill: impl FnMut(&mut Vec<Box<dyn Job>>)) -> Result<()> {
        let (mut moment, mut written) = (self.moment(), self.conn.changes());
        if self.read_ahead(group).is_ok() && self.run_all_together(group, moment, fill) {
            match self.end(moment, written) {
                // A server has said of one job's statement only now that it failed.
                Err(failure) if self.shared.is_some() && failure.is_of_a_statement() && !self.conn.is_lost() => {}
                ended => return ended,
            }
        }
        self.roll_back()?;
        self.begin()?;
        (moment, written) = (self.moment(), self.conn.changes());
        // The failure of each is to be known before the next one runs.
        self.conn.let_wait(false);
        for job in group {
            // A full disk ends the transaction, and then there is nothing to go back to: what counts is why.
            let kept = self.in_savepoint(moment, |tx| job.run(tx));
            kept.map_err(|failure| job.trouble().map_or(failure, |storage| Failure(storage.into())))?;
        }
        self.end(moment, written)
    }

    /// Commits, with all that a group leaves behind.
    fn end(&mut self, moment: Moment, written: u64) -> Result<()> {
        if moment.0 >= self.memory.purge_at {
            self.in_savepoint(moment, purge::expired)?;
        }
        let saved = match self.shared {
            Some(_) => self.save_for_others(moment.0, self.conn.changes() > written)?,
            None => self.save(moment.0)?,
        };
        let still_its_turn = Instant::now();
        self.conn.step(Step::Commit)?;
        self.saved = saved;
        if let Some(shared) = &mut self.shared {
            shared.providers_revision.was(still_its_turn, shared.revision);
            let Shared { commit, no_sweep_before, .. } = *shared;
            let is_own = self.conn.changes() > written;
            shared.is_to_sweep = is_own && commit.is_multiple_of(SWEEP_EVERY_COMMITS) && commit >= no_sweep_before;
        }
        Ok(())
    }

    /// Begins a group. On a server it waits here for its turn, and reads what it can't be sure of.
    fn begin(&mut self) -> Result<()> {
        let Some(shared) = &mut self.shared else {
            self.conn.step(Step::BeginWriting)?;
            return if self.neighbour.is_some() { self.read_anew() } else { Ok(()) };
        };
        if self.conn.is_lost() {
            self.conn = shared.connector.writer_again(&shared.own.name)?;
        }
        self.conn.let_wait(true);
        self.conn.step(Step::BeginWriting)?;
        let sql = "SELECT clock_ms, last_token, last_entry, last_line, last_commit,
                   CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - clock_zero_ms,
                   providers_revision, (SELECT oldest FROM schema_version) FROM installation FOR UPDATE";
        let (saved, counters, commit, servers, revision, oldest) = find(&self.conn, sql, (), |row| {
            let time = row.time()?;
            let counters = Counters { token: row.uint()?, entry: row.uint()?, line: row.uint()? };
            Ok((time, counters, row.uint()?, row.take::<i64>()?, row.uint()?, row.take::<usize>()?))
        })?
        .ok_or_else(|| Failure::corrupt("no word of whose it is"))?;
        if oldest > SCHEMA {
            return Err(shared.connector.is_outdated(oldest));
        }
        shared.revision = revision;
        if commit != shared.commit {
            // It was not known what became of the last commit, or somebody else has been here since.
            (shared.commit, self.memory.counters) = (commit, counters);
            self.memory.agenda.forget();
        }
        self.saved = (saved, counters);
        if shared.time == Time::Servers {
            let expected = saved.max(self.clock.now());
            let jumped = servers.saturating_sub(expected.0.cast_signed());
            if jumped.unsigned_abs() > JUMP_MS_MAX {
                // Somebody has set the server's clock, or nobody was here for long: neither is to use up anybody's time.
                let sql = "UPDATE installation SET clock_zero_ms = clock_zero_ms + ?";
                self.conn.write(sql, [jumped])?;
                tracing::warn!(
                    jumped_s = jumped / 1_000,
                    "the database server's clock has jumped; the store's time goes on as before"
                );
                self.clock.hear(expected);
            } else {
                self.clock.hear(saved.max(StoreTime(servers.max(0).unsigned_abs())));
            }
        }
        Ok(())
    }

    /// Others may have been here since.
    fn read_anew(&mut self) -> Result<()> {
        let sql = "SELECT clock_ms, last_token, last_entry, last_line FROM installation";
        let saved = find(&self.conn, sql, (), |row| {
            Ok((row.time()?, Counters { token: row.uint()?, entry: row.uint()?, line: row.uint()? }))
        })?;
        self.saved = saved.ok_or_else(|| Failure::corrupt("no word of whose it is"))?;
        self.memory.counters = self.saved.1;
        self.memory.agenda.forget();
        Ok(())
    }

    /// Not before anything that its first jobs have seen. Those that come while these run have the same, which was a moment ago for them.
    fn moment(&self) -> Moment {
        (self.clock.now().max(self.saved.0), self.clock.wall())
    }

    /// Stores the time and the counters, and that there was one more commit.
    fn save_for_others(&mut self, now: StoreTime, has_written: bool) -> Result<(StoreTime, Counters)> {
        // Where the time is given, nobody else keeps it.
        if let Some(shared) = self.shared.as_mut().filter(|shared| has_written || shared.time == Time::Given) {
            let Counters { token, entry, line } = self.memory.counters;
            let sql = "UPDATE installation SET clock_ms = ?, last_token = ?, last_entry = ?, last_line = ?, last_commit = last_commit + 1";
            self.conn.write(sql, (now.0, token, entry, line))?;
            shared.commit += 1;
            let words = self.memory.poked.words();
            if !words.is_empty() {
                let word = format!("{} {words}", shared.own.id);
                self.conn.write("SELECT pg_notify('larder', ?)", [word])?;
            }
        }
        Ok((now, self.memory.counters))
    }

    /// Reads what the jobs will want to know.
    fn read_ahead(&mut self, group: &[Box<dyn Job>]) -> Result<()> {
        self.memory.ahead.forget_all();
        if self.shared.is_some() {
            let leases: Vec<_> = group.iter().filter_map(|job| job.lease()).collect();
            if leases.is_empty() {
                return Ok(());
            }
            self.memory.ahead = Ahead::read(&self.conn, &leases)?;
        }
        Ok(())
    }

    /// Runs the jobs without savepoints, and where nobody else waits for this writer's turn to end, also those that come meanwhile: the
    /// fewer commits, the less is written. False if one has written something that is not to be kept.
    fn run_all_together(
        &mut self,
        group: &mut Vec<Box<dyn Job>>,
        moment: Moment,
        mut fill: impl FnMut(&mut Vec<Box<dyn Job>>),
    ) -> bool {
        let mut begun = 0;
        while begun < group.len() {
            let done = begun;
            begun = group.len();
            if !self.run_together(&mut group[done..], moment) {
                return false;
            }
            if self.shared.is_none() {
                fill(group);
            }
        }
        true
    }

    /// Runs the jobs without savepoints. False if one has written something that is not to be kept.
    fn run_together(&mut self, group: &mut [Box<dyn Job>], moment: Moment) -> bool {
        group.iter_mut().all(|job| {
            let written = self.conn.changes();
            let is_done = self.run(moment, |tx| job.run(tx));
            if job.has_failed() {
                // It may have heard of what it could not write.
                self.memory.agenda.forget();
            }
            (is_done || self.conn.changes() == written) && self.conn.is_in_transaction()
        })
    }

    fn run<T>(&mut self, (now, wall): Moment, run: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        run(&mut Tx { conn: &self.conn, now, wall, memory: &mut self.memory })
    }

    /// Keeps what `run` wrote if it says so. Fails if SQLite could not go on and has rolled back the whole transaction
    /// (a full disk does that): then there is no savepoint to release.
    fn in_savepoint(&mut self, moment: (StoreTime, WallTime), run: impl FnOnce(&mut Tx<'_>) -> bool) -> Result<()> {
        self.conn.step(Step::Save)?;
        if !self.run(moment, run) {
            self.memory.agenda.forget();
            self.conn.step(Step::GoBack)?;
        }
        self.conn.step(Step::Release)
    }

    /// Stores the time with whatever moved a counter, and now and then by itself.
    fn save(&self, now: StoreTime) -> Result<(StoreTime, Counters)> {
        let (time, counters) = self.saved;
        if self.memory.counters == counters && now.since_ms(time) < CLOCK_SAVE_MS {
            return Ok(self.saved);
        }
        let Counters { token, entry, line } = self.memory.counters;
        let sql = "UPDATE installation SET clock_ms = ?, last_token = ?, last_entry = ?, last_line = ?";
        self.conn.execute(sql, (now.0, token, entry, line))?;
        Ok((now, self.memory.counters))
    }

    /// Ends the transaction, unless SQLite has done so already because it could not go on.
    fn roll_back(&mut self) -> Result<()> {
        self.memory.agenda.forget();
        self.memory.ahead.forget_all();
        if let Some(shared) = &mut self.shared {
            // What became of the commit is read before the next one; no commit has this number.
            shared.commit = 0;
        }
        self.conn.roll_back()
    }

    /// Stores the time a last time, so that the next run goes on from here.
    pub(super) fn close(mut self) {
        self.saved.0 = StoreTime::default();
        self.commit(&mut Vec::new(), |_| ());
        self.conn.close();
    }
}
