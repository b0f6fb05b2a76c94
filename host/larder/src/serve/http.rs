//! Connections: taken, bounded, and ended at a shutdown.
//!
//! Whoever can reach the port can open connections without a token. So their number is bounded, and one that sends no
//! request is closed after a while.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep};

/// How long nothing is accepted after the system could not (it has no file handles left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long nothing more is said about connections that can't be taken.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(10);

/// What clients may take before they have shown a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once. Those beyond wait in the system's queue. Within the 1,024 handles that a process usually has.
    pub(super) connections_max: usize,
    /// How long a connection may be without a whole request header, from its beginning or from the last answer.
    pub(super) header_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections_max: 896, header_wait: Duration::from_secs(20) }
    }
}

/// Answers requests until `stopped` turns true and the connections have ended.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let open = GracefulShutdown::new();
    let mut complaints = Complaints::default();
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places, &mut complaints) => accepted,
            // An error means that the sender is gone, which is a stop as well.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(limits.header_wait);
        let service = TowerToHyperService::new(router.clone());
        let connection = open.watch(server.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(place);
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// Keeps a flood of connections from becoming a flood of log lines.
#[derive(Debug, Default)]
struct Complaints(Option<Instant>);

impl Complaints {
    /// Whether the last one was long enough ago. If so, this is the last one now.
    fn are_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= COMPLAINT_PAUSE);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    complaints: &mut Complaints,
) -> (TcpStream, OwnedSemaphorePermit) {
    if places.available_permits() == 0 && complaints.are_due() {
        tracing::warn!("all connections are in use; new ones wait until one is closed");
    }
    let place = match Arc::clone(places).acquire_owned().await {
        Ok(place) => place,
        // Nobody closes the semaphore.
        Err(_) => return std::future::pending().await,
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and written whole: they need not wait for company.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection delays what it sends");
                }
                return (stream, place);
            }
            Err(error) => {
                if complaints.are_due() {
                    tracing::warn!(%error, "connections can't be accepted");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
