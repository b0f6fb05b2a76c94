//! What a job of the writer works with: the connection inside its transaction, the moment, and what the writer remembers
//! from one group to the next.

use larder_domain::work::Token;
use larder_domain::{AddonId, ProviderName, StoreTime, WallTime};

use super::ahead::Ahead;
use super::database::{Binds, Conn};
use super::error::Result;
use super::rows::Columns;
use super::watch::Poked;
use super::work::agenda::Agenda;

/// One job's share of a group's transaction.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a Conn,
    /// One moment for the whole group.
    pub(super) now: StoreTime,
    /// The same moment for people.
    pub(super) wall: WallTime,
    pub(super) memory: &'a mut Memory,
}

/// What the writer remembers. A job that is rolled back does not take it back: numbers stay used, a turn stays taken, a
/// poke too many only makes somebody look. Only the agenda must be right, so it is forgotten then.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) counters: Counters,
    pub(super) agenda: Agenda,
    /// Of this group only.
    pub(super) ahead: Ahead,
    /// The provider whose work was leased last.
    pub(super) served: Option<ProviderName>,
    pub(super) poked: Poked,
    /// When expired rows are looked for again.
    pub(super) purge_at: StoreTime,
}

/// The numbers given last. Stored by each group that gave one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) token: u64,
    pub(super) entry: u64,
    pub(super) line: u64,
}

impl Tx<'_> {
    /// Runs a statement of which nobody wants to know how many rows it changed. Of a server's, it may be known only at the end of the group
    /// that it has failed.
    pub(super) fn write(&self, sql: &str, binds: impl Binds) -> Result<()> {
        self.conn.write(sql, binds)
    }

    /// The same of a statement that reads and writes nothing but one row about one addon.
    pub(super) fn write_about(&self, addon: AddonId, sql: &str, binds: impl Binds) -> Result<()> {
        self.conn.write_about(addon.0.into_bytes(), sql, binds)
    }

    /// Runs a statement. The number of rows that it changed.
    pub(super) fn execute(&self, sql: &str, binds: impl Binds) -> Result<usize> {
        self.conn.execute(sql, binds)
    }

    /// The first row that a query finds.
    pub(super) fn find<T>(
        &self,
        sql: &str,
        binds: impl Binds,
        read: impl Fn(&mut Columns<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        find(self.conn, sql, binds, read)
    }

    pub(super) fn next_token(&mut self) -> Token {
        self.memory.counters.token += 1;
        Token(self.memory.counters.token)
    }

    pub(super) fn next_entry(&mut self) -> u64 {
        self.memory.counters.entry += 1;
        self.memory.poked.history = true;
        self.memory.counters.entry
    }

    pub(super) fn next_line(&mut self) -> u64 {
        self.memory.counters.line += 1;
        self.memory.counters.line
    }
}

/// The first row that a query finds.
pub(super) fn find<T>(
    conn: &Conn,
    sql: &str,
    binds: impl Binds,
    read: impl Fn(&mut Columns<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut found = None;
    conn.each_row(sql, binds, 1, |row| {
        found = Some(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// The first row that a query finds with each of several values.
pub(super) fn find_each<B: Binds, T>(
    conn: &Conn,
    sql: &str,
    all: &[B],
    read: impl Fn(&mut Columns<'_>) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let mut found: Vec<Option<T>> = all.iter().map(|_| None).collect();
    conn.each_row_of_all(sql, all, |at, row| {
        if let Some(place) = found.get_mut(at).filter(|place| place.is_none()) {
            *place = Some(read(row)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// All rows that a query finds. Whoever asks sees to it that they are not too many.
pub(super) fn list<T>(
    conn: &Conn,
    sql: &str,
    binds: impl Binds,
    read: impl Fn(&mut Columns<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = vec![];
    conn.each_row(sql, binds, usize::MAX, |row| {
        found.push(read(row)?);
        Ok(())
    })?;
    Ok(found)
}
