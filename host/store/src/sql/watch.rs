//! Pokes: one coalesced word after a commit to everybody who waits for history or for work, on this node and on others.

use async_trait::async_trait;
use larder_domain::ports::store::Watcher;
use tokio::sync::watch;

/// What a group of jobs is going to poke about once it is committed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Poked {
    /// History was written.
    pub(super) history: bool,
    /// Work became due.
    pub(super) work: bool,
    /// Work was planned for later: whoever planned it looks for it then. Other nodes need not be told, since they look now and then anyway.
    pub(super) plans: bool,
    /// Somebody wished something about work that may be leased: its holder may write no more.
    pub(super) wish: bool,
    /// An engine was added, changed or given up.
    pub(super) engines: bool,
}

impl Poked {
    /// That anything may have happened.
    pub(super) const ALL: Self = Self { history: true, work: true, plans: false, wish: true, engines: true };

    /// For other nodes; empty if there is nothing to tell.
    pub(super) fn words(self) -> String {
        let words = [(self.history, "history"), (self.work, "work"), (self.wish, "wish"), (self.engines, "engines")];
        let said = words.into_iter().filter_map(|(is_so, word)| is_so.then_some(word));
        said.collect::<Vec<_>>().join(" ")
    }

    /// What another node says. One of a newer version may say more than is understood here.
    pub(super) fn parse(words: &str) -> Self {
        let says = |what: &str| words.split(' ').any(|word| word == what);
        let (history, work, wish, engines) = (says("history"), says("work"), says("wish"), says("engines"));
        Self { history, work, plans: false, wish, engines }
    }
}

/// The poking end. All of its clones together keep watchers waiting; with the last one the store is closed.
#[derive(Debug, Clone, Default)]
pub(super) struct Pokes {
    history: watch::Sender<()>,
    work: watch::Sender<()>,
    others: watch::Sender<()>,
    wishes: watch::Sender<()>,
    engines: watch::Sender<()>,
}

impl Pokes {
    pub(super) fn send(&self, poked: Poked) {
        if poked.history {
            self.history.send_replace(());
        }
        if poked.work || poked.plans {
            self.work.send_replace(());
        }
    }

    /// The same about what another node has committed.
    pub(super) fn pass_on(&self, poked: Poked) {
        self.send(poked);
        if poked.history {
            self.others.send_replace(());
        }
        if poked.wish {
            self.wishes.send_replace(());
        }
        if poked.engines {
            self.engines.send_replace(());
        }
    }

    pub(super) fn watch_history(&self) -> Box<dyn Watcher> {
        Box::new(Watch(self.history.subscribe()))
    }

    pub(super) fn watch_work(&self) -> Box<dyn Watcher> {
        Box::new(Watch(self.work.subscribe()))
    }

    pub(super) fn watch_others(&self) -> Box<dyn Watcher> {
        Box::new(Watch(self.others.subscribe()))
    }

    pub(super) fn watch_wishes(&self) -> Box<dyn Watcher> {
        Box::new(Watch(self.wishes.subscribe()))
    }

    pub(super) fn watch_engines(&self) -> Box<dyn Watcher> {
        Box::new(Watch(self.engines.subscribe()))
    }
}

struct Watch(watch::Receiver<()>);

#[async_trait]
impl Watcher for Watch {
    async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Poked;

    #[test]
    fn what_is_told_to_other_nodes_is_understood_there() {
        for poked in [Poked::default(), Poked::ALL, Poked { work: true, ..Poked::default() }] {
            assert_eq!(Poked::parse(&poked.words()), poked);
        }
        assert_eq!(Poked { plans: true, ..Poked::default() }.words(), "", "nobody else needs to know");
        assert_eq!(Poked::default().words(), "");
        assert_eq!(Poked::parse("history more"), Poked { history: true, ..Poked::default() });
    }
}
