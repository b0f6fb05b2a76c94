//! The key's file: 64 hexadecimal digits, mode 0600, made at the first start and changed by a rotation alone. While that is under
//! way, the new key stands above those of before, each on a line of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use larder_domain::ports::Storage;
use zeroize::Zeroizing;

use super::ring::{Key, Ring};
use super::{KEY_BYTES, KeyfileSealer};

/// Keys in a file. A rotation has two, and goes on with the same two if it is broken off.
const KEYS_MAX: usize = 8;
/// How the name of a file goes on that is not whole yet.
const UNFINISHED: &str = "new-";
/// Far more than they need; whoever names a wrong file need not wait until it is read.
const FILE_BYTES_MAX: u64 = 1024;

/// The key can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read or made.
    #[error("the key file {} can't be {what}", path.display())]
    File {
        /// Read or made.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the key file {} holds no key: it must be 64 hexadecimal digits (while keys are rotated, on each line); put back the copy that you keep of it (no backup has it)", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
}

impl KeyError {
    /// What is the matter with the disk, if that is it.
    #[must_use]
    pub fn storage(&self) -> Option<Storage> {
        match self {
            Self::File { source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(Storage::Full),
                ErrorKind::ReadOnlyFilesystem => Some(Storage::ReadOnly),
                _ => None,
            },
            Self::Malformed { .. } => None,
        }
    }

    /// There was no randomness to make it of.
    pub(super) fn made(path: &Path, error: getrandom::Error) -> Self {
        Self::File { what: "made", path: path.to_owned(), source: io::Error::other(error.to_string()) }
    }
}

impl KeyfileSealer {
    /// Seals with the key in this file, which must be there.
    ///
    /// # Errors
    /// It can't be read, or it holds no key.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        parse(path, &read(path).map_err(|source| unreadable(path, source))?)
    }

    /// Seals with the key in this file. If there is no such file, it is made with a new key.
    ///
    /// # Errors
    /// It can't be read or made, or it holds no key.
    pub fn from_file_or_create(path: &Path) -> Result<Self, KeyError> {
        match read(path) {
            Ok(text) => parse(path, &text),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create(path).map_err(|source| KeyError::File { what: "made", path: path.to_owned(), source })?;
                // Read back rather than kept: somebody else may have been quicker, and then theirs is the key.
                parse(path, &read(path).map_err(|source| unreadable(path, source))?)
            }
            Err(source) => Err(unreadable(path, source)),
        }
    }
}

impl KeyfileSealer {
    /// Removes what a process that was killed has left behind beside the file, with keys in it. Only while nobody writes the file.
    ///
    /// # Errors
    /// It can't be removed, or not be looked for.
    pub fn tidy(&self) -> Result<(), KeyError> {
        let Some(path) = &self.file else { return Ok(()) };
        tidy(path).map_err(|source| KeyError::File { what: "tidied up after", path: path.clone(), source })
    }
}

fn unreadable(path: &Path, source: io::Error) -> KeyError {
    KeyError::File { what: "read", path: path.to_owned(), source }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    // To open a pipe is to wait until somebody writes into it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "others can read the key file: chmod 600 it");
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<KeyfileSealer, KeyError> {
    let keys: Option<Vec<Key>> = text.lines().filter(|line| !line.trim().is_empty()).map(parse_key).collect();
    let mut keys = keys.filter(|keys| keys.len() <= KEYS_MAX).unwrap_or_default().into_iter();
    let current = keys.next().ok_or_else(|| KeyError::Malformed { path: path.to_owned() })?;
    Ok(KeyfileSealer::of(Arc::new(Ring::new(current, keys.collect())), Some(path.to_owned())))
}

fn parse_key(line: &str) -> Option<Key> {
    let digits = line.trim();
    if digits.len() != 2 * KEY_BYTES || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(Key::new(key))
}

fn text<'a>(keys: impl Iterator<Item = &'a Key>) -> Zeroizing<String> {
    // Room for it all at once: growing would leave copies behind that nobody wipes.
    let mut text = Zeroizing::new(String::with_capacity(KEYS_MAX * (2 * KEY_BYTES + 1)));
    for key in keys.take(KEYS_MAX) {
        key.bytes.iter().for_each(|byte| {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[digit as usize])))
        });
        text.push('\n');
    }
    text
}

/// Makes the file with a new key.
fn create(path: &Path) -> io::Result<()> {
    let key = Key::generate().map_err(|error| io::Error::other(error.to_string()))?;
    // No file that is there loses its name.
    put(path, &text(std::iter::once(&key)), |unfinished| match fs::hard_link(unfinished, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::remove_file(unfinished),
    })
}

/// Writes the file anew: whoever reads it has what was there, or what is there now.
pub(super) fn write(path: &Path, ring: &Ring) -> Result<(), KeyError> {
    // A link stays one: what it leads to is the file.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let written = put(&real, &text(ring.keys()), |unfinished| fs::rename(unfinished, &real));
    written.map_err(|source| KeyError::File { what: "written", path: path.to_owned(), source })
}

fn tidy(path: &Path) -> io::Result<()> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (Some(dir), Some(stem)) = (real.parent(), real.file_stem()) else { return Ok(()) };
    let beginning = format!("{}.{UNFINISHED}", stem.to_string_lossy());
    for found in fs::read_dir(dir)? {
        let found = found?;
        if found.file_name().to_string_lossy().starts_with(&beginning) {
            fs::remove_file(found.path())?;
        }
    }
    Ok(())
}

/// Makes a file at once and whole: it gets its name only when it is complete, and on the disk.
fn put(path: &Path, text: &str, name: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    // A name that no process before has left behind.
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(|error| io::Error::other(error.to_string()))?;
    let unfinished = path.with_extension(format!("{UNFINISHED}{:016x}", u64::from_ne_bytes(suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let named = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| name(&unfinished));
    if let Err(error) = named {
        let _gone = fs::remove_file(&unfinished);
        return Err(error);
    }
    File::open(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use larder_domain::ports::Sealer;

    use super::*;

    #[test]
    fn the_key_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let sealed = KeyfileSealer::from_file_or_create(&path).unwrap().seal("a", b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
        assert_eq!(**KeyfileSealer::from_file_or_create(&path).unwrap().open("a", &sealed).unwrap(), *b"secret");
    }

    #[test]
    fn what_was_left_unfinished_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealing.key");
        let sealer = KeyfileSealer::from_file_or_create(&path).unwrap();
        for name in ["sealing.new-0123456789abcdef", "sealing.old", "other.new-0123456789abcdef"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        sealer.tidy().unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["other.new-0123456789abcdef", "sealing.key", "sealing.old"]);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(KeyfileSealer::from_file(dir.path()), Err(KeyError::File { what: "read", .. })));
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let keys = format!("{}\n", "7".repeat(64)).repeat(KEYS_MAX + 1);
        for text in ["", "abc", &"g".repeat(64), &"ä".repeat(32), &format!("{}\nabc", "7".repeat(64)), &keys] {
            fs::write(&path, text).unwrap();
            assert!(matches!(KeyfileSealer::from_file_or_create(&path), Err(KeyError::Malformed { .. })), "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
