//! Pokes: one coalesced word after a commit to everybody who waits for history or for work.

use async_trait::async_trait;
use larder_domain::ports::store::Watcher;
use tokio::sync::watch;

/// What a group of jobs is going to poke about once it is committed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Poked {
    /// History was written.
    pub(super) history: bool,
    /// Work became due or was planned, or a lease ended.
    pub(super) work: bool,
}

/// The poking end. All of its clones together keep watchers waiting; with the last one the store is closed.
#[derive(Debug, Clone, Default)]
pub(super) struct Pokes {
    history: watch::Sender<()>,
    work: watch::Sender<()>,
}

impl Pokes {
    pub(super) fn send(&self, poked: Poked) {
        if poked.history {
            self.history.send_replace(());
        }
        if poked.work {
            self.work.send_replace(());
        }
    }

    pub(super) fn watch_history(&self) -> Box<dyn Watcher> {
        Box::new(Watch(self.history.subscribe()))
    }

    pub(super) fn watch_work(&self) -> Box<dyn Watcher> {
        Box::new(Watch(self.work.subscribe()))
    }
}

struct Watch(watch::Receiver<()>);

#[async_trait]
impl Watcher for Watch {
    async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}
