//! A session with a PostgreSQL server: statements in this backend's words, prepared once each.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Row, Statement};

use super::super::error::{Failure, Result};
use super::Step;
use super::value::{Owned, Value};

/// Used by one thread at a time, which waits for each answer, and not for ever: a server that is there and says nothing is as good as gone.
pub(in crate::sql) struct Session {
    client: Client,
    /// Its own, so that it can be waited for wherever waiting is allowed. None when the session was given up.
    runtime: RefCell<Option<Runtime>>,
    /// How long an answer may take.
    answer_wait_max: Cell<Duration>,
    prepared: RefCell<HashMap<String, Statement>>,
    changes: Cell<u64>,
    /// Whether a transaction was begun and has not ended.
    is_open: Cell<bool>,
    /// Whether no statement of it has failed.
    can_go_on: Cell<bool>,
}

impl Session {
    /// A session over a connection that this runtime drives.
    pub(in crate::sql) fn new(client: Client, runtime: Runtime, answer_wait_max: Duration) -> Self {
        let (runtime, answer_wait_max) = (RefCell::new(Some(runtime)), Cell::new(answer_wait_max));
        let (prepared, changes) = (RefCell::default(), Cell::new(0));
        let (is_open, can_go_on) = (Cell::new(false), Cell::new(false));
        Self { client, runtime, answer_wait_max, prepared, changes, is_open, can_go_on }
    }

    /// Waits so long for each answer from now on.
    pub(in crate::sql) fn wait_at_most(&self, wait: Duration) {
        self.answer_wait_max.set(wait);
    }

    pub(super) fn execute(&self, sql: &str, values: &[Owned]) -> Result<usize> {
        let statement = self.prepared(sql)?;
        let changed = self.ask(self.client.execute(&statement, &as_parameters(values)))?;
        self.changes.set(self.changes.get() + changed);
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub(super) fn query(&self, sql: &str, values: &[Owned]) -> Result<Vec<Row>> {
        let statement = self.prepared(sql)?;
        let rows = self.ask(self.client.query(&statement, &as_parameters(values)))?;
        // A statement that changes rows may tell of them.
        if !is_query(sql) {
            self.changes.set(self.changes.get() + rows.len() as u64);
        }
        Ok(rows)
    }

    pub(super) fn step(&self, step: Step) -> Result<()> {
        let sql = match step {
            Step::BeginReading => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            step => step.in_both(),
        };
        self.run_all(sql)?;
        // What goes back to before a statement that has failed can go on.
        let goes_on = !matches!(step, Step::Commit | Step::RollBack);
        self.is_open.set(goes_on);
        self.can_go_on.set(goes_on);
        Ok(())
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes.get()
    }

    pub(super) const fn can_go_on(&self) -> bool {
        self.can_go_on.get()
    }

    /// Whether there is a transaction to be ended, also one that can't go on.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.get() && !self.is_lost()
    }

    pub(in crate::sql) fn run_all(&self, sql: &str) -> Result<()> {
        self.ask(self.client.batch_execute(sql))
    }

    /// Whether the server is gone, as far as this is known.
    pub(super) fn is_lost(&self) -> bool {
        self.runtime.borrow().is_none() || self.client.is_closed()
    }

    fn prepared(&self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.prepared.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.ask(self.client.prepare(&numbered(sql)))?;
        self.prepared.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn ask<T>(&self, answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>) -> Result<T> {
        let wait = self.answer_wait_max.get();
        let answered = {
            let runtime = self.runtime.borrow();
            let runtime = runtime.as_ref().ok_or_else(|| Failure::unreachable("the session has ended"))?;
            // A timer can only be made where its runtime is at work.
            runtime.block_on(async { timeout(wait, answer).await })
        };
        let failed = match answered {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => {
                // A server that has become another one's copy is not where to write, however long one asks it.
                if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
                    self.give_up();
                }
                Failure::from(error)
            }
            Err(_) => {
                // What would come now might be the answer to something else.
                self.give_up();
                Failure::unreachable(format!("it did not answer within {} s", wait.as_secs()))
            }
        };
        self.can_go_on.set(false);
        Err(failed)
    }

    /// Ends the session here and now, so that nothing which it holds at the server outlasts it.
    fn give_up(&self) {
        if let Some(runtime) = self.runtime.borrow_mut().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Session {
    /// Whatever is still under way is left behind: nobody can wait where this may be dropped.
    fn drop(&mut self) {
        self.give_up();
    }
}

fn is_query(sql: &str) -> bool {
    sql.starts_with("SELECT") || sql.starts_with("WITH")
}

/// A statement whose parameters are called `$1` and so on. A `?` stands for nothing else in any of ours.
fn numbered(sql: &str) -> String {
    let (mut text, mut next) = (String::with_capacity(sql.len() + 16), 0);
    let mut rest = sql.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter != '?' {
            text.push(letter);
            continue;
        }
        text.push('$');
        if !rest.peek().is_some_and(char::is_ascii_digit) {
            next += 1;
            text.push_str(&next.to_string());
        }
    }
    text
}

fn as_parameters(values: &[Owned]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

type Mistake = Box<dyn Error + Sync + Send>;

impl ToSql for Owned {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Mistake> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *ty == Type::BOOL => (*number != 0).to_sql(ty, out),
            Self::Int(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Self::Int(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            // A text of PostgreSQL has no room for this character.
            Self::Text(text) if text.contains('\0') => text.replace('\0', "\u{fffd}").to_sql(ty, out),
            Self::Text(text) if <&str as ToSql>::accepts(ty) => text.to_sql(ty, out),
            Self::Blob(bytes) if *ty == Type::BYTEA => bytes.to_sql(ty, out),
            value => Err(format!("{} where the database wants a {ty}", value.kind()).into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl Owned {
    /// What it is, for a message that must not tell what it says.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Int(_) => "a number",
            Self::Text(_) => "a text",
            Self::Blob(_) => "bytes",
        }
    }
}

impl<'r> FromSql<'r> for Value<'r> {
    fn from_sql(ty: &Type, raw: &'r [u8]) -> std::result::Result<Self, Mistake> {
        match *ty {
            Type::BOOL => bool::from_sql(ty, raw).map(|truth| Self::Int(truth.into())),
            Type::INT4 => i32::from_sql(ty, raw).map(|number| Self::Int(number.into())),
            Type::INT8 => i64::from_sql(ty, raw).map(Self::Int),
            Type::BYTEA => Ok(Self::Blob(raw)),
            _ => <&str>::from_sql(ty, raw).map(Self::Text),
        }
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Mistake> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::BOOL | Type::INT4 | Type::INT8 | Type::BYTEA) || <&str as FromSql>::accepts(ty)
    }
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn parameters_are_numbered() {
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(numbered("a = ?2 AND b = ?1 OR c = ?2"), "a = $2 AND b = $1 OR c = $2");
        assert_eq!(numbered("SELECT 1"), "SELECT 1");
    }
}
