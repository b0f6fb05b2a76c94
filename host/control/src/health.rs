//! Whether an engine answers. One that does not is asked by one piece of work at a time, since each question takes as long as
//! its bound: the others are told at once, and leave their places to work about other engines.

use std::sync::{Mutex, PoisonError};

use larder_domain::ports::engine::EngineError;
use tokio::time::{Duration, Instant};

/// How long an engine that did not answer is left alone before somebody asks it again.
const REST: Duration = Duration::from_secs(10);

/// What is known of an engine.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Option<Silence>>);

/// An engine that did not answer.
#[derive(Debug)]
struct Silence {
    why: String,
    /// When the next one may ask.
    until: Instant,
}

impl Health {
    /// Lets somebody ask.
    ///
    /// # Errors
    /// It did not answer lately, or somebody is finding out whether it does again.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), EngineError> {
        let mut silence = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match silence.as_mut() {
            Some(silence) if now < silence.until => Err(EngineError::Unreachable(silence.why.clone())),
            Some(silence) => {
                silence.until = now + REST;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What came of asking.
    pub(crate) fn heard(&self, error: Option<&EngineError>, now: Instant) {
        let mut silence = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *silence = match error {
            Some(EngineError::Unreachable(why)) => Some(Silence { why: why.clone(), until: now + REST }),
            // Whatever it said, it did say something.
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_silent_is_asked_by_one_at_a_time() {
        let (health, silent) = (Health::default(), EngineError::Unreachable("nobody is there".into()));
        let mut now = Instant::now();
        assert_eq!((health.admit(now), health.admit(now)), (Ok(()), Ok(())));
        health.heard(Some(&EngineError::Failed("500".into())), now);
        assert_eq!(health.admit(now), Ok(()), "a failure is an answer");
        health.heard(Some(&silent), now);
        assert_eq!(health.admit(now), Err(silent.clone()));
        now += REST;
        assert_eq!((health.admit(now), health.admit(now)), (Ok(()), Err(silent.clone())), "one finds out");
        health.heard(Some(&silent), now);
        now += REST;
        assert_eq!(health.admit(now), Ok(()));
        health.heard(None, now);
        assert_eq!((health.admit(now), health.admit(now)), (Ok(()), Ok(())));
    }
}
