//! Hears what other nodes have committed: their pokes come as notifications of the server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator as _;

use super::super::error::Result;
use super::super::watch::{Poked, Pokes};
use super::Connector;

/// How long the thread listens before it looks whether it is still wanted, and how long it rests when the server is gone.
const LISTEN_WAIT: Duration = Duration::from_millis(500);

/// Keeps a thread listening. Dropping it ends the thread in its time.
pub(in crate::sqlite) struct Listener(Arc<AtomicBool>);

impl Listener {
    pub(super) fn start(connector: Connector, name: String, pokes: Pokes) -> io::Result<Self> {
        let wanted = Arc::new(AtomicBool::new(true));
        let still_wanted = Arc::clone(&wanted);
        thread::Builder::new().name("store-listener".into()).spawn(move || {
            while still_wanted.load(Ordering::Relaxed) {
                if listen(&connector, &name, &pokes, &still_wanted).is_err() {
                    // Beneath the pokes everybody looks once a second by themselves.
                    thread::park_timeout(LISTEN_WAIT);
                    // Whatever was said while nobody listened.
                    pokes.send(Poked { history: true, work: true });
                }
            }
        })?;
        Ok(Self(wanted))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn listen(connector: &Connector, name: &str, pokes: &Pokes, wanted: &AtomicBool) -> Result<()> {
    let mut client = connector.client()?;
    client.batch_execute("LISTEN larder")?;
    while wanted.load(Ordering::Relaxed) {
        let mut notifications = client.notifications();
        let mut waiting = notifications.timeout_iter(LISTEN_WAIT);
        while let Some(notification) = waiting.next()? {
            if !notification.payload().starts_with(name) {
                pokes.send(Poked::parse(notification.payload()));
            }
        }
        drop(waiting);
        drop(notifications);
    }
    Ok(())
}
