//! The history as server-sent events: first what was, then what comes.
//!
//! A stream reads the store in portions, each when the client has taken the one before: a slow client is simply behind. It begins to watch
//! before it reads, so that nothing is committed unseen in between.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use larder_control::Control;
use larder_domain::AddonId;
use larder_domain::history::StoredEntry;
use larder_domain::ports::store::Watcher;

use crate::views;

/// How many entries are read in one go.
const PORTION: usize = 256;
/// How often a silent stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Follower {
    control: Control,
    addon: Option<AddonId>,
    after: u64,
    watcher: Box<dyn Watcher>,
    read: VecDeque<StoredEntry>,
}

/// Streams everything after entry `after`.
pub(crate) fn follow(control: Control, addon: Option<AddonId>, after: u64) -> Response {
    let watcher = control.watch_history();
    let follower = Follower { control, addon, after, watcher, read: VecDeque::new() };
    let events = stream::unfold(follower, |mut follower| async move {
        let entry = follower.next().await?;
        Some((Ok::<_, Infallible>(event(&entry)), follower))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

impl Follower {
    /// The next entry, when there is one. None ends the stream: the store is closed, or failed, and the client comes again.
    async fn next(&mut self) -> Option<StoredEntry> {
        loop {
            if let Some(entry) = self.read.pop_front() {
                self.after = entry.id;
                return Some(entry);
            }
            match self.control.history(self.addon, self.after, PORTION).await {
                Ok(entries) if entries.is_empty() => {
                    if !self.watcher.changed().await {
                        return None;
                    }
                }
                Ok(entries) => self.read = entries.into(),
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends, since the store failed");
                    return None;
                }
            }
        }
    }
}

fn event(entry: &StoredEntry) -> Event {
    Event::default().id(entry.id.to_string()).event(&entry.kind).data(views::event(entry).to_string())
}
