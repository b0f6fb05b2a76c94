//! Moves a whole installation from a server's database back into a data directory.
//!
//! Nobody writes there meanwhile: the one row that all writers lock is locked, and so is the schema, for which every start waits. What was
//! read is looked at in the directory, and then one transaction says at the server where it went. Until that is certain, the directory is
//! marked, so that no server starts from either by mistake.

use std::path::{Path, PathBuf};
use std::thread;

use larder_domain::WallTime;
use larder_domain::audit::{Action, Actor};
use larder_domain::node::SILENT_MS_MAX;
use postgres::Client;
use postgres::error::SqlState;
use rusqlite::params;
use serde_json::json;

use super::out::{Out, Watch, empty};
use super::{Progress, ROWS_WAIT_MS_MAX, RelocateError, Relocated, Result, is_refusal, shape};
use crate::sql::open::{FreshDatabase, claim, mark_moved, marker, moved, unmark};
use crate::sql::postgres::connector::NAME_LOCK;
use crate::sql::postgres::keys::refuse_rotating;
use crate::sql::postgres::migrations::{MOVED_TO, NOBODY, SCHEMA_LOCK, refuse_moved};
use crate::sql::postgres::{Connector, NOW, Server, TURN_WAIT_MS_MAX, unusable};
use crate::sql::{adopt, audit, migrations};
use crate::{KeyfileSealer, OpenError};

/// Nobody was there: so no time has passed since the last that was stored.
const LAST_TIME: &str = "SELECT clock_ms FROM installation";

/// What is to be moved back, and where to.
pub struct Return<'a> {
    /// The database.
    pub server: Server,
    /// The data directory. There is a key in it, and no database.
    pub dir: &'a Path,
    /// The directory's key, which has to be the installation's.
    pub sealer: &'a KeyfileSealer,
    /// When, for people.
    pub at: WallTime,
}

impl Return<'_> {
    /// Moves everything and looks at it, and tells how far it is.
    ///
    /// # Errors
    /// Whatever is in the way. Then nothing was changed, neither here nor there.
    pub fn run(self, told: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Relocated, RelocateError> {
        // A client of PostgreSQL waits on a runtime of its own, which can't be done where another one is at work.
        let moving = thread::scope(|scope| scope.spawn(|| self.returned(told)).join());
        moving.unwrap_or(Err(RelocateError::Panicked))
    }

    fn returned(self, told: &mut dyn FnMut(Progress<'_>)) -> Result<Relocated, RelocateError> {
        let _claim = claim(self.dir)?;
        if let Some(to) = moved(self.dir)? {
            return Err(OpenError::Moved { dir: self.dir.to_owned(), to }.into());
        }
        let new = FreshDatabase::make(self.dir)?.ok_or_else(|| RelocateError::Used(self.dir.to_owned()))?;
        if self.sealer.is_rotating() {
            return Err(RelocateError::RotatingThere);
        }
        let connector = Connector::new(self.server)?;
        let (from, mut source) = (connector.place(), connector.copying().map_err(unusable)?);
        begin(&mut source)?;
        refuse_rotating(&mut source)?;
        let mut target = empty(new.path())?;
        migrations::run(&mut target).map_err(RelocateError::Made)?;
        let installation = shape::installation_there(&mut source)?;

        let waiting = source.cancel_token();
        let mut out = Out { source, target, watch: &Watch::default(), told, is_counted: true };
        let fetched = out.fetch_all(LAST_TIME).inspect_err(|_| connector.cancel(&waiting))?;
        out.settle(&fetched)?;
        adopt::check(&out.target, self.sealer)?;
        let noted = json!({ "from": "postgres", "to": "sqlite" }).to_string();
        out.target.execute(
            "INSERT INTO audit (at, actor, action, provider, data) VALUES (?, ?, ?, ?, ?)",
            params![self.at.0, Actor::Host.as_str(), Action::Moved.as_str(), audit::OF_ALL, noted],
        )?;
        let Out { mut source, target, .. } = out;
        target.close().map_err(|(_, error)| error)?;
        mark_there(&mut source, self.dir)?;
        end(&mut source, self.dir, &from, new)?;
        let tables = fetched.tables.into_iter().map(|(table, sum)| (table.name, sum.rows)).collect();
        Ok(Relocated { installation, tables, altered: 0, to: format!("sqlite:{}", self.dir.display()) })
    }
}

/// Has nobody write there, nor start, from here on, and refuses if anybody could.
fn begin(source: &mut Client) -> Result<(), RelocateError> {
    // A machine that is gone without a word keeps nobody from starting for long.
    source.batch_execute(&format!(
        "SET client_min_messages = warning; SET statement_timeout = 0; SET TimeZone = 'UTC'; SET lock_timeout = {TURN_WAIT_MS_MAX};
         SET idle_in_transaction_session_timeout = 0; SET tcp_user_timeout = {ROWS_WAIT_MS_MAX}; SET tcp_keepalives_idle = 30;
         SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; SET synchronous_commit = on;
         SELECT pg_advisory_lock({SCHEMA_LOCK})"
    ))?;
    let locked =
        source.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE installation IN EXCLUSIVE MODE");
    locked.map_err(|error| match error.code() {
        Some(&SqlState::UNDEFINED_TABLE) => RelocateError::Empty,
        _ => error.into(),
    })?;
    refuse_moved(source)?;
    // Whoever is a node has a lock on its name, and whoever was lately may be cut off only.
    let sql = format!(
        "SELECT CAST(name AS TEXT) FROM node WHERE seen > ({NOW}) - {SILENT_MS_MAX}
         UNION SELECT 'one that starts' FROM pg_locks JOIN pg_database ON pg_database.oid = database
         WHERE datname = current_database() AND locktype = 'advisory' AND CAST(classid AS BIGINT) = {NAME_LOCK} ORDER BY 1"
    );
    let names: Vec<String> = source.query(&sql, &[])?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if names.is_empty() { Ok(()) } else { Err(RelocateError::Alive(names.join(", "))) }
}

/// Has nobody go on there once this is committed, whatever its version.
fn mark_there(source: &mut Client, dir: &Path) -> Result<(), RelocateError> {
    let place = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string();
    source.batch_execute(&format!("CREATE TABLE {MOVED_TO} (place TEXT NOT NULL, oldest BIGINT NOT NULL)"))?;
    let sql = format!("INSERT INTO {MOVED_TO} (place, oldest) SELECT $1, oldest FROM schema_version");
    source.execute(&sql, &[&place])?;
    source.batch_execute(&format!("UPDATE schema_version SET oldest = {NOBODY}"))?;
    Ok(())
}

/// Gives the new database its name, ends the transaction there, and opens the directory.
fn end(source: &mut Client, dir: &Path, from: &str, new: FreshDatabase) -> Result<(), RelocateError> {
    let unmarkable = |source| RelocateError::Unmarkable { dir: dir.to_owned(), source };
    // There may be two of it for a moment, whatever happens, and this one is not to go on before the other has ended.
    mark_moved(dir, from).map_err(unmarkable)?;
    let file: PathBuf = match new.take_place() {
        Ok(file) => file,
        Err(error) => {
            unmark(dir)?;
            return Err(unmarkable(error));
        }
    };
    if let Err(error) = source.batch_execute("COMMIT") {
        // What the server refuses has not happened; what it does not answer may have.
        if !is_refusal(&error) {
            return Err(RelocateError::UnknownThere { marker: marker(dir), source: error });
        }
        std::fs::remove_file(file).map_err(unmarkable)?;
        unmark(dir)?;
        return Err(error.into());
    }
    Ok(unmark(dir)?)
}
