//! Stopping on a signal: the first asks, and the second does not wait for the answer.

use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a process that was ended by a signal has as its exit code, beside the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

/// The signals that end a server.
pub(super) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Watches for SIGINT and SIGTERM from now on.
    pub(super) fn watch() -> Self {
        let both = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(interrupt), Ok(terminate)) = both else {
            tracing::warn!("signals can't be watched; stop the server by ending its process");
            return Self(None);
        };
        Self(Some((interrupt, terminate)))
    }

    /// Resolves at the next one, to its number.
    pub(super) async fn next(&mut self) -> i32 {
        let Some((interrupt, terminate)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }

    /// Ends this process at the next one. All that was answered is stored by then, and everything else is begun again at the next
    /// start, as after a crash.
    pub(super) async fn end_at_next(mut self) {
        let number = self.next().await;
        tracing::warn!("stopping at once; what is under way is begun again at the next start");
        process::exit(ENDED_BY_SIGNAL + number);
    }
}
