//! The key's file: 64 hexadecimal digits, mode 0600, made at the first start and never changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KEY_BYTES, KeyfileSealer};

/// Far more than a key needs; whoever names a wrong file need not wait until it is read.
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
    #[error("the key file {} holds no key: it must be 64 hexadecimal digits; restore it from a backup", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
}

impl KeyfileSealer {
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

fn unreadable(path: &Path, source: io::Error) -> KeyError {
    KeyError::File { what: "read", path: path.to_owned(), source }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
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
    let malformed = || KeyError::Malformed { path: path.to_owned() };
    let digits = text.trim();
    if digits.len() != 2 * KEY_BYTES || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| malformed())?;
    }
    Ok(KeyfileSealer::from_key(&key))
}

/// Makes the file at once and whole: it gets its name only when it is complete, and no existing file loses its name.
fn create(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut *key).map_err(|error| io::Error::other(error.to_string()))?;
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
    key.iter().for_each(|byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[digit as usize])))
    });
    text.push('\n');

    // A name that no process before has left behind.
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(|error| io::Error::other(error.to_string()))?;
    let unfinished = path.with_extension(format!("new-{:016x}", u64::from_ne_bytes(suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let named = written.and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished)?;
    match named {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all(),
    }
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
    fn a_file_without_a_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for text in ["", "abc", &"g".repeat(64), &"ä".repeat(32)] {
            fs::write(&path, text).unwrap();
            assert!(matches!(KeyfileSealer::from_file_or_create(&path), Err(KeyError::Malformed { .. })), "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
