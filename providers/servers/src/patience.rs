//! How long servers are waited for. One that has just been started answers in a moment, and to be asked again by the host would
//! take longer; one that does not answer is not well, and to wait for it until the call ends would leave that unsaid.

use std::thread::sleep;
use std::time::Duration;

use larder_sdk::{Failure, Progress};

/// When the host is to ask again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// How long a server may take to let somebody in who asks how it does. A call may take 30 s, connecting included.
pub const LOGIN_WAIT: Duration = Duration::from_secs(8);

/// Asks so often, with pauses, whether a server answers. What to answer if it does not: to be asked again.
///
/// # Errors
/// That of the function.
#[expect(clippy::disallowed_methods, reason = "a guest has one thread, and nobody else waits for it")]
pub fn soon(
    tries: u32,
    pause: Duration,
    mut answers: impl FnMut() -> Result<bool, Failure>,
) -> Result<Progress, Failure> {
    for _ in 0..tries {
        if answers()? {
            return Ok(Progress::Done);
        }
        sleep(pause);
    }
    Ok(Progress::pending(AGAIN_AFTER, "The server runs, and does not answer yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(tries: u32) -> (u32, Progress) {
        let mut asked = 0;
        let progress = soon(3, Duration::ZERO, || {
            asked += 1;
            Ok(asked > tries)
        });
        (asked, progress.unwrap())
    }

    #[test]
    fn it_is_asked_until_it_answers_and_not_for_ever() {
        assert_eq!(after(0), (1, Progress::Done));
        assert_eq!(after(2), (3, Progress::Done));
        assert!(matches!(after(3), (3, Progress::Pending { .. })));
    }

    #[test]
    fn what_will_not_work_is_not_tried_again() {
        let failed = Failure::failed("no");
        assert_eq!(soon(3, Duration::ZERO, || Err(failed.clone())), Err(failed));
    }
}
