//! Connections that only read: each call sees one state of the database, and never waits for the writer.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use larder_domain::ports::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::Result;

/// Connections for reading, and so reads at the same time.
pub(super) const READERS: usize = 4;
/// How long a read may wait for a connection before the store is called busy.
const READER_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    /// As many permits as connections.
    turns: Arc<Semaphore>,
    connections: Arc<[Mutex<Connection>]>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let turns = Arc::new(Semaphore::new(connections.len()));
        Self { turns, connections: connections.into_iter().map(Mutex::new).collect() }
    }

    /// Reads on a thread where waiting for the disk holds up nobody else.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = timeout(READER_WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)?;
        let connections = Arc::clone(&self.connections);
        let reading = tokio::task::spawn_blocking(move || {
            let answer = connections.iter().find_map(idle).map(|conn| in_one_state(&conn, query));
            drop(turn);
            answer.ok_or(StoreError::Busy)?.map_err(StoreError::from)
        });
        reading.await.map_err(|error| StoreError::Database(Box::new(error)))?
    }
}

/// The connection, unless somebody reads from it. One whose reader panicked is as good as any: its transaction has ended.
fn idle(conn: &Mutex<Connection>) -> Option<MutexGuard<'_, Connection>> {
    match conn.try_lock() {
        Ok(conn) => Some(conn),
        Err(TryLockError::Poisoned(conn)) => Some(conn.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// All of a query's statements see the same state.
fn in_one_state<T>(conn: &Connection, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let transaction = conn.unchecked_transaction()?;
    let answer = query(&transaction);
    transaction.finish()?;
    answer
}
