//! The worker: makes due work true.
//!
//! *Theory.* The store says what is due; the worker leases it, performs the step that the state machine named, and writes back what
//! came of it under the lease's token. It takes no input beside: a poke after a commit and a timer both only make it look. So whatever was lost
//! in a crash (a poke, a call, this whole process) is found again in the store.
//!
//! *What can go wrong, and what catches it.* A call outlives its lease: its writes are fenced. A user deletes the addon during a call: the
//! deletion takes the token, then drops the call ([`Running::cancel`]), and giving the lease back lets the cleanup begin. A slow or looping
//! provider: it may use [`CALLS_PER_PROVIDER_MAX`] places and no more, and due work is taken round robin over providers. The store
//! fails: results are written again for a while, then the lease runs out and the step is repeated.

mod call;
mod called;
mod drive;
mod loaded;
mod objects;
mod operate;
mod parent;
mod running;
mod secrets;
mod sweep;
mod trial;
mod versions;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder_domain::ProviderName;
use larder_domain::ids::NodeId;
use larder_domain::limits::{CallLimits, Limit};
use larder_domain::ports::store::{Leased, Watcher};
use larder_domain::work::{LEASE_MS, LEASE_RENEWAL_MS, Lease, WorkKind};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

pub(crate) use loaded::Loading;
pub(crate) use objects::{PROVIDER, PULL_WAIT, Unfinished};
pub(crate) use running::Running;
pub(crate) use secrets::all as secrets_of;
pub use sweep::watch_engines;
pub(crate) use versions::{Undescribed, describe};

use crate::Control;
use crate::nodes::keep;
use crate::transfers::end_all_left;

/// How many pieces of work a node does at once.
pub const CALLS_AT_ONCE_MAX: usize = 256;
/// How many of them may be of one provider. How many of these make a call at the same time is the provider's limit.
pub const CALLS_PER_PROVIDER_MAX: usize = Limit::CALLS_AT_ONCE as usize;
/// See [`WorkerConfig::look_every`].
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest such sleep.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(5);
/// How long work rests that could not be done although nobody stopped it, in milliseconds.
const GIVEN_BACK_WAIT_MS: u64 = 1_000;
/// How long work goes on under a lease that could not be renewed. The next attempt to renew would come when it has run out.
const UNRENEWED_MAX: Duration = Duration::from_millis(LEASE_MS - LEASE_RENEWAL_MS);
/// How long a look that failed is left alone, in milliseconds.
const STORE_FAILURE_PAUSE_MS: u64 = 500;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Bounds of each call.
    pub limits: CallLimits,
    /// How long calls under way may go on after a shutdown was asked for.
    pub shutdown_grace: Duration,
    /// The longest sleep between two looks at the store, beneath the pokes, which can get lost.
    pub look_every: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { limits: CallLimits::default(), shutdown_grace: Duration::from_secs(5), look_every: LOOK_EVERY }
    }
}

/// One node's worker.
pub struct Worker {
    control: Control,
    config: WorkerConfig,
    node: NodeId,
    tasks: JoinSet<()>,
    busy: HashMap<Id, Lease>,
    per_provider: HashMap<ProviderName, usize>,
    /// Whether all that was due was leased at the last look. What ends makes nothing due, so there is no need to look again then.
    has_all: bool,
}

impl Worker {
    /// A worker that has not begun.
    #[must_use]
    pub fn new(control: Control, config: WorkerConfig) -> Self {
        let node = control.store.node();
        let (tasks, busy, per_provider) = (JoinSet::new(), HashMap::new(), HashMap::new());
        Self { control, config, node, tasks, busy, per_provider, has_all: false }
    }

