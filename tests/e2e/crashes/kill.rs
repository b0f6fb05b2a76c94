//! The moment at which the host is killed, and by whom: a thread that has nothing else to do, so that the moment is as fine as it can be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Random;

use super::ledger::Ledger;

/// The longest life of a host that is killed at a time, in milliseconds; half of the longest otherwise.
const LIFE_MS_MAX: usize = 700;
/// How many answers a host lives to give.
const ANSWERS_MAX: usize = 160;
/// How many calls of the broker.
const CALLS_MAX: usize = 8;
/// How long after that it is killed at most, in microseconds: about as long as a request takes.
const LATER_US_MAX: usize = 4_000;

/// When a host is killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// After so many answers.
    Answers(u64),
    /// When the broker has been asked so often.
    Calls(u64),
    /// After so many milliseconds.
    Time(u64),
}

impl Moment {
    pub(super) fn by_chance(random: &mut Random) -> Self {
        let number = |random: &mut Random, max: usize| 1 + random.below(max) as u64;
        match random.below(5) {
            0..3 => Self::Answers(number(random, ANSWERS_MAX)),
            3 => Self::Calls(number(random, CALLS_MAX)),
            _ => Self::Time(number(random, LIFE_MS_MAX)),
        }
    }

    pub(super) const fn fault(self) -> &'static str {
        match self {
            Self::Answers(_) => "kill_after_answers",
            Self::Calls(_) => "kill_in_a_call",
            Self::Time(_) => "kill_at_a_time",
        }
    }
}

/// What burns down with every answer.
pub(super) struct Fuse {
    left: AtomicU64,
    is_over: Arc<AtomicBool>,
    tell: Mutex<Sender<()>>,
}

impl Fuse {
    /// One more answer has come.
    pub(super) fn burn(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Whoever was to hear it may be done.
            let _told = self.tell.lock().unwrap().send(());
        }
    }

    /// Whether the host was killed.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Lights the fuse: at the moment, `strike` does what else is to happen, and then the process is killed.
pub(super) fn light(
    moment: Moment,
    pid: u32,
    ledger: &Ledger,
    random: &mut Random,
    strike: impl FnOnce() + Send + 'static,
) -> (Fuse, JoinHandle<()>) {
    let (tell, told) = channel();
    let (mut left, mut wait) = (u64::MAX, Duration::from_millis(2 * LIFE_MS_MAX as u64));
    match moment {
        Moment::Answers(answers) => left = answers,
        Moment::Calls(calls) => ledger.trip(calls, tell.clone()),
        Moment::Time(ms) => wait = Duration::from_millis(ms),
    }
    let later = Duration::from_micros(random.below(LATER_US_MAX) as u64);
    let is_over = Arc::new(AtomicBool::new(false));
    let fuse = Fuse { left: AtomicU64::new(left), is_over: Arc::clone(&is_over), tell: Mutex::new(tell) };
    let killer = std::thread::spawn(move || kill(pid, &told, wait, later, strike, &is_over));
    (fuse, killer)
}

fn kill(pid: u32, told: &Receiver<()>, wait: Duration, later: Duration, strike: impl FnOnce(), is_over: &AtomicBool) {
    // Whichever comes first.
    let _told = told.recv_timeout(wait);
    strike();
    let began = Instant::now();
    while began.elapsed() < later {
        std::hint::spin_loop();
    }
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    is_over.store(true, Ordering::Relaxed);
}
