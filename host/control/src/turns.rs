//! One after the other: an addon's objects are looked at and changed by its own work and by its cleanup, and an engine that is told
//! to remove the same container twice calls that a conflict.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use larder_domain::AddonId;
use tokio::sync::{Mutex as Lock, Notify, OwnedMutexGuard};

/// Turns that are remembered before those are forgotten that nobody has or waits for.
const REMEMBERED: usize = 256;

/// Whose turn it is on this node, by addon.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<AddonId, Weak<Queue>>>);

#[derive(Debug, Default)]
struct Queue {
    lock: Arc<Lock<()>>,
    somebody_waits: Notify,
}

/// A turn. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    queue: Arc<Queue>,
    _held: OwnedMutexGuard<()>,
}

impl Turn {
    /// Returns when somebody waits for the turn to end: who has it and only waits himself is to let them. It may be somebody who came
    /// during an earlier turn.
    pub(crate) async fn is_awaited(&self) {
        self.queue.somebody_waits.notified().await;
    }
}

impl Turns {
    /// Waits until nobody else has the addon's turn.
    pub(crate) async fn take(&self, addon: AddonId) -> Turn {
        let queue = self.queue(addon);
        let lock = Arc::clone(&queue.lock);
        let held = match Arc::clone(&lock).try_lock_owned() {
            Ok(held) => held,
            Err(_) => {
                queue.somebody_waits.notify_one();
                lock.lock_owned().await
            }
        };
        Turn { queue, _held: held }
    }

    fn queue(&self, addon: AddonId) -> Arc<Queue> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.len() > REMEMBERED {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let there = queues.entry(addon).or_default();
        there.upgrade().unwrap_or_else(|| {
            let queue = Arc::default();
            *there = Arc::downgrade(&queue);
            queue
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_comes_after_the_other() {
        let (turns, one, other) = (Turns::default(), AddonId::generate(), AddonId::generate());
        let first = turns.take(one).await;
        assert!(first.is_awaited().now_or_never().is_none());
        assert!(turns.take(one).now_or_never().is_none());
        assert!(first.is_awaited().now_or_never().is_some());
        assert!(turns.take(other).now_or_never().is_some());
        drop(first);
        assert!(turns.take(one).now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_nobody_has_is_forgotten() {
        let (turns, held) = (Turns::default(), AddonId::generate());
        let turn = turns.take(held).await;
        for _ in 0..REMEMBERED * 4 {
            drop(turns.take(AddonId::generate()).await);
            assert!(turns.0.lock().unwrap().len() <= REMEMBERED + 1);
        }
        assert!(turns.take(held).now_or_never().is_none());
        drop(turn);
    }
}
