//! The history as a stream of server-sent events (WHATWG HTML, section 9.2): first what was, then what comes.
//!
//! A follower begins to watch, then reads; so nothing falls between the two. Each event carries its place in the history as `id`, and a
//! client that comes back with the last one goes on behind it. The next batch is read when the client has taken
//! this one: a slow client costs one batch of memory, however far it is behind.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use larder_control::{Code, Control};
use larder_domain::AddonId;
use larder_domain::history::StoredEntry;
use larder_domain::ports::store::Watcher;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::config::StreamLimits;
use crate::problem::{Problem, causes};
use crate::state::Shared;
use crate::views::EventView;

/// How many entries are read at once.
const BATCH_ENTRIES: usize = 256;

/// Places for streams.
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    keep_alive: Duration,
    stopped: Option<watch::Receiver<bool>>,
}

impl Streams {
    pub(crate) fn new(limits: &StreamLimits, stopped: Option<watch::Receiver<bool>>) -> Self {
        let places = Semaphore::new(limits.at_once_max.min(Semaphore::MAX_PERMITS));
        Self { places: Arc::new(places), keep_alive: limits.keep_alive, stopped }
    }

    /// When the server stops.
    fn end(&self) -> impl Future<Output = ()> + use<> {
        let stopped = self.stopped.clone();
        async move {
            match stopped {
                // An error means that the sender is gone, which is a stop as well.
                Some(mut stopped) => drop(stopped.wait_for(|stopped| *stopped).await),
                None => std::future::pending().await,
            }
        }
    }
}

/// Streams the history behind entry `after`, of one addon or of all.
pub(crate) async fn follow(api: &Shared, addon: Option<AddonId>, after: u64) -> Result<Response, Problem> {
    let full = |_| Problem::new(Code::Overloaded, "too many event streams are open");
    let place = Arc::clone(&api.streams.places).try_acquire_owned().map_err(full)?;
    let watcher = api.control.watch_history();
    // Read before the answer begins, since a stream has no way to say that there is no such addon.
    let first = api.control.history(addon, after, BATCH_ENTRIES).await?;
    let follower = Follower {
        control: api.control.clone(),
        watcher,
        addon,
        after,
        first: Some(first),
        is_behind: true,
        _place: place,
    };
    let batches = stream::unfold(follower, |mut follower| async { Some((follower.batch().await?, follower)) });
    let events =
        batches.flat_map(|batch| stream::iter(batch.into_iter().filter_map(event))).take_until(api.streams.end());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(api.streams.keep_alive)).into_response())
}

/// How far one client has come.
struct Follower {
    control: Control,
    watcher: Box<dyn Watcher>,
    addon: Option<AddonId>,
    after: u64,
    first: Option<Vec<StoredEntry>>,
    /// Whether there may be more that was there already.
    is_behind: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next entries, as soon as there are some. None when the store is closed or fails: the client comes back by itself.
    async fn batch(&mut self) -> Option<Vec<StoredEntry>> {
        loop {
            if !self.is_behind && !self.watcher.changed().await {
                return None;
            }
            let batch = match self.first.take() {
                Some(first) => first,
                None => self.read().await?,
            };
            self.is_behind = batch.len() >= BATCH_ENTRIES;
            if let Some(last) = batch.last() {
                self.after = last.id;
                return Some(batch);
            }
        }
    }

    async fn read(&mut self) -> Option<Vec<StoredEntry>> {
        match self.control.history(self.addon, self.after, BATCH_ENTRIES).await {
            Ok(batch) => Some(batch),
            Err(error) => {
                tracing::warn!(error = causes(&error), "a stream of events ended early");
                None
            }
        }
    }
}

fn event(entry: StoredEntry) -> Option<Result<Event, Infallible>> {
    let event = Event::default().id(entry.id.to_string()).event(&entry.kind);
    // Whatever was read from the store as JSON can be written as JSON.
    event.json_data(EventView::from(&entry)).ok().map(Ok)
}
