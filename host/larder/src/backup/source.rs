//! Makes a backup of what a running server keeps, in its data directory or in a database of a PostgreSQL server.
//!
//! The database is copied into the data directory first, in one reader's view, and its copy loses its name at once: a client that takes hours
//! to fetch it holds up no log, and nothing is left of it after a crash but what the next one removes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use larder_domain::WallTime;
use larder_domain::ports::{Backup, BackupError, Backups, Sealer, Store};
use larder_store::{KeyfileSealer, SqlStore};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::format::{Header, Part, SMALL_PART_BYTES_MAX};
use super::{DATABASE, SHIPPED, SUM_PLACE, TOKEN, TOKEN_PLACE};

/// How copies of the database are called, as long as they have names.
const COPIES: &str = ".backup-";
/// What stays free on the disk beside the copy, in bytes: the store goes on writing.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// A data directory, and what opens it.
pub(crate) struct DataSource {
    dir: PathBuf,
    store: Arc<SqlStore>,
    sealer: Arc<KeyfileSealer>,
}

impl DataSource {
    /// Backups of this directory, whose lock this process holds.
    pub(crate) fn new(dir: &Path, store: Arc<SqlStore>, sealer: Arc<KeyfileSealer>) -> Self {
        let it = Self { dir: dir.to_owned(), store, sealer };
        // Of a process that was killed.
        if let Err(error) = it.remove_copies() {
            tracing::warn!(%error, "what a backup has left behind can't be removed");
        }
        it
    }

    fn remove_copies(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(COPIES) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The database as it is now, in a file without a name.
    async fn database(&self) -> Result<File, BackupError> {
        self.check_room(self.store.bytes_at_server().await.map_err(failed)?)?;
        // For its owner alone, and removed with its name whatever happens.
        let copy = tempfile::Builder::new().prefix(COPIES).tempfile_in(&self.dir).map_err(failed)?;
        let (file, path) = copy.into_parts();
        let noted = json!({ "keys": self.sealer.key_ids() });
        self.store.copy_to(&path, noted).await.map_err(failed)?;
        Ok(file)
    }

    /// Whether there is room for a copy of the database, which is so large if it is not here.
    fn check_room(&self, bytes_at_server: Option<u64>) -> Result<(), BackupError> {
        let size = |name: &str| fs::metadata(self.dir.join(name)).map_or(0, |found| found.len());
        let database_bytes = bytes_at_server.unwrap_or_else(|| size("larder.db") + size("larder.db-wal"));
        let needed_bytes = database_bytes.saturating_add(FREE_BYTES_MIN);
        let there = rustix::fs::statvfs(&self.dir).map_err(|error| failed(io::Error::from(error)))?;
        let free_bytes = there.f_bavail.saturating_mul(there.f_frsize);
        if free_bytes < needed_bytes {
            return Err(BackupError::NoRoom { needed_bytes, free_bytes });
        }
        Ok(())
    }

    /// A small file, if it is there.
    fn small(&self, name: &str) -> Result<Vec<u8>, BackupError> {
        match File::open(self.dir.join(name)) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(SMALL_PART_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
                Ok(bytes)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed(error)),
        }
    }

    fn header(&self, made_at: WallTime, keys: BTreeSet<String>, parts: &[(&str, u64)]) -> Header {
        let part = |&(name, bytes): &(&str, u64)| Part { name: name.to_owned(), bytes };
        Header {
            made_at: made_at.to_string(),
            larder: env!("CARGO_PKG_VERSION").to_owned(),
            installation: self.store.installation().to_string(),
            schema: SqlStore::schema(),
            keys: keys.into_iter().collect(),
            parts: parts.iter().map(part).collect(),
        }
    }
}

#[async_trait]
impl Backups for DataSource {
    async fn make(&self) -> Result<Backup, BackupError> {
        let mut keys = BTreeSet::from_iter(self.sealer.key_ids());
        let database = self.database().await?;
        // A rotation may have begun meanwhile, or ended: the copy may need the keys of both moments.
        let sealer = self.sealer.as_it_is();
        keys.extend(sealer.key_ids());
        let token = sealer.seal(TOKEN_PLACE, &Zeroizing::new(self.small(TOKEN)?)).map_err(failed)?;
        let shipped = self.small(SHIPPED)?;
        let database_bytes = database.metadata().map_err(failed)?.len();
        let made_at = self.store.wall();
        let parts = [(TOKEN, token.len() as u64), (SHIPPED, shipped.len() as u64), (DATABASE, database_bytes)];
        let header = self.header(made_at, keys, &parts);
        let lead = header.written().map_err(failed)?;
        let bytes = header.whole_bytes(lead.len());
        let before = Cursor::new([lead, token, shipped].concat());
        let content = before.chain(database.take(database_bytes));
        let content = Summed { content, summed: Sha256::new(), sealer, tail: None };
        Ok(Backup { content: Box::new(content), bytes, made_at })
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackupError {
    BackupError::Failed(error.into())
}

/// What is read, and then its sum, plain and sealed.
struct Summed<R> {
    content: R,
    summed: Sha256,
    sealer: KeyfileSealer,
    /// There once the content has ended.
    tail: Option<Cursor<Vec<u8>>>,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(tail) = &mut self.tail {
            return tail.read(buffer);
        }
        let read = self.content.read(buffer)?;
        self.summed.update(&buffer[..read]);
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let sum: [u8; 32] = std::mem::take(&mut self.summed).finalize().into();
        let sealed = self.sealer.seal(SUM_PLACE, &sum).map_err(io::Error::other)?;
        self.tail.insert(Cursor::new([&sum[..], &sealed].concat())).read(buffer)
    }
}
