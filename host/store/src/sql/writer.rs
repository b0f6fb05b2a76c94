//! The one writer: a thread that owns the connection for writing and commits jobs in groups.
//!
//! A durable commit waits for the disk, and waits as long for one row as for a thousand. So the thread takes whatever is
//! queued, runs it in one transaction, commits once and only then answers everybody. While it waits for the disk, the next
//! group queues up: the busier the store, the larger its groups, and nobody waits on purpose. Among writers of other nodes it is the same
//! with the turn that it waits for: what comes until then goes with it.
//!
//! A job that fails, refuses or panics is rolled back alone. Most of these have not written anything, so there is nothing to
//! roll back; if one has, the group begins anew with a savepoint around each job. Savepoints for all would cost a third of the
//! writer's time, as SQLite copies each page before its first change within a savepoint. So a job may run twice, and must
//! depend on nothing but its transaction. A server of databases may say only at the end that a statement has failed; then, too, the group
//! begins anew that way. If the commit fails, or nobody knows whether it did, every job of the group hears of that.

mod group;
mod job;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use larder_domain::ports::StoreError;
use larder_domain::work::Lease;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error::{Result, Stop};
use super::tx::Tx;
pub(super) use group::{Committer, STATEMENTS_CACHED_MAX, Shared};
use job::{Asked, Job};

/// Jobs that may wait for the writer; whoever comes then waits outside.
pub(super) const WRITER_QUEUE_JOBS_MAX: usize = 4_096;
/// How long a job may wait to be queued before the store is called busy.
pub(super) const WRITER_QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Jobs in one transaction: enough that the disk is no longer what costs, few enough that the first does not wait for long.
pub(super) const GROUP_JOBS_MAX: usize = 256;

/// How long a writer that is dropped may take to finish what is queued, before it is left to itself: its database may be gone.
const FINISH_WAIT_MAX: Duration = Duration::from_secs(10);

/// Hands jobs to the writer's thread. Dropping it lets the thread finish what is queued and waits for that.
pub(super) struct Writer {
    /// None while it is being dropped, and where there is no thread.
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    queue_wait_max: Duration,
    /// Says nothing, and ends with the thread.
    thread: Option<Mutex<Receiver<Infallible>>>,
    /// Of a database in memory: whoever asks does the work.
    inline: Option<Mutex<Committer>>,
}

impl Writer {
    pub(super) fn start(
        committer: Committer,
        queue_jobs_max: usize,
        queue_wait_max: Duration,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(queue_jobs_max);
        let (alive, thread) = sync_channel(0);
        thread::Builder::new().name("store-writer".into()).spawn(move || {
            work(jobs, committer);
            drop(alive);
        })?;
        Ok(Self { queue: Some(queue), queue_wait_max, thread: Some(Mutex::new(thread)), inline: None })
    }

    /// One without a thread: each job is a group of its own, and is committed before whoever asks gets another turn.
    pub(super) fn inline(committer: Committer) -> Self {
        let inline = Some(Mutex::new(committer));
        Self { queue: None, queue_wait_max: Duration::ZERO, thread: None, inline }
    }

    /// Runs a job that can't be refused. Answers once it is on the disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_under(None, job).await
    }

    /// The same, of a job that reads this lease's addon first.
    pub(super) async fn run_under<T: Send + 'static>(
        &self,
        lease: Option<Lease>,
        mut job: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(done) = self.ask(lease, move |tx| job(tx).map_err(Stop::<Infallible>::Failed)).await?;
        Ok(done)
    }

    /// Runs a job that may be refused. Answers once it is on the disk, or known to be refused by what is.
    pub(super) async fn attempt<T: Send + 'static, R: Send + 'static>(
        &self,
        job: impl FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
    ) -> Result<Result<T, R>, StoreError> {
        self.ask(None, job).await
    }

    async fn ask<T: Send + 'static, R: Send + 'static>(
        &self,
        lease: Option<Lease>,
        job: impl FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
    ) -> Result<Result<T, R>, StoreError> {
        let stopped = || StoreError::Database("the writer has stopped".into());
        let (reply, answer) = oneshot::channel();
        if let Some(committer) = &self.inline {
            commit_alone(committer, Box::new(Asked::new(lease, job, reply)));
            return answer.await.map_err(|_| stopped())?;
        }
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let place = timeout(self.queue_wait_max, queue.reserve()).await.map_err(|_| StoreError::Busy)?;
        place.map_err(|_| stopped())?.send(Box::new(Asked::new(lease, job, reply)));
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let ended = self
            .thread
            .take()
            .map(|thread| thread.into_inner().unwrap_or_else(PoisonError::into_inner).recv_timeout(FINISH_WAIT_MAX));
        if matches!(ended, Some(Err(RecvTimeoutError::Timeout))) {
            tracing::warn!("the database does not answer: what was to be written last is left");
        }
    }
}

fn commit_alone(committer: &Mutex<Committer>, job: Box<dyn Job>) {
    committer.lock().unwrap_or_else(PoisonError::into_inner).commit(&mut vec![job], |_| ());
}

fn work(mut jobs: mpsc::Receiver<Box<dyn Job>>, mut committer: Committer) {
    let mut group = Vec::with_capacity(GROUP_JOBS_MAX);
    while let Some(first) = jobs.blocking_recv() {
        group.push(first);
        committer.commit(&mut group, |group| fill(group, &mut jobs));
    }
    committer.close();
}

/// Takes in what is queued, as far as there is room. Where nothing is, whoever waits for this core has it first, and may bring more: the
/// busier the machine, the larger the groups. Where nobody does, it takes no time.
fn fill(group: &mut Vec<Box<dyn Job>>, jobs: &mut mpsc::Receiver<Box<dyn Job>>) {
    if jobs.is_empty() {
        thread::yield_now();
    }
    while group.len() < GROUP_JOBS_MAX
        && let Ok(job) = jobs.try_recv()
    {
        group.push(job);
    }
}
