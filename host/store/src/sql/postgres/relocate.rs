//! Moves a whole installation from a data directory into an empty database of a server.
//!
//! All of it is one transaction there, the making of the tables included: so whatever goes wrong, the loss of this process
//! included, leaves that database as it was. The directory is only read. Which tables there are is asked of the database that they are
//! in, so none can be forgotten. What was stored is read back from the server and compared with what was sent, row by row
//! and in any order ([`sum::Sum`]), and only then committed.

mod back;
mod error;
mod out;
mod rows;
mod shape;
mod sum;

use std::path::Path;
use std::thread;

use larder_domain::audit::{Action, Actor};
use larder_domain::ports::Sealer as _;
use larder_domain::{InstallationId, WallTime};
use postgres::Client;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::Type;
use rusqlite::Connection;
use serde_json::json;

use super::super::database::Owned;
use super::super::error::Result;
use super::super::open::{claim, database_in, mark_moved, marker, moved, reader, unmark};
use super::super::{audit, check_database};
use super::{Connector, Server, migrations, unusable};
use crate::{KeyfileSealer, OpenError, places};
pub use back::Return;
pub use error::RelocateError;
pub(in crate::sql) use out::{Watch, copy_out, empty};
use rows::Counted;
use shape::Table;
use sum::Sum;

/// How long the server waits for the next rows before it ends the session, in milliseconds.
const ROWS_WAIT_MS_MAX: u64 = 60_000;

/// What is to be moved, and where to.
pub struct Relocation<'a> {
    /// The data directory.
    pub dir: &'a Path,
    /// The database, which is empty.
    pub server: Server,
    /// The directory's key. It stays where it is.
    pub sealer: &'a KeyfileSealer,
    /// When, for people.
    pub at: WallTime,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Whether rows are read back, and not sent.
    pub is_check: bool,
    /// Of which table.
    pub table: &'a str,
    /// Rows so far.
    pub rows: u64,
    /// Rows that there are.
    pub of: u64,
}

/// What was moved.
#[derive(Debug)]
pub struct Relocated {
    /// Which installation.
    pub installation: InstallationId,
    /// The tables, with the number of their rows.
    pub tables: Vec<(String, u64)>,
    /// Texts that had characters for which a text of PostgreSQL has no room.
    pub altered: u64,
    /// Where it is now, without the login.
    pub to: String,
}

impl Relocation<'_> {
    /// Moves everything and looks at it, and tells how far it is.
    ///
    /// # Errors
    /// Whatever is in the way. Then nothing was changed, neither here nor there.
    pub fn run(self, told: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Relocated, RelocateError> {
        // A client of PostgreSQL waits on a runtime of its own, which can't be done where another one is at work.
        let moving = thread::scope(|scope| scope.spawn(|| self.moved(told)).join());
        moving.unwrap_or(Err(RelocateError::Panicked))
    }

    fn moved(self, told: &mut dyn FnMut(Progress<'_>)) -> Result<Relocated, RelocateError> {
        let file = database_in(self.dir);
        if !file.metadata().is_ok_and(|found| found.len() > 0) {
            return Err(RelocateError::Absent(self.dir.to_owned()));
        }
        let _claim = claim(self.dir)?;
        if let Some(to) = moved(self.dir)? {
            return Err(OpenError::Moved { dir: self.dir.to_owned(), to }.into());
        }
        if self.sealer.is_rotating() {
            return Err(RelocateError::Rotating);
        }
        check_database(&file, self.sealer)?;
        let source = reader(&file)?;
        source.execute_batch("BEGIN")?;
        shape::refuse_older(&source)?;
        let connector = Connector::new(self.server)?;
        let to = connector.place();
        let target = connector.copying().map_err(unusable)?;

        let mut copy = Copy { source, target, told };
        let installation = copy.begin()?;
        let tables = copy.all()?;
        copy.check_key(self.sealer)?;
        let noted = json!({ "from": "sqlite", "to": "postgres" });
        copy.finish(self.at, &noted.to_string())?;
        // From here on there may be two of it, whatever happens, and this one is not to go on.
        mark_moved(self.dir, &to).map_err(|source| RelocateError::Unmarkable { dir: self.dir.to_owned(), source })?;
        if let Err(error) = copy.target.batch_execute("COMMIT") {
            // What the server refuses has not happened; what it does not answer may have.
            if !is_refusal(&error) {
                return Err(RelocateError::Unknown { marker: marker(self.dir), source: error });
            }
            unmark(self.dir)?;
            return Err(error.into());
        }
        let altered = tables.iter().map(|(_, sum)| sum.altered).sum();
        let tables = tables.into_iter().map(|(name, sum)| (name, sum.rows)).collect();
        Ok(Relocated { installation, tables, altered, to })
    }
}

/// Whether the server itself has said no. What stands between may say something when it has lost the server, which nobody knows the end of.
fn is_refusal(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| !["08", "57", "58", "XX"].contains(&&code.code()[..2]))
}

