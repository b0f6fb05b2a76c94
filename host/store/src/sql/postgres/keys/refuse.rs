//! Nothing is stored that a key has sealed which is given up, by no node, whatever it has slept through: the database itself refuses it.
//! While a rotation is under way, both its keys may seal; after it, the new one alone.

use super::super::TURN_WAIT_MS_MAX;
use crate::sealer::PREFIX_BYTES;
use crate::sql::database::Conn;
use crate::sql::error::Result;
use crate::sql::reseal::{Column, SEALED, beginning, literal};
use crate::sql::tx::find;

/// What says no.
const REFUSE: &str = "CREATE OR REPLACE FUNCTION refuse_old_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a value for %.% was sealed with a key that is given up', TG_TABLE_NAME, TG_ARGV[0]
        USING HINT = 'stop that node, copy sealing.key from the data directory of another one, and start it again';
END $$";

/// How long another session is waited for that has one of the tables, in milliseconds: all who write wait meanwhile. An autovacuum gives
/// way after 1 s.
const DDL_LOCK_MS_MAX: u64 = 1_500;
/// The first version that replaces triggers: PostgreSQL 14.
const SERVER_VERSION_MIN: u32 = 140_000;

/// Whether the server can say no.
pub(super) fn is_able(conn: &Conn) -> Result<bool> {
    let version = find(conn, "SELECT current_setting('server_version_num')", (), |row| row.take::<String>())?;
    Ok(version.and_then(|version| version.parse().ok()).is_some_and(|version: u32| version >= SERVER_VERSION_MIN))
}

/// Refuses whatever begins otherwise than with one of these: while two keys are in use, what a third one has sealed. No reader is waited
/// for, and none waits.
pub(super) fn refuse_others(conn: &Conn, prefixes: &[[u8; PREFIX_BYTES]]) -> Result<()> {
    let prefixes = prefixes.iter().map(|prefix| literal(conn, prefix)).collect::<Vec<_>>().join(", ");
    let trigger = |Column { table, column, .. }: &Column| {
        let begins = beginning(&format!("NEW.{column}"));
        format!(
            "CREATE OR REPLACE TRIGGER old_key_{table}_{column} BEFORE INSERT OR UPDATE OF {column} ON {table}
             FOR EACH ROW WHEN ({begins} NOT IN ({prefixes})) EXECUTE FUNCTION refuse_old_key('{column}');
             ALTER TABLE {table} ENABLE TRIGGER old_key_{table}_{column};"
        )
    };
    let triggers: String = SEALED.iter().map(trigger).collect();
    conn.run_all(&format!(
        "SET LOCAL lock_timeout = {DDL_LOCK_MS_MAX}; {REFUSE}; {triggers} SET LOCAL lock_timeout = {TURN_WAIT_MS_MAX}"
    ))
}
