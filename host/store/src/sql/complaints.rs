//! What is said to the operator of a disk that fails: at once, and then now and then, since it fails with everything that is asked of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use larder_domain::ports::{Storage, StoreError};

/// How long nothing more is said of the same.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(10);

/// What was said last, and when.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<Option<(Storage, Instant)>>);

impl Complaints {
    /// Says what it is and what is to be done, if it is the disk.
    pub(super) fn hear(&self, error: &StoreError) {
        if let StoreError::Storage(storage) = *error
            && self.is_news(storage)
        {
            tracing::error!(%error, help = help(storage), "the store's disk fails");
        }
    }

    fn is_news(&self, storage: Storage) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = last.is_none_or(|(said, at)| said != storage || at.elapsed() >= COMPLAINT_PAUSE);
        if is_news {
            *last = Some((storage, Instant::now()));
        }
        is_news
    }
}

/// What an operator can do.
const fn help(storage: Storage) -> &'static str {
    match storage {
        Storage::Full => "free space on it: nothing is stored until then, and everything goes on by itself afterwards",
        Storage::ReadOnly | Storage::Failing => {
            "see what the system says of it (dmesg); when it is mended, start the server again if it does not go on by itself"
        }
        Storage::Damaged => {
            "stop the server and restore a backup (larder restore); until then it goes on with what can be read"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_now_and_then() {
        let complaints = Complaints::default();
        assert!(complaints.is_news(Storage::Full) && !complaints.is_news(Storage::Full));
        assert!(complaints.is_news(Storage::Damaged) && !complaints.is_news(Storage::Damaged));
    }
}
