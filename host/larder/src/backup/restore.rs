//! Makes a data directory of a backup.
//!
//! Everything is put into a folder beside the target first, and looked at there: the whole file, the key, the whole database. Only what
//! is found right takes the target's name, in one step. Whatever goes wrong before, a kill included, has changed nothing; and
//! from the first moment the new directory is locked, so that no server starts on it before it is done.

mod error;
mod target;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use larder_domain::ports::Sealer as _;
use larder_store::sql::{adopt_database, check_database};
use larder_store::{Clock as _, KeyfileSealer, SystemClock};
use serde_json::json;
use zeroize::Zeroizing;

use super::format::Part;
use super::parser::Whole;
use super::{DATABASE, Header, Parser, SUM_PLACE, TOKEN, TOKEN_PLACE};
pub(crate) use error::RestoreError;
use target::Target;

/// The key's file in a data directory.
const KEY: &str = "sealing.key";
/// What is read at once, in bytes.
const PIECE_BYTES: usize = 256 * 1024;
/// Far more than a file with keys has, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// What is to be restored, and whereto.
#[derive(Debug)]
pub(crate) struct Restore<'a> {
    /// The data directory to be made.
    pub(crate) dir: &'a Path,
    /// The file with the key; none for the one that is there already.
    pub(crate) key: Option<&'a Path>,
    /// Whether what is there may be moved aside.
    pub(crate) replace: bool,
    /// Only look whether it could be done, with this folder to work in.
    pub(crate) check: Option<&'a Path>,
}

/// What was restored, or could be.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) header: Header,
    /// Where that is now which was there before.
    pub(crate) aside: Option<PathBuf>,
}

impl Restore<'_> {
    /// Reads the backup and does it all.
    pub(crate) fn run(&self, source: &mut dyn Read, told: &mut dyn FnMut(usize)) -> Result<Restored, RestoreError> {
        if let Some(scratch) = self.check {
            let (sealer, _) = self.key()?;
            let (Whole { header, .. }, _) = checked(source, scratch, &sealer, told)?;
            return Ok(Restored { header, aside: None });
        }
        let target = Target::look(self.dir, self.replace)?;
        let (sealer, key) = self.key()?;
        let stage = target.stage()?;
        let (Whole { header, .. }, token) = checked(source, stage.path(), &sealer, told)?;
        let noted = json!({ "made_at": header.made_at, "larder": header.larder });
        adopt_database(&stage.path().join(DATABASE), SystemClock::new().wall(), &noted)?;
        let token = match token.as_slice() {
            [] => Zeroizing::default(),
            sealed => sealer.open(TOKEN_PLACE, sealed).map_err(|_| RestoreError::Forged)?,
        };
        for (name, text) in [(KEY, &key), (TOKEN, &token)] {
            if !text.is_empty() {
                write(&stage.path().join(name), text)?;
            }
        }
        let aside = target.take(stage, &key)?;
        Ok(Restored { header, aside })
    }

    /// The key, and what stands in its file.
    fn key(&self) -> Result<(KeyfileSealer, Zeroizing<Vec<u8>>), RestoreError> {
        let there = self.dir.join(KEY);
        let path = match self.key {
            Some(named) => named,
            None if there.exists() => &there,
            None => return Err(RestoreError::NoKey),
        };
        let sealer = KeyfileSealer::from_file(path)?;
        let mut text = Zeroizing::new(Vec::new());
        let read = File::open(path).and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut text));
        read.map_err(|source| RestoreError::io("read", path, source))?;
        Ok((sealer, text))
    }
}

/// Reads all of a backup into a folder, and looks at all that there is to look at.
fn checked(
    source: &mut dyn Read,
    into: &Path,
    sealer: &KeyfileSealer,
    told: &mut dyn FnMut(usize),
) -> Result<(Whole, Vec<u8>), RestoreError> {
    let (whole, token) = unpack(source, into, told)?;
    check_key(&whole, sealer)?;
    check_database(&into.join(DATABASE), sealer)?;
    Ok((whole, token))
}

/// Reads all of a backup into a folder. The token stays sealed, and is in no file.
fn unpack(source: &mut dyn Read, into: &Path, told: &mut dyn FnMut(usize)) -> Result<(Whole, Vec<u8>), RestoreError> {
    let (mut parser, mut token, mut open) = (Parser::new(), Vec::new(), None::<(String, File)>);
    let mut take = |part: &Part, piece: &[u8]| -> io::Result<()> {
        if part.name == TOKEN {
            token.extend_from_slice(piece);
            return Ok(());
        }
        if open.as_ref().is_none_or(|(name, _)| *name != part.name) {
            finish(open.take())?;
            open = Some((part.name.clone(), create(&into.join(&part.name))?));
        }
        open.as_mut().map_or(Ok(()), |(_, file)| file.write_all(piece))
    };
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                parser.push(&piece[..read], &mut take)?;
                told(read);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(RestoreError::Unreadable(error)),
        }
    }
    finish(open).map_err(|source| RestoreError::io("written", into, source))?;
    Ok((parser.end()?, token))
}

/// What was written is on the disk.
fn finish(open: Option<(String, File)>) -> io::Result<()> {
    open.map_or(Ok(()), |(_, file)| file.sync_all())
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(path: &Path, text: &[u8]) -> Result<(), RestoreError> {
    let written = create(path).and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()));
    written.map_err(|source| RestoreError::io("written", path, source))
}

/// Whether this key opens it, and whoever made it had the key.
fn check_key(whole: &Whole, sealer: &KeyfileSealer) -> Result<(), RestoreError> {
    let (needed, ours) = (&whole.header.keys, sealer.key_ids());
    if !needed.iter().all(|key| ours.contains(key)) {
        return Err(RestoreError::WrongKey { needed: needed.join(", "), ours: ours.join(", ") });
    }
    let opened = sealer.open(SUM_PLACE, &whole.sealed_sum).map_err(|_| RestoreError::Forged)?;
    if **opened == whole.sum { Ok(()) } else { Err(RestoreError::Forged) }
}

/// What is in a data directory that was never used but to put the key there.
fn is_of_no_account(name: &str) -> bool {
    [KEY, target::LOCK].contains(&name)
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
