//! Machine code kept on disk, so that what was compiled once is not compiled again.
//!
//! Machine code runs with all the rights of the host, so a file is believed only if this host wrote it: it begins with
//! an HMAC-SHA-256 (RFC 2104), by a key that only the host has, over the component's digest, the engine's settings and
//! version, and the code. A file that is cut, changed, of another host or another engine is reported and made anew.
//! The directory is its owner's alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash as _, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use larder_domain::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use zeroize::Zeroizing;

/// What all files take together, in bytes; beyond it, those unused for longest go.
const KEPT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// The largest file that is read, in bytes: more than a compile may give.
const FILE_BYTES_MAX: u64 = 300 * 1024 * 1024;
const MAC_BYTES: usize = 32;
const LABEL: &[u8] = b"larder artefact v1\0";
const EXTENSION: &str = "artefact";

/// Where artefacts are kept, and the key that proves them.
#[derive(Clone)]
pub struct ArtefactDir {
    /// The directory; made if it isn't there.
    pub path: PathBuf,
    /// Known to the host alone.
    pub key: Zeroizing<[u8; 32]>,
}

/// The artefacts of one engine.
pub(super) struct Artefacts {
    dir: ArtefactDir,
    engine: [u8; 32],
    kept_bytes_max: u64,
}

impl Artefacts {
    /// Opens the directory.
    pub(super) fn open(dir: ArtefactDir, engine: &Engine) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir.path)?;
        fs::set_permissions(&dir.path, fs::Permissions::from_mode(0o700))?;
        let mut identity = Identity(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut identity);
        Ok(Self { dir, engine: identity.0.finalize().into(), kept_bytes_max: KEPT_BYTES_MAX })
    }

    /// The code of a component, if it is there and proved.
    pub(super) fn get(&self, digest: Digest) -> Option<Vec<u8>> {
        let path = self.file(digest);
        let read = match self.read(&path, digest) {
            Ok(code) => code,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a kept artefact can't be read; compiling anew");
                return None;
            }
        };
        if read.is_none() {
            tracing::warn!(path = %path.display(), "a kept artefact was changed, or is another host's; compiling anew");
        }
        read
    }

    /// Keeps the code of a component. A failure costs time at the next start and nothing else.
    pub(super) fn put(&self, digest: Digest, code: &[u8]) {
        let written = self.write(digest, code).and_then(|()| self.make_room());
        if let Err(error) = written {
            tracing::warn!(%digest, %error, "an artefact could not be kept; it is compiled again after the next start");
        }
    }

    fn read(&self, path: &Path, digest: Digest) -> io::Result<Option<Vec<u8>>> {
        // Not waiting: a pipe in the place of a file would never begin.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.len() > FILE_BYTES_MAX {
            return Err(io::Error::other("it is no file of ours"));
        }
        let mut mac = [0; MAC_BYTES];
        let mut code = Vec::new();
        file.read_exact(&mut mac)?;
        (&file).take(FILE_BYTES_MAX).read_to_end(&mut code)?;
        if self.mac(digest, &code)?.verify_slice(&mac).is_err() {
            return Ok(None);
        }
        used_now(&file);
        Ok(Some(code))
    }

    fn write(&self, digest: Digest, code: &[u8]) -> io::Result<()> {
        let (path, part) = (self.file(digest), self.dir.path.join(format!("{digest}.part")));
        // What a crash has left behind, or somebody has put there, is not written to.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(&self.mac(digest, code)?.finalize().into_bytes())?;
        file.write_all(code)?;
        fs::rename(&part, path)
    }

    /// Removes what was unused for longest until the rest is within its bound.
    fn make_room(&self) -> io::Result<()> {
        let mut files = vec![];
        for entry in fs::read_dir(&self.dir.path)? {
            let entry = entry?;
            let found = entry.metadata()?;
            files.push((found.modified()?, found.len(), entry.path()));
        }
        files.sort();
        let mut all_bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if all_bytes <= self.kept_bytes_max {
                break;
            }
            fs::remove_file(path)?;
            all_bytes -= bytes;
        }
        Ok(())
    }

    fn mac(&self, digest: Digest, code: &[u8]) -> io::Result<Hmac<Sha256>> {
        let keyed = Hmac::<Sha256>::new_from_slice(&self.dir.key[..]).map_err(io::Error::other)?;
        Ok(keyed.chain_update(LABEL).chain_update(digest.0).chain_update(self.engine).chain_update(code))
    }

    /// One file for each component: another engine's is of no use any more, and replaced.
    fn file(&self, digest: Digest) -> PathBuf {
        self.dir.path.join(format!("{digest}.{EXTENSION}"))
    }
}

