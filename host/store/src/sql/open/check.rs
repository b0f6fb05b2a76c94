//! A look at the database when it is opened, as far as it takes no time.

use std::path::Path;

use rusqlite::Connection;

/// How large a database is looked at, in bytes: a quarter of a second, on a slow disk a second.
const CHECKED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Mistakes that are told.
const MISTAKES_TOLD_MAX: usize = 3;

/// Says what is damaged, if the database is small. What is not damaged can be used all the same; so this keeps nobody from starting.
pub(super) fn tell_of_damage(conn: &Connection, file: &Path) {
    if file.metadata().is_ok_and(|found| found.len() > CHECKED_BYTES_MAX) {
        return;
    }
    let found = mistakes(conn).unwrap_or_else(|error| vec![error.to_string()]);
    if found != ["ok"] {
        tracing::error!(
            file = %file.display(),
            found = found.join("; "),
            help = "stop the server and restore a backup (larder restore); until then it goes on with what can be read",
            "the database is damaged"
        );
    }
}

fn mistakes(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(&format!("PRAGMA quick_check({MISTAKES_TOLD_MAX})"))?;
    statement.query_map([], |row| row.get(0))?.collect()
}
