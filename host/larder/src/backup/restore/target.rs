//! The directory that is to be made: what is there, and how the new one takes its place.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{KEY, RestoreError, is_of_no_account, names};

/// Whoever has locked this file has the directory.
pub(super) const LOCK: &str = "lock";
/// How often a free name is looked for.
const NAMES_TRIED_MAX: u32 = 1_000;

/// Where to restore to.
pub(super) struct Target {
    path: PathBuf,
    /// Whether there is a directory that has something in it.
    is_used: bool,
    /// Of the directory that is there.
    owner: Option<(u32, u32)>,
    /// Held until the end, where there was one.
    _lock: Option<File>,
}

/// A directory that is being made, removed unless it takes its place.
pub(super) struct Stage {
    dir: TempDir,
    _lock: File,
}

impl Stage {
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Target {
    /// Looks at what is there, and that no server uses it.
    pub(super) fn look(dir: &Path, replace: bool) -> Result<Self, RestoreError> {
        // A link stays one: what it leads to is what counts.
        let path = match fs::canonicalize(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let absolute = std::path::absolute(dir).map_err(|source| RestoreError::io("found", dir, source))?;
                return Ok(Self { path: absolute, is_used: false, owner: None, _lock: None });
            }
            found => found.map_err(|source| RestoreError::io("found", dir, source))?,
        };
        let read = |source| RestoreError::io("read", &path, source);
        let found = fs::metadata(&path).map_err(read)?;
        if !found.is_dir() {
            return Err(RestoreError::NoDirectory(path));
        }
        let lock = locked(&path)?;
        let names = names(&path).map_err(read)?;
        if !replace && !names.iter().all(|name| is_of_no_account(name)) {
            return Err(RestoreError::NotEmpty(path));
        }
        Ok(Self { is_used: !names.is_empty(), owner: Some((found.uid(), found.gid())), _lock: lock, path })
    }

