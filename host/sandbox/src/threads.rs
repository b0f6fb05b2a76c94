//! The threads that run guests. They are no other's: a guest that computes takes time from its neighbours, never from
//! those who serve requests or renew leases.
//!
//! A guest that keeps running is continued on another set of threads, which the system serves last: so those that
//! are soon done don't wait for those that are not, however many there are.
//!
//! Work that is started from one of these threads runs right where it is, since handing it over would cost more than a
//! short call does; from elsewhere it is handed over, and ends when nobody waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::config::StartError;
use crate::meter::take_executed;

/// Threads for what blocks: compiling and reading what was compiled.
const BLOCKING_THREADS_MAX: usize = 4;
/// CPU time after which a call goes on on a slow thread.
const QUICK_MAX: Duration = Duration::from_millis(20);
/// How far the slow threads stand back: as far as they can.
const SLOW_NICENESS: i32 = 19;
/// A thread looks for new calls after so many of its turns, each of which a guest may stretch to a tick. Left to itself,
/// the scheduler would look after a hundred.
const TURNS_PER_LOOK_FOR_CALLS: u32 = 2;
/// A thread looks for timers that are due after so many of its turns.
const TURNS_PER_LOOK_FOR_TIMERS: u32 = 4;

/// The threads, for as long as this lives.
pub(crate) struct GuestThreads {
    quick: Threads,
    slow: Threads,
}

/// The threads were stopped before the work was done.
pub(crate) struct Stopped;

impl GuestThreads {
    /// Starts so many, and as many again for those that keep running.
    pub(crate) fn start(threads: usize) -> Result<Self, StartError> {
        let slow = builder("guest-slow", threads).on_thread_start(step_back).build();
        Ok(Self {
            quick: Threads::of(builder("guest", threads).build().map_err(StartError::Threads)?),
            slow: Threads::of(slow.map_err(StartError::Threads)?),
        })
    }

    /// Where the threads can be given other work.
    pub(crate) fn handle(&self) -> &Handle {
        &self.quick.handle
    }

    /// Does a call's work on one of the threads, and on a slow one once it has run for [`QUICK_MAX`]. Dropping the future ends it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: Pin<Box<impl Future<Output = T> + Send + 'static>>,
    ) -> Result<T, Stopped> {
        let quick = Quick(Some(work));
        let is_here = Handle::try_current().is_ok_and(|current| current.id() == self.quick.handle.id());
        let ran = if is_here { quick.await } else { Awaited(self.quick.handle.spawn(quick)).await? };
        match ran {
            Ok(done) => Ok(done),
            Err(unfinished) => Awaited(self.slow.handle.spawn(unfinished)).await,
        }
    }
}

/// Threads of one kind.
struct Threads {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Threads {
    fn of(runtime: Runtime) -> Self {
        Self { handle: runtime.handle().clone(), runtime: Some(runtime) }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn builder(name: &str, threads: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(threads.max(1))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name(name)
        .global_queue_interval(TURNS_PER_LOOK_FOR_CALLS)
        .event_interval(TURNS_PER_LOOK_FOR_TIMERS)
        .enable_all();
    builder
}

/// Lets all other threads go first. Where the system doesn't allow it, guests that keep running are a little less polite.
fn step_back() {
    if let Err(error) = rustix::process::nice(SLOW_NICENESS) {
        tracing::debug!(%error, "a slow thread runs as any other");
    }
}

/// Work for as long as it is quick; unfinished, it comes back, to go on elsewhere.
struct Quick<F>(Option<Pin<Box<F>>>);

impl<F: Future> Future for Quick<F> {
    type Output = Result<F::Output, Pin<Box<F>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        take_executed();
        match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending if take_executed() >= QUICK_MAX => Poll::Ready(Err(work)),
            Poll::Pending => {
                self.0 = Some(work);
                Poll::Pending
            }
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
