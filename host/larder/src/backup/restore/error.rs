//! Why nothing was restored. Nothing was changed either.

use std::io;
use std::path::{Path, PathBuf};

use larder_store::KeyError;
use larder_store::sql::AdoptError;

use crate::backup::Broken;

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// It is no backup, or no whole one.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// What is in it can't be used.
    #[error("the backup can't be used: {0}")]
    Database(#[from] AdoptError),
    /// The backup can't be read.
    #[error("the backup can't be read: {0}")]
    Unreadable(#[source] io::Error),
    /// A server runs on the directory.
    #[error("the data directory {} is in use by {holder}", dir.display())]
    InUse { dir: PathBuf, holder: String },
    /// There is something already.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// It is a file.
    #[error("{} is no directory", .0.display())]
    NoDirectory(PathBuf),
    /// It can't be given another name.
    #[error("{} is a mount point, or on another disk than the folder that it is in", .0.display())]
    MountPoint(PathBuf),
    /// Nobody said which key.
    #[error("the key is missing: a backup doesn't have it")]
    NoKey,
    /// The key's file can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another one.
    #[error("the backup needs the key {needed}, and this one is {ours}")]
    WrongKey { needed: String, ours: String },
    /// Whoever made it, or changed it since, did not have the key.
    #[error("the backup was changed by somebody who did not have its key")]
    Forged,
    /// The disk failed.
    #[error("{} can't be {what}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
}

impl RestoreError {
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { what, path: path.to_owned(), source }
    }

    /// A stable name for programs, and what a person can do.
    pub(crate) fn told(&self) -> (&'static str, &'static str) {
        match self {
            Self::Broken(Broken::Foreign) => ("backup_foreign", "name a file that `larder backup` has written"),
            Self::Broken(Broken::Newer(_)) | Self::Database(AdoptError::Newer { .. }) => {
                ("backup_newer", "restore it with the version of Larder that made it, or a newer one")
            }
            Self::Broken(Broken::Truncated(_)) => {
                ("backup_truncated", "copy it again from where it is kept, or take another one")
            }
            Self::Broken(Broken::Damaged(_)) | Self::Database(AdoptError::Damaged(_) | AdoptError::Foreign) => {
                ("backup_damaged", "copy it again from where it is kept, or take another one")
            }
            Self::Broken(Broken::Unwritable(_)) | Self::File { .. } | Self::Database(AdoptError::Database(_)) => {
                ("unwritable", "see that there is room, and that you may write where the data directory is")
            }
            Self::Unreadable(_) => ("unreadable", "check the file's name, and that you may read it"),
            Self::InUse { .. } => ("in_use", "stop that server first, or name another directory with --data-dir"),
            Self::NotEmpty(_) => {
                ("not_empty", "name another directory with --data-dir, or have this one moved aside with --replace")
            }
            Self::NoDirectory(_) => ("not_empty", "name another directory with --data-dir"),
            Self::MountPoint(_) => {
                ("mount_point", "name a directory below it with --data-dir, as /data/larder for /data, and serve that")
            }
            Self::NoKey => (
                "key_missing",
                "name the file with the key, which you have kept apart, with --key; on the server it is `sealing.key`",
            ),
            Self::Key(_) => ("key_unreadable", "name the file with the key with --key"),
            Self::WrongKey { .. } | Self::Database(AdoptError::Key(_)) => (
                "wrong_key",
                "name the file with that key with --key; after a rotation, older backups need the key of before",
            ),
            Self::Forged => ("backup_forged", "take another backup, from where nobody else can write"),
        }
    }
}