    /// A folder beside it, locked as a server would lock it.
    pub(super) fn stage(&self) -> Result<Stage, RestoreError> {
        let beside = self.beside();
        let failed = |source| RestoreError::io("written", beside, source);
        fs::create_dir_all(beside).map_err(failed)?;
        let prefix = format!(".{}.restore-", self.name());
        self.remove_left(&prefix);
        let mut builder = tempfile::Builder::new();
        let made = builder.prefix(&prefix).permissions(Permissions::from_mode(0o700)).tempdir_in(beside);
        let dir = made.map_err(failed)?;
        let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.path().join(LOCK));
        let lock = lock.map_err(failed)?;
        lock.try_lock().map_err(|error| failed(error.into()))?;
        Ok(Stage { dir, _lock: lock })
    }

    /// Has the new directory take its place, in one step. Where that is now which was there.
    pub(super) fn take(&self, stage: Stage, key: &[u8]) -> Result<Option<PathBuf>, RestoreError> {
        let written = |source| RestoreError::io("written", stage.path(), source);
        self.give_to_owner(stage.path()).map_err(written)?;
        File::open(stage.path()).and_then(|folder| folder.sync_all()).map_err(written)?;
        let Stage { dir, _lock } = stage;
        // From here on it has other names.
        let staged = dir.keep();
        let left = self.change_places(&staged).inspect_err(|_| {
            if let Err(error) = fs::remove_dir_all(&staged) {
                tracing::warn!(%error, folder = %staged.display(), "what was restored can't be removed");
            }
        })?;
        let aside = left.filter(|left| !is_forgotten(left, key));
        let synced = File::open(self.beside()).and_then(|folder| folder.sync_all());
        synced.map_err(|source| RestoreError::io("written", self.beside(), source))?;
        Ok(aside)
    }

    /// Where that is now which was there before. If it fails, nothing has changed.
    fn change_places(&self, staged: &Path) -> Result<Option<PathBuf>, RestoreError> {
        if !self.is_used {
            // Onto a folder only if it is still empty: else somebody has begun to use it.
            return match fs::rename(staged, &self.path) {
                Ok(()) => Ok(None),
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                    Err(RestoreError::NotEmpty(self.path.clone()))
                }
                Err(error) => Err(self.unnamed(error)),
            };
        }
        // It takes the other's future name first: killed between the two steps, there is a directory too many, and nothing that the
        // next restore would take for a rest of this one.
        let aside = self.free_name();
        fs::rename(staged, &aside).map_err(|error| self.unnamed(error))?;
        let exchanged = renameat_with(CWD, &aside, CWD, &self.path, RenameFlags::EXCHANGE);
        if exchanged.is_err() {
            fs::rename(&aside, staged).map_err(|error| self.unnamed(error))?;
        }
        match exchanged {
            Ok(()) => Ok(Some(aside)),
            // This file system can't do it in one step. Killed between these two, nothing has the name, and both are whole.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::rename(&self.path, &aside).map_err(|error| self.unnamed(error))?;
                fs::rename(staged, &self.path).map_err(|error| {
                    let _back = fs::rename(&aside, &self.path);
                    self.unnamed(error)
                })?;
                Ok(Some(aside))
            }
            Err(error) => Err(self.unnamed(error.into())),
        }
    }

    fn unnamed(&self, error: io::Error) -> RestoreError {
        match error.kind() {
            ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => RestoreError::MountPoint(self.path.clone()),
            _ => RestoreError::io("replaced", &self.path, error),
        }
    }

    /// A name beside it that nobody has: `data.before-restore`, `data.before-restore-2`.
    fn free_name(&self) -> PathBuf {
        let name = |number: u32| match number {
            1 => format!("{}.before-restore", self.name()),
            number => format!("{}.before-restore-{number}", self.name()),
        };
        let path = |number| self.beside().join(name(number));
        (1..NAMES_TRIED_MAX)
            .map(path)
            .find(|path| path.symlink_metadata().is_err())
            .unwrap_or_else(|| path(NAMES_TRIED_MAX))
    }

    /// A server that had the directory's files is to have these.
    fn give_to_owner(&self, staged: &Path) -> io::Result<()> {
        let Some((user, group)) = self.owner else { return Ok(()) };
        let found = fs::metadata(staged)?;
        if (found.uid(), found.gid()) == (user, group) {
            return Ok(());
        }
        for name in names(staged)? {
            chown(staged.join(name), Some(user), Some(group))?;
        }
        chown(staged, Some(user), Some(group))
    }

    /// Removes what a restore that was killed has left.
    fn remove_left(&self, prefix: &str) {
        let left = names(self.beside()).inspect_err(|error| {
            let beside = self.beside().display();
            tracing::warn!(%error, %beside, "it can't be seen whether restores have left something behind");
        });
        for folder in left.iter().flatten().filter(|name| name.starts_with(prefix)).map(|name| self.beside().join(name))
        {
            // One that works holds its lock. Of one that was killed at once there is none yet.
            if let Ok(Some(_lock)) = locked(&folder)
                && let Err(error) = fs::remove_dir_all(&folder)
            {
                tracing::warn!(%error, folder = %folder.display(), "what a restore has left behind can't be removed");
            }
        }
    }

    fn beside(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn name(&self) -> String {
        self.path.file_name().map_or_else(|| "data".into(), |name| name.to_string_lossy().into_owned())
    }
}

/// Removes what was there before if that is nothing but the same key.
fn is_forgotten(left: &Path, key: &[u8]) -> bool {
    let is_nothing = names(left).is_ok_and(|names| names.iter().all(|name| is_of_no_account(name)))
        && fs::read(left.join(KEY)).map_or_else(|error| error.kind() == ErrorKind::NotFound, |old| old == key);
    is_nothing && fs::remove_dir_all(left).is_ok()
}

/// Locks a directory that somebody has locked before.
fn locked(dir: &Path) -> Result<Option<File>, RestoreError> {
    let path = dir.join(LOCK);
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|source| RestoreError::io("opened", &path, source))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _unsigned = (&mut file).take(64).read_to_string(&mut holder);
            let holder = if holder.is_empty() { "another process".into() } else { holder };
            Err(RestoreError::InUse { dir: dir.to_owned(), holder })
        }
        Err(TryLockError::Error(source)) => Err(RestoreError::io("locked", &path, source)),
    }
}
