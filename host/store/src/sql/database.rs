//! A connection to either database. Both are spoken to in the same words: the statements of this backend are written in the SQL
//! that both understand, with `?` and `?1` for parameters, and run as they stand. Where that is not possible, [`Conn::either`] says so.

mod postgres;
mod value;
mod wire;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row};

use super::error::{Failure, Result};
use super::rows::Columns;
pub(super) use postgres::{About, Session};
pub(super) use value::{Binds, FromColumn, Owned, ToValue, Value};

/// Sets of values that a server is asked about at once.
const ALIKE_MAX: usize = postgres::ALIKE_ROWS_MAX;

/// A connection; used by one thread at a time.
pub(super) enum Conn {
    Sqlite(Connection),
    Postgres(Box<Session>),
}

impl Conn {
    /// Runs a statement. The number of rows that it changed.
    pub(super) fn execute(&self, sql: &str, binds: impl Binds) -> Result<usize> {
        match self {
            Self::Sqlite(conn) => Ok(bound(conn, sql, &binds)?.raw_execute()?),
            Self::Postgres(session) => session.execute(sql, &value::all(&binds)?),
        }
    }

    /// Runs a statement of which nobody wants to know how many rows it changed. A server is told of it with the next thing that it is asked,
    /// and what it failed of is said then.
    pub(super) fn write(&self, sql: &str, binds: impl Binds) -> Result<()> {
        match self {
            Self::Sqlite(conn) => Ok(bound(conn, sql, &binds)?.raw_execute().map(drop)?),
            Self::Postgres(session) => session.write(sql, value::all(&binds)?),
        }
    }

    /// The same of a statement that reads and writes nothing but one row about one thing. Those that are alike are one to a server.
    pub(super) fn write_about(&self, about: About, sql: &str, binds: impl Binds) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.write(sql, binds),
            Self::Postgres(session) => session.write_about(about, sql, value::all(&binds)?),
        }
    }

    /// Reads the rows that a query finds with each of several values, and says with which. A server is asked for all at once.
    pub(super) fn each_row_of_all<B: Binds>(
        &self,
        sql: &str,
        all: &[B],
        mut read: impl FnMut(usize, &mut Columns<'_>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Sqlite(conn) => all.iter().enumerate().try_for_each(|(at, binds)| {
                let mut statement = bound(conn, sql, binds)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    read(at, &mut Columns::of(row))?;
                }
                Ok(())
            }),
            Self::Postgres(session) if all.len() > 1 && postgres::is_query(sql) => {
                let all = all.iter().map(value::all).collect::<Result<Vec<_>>>()?;
                for some in (0..all.len()).step_by(ALIKE_MAX) {
                    let rows = session.query_many(sql, &all[some..all.len().min(some + ALIKE_MAX)])?;
                    for row in &rows {
                        let mut columns = Columns::of(row);
                        let number: usize = columns.take()?;
                        read(some + number - 1, &mut columns)?;
                    }
                }
                Ok(())
            }
            Self::Postgres(session) => {
                let all = all.iter().map(value::all).collect::<Result<Vec<_>>>()?;
                let found = session.query_each(sql, &all)?;
                found
                    .iter()
                    .enumerate()
                    .try_for_each(|(at, rows)| rows.iter().try_for_each(|row| read(at, &mut Columns::of(row))))
            }
        }
    }

    /// Whether a server may be told of statements later; else each one's failure is known at once.
    pub(super) fn let_wait(&self, may_wait: bool) {
        if let Self::Postgres(session) = self {
            session.let_wait(may_wait);
        }
    }

    /// Reads what may fail without the transaction failing for it: of SQLite nothing has to be done for that.
    pub(super) fn attempt<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        match self {
            Self::Sqlite(_) => read(),
            Self::Postgres(session) => session.attempt(read),
        }
    }

    /// Reads rows one after the other, and no more of them than these.
    pub(super) fn each_row(
        &self,
        sql: &str,
        binds: impl Binds,
        rows_max: usize,
        mut read: impl FnMut(&mut Columns<'_>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Sqlite(conn) => {
                let mut statement = bound(conn, sql, &binds)?;
                let mut rows = statement.raw_query();
                for _ in 0..rows_max {
                    let Some(row) = rows.next()? else { break };
                    read(&mut Columns::of(row))?;
                }
                Ok(())
            }
            Self::Postgres(session) => {
                let rows = session.query(sql, &value::all(&binds)?)?;
                rows.iter().take(rows_max).try_for_each(|row| read(&mut Columns::of(row)))
            }
        }
    }

    /// The one of two statements that this database understands.
    pub(super) fn either(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// A statement whose values are put in one by one.
    pub(super) fn prepare(&self, sql: &'static str) -> Result<Prepared<'_>> {
        Ok(match self {
            Self::Sqlite(conn) => Prepared::Sqlite(conn.prepare_cached(sql)?, 1),
            Self::Postgres(session) => Prepared::Postgres { session, sql, values: vec![] },
        })
    }

    /// The connection to SQLite, for what only an embedded database has to do.
    pub(super) fn embedded(&self) -> Result<&Connection> {
        match self {
            Self::Sqlite(conn) => Ok(conn),
            Self::Postgres(_) => Err(Failure::database("a database of a server has its own means for this".into())),
        }
    }

    /// Begins, divides or ends a transaction.
    pub(super) fn step(&self, step: Step) -> Result<()> {
        match self {
            Self::Sqlite(conn) => Ok(conn.prepare_cached(step.in_sqlite())?.execute([]).map(|_| ())?),
            Self::Postgres(session) => session.step(step),
        }
    }

    /// Runs statements one after the other, of which nobody wants to know what they say.
    pub(super) fn run_all(&self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(conn) => Ok(conn.execute_batch(sql)?),
            Self::Postgres(session) => session.run_all(sql),
        }
    }

    /// Whether it leads nowhere any more.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(session) => session.is_lost(),
        }
    }

    pub(super) fn close(self) {
        match self {
            // The log is moved into the database when the last connection goes.
            Self::Sqlite(conn) => {
                if let Err((_, error)) = conn.close() {
                    tracing::warn!(%error, "the database was not closed cleanly");
                }
            }
            Self::Postgres(session) => drop(session),
        }
    }

    /// Rows changed so far; grows with each change.
    pub(super) fn changes(&self) -> u64 {
        match self {
            Self::Sqlite(conn) => conn.total_changes(),
            Self::Postgres(session) => session.changes(),
        }
    }

    /// Ends a transaction, if there is one, as if it had never been.
    pub(super) fn roll_back(&self) -> Result<()> {
        let is_open = match self {
            Self::Sqlite(conn) => !conn.is_autocommit(),
            Self::Postgres(session) => session.is_open(),
        };
        if is_open { self.step(Step::RollBack) } else { Ok(()) }
    }

    /// Whether there is a transaction that can go on. A database ends one by itself if it can't.
    pub(super) fn is_in_transaction(&self) -> bool {
        match self {
            Self::Sqlite(conn) => !conn.is_autocommit(),
            Self::Postgres(session) => session.can_go_on(),
        }
    }
}

