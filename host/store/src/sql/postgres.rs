//! A store in a database on a PostgreSQL server, which several nodes may share.
//!
//! Whoever writes has locked the one row of `installation`, reads there how far clock and counters have come, and commits a group of jobs
//! as in SQLite: so all that is written for one writer holds, and history is in order of commits. What is remembered of due work is forgotten
//! when it is not certain what the last commit was, or when it was somebody else's. Other nodes hear of a commit by a notification
//! ([`listen`]).
//!
//! A node that is stopped or cut off in the middle of a group is thrown out by PostgreSQL ([`GROUP_IDLE_MS_MAX`]), and its group never
//! happened. A server that says nothing is given up after [`ANSWER_WAIT_MAX`], and asked again.

mod connector;
pub(super) mod keys;
mod listen;
mod migrations;
mod relocate;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use larder_domain::{NodeName, SecretString};
use rustls::ClientConfig;
use uuid::Uuid;

use super::clock::StoreClock;
use super::database::Conn;
use super::error::{Failure, Result};
use super::open::{OpenError, Saved, saved};
use super::readers::{READERS, Readers};
use super::watch::Pokes;
use super::writer::{Committer, Shared, WRITER_QUEUE_JOBS_MAX, WRITER_QUEUE_WAIT_MAX, Writer};
use super::{SqlStore, nodes};
use crate::{Clock, KeyfileSealer};
pub(super) use connector::Connector;
pub(super) use listen::Listener;
pub(super) use migrations::SCHEMA;
pub use relocate::{Progress, RelocateError, Relocated, Relocation, Return};
pub(super) use relocate::{Watch, copy_out, empty};

/// How long the server waits for the next statement of a group before it ends the session, in milliseconds.
const GROUP_IDLE_MS_MAX: u64 = 5_000;
/// How long a group waits for that of another node, in milliseconds. Longer than one of a node that has stopped is let stand.
const TURN_WAIT_MS_MAX: u64 = 8_000;
/// How long one statement may take, in milliseconds.
pub(super) const STATEMENT_MS_MAX: u64 = 10_000;
/// How long an answer may take to come. The server gives up before, if it is there.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(STATEMENT_MS_MAX + 2_000);

/// The store's time, as the server's clock says it.
pub(super) const NOW: &str = "SELECT CAST(greatest(clock_ms, extract(epoch FROM clock_timestamp()) * 1000 - clock_zero_ms) AS BIGINT) FROM installation";

/// Whose clock says what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The server's, which all nodes see alike.
    Servers,
    /// The one that is given: a test says what the time is.
    Given,
}

/// Where a database is, how it is reached, and who reaches it.
#[derive(Debug, Clone)]
pub struct Server {
    /// A connection string (PostgreSQL's documentation, "Connection Strings"). `sslmode` is heeded; what has a certificate must have one
    /// that `tls` trusts.
    pub url: SecretString,
    /// How connections over TLS are secured.
    pub tls: ClientConfig,
    /// Whose time it is.
    pub time: Time,
    /// Which node this process is.
    pub node: NodeName,
    /// Which data directory it has to itself: another process that had it is gone.
    pub home: Uuid,
}

impl SqlStore {
    /// Connects to the store in a server's database as one of its nodes, and makes its tables if they are not there.
    ///
    /// # Errors
    /// The server can't be used, another process is this node, a newer version has been there, or what it holds was sealed with another
    /// key.
    pub fn connect(server: Server, sealer: Arc<KeyfileSealer>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        // A session waits on a runtime of its own, which can't be done where another one is at work.
        let connecting = thread::scope(|scope| scope.spawn(|| Self::connected(server, sealer, clock)).join());
        connecting.unwrap_or_else(|_| Err(OpenError::Server("the connection panicked".into())))
    }

    fn connected(server: Server, sealer: Arc<KeyfileSealer>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (time, node, server_home) = (server.time, server.node.clone(), server.home);
        let connector = Connector::new(server)?;
        let conn = connector.writer(&node)?;
        sealer.ask_at(Arc::new(keys::RowSource::new(connector.clone())));
        let saved = migrations::run(&conn, |conn| known(conn, &sealer))?;
        let own = nodes::join(
            &conn,
            nodes::Company::Others,
            (node.clone(), server_home),
            Some(sealer.key_id()),
            clock.wall(),
        )?;
        let readers = (0..READERS).map(|_| connector.reader()).collect::<Result<_>>().map_err(unusable)?;

        let clock = StoreClock::resume(clock, saved.time);
        let pokes = Pokes::default();
        let listener = Listener::start(connector.clone(), own.id, pokes.clone()).map_err(OpenError::Thread)?;
        let providers_revision = nodes::Revision::default();
        let shared = Shared {
            connector: connector.clone(),
            time,
            own: own.clone(),
            providers_revision: providers_revision.clone(),
            revision: 0,
            commit: 0,
            is_to_sweep: false,
            no_sweep_before: 0,
        };
        let committer = Committer::new(conn, clock.clone(), pokes.clone(), saved.counters).among_others(shared);
        let writer =
            Writer::start(committer, WRITER_QUEUE_JOBS_MAX, WRITER_QUEUE_WAIT_MAX).map_err(OpenError::Thread)?;
        Ok(Self {
            writer,
            readers: Readers::remote(readers, connector),
            pokes,
            clock,
            sealer: sealer.clone(),
            keyfile: Some(sealer),
            installation: saved.installation,
            own,
            announced: Mutex::default(),
            providers_revision,
            listener: Some(listener),
            lock: None,
        })
    }
}

/// What the last run left, with the key that everything is sealed with now.
fn known(conn: &Conn, sealer: &KeyfileSealer) -> Result<Saved, OpenError> {
    keys::learn_first(conn, sealer)?;
    saved(conn, sealer).map_err(|error| match error {
        OpenError::Key(_) => keys::other_key(conn, sealer),
        error => error,
    })
}

/// A server that can't be used at the start.
fn unusable(Failure(error): Failure) -> OpenError {
    OpenError::Server(match error {
        larder_domain::ports::StoreError::Unreachable(why) => why,
        error => super::error::with_causes(&error),
    })
}
