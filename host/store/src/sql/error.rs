//! What SQLite says, in the words of the port. A failure passes through as itself; only the edge of this backend names it
//! [`StoreError`], since `?` needs a type of its own to convert SQLite's errors into.

use std::convert::Infallible;
use std::error::Error as _;

use larder_domain::Illegal;
use larder_domain::ports::{SealError, Storage, StoreError};
use rusqlite::ErrorCode;
use tokio_postgres::error::SqlState;

/// A statement, or a job made of several, that failed.
#[derive(Debug)]
pub(super) struct Failure(pub(super) StoreError);

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// What stands in a column can't be read.
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self(StoreError::Corrupt(what.into()))
    }

    /// The database can't be asked.
    pub(super) fn unreachable(why: impl Into<String>) -> Self {
        Self(StoreError::Unreachable(why.into()))
    }

    /// Whether it was said of something that the database was asked, and may not be so of everything else.
    pub(super) const fn is_of_a_statement(&self) -> bool {
        !matches!(self.0, StoreError::Unreachable(_) | StoreError::Busy | StoreError::Storage(Storage::ReadOnly))
    }

    /// The database can't do it.
    pub(super) fn database(why: String) -> Self {
        Self(StoreError::Database(why.into()))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
        Self(match error {
            FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..) => {
                StoreError::Corrupt(format!("a value of the wrong type ({error})"))
            }
            // Only a foreign process can hold the database for so long, since all of ours write through one connection.
            _ if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                StoreError::Busy
            }
            _ => match error.sqlite_error().and_then(of_the_disk) {
                Some(storage) => StoreError::Storage(storage),
                None => StoreError::Database(Box::new(error)),
            },
        })
    }
}

/// What SQLite says of the disk.
pub(super) fn of_the_disk(error: &rusqlite::ffi::Error) -> Option<Storage> {
    Some(match error.code {
        ErrorCode::DiskFull => Storage::Full,
        // The index of the log grows with it, and has no other word for a full disk.
        _ if error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => Storage::Full,
        ErrorCode::ReadOnly => Storage::ReadOnly,
        ErrorCode::SystemIoFailure => Storage::Failing,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Storage::Damaged,
        _ => return None,
    })
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(match error.code() {
            // Somebody else has what it waits for, and for long.
            Some(&SqlState::LOCK_NOT_AVAILABLE) => StoreError::Busy,
            Some(&SqlState::DISK_FULL) => Storage::Full.into(),
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Storage::ReadOnly.into(),
            Some(&SqlState::IO_ERROR) => Storage::Failing.into(),
            Some(&SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED) => Storage::Damaged.into(),
            // Not a word about what was asked, but about whether it can be asked at all.
            Some(code)
                if ["08", "28", "3D", "57"].contains(&&code.code()[..2]) && *code != SqlState::QUERY_CANCELED =>
            {
                StoreError::Unreachable(told(&error))
            }
            None if error.is_closed() || caused_by_io(&error) => StoreError::Unreachable(told(&error)),
            _ => StoreError::Database(Box::new(error)),
        })
    }
}

/// What the server said, or what kept it from saying anything: the client's own words around it tell nobody more.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(word), _) => word.message().to_owned(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    }
}

/// An error with all that it came from.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn caused_by_io(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<Illegal> for Failure {
    fn from(error: Illegal) -> Self {
        Self(error.into())
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self(error.into())
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

/// Why a job stores nothing: either way, all that it wrote is rolled back.
#[derive(Debug)]
pub(super) enum Stop<R = Infallible> {
    /// The port's own word for no; an answer like any other.
    Refused(R),
    /// It could not be done.
    Failed(Failure),
}

impl<R, E: Into<Failure>> From<E> for Stop<R> {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
