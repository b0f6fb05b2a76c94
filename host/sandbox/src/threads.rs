//! The threads that run guests. They are no other's: a guest that computes takes time from its neighbours, never from
//! those who serve requests or renew leases.
//!
//! Work that is started from one of these threads runs right where it is, since handing it over would cost more than a
//! short call does; from elsewhere it is handed over, and ends when nobody waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::capability::network::LOOKUPS_AT_ONCE_MAX;
use crate::config::StartError;

/// Threads for what blocks: looking names up, and reading what was compiled.
const BLOCKING_THREADS_MAX: usize = 4 + LOOKUPS_AT_ONCE_MAX;
/// A thread looks for new calls after so many of its turns, each of which a guest may stretch to a tick. Left to itself,
/// the scheduler would look after a hundred.
const TURNS_PER_LOOK_FOR_CALLS: u32 = 2;
/// A thread looks for timers that are due after so many of its turns.
const TURNS_PER_LOOK_FOR_TIMERS: u32 = 4;

/// The threads, for as long as this lives.
pub(crate) struct GuestThreads {
    runtime: Option<Runtime>,
    handle: Handle,
}

/// The threads were stopped before the work was done.
pub(crate) struct Stopped;

impl GuestThreads {
    /// Starts so many.
    pub(crate) fn start(threads: usize) -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("guest")
            .global_queue_interval(TURNS_PER_LOOK_FOR_CALLS)
            .event_interval(TURNS_PER_LOOK_FOR_TIMERS)
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Where the threads can be given other work.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Does the work on one of the threads. Dropping the future ends it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stopped> {
        let is_here = Handle::try_current().is_ok_and(|current| current.id() == self.handle.id());
        if is_here { Ok(work.await) } else { Awaited(self.handle.spawn(work)).await }
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A task that lives no longer than whoever awaits it.
struct Awaited<T>(JoinHandle<T>);

impl<T> Future for Awaited<T> {
    type Output = Result<T, Stopped>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| Stopped)
    }
}

impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
