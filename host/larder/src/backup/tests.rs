//! The file's form: whatever was changed, cut off or added is refused, wherever it is cut into pieces. And what is made of a data
//! directory in a moment that is hard to meet from outside.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use larder_domain::ports::{Backup, Backups as _, Sealer as _};
use larder_store::{KeyfileSealer, SqlStore, SystemClock};
use sha2::{Digest as _, Sha256};

use super::format::{FORMAT, Header, LEAD_BYTES, MAGIC, Part};
use super::parser::{Broken, Parser, Whole};
use super::restore::{Restore, RestoreError, Restored};
use super::{DATABASE, DataSource, SHIPPED, SUM_PLACE, TOKEN};

fn header(parts: &[(&str, usize)]) -> Header {
    Header {
        made_at: "2026-01-31T08:09:10.011Z".into(),
        larder: "1.2.3".into(),
        installation: "0190".into(),
        schema: 13,
        keys: vec!["a1b2c3d4".into()],
        parts: parts.iter().map(|&(name, bytes)| Part { name: name.into(), bytes: bytes as u64 }).collect(),
    }
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let sum: [u8; 32] = Sha256::digest(body).into();
    [body, &sum, &KeyfileSealer::from_key(&[7; 32]).seal(SUM_PLACE, &sum).unwrap()].concat()
}

fn whole() -> Vec<u8> {
    let header = header(&[(TOKEN, 3), (SHIPPED, 0), (DATABASE, 5)]);
    let lead = header.written().unwrap();
    let backup = sealed(&[&lead[..], b"tok", b"datab"].concat());
    assert_eq!(backup.len() as u64, header.whole_bytes(lead.len()));
    backup
}

/// What is in it, read in pieces of so many bytes.
fn read(bytes: &[u8], piece_bytes: usize) -> Result<(Whole, BTreeMap<String, Vec<u8>>), Broken> {
    let (mut parser, mut parts) = (Parser::new(), BTreeMap::<String, Vec<u8>>::new());
    let mut take = |part: &Part, piece: &[u8]| -> io::Result<()> {
        parts.entry(part.name.clone()).or_default().extend_from_slice(piece);
        Ok(())
    };
    let mut source = Cursor::new(bytes);
    let mut piece = vec![0; piece_bytes];
    loop {
        match source.read(&mut piece).unwrap() {
            0 => return Ok((parser.end()?, parts)),
            read => parser.push(&piece[..read], &mut take)?,
        }
    }
}

