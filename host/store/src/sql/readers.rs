//! Connections that only read: each call sees one state of the database, and never waits for the writer.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use larder_domain::ports::StoreError;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::complaints::Complaints;
use super::database::{Binds, Conn, Step};
use super::error::{Failure, Result};
use super::postgres::Connector;
use super::rows::Columns;
use super::tx::find;

/// Connections for reading, and so reads at the same time.
pub(super) const READERS: usize = 4;
/// How long a read may wait for a connection before the store is called busy.
pub(super) const READER_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    /// As many permits as connections.
    turns: Arc<Semaphore>,
    connections: Arc<[Mutex<Conn>]>,
    /// Makes another connection for one that was lost.
    connector: Option<Connector>,
    complaints: Arc<Complaints>,
    /// Of a database in memory: there is no disk to wait for.
    inline: bool,
}

impl Readers {
    pub(super) fn new(connections: Vec<Conn>) -> Self {
        let turns = Arc::new(Semaphore::new(connections.len()));
        let connections = connections.into_iter().map(Mutex::new).collect();
        Self { turns, connections, connector: None, complaints: Arc::default(), inline: false }
    }

    /// The same over a network.
    pub(super) fn remote(connections: Vec<Conn>, connector: Connector) -> Self {
        Self { connector: Some(connector), ..Self::new(connections) }
    }

    /// Without threads: whoever asks does the work.
    pub(super) fn inline(connection: Conn) -> Self {
        Self { inline: true, ..Self::new(vec![connection]) }
    }

    /// What makes sessions, where there is a network.
    pub(super) const fn connector(&self) -> Option<&Connector> {
        self.connector.as_ref()
    }

    /// Whether what is read can be written, too, as far as is known.
    pub(super) fn check_writer(&self) -> Result<(), StoreError> {
        self.connector.as_ref().map_or(Ok(()), Connector::check_writer)
    }

    /// Reads on a thread where waiting for the disk holds up nobody else. All of the query's statements see the same state.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Conn) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.glance(move |conn| in_one_state(conn, query)).await
    }

    /// The first row that a query finds: a statement alone sees one state anyway.
    pub(super) async fn find<T: Send + 'static>(
        &self,
        sql: &'static str,
        binds: impl Binds + Send + 'static,
        read: impl Fn(&mut Columns<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        self.glance(move |conn| find(conn, sql, binds, read)).await
    }

    /// Reads what need not be of one state.
    pub(super) async fn glance<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Conn) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = timeout(READER_WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)?;
        let (connections, connector) = (Arc::clone(&self.connections), self.connector.clone());
        let complaints = Arc::clone(&self.complaints);
        let read = move || {
            let read = |mut conn: MutexGuard<'_, Conn>| {
                if let Some(connector) = connector.filter(|_| conn.is_lost()) {
                    *conn = connector.reader()?;
                }
                conn.roll_back()?;
                query(&conn)
            };
            let answer = connections.iter().find_map(idle).map(read);
            drop(turn);
            answer.ok_or(StoreError::Busy)?.map_err(|Failure(error)| {
                complaints.hear(&error);
                error
            })
        };
        if self.inline {
            return read();
        }
        let reading = tokio::task::spawn_blocking(read);
        reading.await.map_err(|error| StoreError::Database(Box::new(error)))?
    }
}

/// The connection, unless somebody reads from it. One whose reader panicked is as good as any: its transaction is ended before the next one.
fn idle(conn: &Mutex<Conn>) -> Option<MutexGuard<'_, Conn>> {
    match conn.try_lock() {
        Ok(conn) => Some(conn),
        Err(TryLockError::Poisoned(conn)) => Some(conn.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn in_one_state<T>(conn: &Conn, query: impl FnOnce(&Conn) -> Result<T>) -> Result<T> {
    conn.step(Step::BeginReading)?;
    let answer = query(conn);
    conn.roll_back()?;
    answer
}
