//! Makes sessions with the server, also when one was lost, and tells once when it is gone and once when it is back.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use larder_domain::NodeName;
use larder_domain::ports::StoreError;
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::database::{Conn, Session};
use super::super::error::{Failure, Result};
use super::super::open::OpenError;
use super::keys::{COMPACT_LOCK_MS_MAX, COMPACT_MS_MAX};
use super::migrations::NOBODY;
use super::{ANSWER_WAIT_MAX, GROUP_IDLE_MS_MAX, STATEMENT_MS_MAX, Server, TURN_WAIT_MS_MAX, unusable};

/// How long a connection may take to be made, with all that is said on it first.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long whoever asks is told that the server is gone before it is tried again.
const GONE_WAIT: Duration = Duration::from_millis(500);
/// How long it may take to read one table whole, in milliseconds.
const COUNT_MS_MAX: u64 = 600_000;
/// How long the answer to that may take to come.
const COUNT_WAIT_MAX: Duration = Duration::from_millis(COUNT_MS_MAX + 2_000);
/// The first half of the lock that a node has on its name: a number that nobody else is likely to use ("lard").
pub(super) const NAME_LOCK: u32 = 0x6c61_7264;

/// What is driven by a runtime while somebody waits.
pub(super) type Driven = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Makes sessions.
#[derive(Clone)]
pub(in crate::sql) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    outage: Arc<Mutex<Option<Outage>>>,
    /// Why nothing can be written, since the writer's last session was lost.
    writer_gone: Arc<Mutex<Option<String>>>,
}

/// Why the server is gone, and when that was seen last.
struct Outage {
    why: String,
    seen_at: Instant,
}

impl Connector {
    pub(super) fn new(server: Server) -> Result<Self, OpenError> {
        // What is wrong is told without the text: there may be a password in it.
        let parsed = Config::from_str(server.url.reveal());
        let mut config = parsed.map_err(|error| OpenError::Server(super::super::error::told(&error)))?;
        config.application_name("larder").connect_timeout(CONNECT_WAIT_MAX);
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.tcp_user_timeout(ANSWER_WAIT_MAX).keepalives_idle(Duration::from_secs(5));
        Ok(Self {
            config,
            tls: MakeRustlsConnect::new(server.tls),
            outage: Arc::default(),
            writer_gone: Arc::default(),
        })
    }

    /// A session that writes, as this node. While there is one, nobody else can be that node.
    pub(super) fn writer(&self, node: &NodeName) -> Result<Conn, OpenError> {
        let conn = self.writing().map_err(unusable)?;
        lock_name(&conn, node).map_err(|failure| match failure {
            Failure(StoreError::Busy) => OpenError::Taken(node.clone()),
            failure => unusable(failure),
        })?;
        Ok(conn)
    }

    /// The same in place of one that was lost.
    pub(in crate::sql) fn writer_again(&self, node: &NodeName) -> Result<Conn> {
        let again = self.writing_again(node);
        let gone = again.as_ref().err().map(|Failure(error)| error.to_string());
        *self.writer_gone.lock().unwrap_or_else(PoisonError::into_inner) = gone;
        again
    }

    /// Whether the writer has a session, as far as is known.
    pub(in crate::sql) fn check_writer(&self) -> Result<(), StoreError> {
        let gone = self.writer_gone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        gone.map_or(Ok(()), |why| Err(StoreError::Unreachable(why)))
    }

    fn writing_again(&self, node: &NodeName) -> Result<Conn> {
        let conn = self.writing()?;
        match lock_name(&conn, node) {
            Err(Failure(StoreError::Busy)) => {
                let why = format!("another server runs as the node `{node}` now; stop one of them");
                self.heard(Some(&why));
                Err(Failure::unreachable(why))
            }
            locked => locked.map(|()| conn),
        }
    }

    /// Each statement is written for an index that finds a few rows. A plan is made once, often when the tables are empty yet, and kept.
    fn writing(&self) -> Result<Conn> {
        self.session(&format!(
            "SET idle_in_transaction_session_timeout = {GROUP_IDLE_MS_MAX}; SET lock_timeout = {TURN_WAIT_MS_MAX};
             SET synchronous_commit = on; SET jit = off; SET plan_cache_mode = force_generic_plan;
             SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
        ))
    }

    /// A session that only reads.
    pub(in crate::sql) fn reader(&self) -> Result<Conn> {
        self.session("SET default_transaction_read_only = on")
    }

