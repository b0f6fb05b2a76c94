//! A store in a database on a PostgreSQL server.
//!
//! Whoever writes has locked the one row of `installation`, reads there how far clock and counters have come, and commits a group of jobs
//! as in SQLite: so all that is written for one writer holds, and history is in order of commits. What is remembered of due work is forgotten
//! when it is not certain what the last commit was.
//!
//! One server at a time is let in ([`PLACE`]). One that is stopped or cut off in the middle of a group is thrown out by PostgreSQL
//! ([`GROUP_IDLE_MS_MAX`]), and its group never happened.

mod migrations;
mod relocate;

use std::str::FromStr as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use larder_domain::SecretString;
use larder_domain::ports::Sealer;
use postgres::{Client, Config};
use rustls::ClientConfig;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::SqlStore;
use super::clock::StoreClock;
use super::database::{Conn, Session};
use super::error::{Failure, Result};
use super::open::{OpenError, saved, void_leases};
use super::readers::{READERS, Readers};
use super::watch::Pokes;
use super::writer::{Committer, Shared, WRITER_QUEUE_JOBS_MAX, WRITER_QUEUE_WAIT_MAX, Writer};
use crate::Clock;
pub use relocate::{Progress, RelocateError, Relocated, Relocation};

/// How long the server waits for the next statement of a group before it ends the session, in milliseconds.
const GROUP_IDLE_MS_MAX: u64 = 5_000;
/// How long a group waits for that of another node, in milliseconds.
const TURN_WAIT_MS_MAX: u64 = 10_000;
/// How long one statement may take, in milliseconds.
const STATEMENT_MS_MAX: u64 = 30_000;
/// The lock of whoever has the database: a number that nobody else is likely to use ("larder").
const PLACE: i64 = 0x6c61_7264_6572;
/// How long a connection may take to be made.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Whose clock says what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The server's, which all nodes see alike.
    Servers,
    /// The one that is given: a test says what the time is.
    Given,
}

/// Where a database is, and how it is reached.
#[derive(Debug, Clone)]
pub struct Server {
    /// A connection string (PostgreSQL's documentation, "Connection Strings"). `sslmode` is heeded; what has a certificate must have one
    /// that `tls` trusts.
    pub url: SecretString,
    /// How connections over TLS are secured.
    pub tls: ClientConfig,
    /// Whose time it is.
    pub time: Time,
}

impl SqlStore {
    /// Connects to the store in a server's database, and makes its tables if they are not there. Nobody else may have it.
    ///
    /// # Errors
    /// The server can't be used, somebody else has the database, a newer version has been there, or what it holds was sealed with another
    /// key.
    pub fn connect(server: Server, sealer: Arc<dyn Sealer>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        // A client of PostgreSQL waits on a runtime of its own, which can't be done where another one is at work.
        let connecting = thread::scope(|scope| scope.spawn(|| Self::connected(server, sealer, clock)).join());
        connecting.unwrap_or_else(|_| Err(OpenError::Server("the connection panicked".into())))
    }

    fn connected(server: Server, sealer: Arc<dyn Sealer>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (time, connector) = (server.time, Connector::new(server)?);
        let failed = |Failure(error)| OpenError::Server(Box::new(error));
        let (conn, saved) = migrations::run(&connector, |conn| {
            void_leases(conn)?;
            saved(conn, &*sealer)
        })?;
        let readers = (0..READERS).map(|_| connector.reader()).collect::<Result<_>>().map_err(failed)?;

        let clock = StoreClock::resume(clock, saved.time);
        let pokes = Pokes::default();
        let shared = Shared { connector: connector.clone(), time, commit: 0 };
        let committer = Committer::new(conn, clock.clone(), pokes.clone(), saved.counters).among_others(shared);
        let writer =
            Writer::start(committer, WRITER_QUEUE_JOBS_MAX, WRITER_QUEUE_WAIT_MAX).map_err(OpenError::Thread)?;
        Ok(Self {
            writer,
            readers: Readers::remote(readers, connector),
            pokes,
            clock,
            sealer,
            installation: saved.installation,
            lock: None,
        })
    }
}

/// Makes connections, also when one was lost.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    fn new(server: Server) -> Result<Self, OpenError> {
        let mut config = Config::from_str(server.url.reveal()).map_err(|error| OpenError::Server(Box::new(error)))?;
        config.application_name("larder").connect_timeout(CONNECT_WAIT_MAX);
        config.tcp_user_timeout(Duration::from_millis(TURN_WAIT_MS_MAX)).keepalives_idle(Duration::from_secs(30));
        Ok(Self { config, tls: MakeRustlsConnect::new(server.tls) })
    }

    /// A connection that writes. While there is one, nobody else is let in.
    pub(super) fn writer(&self) -> Result<Conn> {
        let conn = self.session(&format!(
            "SET idle_in_transaction_session_timeout = {GROUP_IDLE_MS_MAX}; SET lock_timeout = {TURN_WAIT_MS_MAX};
             SET synchronous_commit = on"
        ))?;
        // The server may take a moment to see that whoever was there before is gone.
        conn.run_all(&format!("SELECT pg_advisory_lock({PLACE})"))?;
        Ok(conn)
    }

    /// A connection that only reads.
    pub(super) fn reader(&self) -> Result<Conn> {
        self.session("SET default_transaction_read_only = on")
    }

    fn session(&self, set_up: &str) -> Result<Conn> {
        let mut client = self.client()?;
        client.batch_execute(&format!(
            "SET client_min_messages = warning; SET statement_timeout = {STATEMENT_MS_MAX}; SET TimeZone = 'UTC'; {set_up}"
        ))?;
        Ok(Conn::Postgres(Box::new(Session::new(client))))
    }

    fn client(&self) -> Result<Client> {
        Ok(self.config.connect(self.tls.clone())?)
    }
}
