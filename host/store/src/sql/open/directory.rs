//! The data directory and its files: who may see them, and who has them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::OpenError;

const DATABASE: &str = "larder.db";
/// One that is not whole yet.
const NEW: &str = "larder.db.new";
const LOCK: &str = "lock";
/// There if the database was moved elsewhere, and says where to.
const MOVED: &str = "moved-to-database";
/// What is read of it, in bytes.
const MOVED_BYTES_MAX: u64 = 4096;

/// Makes a data directory if need be, closes it to others, and claims it for as long as the returned file is open.
///
/// # Errors
/// Somebody else has it, or it can't be made or locked.
pub fn claim(dir: &Path) -> Result<File, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("made", dir))?;
    // A mounted volume may belong to somebody else and refuse this; the files in it are closed to others in any case.
    if let Err(error) = fs::set_permissions(dir, Permissions::from_mode(0o700)) {
        tracing::warn!(%error, dir = %dir.display(), "the data directory could not be closed to others");
    }
    let path = dir.join(LOCK);
    if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
        // It is written into: whatever else it leads to is not ours.
        return Err(failed("locked", &path)(io::Error::other("it is no file of its own; remove it")));
    }
    let mut file = private(&path).map_err(failed("opened", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse { dir: dir.to_owned(), holder: holder(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(failed("locked", &path)(source)),
    }
    sign(&mut file).map_err(failed("written", &path))?;
    Ok(file)
}

/// Where the database of a directory is.
pub(in crate::sql) fn database_in(dir: &Path) -> PathBuf {
    dir.join(DATABASE)
}

/// The file that says that the database was moved.
pub(in crate::sql) fn marker(dir: &Path) -> PathBuf {
    dir.join(MOVED)
}

/// Where the directory's database was moved to, if it was.
pub(in crate::sql) fn moved(dir: &Path) -> Result<Option<String>, OpenError> {
    let (path, mut to) = (marker(dir), String::new());
    match File::open(&path).and_then(|file| file.take(MOVED_BYTES_MAX).read_to_string(&mut to)) {
        Ok(_) => Ok(Some(to.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

/// Has nobody start from this directory's database by mistake.
pub(in crate::sql) fn mark_moved(dir: &Path, to: &str) -> io::Result<()> {
    let mut file = private(&marker(dir))?;
    writeln!(file, "{to}")?;
    file.sync_all()?;
    File::open(dir)?.sync_all()
}

/// Takes that back.
pub(in crate::sql) fn unmark(dir: &Path) -> Result<(), OpenError> {
    let path = marker(dir);
    std::fs::remove_file(&path).map_err(failed("removed", &path))
}

/// The file of a database that is being made, in a directory without one. It goes unless it takes its place.
pub(in crate::sql) struct FreshDatabase(PathBuf);

impl FreshDatabase {
    /// An empty one; none where there is a database, or what SQLite would take for a part of the new one.
    pub(in crate::sql) fn make(dir: &Path) -> Result<Option<Self>, OpenError> {
        let there = ["", "-wal", "-shm", "-journal"].map(|part| dir.join(format!("{DATABASE}{part}")));
        if there.iter().any(|file| file.exists()) {
            return Ok(None);
        }
        let path = dir.join(NEW);
        let file = private(&path).map_err(failed("made", &path))?;
        // Of one that was killed.
        file.set_len(0).map_err(failed("made", &path))?;
        Ok(Some(Self(path)))
    }

    pub(in crate::sql) fn path(&self) -> &Path {
        &self.0
    }

    /// It is whole: from now on it is the directory's.
    pub(in crate::sql) fn take_place(self) -> io::Result<PathBuf> {
        File::open(&self.0)?.sync_all()?;
        let dir = self.0.parent().unwrap_or(Path::new("."));
        let path = database_in(dir);
        fs::rename(&self.0, &path)?;
        File::open(dir)?.sync_all()?;
        Ok(path)
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        // It is not there if it has taken its place.
        let _gone = fs::remove_file(&self.0);
    }
}

/// The database's file. Made here and not by SQLite, so that it and the log beside it are its owner's from the start.
pub(super) fn database_file(dir: &Path) -> Result<PathBuf, OpenError> {
    let path = dir.join(DATABASE);
    private(&path).map_err(failed("opened", &path))?;
    Ok(path)
}

fn private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Leaves word of who has the lock, for the message that the next one gets.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut holder = String::new();
    match file.take(64).read_to_string(&mut holder) {
        Ok(length) if length > 0 => holder,
        _ => "another process".into(),
    }
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { what, path: path.clone(), source }
}