/// Both databases, each in a transaction.
struct Copy<'a> {
    source: Connection,
    /// It is dropped, and so rolled back, unless all went well.
    target: Client,
    told: &'a mut dyn FnMut(Progress<'_>),
}

impl Copy<'_> {
    /// Makes the tables, where there are none.
    fn begin(&mut self) -> Result<InstallationId, RelocateError> {
        let installation = shape::installation(&self.source)?;
        self.target.batch_execute(&format!(
            "SET client_min_messages = warning; SET statement_timeout = 0; SET TimeZone = 'UTC'; SET synchronous_commit = on;
             SET idle_in_transaction_session_timeout = {ROWS_WAIT_MS_MAX}; BEGIN"
        ))?;
        shape::refuse_occupied(&mut self.target, installation)?;
        self.target.batch_execute(&migrations::script())?;
        // What only several nodes need: it is set when all the rest is there.
        self.target.batch_execute("ALTER TABLE installation ALTER COLUMN clock_zero_ms SET DEFAULT 0")?;
        Ok(installation)
    }

    /// Sends all rows, and reads them back.
    fn all(&mut self) -> Result<Vec<(String, Sum)>, RelocateError> {
        let tables = shape::tables(&self.source)?;
        shape::refuse_missing(&mut self.target, &tables)?;
        let mut sent = vec![];
        for table in &tables {
            let types = rows::types(&mut self.target, table)?;
            let sum = self.send(table, &types)?;
            sent.push((table, types, sum));
        }
        for (table, types, sum) in &sent {
            if self.read_back(table, types, sum.rows)?.is_unlike(sum) {
                return Err(RelocateError::Different(table.name.clone()));
            }
        }
        Ok(sent.into_iter().map(|(table, _, sum)| (table.name.clone(), sum)).collect())
    }

    fn send(&mut self, table: &Table, types: &[Type]) -> Result<Sum, RelocateError> {
        let of = shape::count(&self.source, table)?;
        let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.quoted(), table.columns());
        let mut writer = BinaryCopyInWriter::new(self.target.copy_in(&sql)?, types);
        let mut counted = Counted::begin(self.told, false, table, of);
        rows::each_here(&self.source, table, |values| {
            counted.add(values);
            Ok(writer.write_raw(values.iter().map(|value| Owned::from(*value)))?)
        })?;
        let sum = counted.sum;
        writer.finish()?;
        Ok(sum)
    }

    fn read_back(&mut self, table: &Table, types: &[Type], of: u64) -> Result<Sum, RelocateError> {
        let mut counted = Counted::begin(self.told, true, table, of);
        rows::each_there(&mut self.target, table, types, |values| {
            counted.add(values);
            Ok(())
        })?;
        Ok(counted.sum)
    }

    /// Whether the key opens what the server keeps.
    fn check_key(&mut self, sealer: &KeyfileSealer) -> Result<(), RelocateError> {
        let row = self.target.query_one("SELECT key_check FROM installation", &[])?;
        sealer.open(places::KEY_CHECK, row.try_get(0)?).map_err(|_| RelocateError::Different("installation".into()))?;
        Ok(())
    }

    /// Has clock and numbers go on from where they were, and writes down what was done: all but the end of the transaction.
    fn finish(&mut self, at: WallTime, noted: &str) -> Result<(), RelocateError> {
        for (table, column) in shape::identities(&mut self.target)? {
            let last = shape::last_number(&self.source, &table, &column)?;
            if last > 0 {
                let sql = "SELECT setval(pg_get_serial_sequence(quote_ident($1), $2), $3)";
                self.target.query_one(sql, &[&table, &column, &last])?;
            }
        }
        self.target.batch_execute(
            "ALTER TABLE installation ALTER COLUMN clock_zero_ms DROP DEFAULT;
             UPDATE installation SET clock_zero_ms = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - clock_ms;
             DELETE FROM node; DELETE FROM transfer;
             UPDATE work SET lease_owner = NULL, lease_until = NULL, lease_token = NULL WHERE lease_until IS NOT NULL",
        )?;
        let sql = "INSERT INTO audit (at, actor, action, provider, data) VALUES ($1, $2, $3, $4, $5)";
        let (actor, action) = (Actor::Host.as_str(), Action::Moved.as_str());
        self.target.execute(sql, &[&at.0, &actor, &action, &audit::OF_ALL, &noted])?;
        Ok(())
    }
}
