//! Hears what other nodes have committed: their pokes come as notifications of the server.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use larder_domain::ids::NodeId;
use tokio::time::{sleep, timeout};
use tokio_postgres::AsyncMessage;

use super::super::error::{Failure, Result};
use super::super::watch::{Poked, Pokes};
use super::connector::{Connector, Driven};

/// How long the thread listens before it looks whether it is still wanted, and how long it rests when the server is gone.
const LISTEN_WAIT: Duration = Duration::from_millis(500);
/// How often the server is asked whether it still is there, in such waits.
const ASK_EVERY_WAITS: u32 = 10;
/// How long it may take to answer that.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// Keeps a thread listening. Dropping it ends the thread in its time; nobody is poked any more from then on.
pub(in crate::sql) struct Listener(Ears);

/// Whom to poke; nobody any more when the store is closed.
#[derive(Clone)]
struct Ears(Arc<Mutex<Option<Pokes>>>);

impl Ears {
    fn are_open(&self) -> bool {
        self.pokes().is_some()
    }

    fn hear(&self, poked: Poked) {
        if let Some(pokes) = &*self.pokes() {
            pokes.pass_on(poked);
        }
    }

    fn pokes(&self) -> MutexGuard<'_, Option<Pokes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    pub(super) fn start(connector: Connector, own: NodeId, pokes: Pokes) -> io::Result<Self> {
        let ears = Ears(Arc::new(Mutex::new(Some(pokes))));
        let (listener, own) = (Self(ears.clone()), own.to_string());
        thread::Builder::new().name("store-listener".into()).spawn(move || {
            while ears.are_open() {
                if let Err(Failure(error)) = listen(&connector, &own, &ears) {
                    tracing::debug!(%error, "nothing is heard of other nodes");
                }
                thread::park_timeout(LISTEN_WAIT);
                // Whatever was said while nobody listened.
                ears.hear(Poked::ALL);
            }
        })?;
        Ok(listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.0.pokes().take());
    }
}

fn listen(connector: &Connector, own: &str, ears: &Ears) -> Result<()> {
    let (client, mut connection, runtime) = connector.client()?;
    runtime.block_on(async {
        let asked = async {
            let gone = |_| Failure::unreachable("it does not answer a listener");
            timeout(ANSWER_WAIT_MAX, client.batch_execute("LISTEN larder")).await.map_err(gone)??;
            // Whatever was said before.
            ears.hear(Poked::ALL);
            let mut waits = 0;
            while ears.are_open() {
                sleep(LISTEN_WAIT).await;
                waits += 1;
                if waits % ASK_EVERY_WAITS == 0 {
                    timeout(ANSWER_WAIT_MAX, client.batch_execute("")).await.map_err(gone)??;
                }
            }
            Ok(())
        };
        let mut asked = pin!(asked);
        loop {
            tokio::select! {
                ended = &mut asked => return ended,
                heard = next(&mut connection) => match heard? {
                    Some(word) => hear(&word, own, ears),
                    None => return Err(Failure::unreachable("it has ended the session")),
                },
            }
        }
    })
}

/// What another node says. What this one says comes back too.
fn hear(word: &str, own: &str, ears: &Ears) {
    if let Some((node, words)) = word.split_once(' ')
        && node != own
    {
        ears.hear(Poked::parse(words));
    }
}

/// The next notification; none when there are no more.
async fn next(connection: &mut Driven) -> Result<Option<String>> {
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notification(word))) => return Ok(Some(word.payload().to_owned())),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Ok(None),
        }
    }
}
