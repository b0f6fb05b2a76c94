//! The rotation of the key of a data directory, whose database no other process has.
//!
//! First the new key is in the file, above the old one, and seals. Then all that the old one has sealed is sealed anew, while everybody goes
//! on. Then nothing is stored any more that the old one has sealed, and nothing such is found in any column: only then the old one
//! leaves the file. Broken off anywhere, the next start finds two keys in the file and goes on, or somebody who asks again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::audit::{Action, Actor};
use larder_domain::ports::{KeyState, Keys, KeysError, StoreError};
use larder_store::{KeyError, KeyfileSealer, SqlStore};
use serde_json::json;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::{COMPACTION_PAUSE, COMPACTIONS_MAX, SETTLE};

/// There while remnants of an old key's work may be in the database.
const REMNANTS_FILE: &str = "compact";
/// Passes until nothing is found any more. The second finds what was on its way during the first.
const PASSES_MAX: u32 = 100;

/// How often it is gone on with when it has stopped, as on a full disk, and the pause between: a quarter of an hour.
const TRIES_MAX: u32 = 90;
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Why a rotation stopped. The old key is still there.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("values in {0} are sealed with the old key, and it is not known where they belong")]
    Unknown(String),
    #[error("{} can't be written", REMNANTS_FILE)]
    Marker(#[source] io::Error),
}

impl Stopped {
    /// Whether it may go on when it is tried again later, without anything else being done.
    const fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => error.may_pass(),
            Self::Key(_) | Self::Marker(_) => true,
            Self::Unknown(_) => false,
        }
    }
}

/// The keys of a data directory, whose lock this process holds.
pub(crate) struct OwnKeys(Arc<Keeping>);

struct Keeping {
    dir: PathBuf,
    store: Arc<SqlStore>,
    sealer: Arc<KeyfileSealer>,
    progress: Mutex<KeyState>,
    place: Arc<Semaphore>,
    /// Somebody asks for it while it is under way.
    asked: Notify,
}

impl OwnKeys {
    pub(crate) fn new(dir: &Path, store: Arc<SqlStore>, sealer: Arc<KeyfileSealer>) -> Self {
        let (progress, place) = (Mutex::default(), Arc::new(Semaphore::new(1)));
        Self(Arc::new(Keeping { dir: dir.to_owned(), store, sealer, progress, place, asked: Notify::new() }))
    }

    /// Goes on with what the last run has left undone. Before anybody uses the store.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn go_on(&self) -> anyhow::Result<()> {
        let it = &self.0;
        if it.has_remnants() && !it.sealer.is_rotating() {
            tracing::info!("compacting the database, in which remnants of an old key's work may be");
            it.store.compact_whole().await?;
            fs::remove_file(it.dir.join(REMNANTS_FILE))?;
        }
        if it.sealer.is_rotating()
            && let Ok(place) = Arc::clone(&it.place).try_acquire_owned()
        {
            tracing::info!(key = it.sealer.key_id(), "going on with the rotation of the key");
            self.begin(place, false);
        }
        Ok(())
    }

    /// Does all that is left to do, by itself: the new key is there and seals, whatever becomes of the rest.
    fn begin(&self, place: OwnedSemaphorePermit, mut is_news: bool) {
        let it = Arc::clone(&self.0);
        *it.progress() = KeyState::default();
        tokio::spawn(async move {
            let old = it.sealer.key_ids().split_off(1);
            for tried in 1..=TRIES_MAX {
                let Err(error) = it.rotate_all(&old, &mut is_news).await else {
                    tracing::info!(key = it.sealer.key_id(), ?old, "the key was rotated; the old one is gone");
                    break;
                };
                let why = with_causes(&error);
                tracing::error!(
                    error = why,
                    tried,
                    "the rotation of the key stopped; `larder key rotate` goes on with it"
                );
                it.progress().trouble = Some(why);
                if !error.may_pass() || tried == TRIES_MAX {
                    break;
                }
                tokio::select! {
                    () = sleep(TRY_AGAIN) => {}
                    () = it.asked.notified() => {}
                }
            }
            drop(place);
        });
    }
}

