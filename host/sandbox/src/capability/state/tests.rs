//! What a call may write, and what it hands on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;

#[derive(Default)]
struct Store {
    state: Mutex<GuestState>,
    loads: AtomicUsize,
    error: Option<ContextError>,
}

#[async_trait]
impl CallContext for Store {
    async fn load_state(&self) -> Result<GuestState, ContextError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.error.clone().map_or_else(|| Ok(self.state.lock().unwrap().clone()), Err)
    }

    async fn checkpoint(&self, state: &GuestState) -> Result<(), ContextError> {
        *self.state.lock().unwrap() = state.clone();
        self.error.clone().map_or(Ok(()), Err)
    }
}

fn state(entries: &[(&str, &str)]) -> GuestState {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_owned())).collect()
}

fn stored(entries: &[(&str, &str)]) -> Arc<Store> {
    Arc::new(Store { state: Mutex::new(state(entries)), ..Store::default() })
}

fn refusal<T: std::fmt::Debug>(result: Result<T, StateFailure>) -> String {
    format!("{:?}", result.unwrap_err().downcast().unwrap())
}

#[tokio::test]
async fn what_is_stored_is_read_once_and_only_if_wanted() {
    let store = stored(&[("a", "1"), ("b", "2")]);
    let mut overlay = StateOverlay::over(store.clone(), None);
    assert_eq!(store.loads.load(Ordering::Relaxed), 0);
    assert_eq!(overlay.get("a".into()).await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(overlay.get("c".into()).await.unwrap(), None);
    assert_eq!(overlay.keys().await.unwrap(), ["a", "b"]);
    assert_eq!(store.loads.load(Ordering::Relaxed), 1);
    assert_eq!(overlay.into_written(), None);
}

#[tokio::test]
async fn writes_are_seen_at_once_and_handed_on_whole() {
    let mut overlay = StateOverlay::over(stored(&[("a", "1"), ("b", "2")]), None);
    overlay.set("c".into(), b"3".to_vec()).await.unwrap();
    overlay.delete("a".into()).await.unwrap();
    overlay.delete("never".into()).await.unwrap();
    assert_eq!(overlay.keys().await.unwrap(), ["b", "c"]);
    assert_eq!(overlay.into_written(), Some(state(&[("b", "2"), ("c", "3")])));
}

#[tokio::test]
async fn deleting_what_is_not_there_writes_nothing() {
    let mut overlay = StateOverlay::over(stored(&[("a", "1")]), None);
    overlay.delete("b".into()).await.unwrap();
    assert_eq!(overlay.into_written(), None);
}

#[tokio::test]
async fn an_earlier_calls_writes_come_before_what_is_stored_and_are_handed_on() {
    let store = stored(&[("a", "old")]);
    let mut overlay = StateOverlay::over(store.clone(), Some(state(&[("a", "new")])));
    assert_eq!(overlay.get("a".into()).await.unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(store.loads.load(Ordering::Relaxed), 0);
    assert_eq!(overlay.into_written(), Some(state(&[("a", "new")])));
}

#[tokio::test]
async fn a_checkpoint_stores_at_once_and_does_not_end_the_writing() {
    let store = stored(&[]);
    let mut overlay = StateOverlay::over(store.clone(), None);
    overlay.set("a".into(), b"1".to_vec()).await.unwrap();
    overlay.checkpoint().await.unwrap();
    assert_eq!(*store.state.lock().unwrap(), state(&[("a", "1")]));
    assert_eq!(overlay.into_written(), Some(state(&[("a", "1")])));
}

#[tokio::test]
async fn keys_and_sums_are_bounded() {
    let mut overlay = StateOverlay::over(stored(&[]), None);
    for key in [String::new(), "k".repeat(STATE_KEY_BYTES_MAX + 1)] {
        assert_eq!(refusal(overlay.set(key.clone(), Vec::new()).await), "Error::BadKey(256)");
        assert_eq!(refusal(overlay.get(key).await), "Error::BadKey(256)");
    }
    let half = vec![0; STATE_BYTES_MAX / 2 - 1];
    overlay.set("a".into(), half.clone()).await.unwrap();
    overlay.set("b".into(), half.clone()).await.unwrap();
    assert_eq!(refusal(overlay.set("c".into(), Vec::new()).await), "Error::Full(262144)");
    // Replacing and deleting make room.
    overlay.set("b".into(), half.clone()).await.unwrap();
    overlay.delete("a".into()).await.unwrap();
    overlay.set("c".into(), half).await.unwrap();
    assert_eq!(overlay.keys().await.unwrap(), ["b", "c"]);
}

#[tokio::test]
async fn a_store_that_fails_is_told_to_the_guest() {
    let unavailable = || Some(ContextError::Unavailable("disk full".into()));
    let store = Arc::new(Store { error: unavailable(), ..Store::default() });
    let mut overlay = StateOverlay::over(store.clone(), None);
    assert_eq!(refusal(overlay.get("a".into()).await), r#"Error::Unavailable("disk full")"#);
    assert_eq!(refusal(overlay.set("a".into(), Vec::new()).await), r#"Error::Unavailable("disk full")"#);
    assert_eq!(store.loads.load(Ordering::Relaxed), 1, "it is asked once");
    assert_eq!(overlay.into_written(), None);

    let gone = Arc::new(Store { error: Some(ContextError::Superseded), ..Store::default() });
    let mut overlay = StateOverlay::over(gone, Some(GuestState::new()));
    assert_eq!(refusal(overlay.checkpoint().await), "Error::Superseded");
}

#[tokio::test]
async fn without_an_addon_there_is_no_state() {
    let mut overlay = StateOverlay::of_no_addon();
    assert!(refusal(overlay.keys().await).contains("about no addon"));
    assert!(refusal(overlay.checkpoint().await).contains("about no addon"));
}
