//! A session with a PostgreSQL server: statements in this backend's words, prepared once each.
//!
//! Each answer costs a way there and back, and whoever writes holds up all other nodes meanwhile. So what nobody wants an answer to goes
//! with the next thing that is asked, and things asked together go together (PostgreSQL's documentation, "Pipelining"). The server does
//! them one after the other, and after one that has failed none until the transaction has ended.

mod alike;
mod pipeline;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Ready;
use std::iter::empty;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

use super::super::error::{Failure, Result};
use super::Step;
use super::value::Owned;
pub(super) use alike::ALIKE_ROWS_MAX;
pub(in crate::sql) use alike::About;
use alike::{Alike, as_arrays, columns, finding, writing};
use pipeline::{Broken, Later, all_answers};

/// Statements that wait to go with the next one; so many go by themselves.
const LATER_STATEMENTS_MAX: usize = 256;

/// Turns in which a connection takes in what has come: one to be told that there is something, one to read it, one to end.
const HEARING_TURNS: usize = 3;
/// How long whoever writes has a server keep its plans. What was planned when a table was nearly empty reads all of it, however large it is by
/// now, and the server thinks of that only when it has counted its rows again.
const PLANS_KEPT_MS_MAX: u64 = 1_000;
const PLANS_KEPT_MAX: Duration = Duration::from_millis(PLANS_KEPT_MS_MAX);

/// Used by one thread at a time, which waits for each answer, and not for ever: a server that is there and says nothing is as good as gone.
pub(in crate::sql) struct Session {
    client: Client,
    /// Its own, so that it can be waited for wherever waiting is allowed. None when the session was given up.
    runtime: RefCell<Option<Runtime>>,
    /// How long an answer may take.
    answer_wait_max: Cell<Duration>,
    /// Since when the server keeps its plans.
    planned_at: Cell<Instant>,
    prepared: RefCell<HashMap<String, Statement>>,
    /// The same for many sets of values; none of what can't be said of many.
    for_many: RefCell<HashMap<String, Option<Statement>>>,
    changes: Cell<u64>,
    /// Go with the next that is asked.
    later: RefCell<Vec<Later>>,
    /// Whether anything may wait for that.
    may_wait: Cell<bool>,
    /// Whether a transaction was begun and has not ended.
    is_open: Cell<bool>,
    /// Whether no statement of it has failed.
    can_go_on: Cell<bool>,
}

impl Session {
    /// A session over a connection that this runtime drives.
    pub(in crate::sql) fn new(client: Client, runtime: Runtime, answer_wait_max: Duration) -> Self {
        let (runtime, answer_wait_max) = (RefCell::new(Some(runtime)), Cell::new(answer_wait_max));
        let planned_at = Cell::new(Instant::now());
        let (prepared, for_many, changes) = (RefCell::default(), RefCell::default(), Cell::new(0));
        let (later, may_wait) = (RefCell::default(), Cell::new(true));
        let (is_open, can_go_on) = (Cell::new(false), Cell::new(false));
        Self {
            client,
            runtime,
            answer_wait_max,
            planned_at,
            prepared,
            for_many,
            changes,
            later,
            may_wait,
            is_open,
            can_go_on,
        }
    }

    /// Waits so long for each answer from now on.
    pub(in crate::sql) fn wait_at_most(&self, wait: Duration) {
        self.answer_wait_max.set(wait);
    }

    /// Lets statements wait for the next one, or not: then each one's failure is known at once.
    pub(super) fn let_wait(&self, may_wait: bool) {
        self.may_wait.set(may_wait);
    }

