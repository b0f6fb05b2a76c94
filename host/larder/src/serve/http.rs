//! Connections: taken, bounded, and ended at a shutdown.
//!
//! Whoever can reach the port can open connections without a token. So their number is bounded, and one that sends no
//! request, or does not read what it asked for, is closed after a while. Those beyond are told so and closed, a few at a time, instead of being left to wait: a client
//! learns that there is too much to do, and whoever looks after the server still hears how it is.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use larder_api::Crowded;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

/// How long nothing is accepted after the system could not (it has no file handles left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long nothing more is said about connections that can't be taken.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(10);

/// What clients may take before they have shown a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once. Within the 1,024 handles that a process usually has.
    pub(super) connections_max: usize,
    /// Connections beyond, each for one answer. Those beyond these wait in the system's queue.
    pub(super) crowd_max: usize,
    /// How long one of these may take as a whole.
    pub(super) crowd_wait: Duration,
    /// How long a connection may be without a whole request header, from its beginning or from the last answer.
    pub(super) header_wait: Duration,
    /// How long an answer may be there that its client does not read on.
    pub(super) unread_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 896,
            crowd_max: 64,
            crowd_wait: Duration::from_secs(2),
            header_wait: Duration::from_secs(20),
            // Longer than exports and backups wait for whoever takes them, which then say so.
            unread_wait: Duration::from_secs(90),
        }
    }
}

/// Answers requests until `stopped` turns true and the connections have ended.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stopped: watch::Receiver<bool>) {
    let places = Places {
        all: Arc::new(Semaphore::new(limits.connections_max)),
        crowd: Arc::new(Semaphore::new(limits.crowd_max)),
    };
    let crowded = router.clone().layer(Extension(Crowded));
    let open = GracefulShutdown::new();
    let mut complaints = Complaints::default();
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places, limits.unread_wait, &mut complaints) => accepted,
            // An error means that the sender is gone, which is a stop as well.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(limits.header_wait);
        let (service, at_most) = match place {
            Place::Own(_) => (router.clone(), None),
            Place::Crowd(_) => (crowded.clone(), Some(limits.crowd_wait)),
        };
        server.keep_alive(at_most.is_none());
        let connection = open.watch(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
        tokio::spawn(async move {
            let ended = match at_most {
                Some(at_most) => timeout(at_most, connection).await.unwrap_or(Ok(())),
                None => connection.await,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(place);
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// Places for connections.
struct Places {
    all: Arc<Semaphore>,
    crowd: Arc<Semaphore>,
}

/// A connection's place, for as long as this lives.
enum Place {
    /// It may stay.
    Own(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit),
    /// It gets one answer.
    Crowd(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit),
}

impl Places {
    /// A place, as soon as there is one.
    async fn next(&self) -> Place {
        let place = tokio::select! {
            biased;
            place = Arc::clone(&self.all).acquire_owned() => place.map(Place::Own),
            place = Arc::clone(&self.crowd).acquire_owned() => place.map(Place::Crowd),
        };
        match place {
            Ok(place) => place,
            // Nobody closes the semaphores.
            Err(_) => std::future::pending().await,
        }
    }

    /// The same, or a better one that has become free while nobody came.
    fn or_better(&self, place: Place) -> Place {
        match place {
            Place::Own(_) => place,
            Place::Crowd(_) => Arc::clone(&self.all).try_acquire_owned().map_or(place, Place::Own),
        }
    }
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
    places: &Places,
    unread_wait: Duration,
    complaints: &mut Complaints,
) -> (TcpStream, Place) {
    let place = places.next().await;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                set_up(&stream, unread_wait);
                let place = places.or_better(place);
                if matches!(place, Place::Crowd(_)) && complaints.are_due() {
                    tracing::warn!("all connections are in use; new ones are turned away until one is closed");
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

fn set_up(stream: &TcpStream, unread_wait: Duration) {
    // Answers are small and written whole: they need not wait for company.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection delays what it sends");
    }
    // What is not read keeps its place for ever else, as the system goes on asking whether there is room for it (tcp(7)).
    let wait_ms = u32::try_from(unread_wait.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = sockopt::set_tcp_user_timeout(stream, wait_ms) {
        tracing::debug!(%error, "a connection waits for its client for ever");
    }
}

#[cfg(test)]
mod tests;