impl Keeping {
    /// All of it, from wherever it is. `is_news` until it was written down that there is a new key.
    async fn rotate_all(&self, old: &[String], is_news: &mut bool) -> Result<(), Stopped> {
        if *is_news {
            let noted = json!({ "key": self.sealer.key_id() });
            self.store.note_keys(Actor::Admin, Action::KeyAdded, noted).await?;
            *is_news = false;
        }
        let of = self.store.count_old_keys(&self.sealer).await?.iter().map(|(_, count)| count).sum();
        *self.progress() = KeyState { of, ..KeyState::default() };
        self.reseal_all().await?;
        sleep(SETTLE).await;
        self.reseal_all().await?;
        self.store.refuse_old_keys(&self.sealer).await?;
        let left = loop {
            let left = self.store.count_old_keys(&self.sealer).await?;
            // What was stored between the last pass and the refusal.
            if left.is_empty() || self.pass().await? == 0 {
                break left;
            }
        };
        if !left.is_empty() {
            let columns: Vec<_> = left.into_iter().map(|(column, _)| column).collect();
            return Err(Stopped::Unknown(columns.join(", ")));
        }
        // Both before the key goes: a crash between leaves more to do, and nothing that nobody knows of.
        self.mark_remnants().map_err(Stopped::Marker)?;
        let key = self.sealer.key_id();
        let noted = json!({ "key": key, "old": old });
        self.store.note_keys(Actor::Host, Action::KeyRotated, noted).await?;
        self.sealer.drop_old_keys(&key)?;
        self.compact().await
    }

    /// Passes until one finds nothing.
    async fn reseal_all(&self) -> Result<(), Stopped> {
        for _ in 0..PASSES_MAX {
            if self.pass().await? == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn pass(&self) -> Result<u64, StoreError> {
        let (mut pass, mut all) = (self.store.reseal(&self.sealer), 0);
        while let Some(resealed) = pass.step().await? {
            all += resealed;
            self.progress().resealed += resealed;
        }
        Ok(all)
    }

    async fn compact(&self) -> Result<(), Stopped> {
        for tried in 1..=COMPACTIONS_MAX {
            if self.store.compact().await? {
                return fs::remove_file(self.dir.join(REMNANTS_FILE)).map_err(Stopped::Marker);
            }
            if tried < COMPACTIONS_MAX {
                sleep(COMPACTION_PAUSE).await;
            }
        }
        tracing::warn!(
            "what the old key has sealed may stand in unused parts of the database until the next start, which compacts it"
        );
        Ok(())
    }

    fn mark_remnants(&self) -> io::Result<()> {
        let mut marker = OpenOptions::new();
        marker.write(true).create(true).mode(0o600).open(self.dir.join(REMNANTS_FILE))?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }

    fn has_remnants(&self) -> bool {
        match fs::metadata(self.dir.join(REMNANTS_FILE)) {
            Ok(_) => true,
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }

    fn state(&self) -> KeyState {
        let mut keys = self.sealer.key_ids();
        let old = keys.split_off(1);
        let is_under_way = self.place.available_permits() == 0;
        let progress = self.progress().clone();
        KeyState { key: keys.remove(0), old, is_under_way, has_remnants: self.has_remnants(), ..progress }
    }

    fn progress(&self) -> MutexGuard<'_, KeyState> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Keys for OwnKeys {
    async fn state(&self) -> Result<KeyState, KeysError> {
        Ok(self.0.state())
    }

    async fn rotate(&self) -> Result<KeyState, KeysError> {
        let it = &self.0;
        // Without a place, one is under way: and waits no longer, if it has stopped.
        it.asked.notify_waiters();
        if let Ok(place) = Arc::clone(&it.place).try_acquire_owned() {
            let is_new = !it.sealer.is_rotating();
            if is_new {
                it.sealer.add_key().map_err(unwritten)?;
            }
            self.begin(place, is_new);
        }
        Ok(it.state())
    }
}

fn unwritten(error: KeyError) -> KeysError {
    match error.storage() {
        Some(storage) => KeysError::Store(StoreError::Storage(storage)),
        None => KeysError::Failed(error.into()),
    }
}

/// For a person who is to mend it.
fn with_causes(error: &Stopped) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
