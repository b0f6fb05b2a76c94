//! Moves the engine's epoch, so that running guests are interrupted. A thread of its own: on a pool of threads that
//! run guests, the tick would wait for the very guest that it is to stop.
//!
//! While no call is under way the thread is parked, so that an idle host does not wake the machine 200 times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::config::StartError;

/// How long a guest runs before it is asked what it has used and makes room for others, in milliseconds.
const TICK_MS: u64 = 5;
/// So many ticks without a call, and the thread goes to sleep.
const IDLE_TICKS: u32 = 20;

/// The thread, for as long as this lives.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    parked: AtomicBool,
    stopped: AtomicBool,
    /// One permit per call that could still be made.
    slots: Arc<Semaphore>,
    calls_max: usize,
}

impl Ticker {
    /// Starts the thread. It looks at `slots` to see whether any of the `calls_max` is taken.
    pub(crate) fn start(engine: Engine, slots: Arc<Semaphore>, calls_max: usize) -> Result<Self, StartError> {
        let shared =
            Arc::new(Shared { parked: AtomicBool::new(false), stopped: AtomicBool::new(false), slots, calls_max });
        let ticking = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("epoch-ticker".to_owned())
            .spawn(move || ticking.run(&engine))
            .map_err(StartError::Threads)?
            .thread()
            .clone();
        Ok(Self { shared, thread })
    }

    /// To be called after a slot was taken and before the guest runs.
    pub(crate) fn wake(&self) {
        // Pairs with the fence in `Shared::is_idle_for_good`: either this sees the thread parked, or the thread sees
        // the slot taken.
        fence(Ordering::SeqCst);
        if self.shared.parked.load(Ordering::Relaxed) {
            self.shared.parked.store(false, Ordering::Relaxed);
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Shared {
    fn run(&self, engine: &Engine) {
        let mut idle_ticks = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            thread::park_timeout(Duration::from_millis(TICK_MS));
            engine.increment_epoch();
            idle_ticks = if self.is_idle() { idle_ticks + 1 } else { 0 };
            if idle_ticks >= IDLE_TICKS {
                self.park();
                idle_ticks = 0;
            }
        }
    }

    fn park(&self) {
        self.parked.store(true, Ordering::Relaxed);
        while self.is_idle_for_good() {
            thread::park();
        }
        self.parked.store(false, Ordering::Relaxed);
    }

    fn is_idle_for_good(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_idle() && self.parked.load(Ordering::Relaxed) && !self.stopped.load(Ordering::SeqCst)
    }

    fn is_idle(&self) -> bool {
        self.slots.available_permits() >= self.calls_max
    }
}
