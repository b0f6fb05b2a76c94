//! Work that computes for long, beside the threads that serve others.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, spawn_blocking};

/// Computes on a thread that nobody else waits for. A runtime that has but one thread is a test's or a simulation's: there it is computed
/// at once, since whatever another thread does comes at another moment each time.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => spawn_blocking(work).await,
    }
}