#[test]
fn what_was_written_is_read_however_it_comes() {
    let parts = [(TOKEN, &b"tok"[..]), (DATABASE, b"datab")];
    let parts = BTreeMap::from(parts.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    for piece_bytes in [1, 2, 7, 64, 1 << 20] {
        let (got, read) = read(&whole(), piece_bytes).unwrap();
        assert_eq!((got.header.schema, &read), (13, &parts), "in pieces of {piece_bytes}");
    }
}

#[test]
fn no_byte_can_be_changed_or_missing_or_too_many() {
    let backup = whole();
    for at in 0..backup.len() {
        let mut changed = backup.clone();
        changed[at] ^= 1;
        // The sealed sum is looked at by whoever has the key.
        if at < backup.len() - super::format::SEALED_SUM_BYTES {
            assert!(read(&changed, 16).is_err(), "byte {at} was changed");
        }
        let cut = read(&backup[..at], 16).map(drop).unwrap_err();
        assert!(matches!(cut, Broken::Truncated(bytes) if bytes == at as u64), "cut after {at}: {cut}");
    }
    let more = read(&[&backup[..], b"x"].concat(), 16).map(drop).unwrap_err();
    assert!(matches!(more, Broken::Damaged("something follows its end")), "{more}");
}

#[test]
fn what_is_none_of_ours_is_told_apart_from_what_is_damaged() {
    for foreign in [&b"SQLite format 3\0 and more than that"[..], b"x", b"larder bakcup"] {
        assert!(matches!(read(foreign, 8), Err(Broken::Foreign)), "{foreign:?}");
    }
    let mut newer = whole();
    newer[MAGIC.len()] = FORMAT + 1;
    assert!(matches!(read(&newer, 8), Err(Broken::Newer(2))));
    for bytes in [0, u32::MAX] {
        let mut endless = whole();
        endless[MAGIC.len() + 1..LEAD_BYTES].copy_from_slice(&bytes.to_le_bytes());
        assert!(matches!(read(&endless, 8), Err(Broken::Damaged(_))));
    }
}

#[test]
fn a_header_names_only_what_can_be_there() {
    let (large, many) = (2 << 20, usize::MAX / 2);
    for parts in [
        &[(TOKEN, 3)][..],
        &[(DATABASE, 5), (DATABASE, 5)],
        &[(DATABASE, 5), ("../../etc/passwd", 1)],
        &[(DATABASE, 5), ("sealing.key", 1)],
        &[(DATABASE, 0)],
        &[(DATABASE, many)],
        &[(DATABASE, 5), (TOKEN, large)],
    ] {
        let backup = sealed(&header(parts).written().unwrap());
        assert!(matches!(read(&backup, 64), Err(Broken::Damaged(_))), "{parts:?}");
    }
}

#[test]
fn a_full_disk_is_told_as_one() {
    let mut parser = Parser::new();
    let full = parser.push(&whole(), &mut |_, _| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
    assert!(matches!(full, Broken::Unwritable(_)));
}

/// A store with its key file, and all that a backup of it has.
async fn backed_up(dir: &Path, sealer: &Arc<KeyfileSealer>) -> Vec<u8> {
    let store = SqlStore::open(dir, sealer.clone(), Arc::new(SystemClock::new())).unwrap();
    std::fs::write(dir.join(".backup-left"), "by a process that was killed").unwrap();
    let source = DataSource::new(dir, Arc::new(store), Arc::clone(sealer));
    assert!(!dir.join(".backup-left").exists());
    let Backup { mut content, bytes, .. } = source.make().await.unwrap();
    let mut backup = vec![];
    content.read_to_end(&mut backup).unwrap();
    assert_eq!(backup.len() as u64, bytes);
    backup
}

fn restore(backup: &[u8], to: &Path, key: &Path) -> Result<Restored, RestoreError> {
    let restore = Restore { dir: to, key: Some(key), replace: false, check: None };
    restore.run(&mut Cursor::new(backup), &mut |_| {})
}

#[tokio::test]
async fn a_backup_of_a_rotation_under_way_needs_both_keys_and_goes_on_with_it() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (both, to) = (dir.path().join("sealing.key"), to.path().join("restored"));
    let sealer = Arc::new(KeyfileSealer::from_file_or_create(&both).unwrap());
    sealer.add_key().unwrap();
    let backup = backed_up(dir.path(), &sealer).await;
    let one = dir.path().join("one.key");
    for line in std::fs::read_to_string(&both).unwrap().lines() {
        std::fs::write(&one, line).unwrap();
        let refused = restore(&backup, &to, &one).map(drop).unwrap_err();
        let names = sealer.key_ids();
        assert!(names.iter().all(|name| refused.to_string().contains(name.as_str())), "{refused}");
        assert_eq!(refused.told().0, "wrong_key");
    }
    let restored = restore(&backup, &to, &both).unwrap();
    assert_eq!(restored.header.keys.len(), 2);
    let sealer = KeyfileSealer::from_file(&to.join("sealing.key")).unwrap();
    assert!(sealer.is_rotating());
    SqlStore::open(&to, Arc::new(sealer), Arc::new(SystemClock::new())).unwrap();
}

#[tokio::test]
async fn what_was_moved_aside_is_not_taken_for_a_rest() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, key) = (parent.path().join("data"), parent.path().join("key"));
    let sealer = Arc::new(KeyfileSealer::from_file_or_create(&key).unwrap());
    let backup = backed_up(&dir, &sealer).await;
    for number in 1..=3 {
        std::fs::write(dir.join("mine"), number.to_string()).unwrap();
        let restore = Restore { dir: &dir, key: Some(&key), replace: true, check: None };
        let restored = restore.run(&mut Cursor::new(&backup), &mut |_| {}).unwrap();
        assert_eq!(std::fs::read_to_string(restored.aside.unwrap().join("mine")).unwrap(), number.to_string());
    }
    let mut names: Vec<_> = std::fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["data", "data.before-restore", "data.before-restore-2", "data.before-restore-3", "key"]);
}
