//! Connections that only read: each call sees one state of the database, and never waits for the writer.

use std::sync::{Arc, Mutex, PoisonError};
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
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self { turns: Arc::new(Semaphore::new(connections.len())), idle: Arc::new(Mutex::new(connections)) }
    }

    /// Reads on a thread where waiting for the disk holds up nobody else.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = timeout(READER_WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)?;
        let idle = Arc::clone(&self.idle);
        let reading = tokio::task::spawn_blocking(move || {
            let lease = Lent::take(&idle).ok_or(StoreError::Busy)?;
            let answer = lease.connection().map(|conn| in_one_state(conn, query));
            drop(lease);
            drop(turn);
            answer.ok_or(StoreError::Busy)?.map_err(StoreError::from)
        });
        reading.await.map_err(|error| StoreError::Database(Box::new(error)))?
    }
}

/// All of a query's statements see the same state.
fn in_one_state<T>(conn: &Connection, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let transaction = conn.unchecked_transaction()?;
    let answer = query(&transaction);
    transaction.finish()?;
    answer
}

/// A connection that finds its way back even if the query panics.
struct Lent<'a> {
    idle: &'a Mutex<Vec<Connection>>,
    conn: Option<Connection>,
}

impl<'a> Lent<'a> {
    fn take(idle: &'a Mutex<Vec<Connection>>) -> Option<Self> {
        let conn = idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Self { idle, conn: Some(conn) })
    }

    fn connection(&self) -> Option<&Connection> {
        self.conn.as_ref()
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.conn.take());
    }
}
