//! Why nothing was moved. Nothing was changed either.

use std::io;
use std::path::PathBuf;

use larder_domain::ports::StoreError;

use crate::OpenError;
use crate::sql::AdoptError;

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// There is nothing to be moved.
    #[error("there is no installation in {}", .0.display())]
    Absent(PathBuf),
    /// The directory or the server can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is in the directory can't be used.
    #[error("the installation can't be used: {0}")]
    Source(#[from] AdoptError),
    /// An older version wrote it.
    #[error("the database has schema {found}, and this version moves {known}")]
    Older {
        /// The schema that was found.
        found: usize,
        /// The one that this version knows.
        known: usize,
    },
    /// Two keys are in use.
    #[error("a rotation of the key is under way")]
    Rotating,
    /// The same, by the servers that share the database.
    #[error("a rotation of the key is under way")]
    RotatingThere,
    /// The database is somebody else's.
    #[error("the database there is somebody else's: it has tables that Larder did not make")]
    Foreign,
    /// There is an installation already.
    #[error("the database there has {} installation already", if *.is_same { "this very" } else { "another" })]
    Occupied {
        /// Whether it is the one that was to be moved.
        is_same: bool,
    },
    /// The two databases differ in more than they may: a mistake of this program.
    #[error("there is no room for {0} in the database there")]
    Shape(String),
    /// The same the other way round.
    #[error("the database there has no {0}")]
    Lacking(String),
    /// A newer or an older version of Larder has been at the server.
    #[error("the database there has schema {found}, and this version copies {known}")]
    Schema {
        /// The schema that was found.
        found: usize,
        /// The one that this version knows.
        known: usize,
    },
    /// A row can't be read.
    #[error("the table {table} has a row that can't be read: {source}")]
    Row {
        /// Of which table.
        table: String,
        /// Why.
        source: StoreError,
    },
    /// What was read back is not what was sent.
    #[error("the table {0} is not there what it is here")]
    Different(String),
    /// The database there failed.
    #[error("the database's server failed")]
    Target(#[from] postgres::Error),
    /// The directory can't be marked as moved.
    #[error("{} can't be marked as moved", dir.display())]
    Unmarkable {
        /// Which directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server did not say whether it has stored it.
    #[error("it is not known whether it was moved: the server did not answer at the very end")]
    Unknown {
        /// What keeps a server from starting from the directory.
        marker: PathBuf,
        /// What was heard last.
        source: postgres::Error,
    },
    /// The database here failed.
    #[error("the data directory's database failed")]
    Read(#[from] rusqlite::Error),
    /// There is a database already.
    #[error("there is a database in {} already", .0.display())]
    Used(PathBuf),
    /// The server has nothing to be moved.
    #[error("there is no installation in the database there")]
    Empty,
    /// Servers run there.
    #[error("servers run on the database there, or ran just now: {0}")]
    Alive(String),
    /// The server did not say whether nobody goes on there any more.
    #[error("it is not known whether it was moved: the server did not answer at the very end")]
    UnknownThere {
        /// What keeps a server from starting from the directory.
        marker: PathBuf,
        /// What was heard last.
        source: postgres::Error,
    },
    /// The new database can't be made.
    #[error("the database here can't be made")]
    Made(#[source] OpenError),
    /// Nobody waits for it any more.
    #[error("it was broken off")]
    BrokenOff,
    /// A mistake of this program.
    #[error("the move panicked")]
    Panicked,
}