    /// Reads what may fail without anything else failing for it.
    pub(super) fn attempt<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.is_open.get() {
            return read();
        }
        self.later.borrow_mut().push(Later::Words("SAVEPOINT attempt"));
        let read = read();
        if read.is_ok() {
            self.later.borrow_mut().push(Later::Words("RELEASE attempt"));
        } else {
            self.run_all("ROLLBACK TO attempt; RELEASE attempt")?;
            self.can_go_on.set(true);
        }
        read
    }

    /// Runs a statement sooner or later. What it failed of is said by whatever is asked next.
    pub(super) fn write(&self, sql: &str, values: Vec<Owned>) -> Result<()> {
        if !self.may_wait.get() || !self.is_open.get() {
            return self.execute(sql, &values).map(drop);
        }
        let statement = self.prepared(sql)?;
        self.changes.set(self.changes.get() + 1);
        self.later.borrow_mut().push(Later::Prepared(statement, values));
        let are_many = self.later.borrow().len() >= LATER_STATEMENTS_MAX;
        if are_many { self.ask_all(empty::<Ready<_>>()).map(|_: Vec<()>| ()) } else { Ok(()) }
    }

    /// The same of what is about one thing alone. With others like it that are about something else it is one statement, if nothing comes
    /// between that could be about the same.
    pub(super) fn write_about(&self, about: About, sql: &str, values: Vec<Owned>) -> Result<()> {
        if !self.may_wait.get() || !self.is_open.get() {
            return self.execute(sql, &values).map(drop);
        }
        // Asked first, as that sends what waits.
        let one = self.prepared(sql)?;
        let Some(many) = self.prepared_for_many(sql, &one, writing)? else { return self.write(sql, values) };
        self.changes.set(self.changes.get() + 1);
        let mut later = self.later.borrow_mut();
        let before = later.iter_mut().rev().map_while(|it| match it {
            Later::Alike(alike) if !alike.is_about(&about) => Some(alike),
            _ => None,
        });
        match before.into_iter().find(|alike| alike.has_room_for(sql)) {
            Some(alike) => alike.take(about, values),
            None => {
                let mut alike = Alike::new(sql, one, many);
                alike.take(about, values);
                later.push(Later::Alike(alike));
            }
        }
        let are_many = later.len() >= LATER_STATEMENTS_MAX;
        drop(later);
        if are_many { self.ask_all(empty::<Ready<_>>()).map(|_: Vec<()>| ()) } else { Ok(()) }
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

    /// The rows that one query finds with many sets of values, each with the set's number before its columns, from 1 on.
    pub(super) fn query_many(&self, sql: &str, all: &[Vec<Owned>]) -> Result<Vec<Row>> {
        let one = self.prepared(sql)?;
        let many = self.prepared_for_many(sql, &one, |sql, types| Some(finding(sql, types)))?;
        let many = many.ok_or_else(|| Failure::database("a query that can't be asked of many".to_owned()))?;
        let columns = columns(all);
        self.ask(self.client.query(&many, &as_arrays(&columns)))
    }

    /// The rows that one statement finds with each of these values.
    pub(super) fn query_each(&self, sql: &str, all: &[Vec<Owned>]) -> Result<Vec<Vec<Row>>> {
        let statement = self.prepared(sql)?;
        let parameters: Vec<_> = all.iter().map(|values| as_parameters(values)).collect();
        let mut found = Vec::with_capacity(all.len());
        for some in parameters.chunks(LATER_STATEMENTS_MAX) {
            found.extend(self.ask_all(some.iter().map(|values| self.client.query(&statement, values)))?);
        }
        if !is_query(sql) {
            self.changes.set(self.changes.get() + found.iter().map(|rows| rows.len() as u64).sum::<u64>());
        }
        Ok(found)
    }

    pub(super) fn step(&self, step: Step) -> Result<()> {
        let sql = match step {
            Step::BeginReading => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            step => step.in_both(),
        };
        match step {
            Step::BeginReading | Step::BeginWriting => {
                // What was left of another transaction died with it.
                *self.later.borrow_mut() = vec![Later::Words(sql)];
                if step == Step::BeginWriting && self.planned_at.get().elapsed() > PLANS_KEPT_MAX {
                    self.later.borrow_mut().push(Later::Words("DISCARD PLANS"));
                    self.planned_at.set(Instant::now());
                }
            }
            Step::RollBack => {
                self.later.take();
                self.run_all(sql)?;
            }
            // A server would take it for a `ROLLBACK`, or keep what came before something that was never sent.
            Step::Commit if !self.can_go_on.get() => {
                return Err(Failure::database("a statement of the transaction has failed".to_owned()));
            }
            _ => self.run_all(sql)?,
        }
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
        if let Some(runtime) = &*self.runtime.borrow() {
            // What has come meanwhile, its good-bye too, is heard only while the connection is driven.
            runtime.block_on(async {
                for _ in 0..HEARING_TURNS {
                    yield_now().await;
                }
            });
        }
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

    fn prepared_for_many(
        &self,
        sql: &str,
        one: &Statement,
        said_of_many: impl Fn(&str, &[Type]) -> Option<String>,
    ) -> Result<Option<Statement>> {
        if let Some(many) = self.for_many.borrow().get(sql) {
            return Ok(many.clone());
        }
        let many = match said_of_many(sql, one.params()) {
            Some(many) => Some(self.ask(self.client.prepare(&many))?),
            None => None,
        };
        self.for_many.borrow_mut().insert(sql.to_owned(), many.clone());
        Ok(many)
    }

    fn ask<T>(&self, asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T> {
        let mut answers = self.ask_all([asked])?;
        answers.pop().ok_or_else(|| Failure::unreachable("it did not answer"))
    }

    /// Asks for all of this at once, behind what was left for later. The answers are in the same order.
    fn ask_all<T, F>(&self, asked: impl IntoIterator<Item = F>) -> Result<Vec<T>>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let (wait, later) = (self.answer_wait_max.get(), self.later.take());
        let answered = {
            let runtime = self.runtime.borrow();
            let runtime = runtime.as_ref().ok_or_else(|| Failure::unreachable("the session has ended"))?;
            runtime.block_on(all_answers(&self.client, &later, asked, wait))
        };
        let failed = match answered {
            Ok(answers) => return Ok(answers),
            Err(Broken::Refused(error)) => {
                // A server that has become another one's copy is not where to write, however long one asks it.
                if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
                    self.give_up();
                }
                Failure::from(error)
            }
            Err(Broken::Silent) => {
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

pub(super) fn is_query(sql: &str) -> bool {
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