    /// A session that writes tables anew.
    pub(super) fn compactor(&self) -> Result<Conn> {
        self.session(&format!("SET lock_timeout = {COMPACT_LOCK_MS_MAX}; SET statement_timeout = {COMPACT_MS_MAX}"))
    }

    /// A session that reads whole tables.
    pub(in crate::sql) fn counter(&self) -> Result<Conn> {
        let set_up = format!("SET default_transaction_read_only = on; SET statement_timeout = {COUNT_MS_MAX}");
        self.session_within(&set_up, COUNT_WAIT_MAX)
    }

    fn session(&self, set_up: &str) -> Result<Conn> {
        self.session_within(set_up, ANSWER_WAIT_MAX)
    }

    fn session_within(&self, set_up: &str, answer_wait: Duration) -> Result<Conn> {
        if let Some(outage) = &*self.outage.lock().unwrap_or_else(PoisonError::into_inner)
            && outage.seen_at.elapsed() < GONE_WAIT
        {
            return Err(Failure::unreachable(&outage.why));
        }
        let made = self.made(set_up, answer_wait);
        match &made {
            Ok(_) => self.heard(None),
            Err(Failure(StoreError::Unreachable(why))) => self.heard(Some(why)),
            Err(Failure(error)) => self.heard(Some(&error.to_string())),
        }
        made
    }

    fn made(&self, set_up: &str, answer_wait: Duration) -> Result<Conn> {
        let (client, connection, runtime) = self.client()?;
        runtime.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = super::super::error::told(&error), "a session with the database has ended");
            }
        });
        let session = Session::new(client, runtime, answer_wait);
        session.run_all(&format!(
            "SET client_min_messages = warning; SET statement_timeout = {STATEMENT_MS_MAX}; SET TimeZone = 'UTC'; {set_up}"
        ))?;
        Ok(Conn::Postgres(Box::new(session)))
    }

    /// A connection, and the runtime that is to drive it.
    pub(super) fn client(&self) -> Result<(Client, Driven, Runtime)> {
        let made = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = made.map_err(|error| Failure::unreachable(error.to_string()))?;
        let connecting = async { timeout(CONNECT_WAIT_MAX, self.config.connect(self.tls.clone())).await };
        match runtime.block_on(connecting) {
            Ok(made) => made.map(|(client, connection)| (client, connection, runtime)).map_err(Failure::from),
            Err(_) => Err(Failure::unreachable(format!("it did not answer within {} s", CONNECT_WAIT_MAX.as_secs()))),
        }
    }

    /// A client that copies whole tables.
    pub(super) fn copying(&self) -> Result<postgres::Client> {
        Ok(postgres::Config::from(self.config.clone()).connect(self.tls.clone())?)
    }

    /// Ends what a client waits for. Else to drop it is to wait until the server has sent all that it was asked for.
    pub(super) fn cancel(&self, waiting: &postgres::CancelToken) {
        if let Err(error) = waiting.cancel_query(self.tls.clone()) {
            tracing::debug!(error = super::super::error::told(&error), "a query can't be cancelled");
        }
    }

    /// Where the database is, without the login.
    pub(super) fn place(&self) -> String {
        let host = self.config.get_hosts().first().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let port = self.config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("postgres://{}{port}/{database}", host.unwrap_or_default())
    }

    /// A newer version has changed the database in a way that this one knows nothing of.
    pub(in crate::sql) fn is_outdated(&self, oldest: usize) -> Failure {
        let why = if oldest == NOBODY as usize {
            "the installation was moved from this database to a data directory: stop this server"
        } else {
            "a newer version of Larder has changed the database, and this one must write no more: stop this server"
        };
        *self.writer_gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        self.heard(Some(why));
        Failure::unreachable(why)
    }

    /// The server is there, or it is not.
    fn heard(&self, gone: Option<&str>) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match (gone, &*outage) {
            (Some(why), None) => tracing::error!(why, "the database can't be reached; it is tried again and again"),
            (None, Some(_)) => tracing::info!("the database is back"),
            _ => {}
        }
        *outage = gone.map(|why| Outage { why: why.to_owned(), seen_at: Instant::now() });
    }
}

/// Waits until nobody else is this node. The server may take a moment to see that whoever was it before is gone.
fn lock_name(conn: &Conn, node: &NodeName) -> Result<()> {
    conn.run_all(&format!("SELECT pg_advisory_lock({NAME_LOCK}, hashtext('{node}'))"))
}
