//! Many runs, on all cores, until there are enough of them.

use std::collections::hash_map::RandomState;
use std::env;
use std::fmt::Debug;
use std::hash::{BuildHasher as _, Hasher as _};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::run::run;
use crate::tally::Tally;

/// How many rounds there are unless somebody says otherwise.
const ROUNDS: u64 = 60;
/// For how long it goes on at most, in minutes.
const MINUTES_MAX: f64 = 24.0 * 60.0;
/// Failures after which it is known that something is wrong.
const FAILURES_MAX: usize = 50;

/// How long it goes on, and from where.
pub(crate) struct Many {
    first: u64,
    rounds_max: u64,
    at_most: Duration,
    began: Instant,
}

/// The seed that somebody wants to happen again.
pub(crate) fn told_seed() -> Option<u64> {
    number("LARDER_SEED")
}

fn number<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    env::var(name).ok().map(|number| number.parse().unwrap())
}

/// What all rounds amount to, and the seeds that failed, each with what was found first.
type Found = (Tally, Vec<(u64, String)>);

impl Many {
    pub(crate) fn from_environment() -> Self {
        let (rounds, minutes) = (number("LARDER_SIMULATION_ROUNDS"), number::<f64>("LARDER_SIMULATION_MINUTES"));
        Self {
            // A test is to say the same each time it is run; whoever wants to look further looks elsewhere each time.
            first: if rounds.is_some() || minutes.is_some() { RandomState::new().build_hasher().finish() } else { 0 },
            rounds_max: rounds.unwrap_or(if minutes.is_some() { u64::MAX } else { ROUNDS }),
            at_most: Duration::from_secs_f64(60.0 * minutes.unwrap_or(MINUTES_MAX)),
            began: Instant::now(),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Runs them.
    pub(crate) fn run(&self) -> Found {
        let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
        let goes_on = || {
            let is_enough = found.lock().unwrap().1.len() >= FAILURES_MAX || self.began.elapsed() > self.at_most;
            let round = next.fetch_add(1, Ordering::Relaxed);
            (!is_enough && round < self.rounds_max).then_some(round)
        };
        let work = || {
            while let Some(round) = goes_on() {
                let seed = Chance::new(self.first.wrapping_add(round)).next();
                let ran = run(seed, None, false);
                let (tally, failures) = &mut *found.lock().unwrap();
                tally.add(&ran.tally);
                failures.extend(ran.violations.into_iter().next().map(|violation| (seed, violation)));
            }
        };
        thread::scope(|scope| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            (0..cores).for_each(|_| drop(scope.spawn(work)));
        });
        found.into_inner().unwrap()
    }
}
