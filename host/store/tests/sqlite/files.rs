//! The data directory: who may see it, and who has it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use larder_store::{ManualClock, OpenError};

use crate::world::new_addon;
use crate::{beside, open_with, world_in};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn files_are_their_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/data");
    let world = world_in(&dir);
    world.create(new_addon(&world, None)).await;
    assert_eq!(mode(&dir), 0o700);
    let mut names = vec![];
    for file in std::fs::read_dir(&dir).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{file:?}");
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["larder.db", "larder.db-shm", "larder.db-wal", "lock"]);
    drop(world);
    assert!(!dir.join("larder.db-wal").exists(), "closing leaves one file to back up");
}

#[tokio::test]
async fn a_directory_has_one_store_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let first = open_with(dir.path(), 7, &clock).unwrap();
    let Err(refused @ OpenError::InUse { .. }) = open_with(dir.path(), 7, &clock) else {
        return assert_eq!("opened twice", "");
    };
    let (text, process) = (refused.to_string(), std::process::id().to_string());
    assert!(text.contains(&process) && text.contains(&dir.path().display().to_string()), "{text}");
    drop(first);
    open_with(dir.path(), 7, &clock).unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(world_in(dir.path()));
    beside(dir.path()).pragma_update(None, "user_version", 1_000).unwrap();
    let refused = open_with(dir.path(), 7, &Arc::new(ManualClock::default()));
    assert!(matches!(refused, Err(OpenError::Newer { found: 1_000, .. })));
}
