//! A key that is not here, asked for where other nodes have left it: so a node that stood still while a rotation began reads on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ring::Ring;
use super::{FORMAT, KeyfileSealer, Offer, PREFIX_BYTES, SEALED_BYTES_MIN};

/// How long nobody asks again for the same key, in milliseconds: what was damaged may look as if another had sealed it.
const ASKED_AGAIN_MS_MIN: u64 = 1_000;
/// Keys that are asked for within that time.
const ASKED_MAX: usize = 16;

/// Where keys are offered.
pub(crate) trait KeySource: Send + Sync {
    /// The one that is offered now. Whoever asks waits for no longer than a few seconds.
    fn offered(&self) -> Option<Offer>;
}

/// Whom to ask, and what was asked lately.
#[derive(Default)]
pub(super) struct Asking {
    source: Mutex<Option<Arc<dyn KeySource>>>,
    /// Held by whoever asks: all others want the same answer.
    lately: Mutex<Vec<(Instant, [u8; PREFIX_BYTES])>>,
}

impl KeyfileSealer {
    /// Asks there for keys from now on.
    pub(crate) fn ask_at(&self, source: Arc<dyn KeySource>) {
        *locked(&self.asking.source) = Some(source);
    }

    /// All keys once the one was asked for that has sealed this; none if there was no use in asking.
    pub(super) fn ask_for_key_of(&self, sealed: &[u8]) -> Option<Arc<Ring>> {
        let prefix: [u8; PREFIX_BYTES] = *sealed.first_chunk()?;
        let source = locked(&self.asking.source).clone()?;
        if prefix[0] != FORMAT || sealed.len() < SEALED_BYTES_MIN {
            return None;
        }
        let mut lately = locked(&self.asking.lately);
        // Somebody else may have learned it meanwhile.
        let ring = self.ring();
        if ring.key_of(sealed).is_some() {
            return Some(ring);
        }
        lately.retain(|(asked_at, _)| asked_at.elapsed() < Duration::from_millis(ASKED_AGAIN_MS_MIN));
        if lately.len() >= ASKED_MAX || lately.iter().any(|(_, asked)| *asked == prefix) {
            return None;
        }
        let offered = source.offered();
        lately.push((Instant::now(), prefix));
        if let Err(error) = self.learn(&offered?) {
            tracing::error!(%error, "a new key that is offered can't be learned");
        }
        Some(self.ring())
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use larder_domain::ports::Sealer as _;

    use super::*;

    #[derive(Default)]
    struct Row {
        offer: Mutex<Option<Offer>>,
        asked: AtomicU64,
    }

    impl KeySource for Row {
        fn offered(&self) -> Option<Offer> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            locked(&self.offer).clone()
        }
    }

    #[test]
    fn what_a_new_key_has_sealed_is_opened_by_whoever_has_not_heard_of_it() {
        let (a, b, row) =
            (KeyfileSealer::from_key(&[7; 32]), KeyfileSealer::from_key(&[7; 32]), Arc::new(Row::default()));
        b.ask_at(row.clone());
        let offer = a.offer().unwrap();
        *locked(&row.offer) = Some(offer.clone());
        a.learn(&offer).unwrap();
        let sealed = a.seal("x", b"secret").unwrap();
        assert_eq!(**b.open("x", &sealed).unwrap(), *b"secret");
        assert_eq!((b.key_id(), row.asked.load(Ordering::SeqCst)), (offer.name, 1));
        assert!(b.open("y", &sealed).is_err() && row.asked.load(Ordering::SeqCst) == 1, "its key is known");
    }

    #[test]
    fn nobody_is_asked_without_end() {
        let (sealer, row) = (KeyfileSealer::from_key(&[7; 32]), Arc::new(Row::default()));
        sealer.ask_at(row.clone());
        let damaged = |first: u8| [&[FORMAT, first, 0, 0, 0][..], &[0; SEALED_BYTES_MIN]].concat();
        for _ in 0..3 {
            assert!(sealer.open("x", &damaged(0)).is_err());
        }
        assert_eq!(row.asked.load(Ordering::SeqCst), 1, "once for one key");
        for first in 0..=255 {
            assert!(sealer.open("x", &damaged(first)).is_err());
        }
        assert_eq!(row.asked.load(Ordering::SeqCst), ASKED_MAX as u64);
        assert!(sealer.open("x", &damaged(0)[..SEALED_BYTES_MIN - 1]).is_err() && sealer.open("x", b"").is_err());
    }
}