/// Where a transaction begins, where it can go back to, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    BeginReading,
    BeginWriting,
    Save,
    GoBack,
    Release,
    Commit,
    RollBack,
}

impl Step {
    const fn in_sqlite(self) -> &'static str {
        match self {
            Self::BeginReading => "BEGIN",
            Self::BeginWriting => "BEGIN IMMEDIATE",
            _ => self.in_both(),
        }
    }

    const fn in_both(self) -> &'static str {
        match self {
            Self::BeginReading | Self::BeginWriting => "BEGIN",
            Self::Save => "SAVEPOINT job",
            Self::GoBack => "ROLLBACK TO job",
            Self::Release => "RELEASE job",
            Self::Commit => "COMMIT",
            Self::RollBack => "ROLLBACK",
        }
    }
}

/// A statement that gets its values one by one.
pub(super) enum Prepared<'c> {
    Sqlite(CachedStatement<'c>, usize),
    Postgres { session: &'c Session, sql: &'static str, values: Vec<value::Owned> },
}

impl Prepared<'_> {
    pub(super) fn put(&mut self, value: impl ToValue) -> Result<&mut Self> {
        match self {
            Self::Sqlite(statement, next) => {
                statement.raw_bind_parameter(*next, to_sqlite(value.value()?))?;
                *next += 1;
            }
            Self::Postgres { values, .. } => values.push(value.value()?.into()),
        }
        Ok(self)
    }

    /// Runs the statement. A server is told of it with the next thing that it is asked.
    pub(super) fn write(self) -> Result<()> {
        match self {
            Self::Sqlite(mut statement, _) => Ok(statement.raw_execute().map(drop)?),
            Self::Postgres { session, sql, values } => session.write(sql, values),
        }
    }

    /// The same of one that reads and writes nothing but one row about one thing.
    pub(super) fn write_about(self, about: About) -> Result<()> {
        match self {
            Self::Sqlite(..) => self.write(),
            Self::Postgres { session, sql, values } => session.write_about(about, sql, values),
        }
    }

    /// Runs the statement. The number of rows that it changed.
    pub(super) fn execute(self) -> Result<usize> {
        match self {
            Self::Sqlite(mut statement, _) => Ok(statement.raw_execute()?),
            Self::Postgres { session, sql, values } => session.execute(sql, &values),
        }
    }
}

/// A row of either database.
pub(super) enum AnyRow<'r> {
    Sqlite(&'r Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl<'r> AnyRow<'r> {
    pub(super) fn value(&self, column: usize) -> Result<Value<'r>> {
        match self {
            Self::Sqlite(row) => from_sqlite(row.get_ref(column)?),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

impl<'r> From<&'r Row<'r>> for AnyRow<'r> {
    fn from(row: &'r Row<'r>) -> Self {
        Self::Sqlite(row)
    }
}

impl<'r> From<&'r tokio_postgres::Row> for AnyRow<'r> {
    fn from(row: &'r tokio_postgres::Row) -> Self {
        Self::Postgres(row)
    }
}

fn bound<'c>(conn: &'c Connection, sql: &str, binds: &impl Binds) -> Result<CachedStatement<'c>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut next = 0;
    binds.each(&mut |value| {
        next += 1;
        Ok(statement.raw_bind_parameter(next, to_sqlite(value))?)
    })?;
    Ok(statement)
}

/// A value as SQLite takes it.
pub(super) const fn to_sqlite(value: Value<'_>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Int(number) => ValueRef::Integer(number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

fn from_sqlite(value: ValueRef<'_>) -> Result<Value<'_>> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => {
            Value::Text(std::str::from_utf8(text).map_err(|_| Failure::corrupt("a text that is none"))?)
        }
        ValueRef::Blob(bytes) => Value::Blob(bytes),
        ValueRef::Real(_) => return Err(Failure::corrupt("a value of the wrong type (a fraction)")),
    })
}
