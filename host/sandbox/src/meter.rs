//! How long a call has run, and for how much longer it may.
//!
//! Executed time is counted over the polls of the call's future, and by [`on_tick`] in the midst of one. So neither
//! waiting nor the neighbours on the same thread are charged to a guest, and a guest that computes in small portions
//! between waits is charged for all of them.
//!
//! The kernel tells what a thread has executed, but asking costs as much as a twentieth of a short call. Time of day
//! costs nearly nothing, and no stretch executes longer than it lasts. So each thread remembers its last reading
//! ([`Reading`]), no older than [`EXACT_FROM`] when a poll begins; a poll that is over sooner than that is charged as
//! long as it lasted, and a longer one what the thread has executed since the reading, if that is less. A guest is
//! never charged too little, and too much by no more than [`EXACT_FROM`] a poll, where the machine is overloaded.
//!
//! Wall time needs a timer, and most calls are over before one could be armed: it is armed only if the first poll did
//! not finish the call. That is safe, since a poll ends no later than the next tick.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use larder_domain::limits::CallLimits;
use tokio::time::{Sleep, sleep};
use wasmtime::UpdateDeadline;

use crate::lease::Lease;

/// Stretches from this length on are charged by the kernel's account.
const EXACT_FROM: Duration = Duration::from_millis(1);

thread_local! {
    /// What this thread had executed when it was last asked.
    static READING: Cell<Option<Reading>> = const { Cell::new(None) };
    /// What the call that this thread polled last had executed in all.
    static EXECUTED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// The poll that this thread is in.
    static POLL: Cell<Option<PollUnderWay>> = const { Cell::new(None) };
}

/// What a thread had executed at some moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Instant,
    cpu: Duration,
}

/// A poll of a call's future.
#[derive(Debug, Clone, Copy)]
struct PollUnderWay {
    began: Instant,
    /// What the thread had executed a little before.
    base: Duration,
    /// What the call may execute in it.
    cpu_left: Duration,
}

/// The error with which a guest is stopped that has used up its CPU time.
#[derive(Debug, thiserror::Error)]
#[error("the call's CPU time is used up")]
pub(crate) struct CpuSpent;

/// Which time was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Executed time.
    Cpu,
    /// Time from start to end.
    Wall,
    /// The lease under which the call was made.
    Lease,
}

/// What became of metered work.
pub(crate) struct Ended<T> {
    /// Its result, unless it was ended first.
    pub(crate) outcome: Result<T, Over>,
    /// Executed CPU time.
    pub(crate) cpu: Duration,
    /// Time from start to end.
    pub(crate) wall: Duration,
}

/// What running guests do at every tick: stop if their time is used up, else let others run.
pub(crate) fn on_tick() -> wasmtime::Result<UpdateDeadline> {
    let is_spent = POLL.get().is_none_or(|poll| poll.executed(Instant::now()) >= poll.cpu_left);
    if is_spent { Err(CpuSpent.into()) } else { Ok(UpdateDeadline::Yield(1)) }
}

/// What the call whose poll has just ended on this thread has executed in all; nothing, if none has been asked about yet.
pub(crate) fn take_executed() -> Duration {
    EXECUTED.replace(Duration::ZERO)
}

impl PollUnderWay {
    fn begin(began: Instant, cpu_left: Duration) -> Self {
        let reading = match READING.get() {
            Some(reading) if began.saturating_duration_since(reading.at) < EXACT_FROM => reading,
            _ => Reading::take(began),
        };
        Self { began, base: reading.cpu, cpu_left }
    }

    /// What was executed from its beginning until now.
    fn executed(&self, now: Instant) -> Duration {
        let lasted = now.saturating_duration_since(self.began);
        if lasted < EXACT_FROM {
            return lasted;
        }
        Reading::take(now).cpu.saturating_sub(self.base).min(lasted)
    }
}

impl Reading {
    fn take(at: Instant) -> Self {
        let reading = Self { at, cpu: thread_cpu() };
        READING.set(Some(reading));
        reading
    }
}

/// Work under a meter.
pub(crate) struct Metered<'a, F> {
    work: Pin<&'a mut F>,
    started: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    cpu: Duration,
    limits: CallLimits,
    lease: Lease,
}

impl<'a, F> Metered<'a, F> {
    /// Wall time begins now.
    pub(crate) fn new(work: Pin<&'a mut F>, limits: CallLimits, lease: Lease) -> Self {
        Self { work, started: Instant::now(), timer: None, cpu: Duration::ZERO, limits, lease }
    }

    fn ended<T>(&self, outcome: Result<T, Over>) -> Poll<Ended<T>> {
        Poll::Ready(Ended { outcome, cpu: self.cpu, wall: self.started.elapsed() })
    }

    fn is_too_late(&mut self, cx: &mut Context<'_>) -> bool {
        let (limit, started) = (self.limits.wall, self.started);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit.saturating_sub(started.elapsed()))));
        timer.as_mut().poll(cx).is_ready()
    }
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = Ended<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.lease.is_held() {
            return this.ended(Err(Over::Lease));
        }
        if this.timer.is_some() && this.is_too_late(cx) {
            return this.ended(Err(Over::Wall));
        }
        let poll = PollUnderWay::begin(Instant::now(), this.limits.cpu.saturating_sub(this.cpu));
        let outer = POLL.replace(Some(poll));
        let polled = this.work.as_mut().poll(cx);
        POLL.set(outer);
        this.cpu += poll.executed(Instant::now());
        EXECUTED.set(this.cpu);
        match polled {
            Poll::Ready(value) => this.ended(Ok(value)),
            Poll::Pending if this.cpu >= this.limits.cpu => this.ended(Err(Over::Cpu)),
            Poll::Pending if this.timer.is_none() && this.is_too_late(cx) => this.ended(Err(Over::Wall)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The CPU time that this thread has executed.
fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours, which the call fills in and does not keep.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    if failed {
        return Duration::ZERO;
    }
    // The kernel gives neither negative seconds nor a billion nanoseconds.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests;