/// The time of a file's last use says which can go first. Where it can't be set, that is a little less just.
#[expect(clippy::disallowed_methods, reason = "the times of files are the system's, whatever clock the host has")]
fn used_now(file: &File) {
    let _ = file.set_modified(SystemTime::now());
}

/// Takes the engine's own hash of its settings as bytes.
struct Identity(Sha256);

impl Hasher for Identity {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = Digest([7; 32]);

    fn artefacts(path: &Path, key: u8) -> Artefacts {
        let dir = ArtefactDir { path: path.to_owned(), key: Zeroizing::new([key; 32]) };
        Artefacts::open(dir, &Engine::default()).unwrap()
    }

    #[test]
    fn what_was_kept_comes_back_to_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let ours = artefacts(&dir.path().join("a"), 1);
        assert_eq!(ours.get(DIGEST), None);
        ours.put(DIGEST, b"machine code");
        assert_eq!(ours.get(DIGEST).as_deref(), Some(&b"machine code"[..]));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir.path().join("a")), mode(&ours.file(DIGEST))), (0o700, 0o600));
    }

    #[test]
    fn what_is_not_ours_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let ours = artefacts(dir.path(), 1);
        ours.put(DIGEST, b"machine code");
        let whole = fs::read(ours.file(DIGEST)).unwrap();

        assert_eq!(artefacts(dir.path(), 2).get(DIGEST), None, "another host's");
        let other = Digest([8; 32]);
        fs::copy(ours.file(DIGEST), ours.file(other)).unwrap();
        assert_eq!(ours.get(other), None, "another component's");
        let mut of_another_engine = artefacts(dir.path(), 1);
        of_another_engine.engine = [0; 32];
        assert_eq!(of_another_engine.get(DIGEST), None, "another engine's");

        for bytes in 0..whole.len() {
            fs::write(ours.file(DIGEST), &whole[..bytes]).unwrap();
            assert_eq!(ours.get(DIGEST), None, "cut after {bytes} bytes");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(ours.file(DIGEST), changed).unwrap();
            assert_eq!(ours.get(DIGEST), None, "changed at byte {at}");
        }
        fs::write(dir.path().join("elsewhere"), &whole).unwrap();
        fs::remove_file(ours.file(DIGEST)).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), ours.file(DIGEST)).unwrap();
        assert_eq!(ours.get(DIGEST), None, "a symbolic link");
        ours.put(DIGEST, b"machine code");
        assert!(ours.get(DIGEST).is_some(), "made anew");
        fs::remove_file(ours.file(DIGEST)).unwrap();
        fs::create_dir(ours.file(DIGEST)).unwrap();
        assert_eq!(ours.get(DIGEST), None, "a directory");
    }

    #[test]
    fn what_is_unused_for_longest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut ours = artefacts(dir.path(), 1);
        ours.kept_bytes_max = 300;
        for n in 0..4_u8 {
            ours.put(Digest([n; 32]), &[0; 60]);
            let age = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(n));
            if let Ok(file) = File::open(ours.file(Digest([n; 32]))) {
                file.set_modified(age).unwrap();
            }
        }
        let kept: Vec<bool> = (0..4).map(|n| ours.get(Digest([n; 32])).is_some()).collect();
        assert_eq!(kept, [false, true, true, true]);
    }
}
