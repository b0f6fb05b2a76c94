//! Every column that holds something sealed, and the place that it is sealed for. A column that a migration adds belongs into this
//! list or into the one of those that hold other bytes: a test fails while it stands in neither.

use larder_domain::AddonId;
use uuid::Uuid;

use crate::places;
use crate::sql::database::{Conn, Owned as Cell};
use crate::sql::error::Result;
use crate::sql::tx::list;

/// A column with sealed values.
pub(in crate::sql) struct Column {
    pub(in crate::sql) table: &'static str,
    pub(in crate::sql) column: &'static str,
    /// What finds a row.
    pub(super) key: &'static [&'static str],
    /// The place of the value in the row with this key.
    pub(super) place: fn(&[Cell]) -> Option<String>,
}

const fn of_addon(table: &'static str, column: &'static str, place: fn(&[Cell]) -> Option<String>) -> Column {
    Column { table, column, key: &["addon"], place }
}

/// All of them.
pub(in crate::sql) static SEALED: [Column; 14] = [
    Column { table: "installation", column: "key_check", key: &["one"], place: |_| Some(places::KEY_CHECK.to_owned()) },
    Column { table: "app_variable", column: "value", key: &["app", "name"], place: variable },
    Column { table: "provider", column: "options", key: &["name"], place: options },
    Column { table: "added_engine", column: "definition", key: &["name"], place: engine },
    of_addon("addon_detail", "parameters", |key| addon(key).map(places::parameters)),
    of_addon("addon_detail", "seed", |key| addon(key).map(places::seed)),
    of_addon("addon_detail", "config", |key| addon(key).map(places::config)),
    of_addon("addon_detail", "issued", |key| addon(key).map(places::issued)),
    of_addon("guest_state", "value", |key| addon(key).map(places::guest_state)),
    Column { table: "docker_object", column: "document", key: &["addon", "name"], place: document },
    // Of operations under way, in the place of what they are to become, or were.
    of_addon("operation_detail", "new_parameters", |key| addon(key).map(places::parameters)),
    of_addon("operation_detail", "old_state", |key| addon(key).map(places::guest_state)),
    of_addon("operation_detail", "transfer", |key| addon(key).map(places::transfer)),
    Column { table: "operation_object", column: "document", key: &["addon", "name"], place: document },
];

/// Columns of bytes that are not sealed: ids, digests. Some stand in the longest tables, which need not be read for them.
static NEVER_SEALED: [&str; 23] = [
    "addon.id",
    "addon_detail.addon",
    "addon_detail.parent",
    "app_variable.addon",
    "communal_server.addon",
    "docker_object.addon",
    "docker_object.digest",
    "docker_port.addon",
    "guest_state.addon",
    "history.addon",
    "idempotency.addon",
    "idempotency.body",
    "installation.id",
    "log.addon",
    "node.home",
    "node.id",
    "operation_detail.addon",
    "operation_object.addon",
    "operation_object.digest",
    "transfer.operation",
    "transfer.node",
    "version.digest",
    "work.lease_owner",
];

/// Whether something sealed may stand there: it does, or nobody knows.
pub(super) fn may_be_sealed((table, column): &(String, String)) -> bool {
    !NEVER_SEALED.contains(&&*format!("{table}.{column}"))
}

fn addon(key: &[Cell]) -> Option<AddonId> {
    match key.first()? {
        Cell::Blob(bytes) => Uuid::from_slice(bytes).ok().map(AddonId),
        _ => None,
    }
}

fn text(key: &[Cell], at: usize) -> Option<&str> {
    match key.get(at)? {
        Cell::Text(text) => Some(text),
        _ => None,
    }
}

fn variable(key: &[Cell]) -> Option<String> {
    Some(places::variable(&text(key, 0)?.parse().ok()?, &text(key, 1)?.parse().ok()?))
}

fn options(key: &[Cell]) -> Option<String> {
    Some(places::options(&text(key, 0)?.parse().ok()?))
}

fn engine(key: &[Cell]) -> Option<String> {
    Some(places::engine(&text(key, 0)?.parse().ok()?))
}

fn document(key: &[Cell]) -> Option<String> {
    Some(places::document(addon(key)?, &text(key, 1)?.parse().ok()?))
}

/// Every column of bytes that there is, with its table. Components are left out: their bytes are strangers', who may have them
/// begin as they like, and reading them all would take long. So is the new key itself, which the one of before has sealed.
pub(super) fn of_bytes(conn: &Conn) -> Result<Vec<(String, String)>> {
    let sql = conn.either(
        "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
         WHERE t.type = 'table' AND t.name <> 'component' AND t.name NOT LIKE 'sqlite_%' AND c.type = 'BLOB' ORDER BY t.name, c.cid",
        "SELECT CAST(c.table_name AS TEXT), CAST(c.column_name AS TEXT) FROM information_schema.columns AS c
         JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
         WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.data_type = 'bytea'
         AND c.table_name <> 'component' AND NOT (c.table_name = 'key_rotation' AND c.column_name = 'sealed')
         ORDER BY c.table_name, c.ordinal_position",
    );
    list(conn, sql, (), |row| Ok((row.take()?, row.take()?)))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::sql::migrations;

    #[test]
    fn of_every_column_of_bytes_it_is_known_whether_it_is_sealed() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrations::run(&mut conn).unwrap();
        let conn = Conn::Sqlite(conn);
        let there: Vec<_> =
            of_bytes(&conn).unwrap().into_iter().map(|(table, column)| format!("{table}.{column}")).collect();
        let sealed = SEALED.iter().map(|Column { table, column, .. }| format!("{table}.{column}"));
        let mut known: Vec<_> = sealed.chain(NEVER_SEALED.map(str::to_owned)).collect();
        known.sort();
        let mut there = there;
        there.sort();
        assert_eq!(there, known, "say of a new column whether it is sealed, and for which place");
        // Whoever asks for rows by a key that is none would get some of them twice, or never.
        for Column { table, key, .. } in &SEALED {
            let sql = format!(
                "SELECT group_concat(name, ' ') FROM (SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk)"
            );
            let primary: String = conn.embedded().unwrap().query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(primary, key.join(" "), "{table}");
        }
    }
}