    /// Works until `shutdown` turns true, then lets calls under way finish within the grace and drops the rest.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let keeping = tokio::spawn(keep(self.control.clone()));
        if let Err(error) = end_all_left(&self.control).await {
            tracing::warn!(%error, "transfers that broke off are not ended yet; they run out by themselves");
        }
        // Made before the first look, so that nothing committed after it is missed.
        let mut pokes = self.control.store.watch_work();
        while !*shutdown.borrow() {
            let Some(pause) = self.look().await else { continue };
            if !self.rest(pause, &mut *pokes, &mut shutdown).await {
                break;
            }
        }
        self.stop().await;
        keeping.abort();
        self.control.leave().await;
    }

    /// Waits until there may be something to do, for `pause` at most. False if the store is gone.
    async fn rest(&mut self, pause: Duration, pokes: &mut dyn Watcher, shutdown: &mut watch::Receiver<bool>) -> bool {
        let mut over = pin!(sleep(pause));
        loop {
            // Whichever comes, everything is looked at: so the order keeps nobody waiting.
            tokio::select! {
                biased;
                more = pokes.changed() => return more,
                Some(done) = self.tasks.join_next_with_id() => {
                    self.finished(done);
                    if !self.has_all {
                        return true;
                    }
                }
                () = &mut over => return true,
                _ = shutdown.changed() => return true,
            }
        }
    }

    /// Does what there is to do. How long there is nothing more; none if that is not known.
    async fn look(&mut self) -> Option<Duration> {
        while let Some(done) = self.tasks.try_join_next_with_id() {
            self.finished(done);
        }
        self.has_all = false;
        // To lease holds up everybody who writes: whoever has its hands full of one provider's work asks first whether there is any other.
        if !self.saturated().is_empty() {
            let pause = self.pause().await;
            if !pause.is_zero() {
                return Some(pause);
            }
        }
        let (room, is_open) = (self.room(), self.saturated().is_empty());
        let leased = if room > 0 { self.lease(room).await } else { None };
        if leased == Some(room) {
            return None;
        }
        self.has_all = is_open && leased.is_some();
        // What is due now is somebody else's to take, or was taken a moment ago.
        Some(self.pause().await.max(LOOK_AGAIN_MIN))
    }

    /// Leases so many pieces, and starts them. How many there were, if the store says so.
    async fn lease(&mut self, room: usize) -> Option<usize> {
        let asked_at = Instant::now();
        let leased = match self.control.store.lease_due(self.node, room, self.saturated()).await {
            Ok(leased) => leased,
            Err(error) => {
                if !error.is_told_already() {
                    tracing::warn!(%error, "due work could not be leased");
                }
                sleep(Duration::from_millis(STORE_FAILURE_PAUSE_MS)).await;
                return None;
            }
        };
        let count = leased.len();
        leased.into_iter().for_each(|work| self.start(work, asked_at));
        Some(count)
    }

    /// How many pieces may be leased now: if all of them were of the busiest provider that isn't saturated, it would be so then.
    fn room(&self) -> usize {
        let unsaturated = self.per_provider.values().filter(|count| **count < CALLS_PER_PROVIDER_MAX);
        let share = CALLS_PER_PROVIDER_MAX - unsaturated.max().copied().unwrap_or_default();
        CALLS_AT_ONCE_MAX.saturating_sub(self.tasks.len()).min(share)
    }

    /// Begins work whose lease has run since it was asked for.
    fn start(&mut self, work: Leased, leased_at: Instant) {
        let (control, limits) = (self.control.clone(), self.config.limits);
        let lease = match &work {
            Leased::Addon { lease, .. } | Leased::Other(lease) => lease.clone(),
        };
        let provider = lease.provider.clone();
        *self.per_provider.entry(provider).or_default() += 1;
        let held = lease.clone();
        let handle = self.tasks.spawn(async move {
            let wait = Duration::from_millis(GIVEN_BACK_WAIT_MS);
            let Some(stop) = control.running.begin(&lease, leased_at, wait).await else {
                return give_back(&control, &lease, GIVEN_BACK_WAIT_MS).await;
            };
            match work {
                Leased::Addon { lease, record, next, seed, issued, state } => {
                    let secrets = drive::Secrets { seed, issued, state: Mutex::new(state) };
                    drive::Drive::new(control, (lease, leased_at), *record, secrets, limits, stop).run(next).await;
                }
                Leased::Other(lease) if lease.kind == WorkKind::Objects => {
                    objects::reconcile(control, lease, stop).await;
                }
                Leased::Other(lease) => versions::check(control, lease, limits).await,
            }
        });
        self.busy.insert(handle.id(), held);
    }

    fn finished(&mut self, done: Result<(Id, ()), JoinError>) {
        let (id, broken) = match done {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error)),
        };
        let Some(lease) = self.busy.remove(&id) else {
            return;
        };
        if let Some(error) = broken {
            tracing::error!(%error, "a piece of work broke off; its lease will run out and it is tried again");
            // It is renewed no more.
            self.control.running.end(&lease);
        }
        if let Some(count) = self.per_provider.get_mut(&lease.provider) {
            *count -= 1;
            if *count == 0 {
                self.per_provider.remove(&lease.provider);
            }
        }
    }

    fn saturated(&self) -> Vec<ProviderName> {
        let full = self.per_provider.iter().filter(|(_, count)| **count >= CALLS_PER_PROVIDER_MAX);
        full.map(|(provider, _)| provider.clone()).collect()
    }

    /// How long there is nothing to do.
    async fn pause(&self) -> Duration {
        let longest = self.config.look_every;
        if self.tasks.len() >= CALLS_AT_ONCE_MAX {
            return longest;
        }
        match self.control.store.next_due(self.saturated()).await {
            Ok(Some(due)) => due.after(self.control.store.now()).min(longest),
            Ok(None) => longest,
            Err(error) => {
                if !error.is_told_already() {
                    tracing::warn!(%error, "the store did not say what is due next");
                }
                longest
            }
        }
    }

    async fn stop(&mut self) {
        let grace = self.config.shutdown_grace;
        let all_done = timeout(grace, async { while self.tasks.join_next().await.is_some() {} }).await.is_ok();
        if !all_done {
            tracing::info!(
                calls = self.tasks.len(),
                "dropping calls that outlast the shutdown; they are repeated later"
            );
        }
        self.tasks.shutdown().await;
        for lease in self.control.running.all() {
            give_back(&self.control, &lease, 0).await;
        }
    }
}

/// Gives a lease back without a result; its work is due again after `wait_ms`, or when a wish that came meanwhile says.
pub(crate) async fn give_back(control: &Control, lease: &Lease, wait_ms: u64) {
    if let Err(error) = control.store.release(lease, control.store.now().plus_ms(wait_ms)).await {
        tracing::warn!(%error, subject = %lease.subject, "a lease could not be given back; it runs out by itself");
    }
}

/// Renews all leases of this node together. Whoever lost one is told to stop, and so is everybody when the store has
/// renewed nothing for so long that the leases may run out before the next attempt.
pub(crate) async fn renew_leases(control: &Control, wait_max: Duration) {
    let leases = control.running.all();
    if leases.is_empty() {
        return;
    }
    let asked_at = Instant::now();
    match timeout(wait_max, control.store.renew(&leases)).await {
        Ok(Ok(lost)) => control.running.renewed(&leases, &lost, asked_at),
        Ok(Err(error)) if error.is_told_already() => {}
        Ok(Err(error)) => tracing::warn!(%error, "leases could not be renewed"),
        Err(_) => tracing::warn!("the store did not renew leases in time"),
    }
    control.running.stop_unrenewed(UNRENEWED_MAX);
}

/// Tells one piece of work to stop.
pub(crate) type Stop = Arc<tokio::sync::Notify>;
