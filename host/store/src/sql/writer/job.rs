//! A job: what is to be done in the transaction, and whom to tell.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use larder_domain::ports::{Storage, StoreError};
use larder_domain::work::Lease;
use tokio::sync::oneshot;

use crate::sql::error::{Failure, Result, Stop};
use crate::sql::tx::Tx;

/// A job as the writer sees it: it is run until its group is committed, and answered once.
pub(super) trait Job: Send {
    /// The lease whose addon it reads first.
    fn lease(&self) -> Option<&Lease>;

    /// Does the work. Whether it is to be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;

    /// Whether it could not be done when it ran last. What was refused could.
    fn has_failed(&self) -> bool;

    /// What was the matter with the disk when it ran last, if that was it.
    fn trouble(&self) -> Option<Storage>;

    /// Tells whoever asked.
    fn answer(self: Box<Self>, committed: Result<(), Uncommitted>);
}

/// Why a whole group was not stored.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the transaction could not be committed")]
pub(super) struct Uncommitted(#[source] pub(super) Arc<StoreError>);

impl From<Uncommitted> for StoreError {
    fn from(uncommitted: Uncommitted) -> Self {
        match &*uncommitted.0 {
            Self::Storage(storage) => Self::Storage(*storage),
            // Nothing of the group was stored.
            Self::Busy => Self::Busy,
            Self::Unreachable(why) => Self::Unreachable(why.clone()),
            _ => Self::Database(Box::new(uncommitted)),
        }
    }
}

type Answer<T, R> = Result<Result<T, R>, StoreError>;

pub(super) struct Asked<F, T, R> {
    lease: Option<Lease>,
    work: F,
    /// What came of it when it ran last.
    done: Result<T, Stop<R>>,
    reply: oneshot::Sender<Answer<T, R>>,
}

impl<F, T, R> Asked<F, T, R> {
    pub(super) fn new(lease: Option<Lease>, work: F, reply: oneshot::Sender<Answer<T, R>>) -> Self {
        let not_run = Failure(StoreError::Database("the job did not run".into()));
        Self { lease, work, done: Err(Stop::Failed(not_run)), reply }
    }
}

impl<F, T, R> Job for Asked<F, T, R>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send,
    T: Send,
    R: Send,
{
    fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        // What it wrote is rolled back, and nothing else of it is left to be seen half done.
        let run = catch_unwind(AssertUnwindSafe(|| (self.work)(tx)));
        self.done = run.unwrap_or_else(|panic| Err(panicked(&*panic)));
        self.done.is_ok()
    }

    fn has_failed(&self) -> bool {
        matches!(self.done, Err(Stop::Failed(_)))
    }

    fn trouble(&self) -> Option<Storage> {
        match &self.done {
            Err(Stop::Failed(Failure(StoreError::Storage(storage)))) => Some(*storage),
            _ => None,
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), Uncommitted>) {
        let answer = match (committed, self.done) {
            // Not even a refusal counts: it may rest on what an earlier job of the group wrote.
            (Err(uncommitted), _) => Err(uncommitted.into()),
            (Ok(()), Ok(value)) => Ok(Ok(value)),
            (Ok(()), Err(Stop::Refused(refusal))) => Ok(Err(refusal)),
            (Ok(()), Err(Stop::Failed(failure))) => Err(failure.into()),
        };
        // Whoever asked may have gone; what was stored stays.
        let _ = self.reply.send(answer);
    }
}

fn panicked<R>(panic: &(dyn Any + Send)) -> Stop<R> {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    tracing::error!(panic = text, "a job of the store panicked");
    Stop::Failed(Failure(StoreError::Database(format!("a job panicked: {text}").into())))
}
