//! Nothing is stored any more that another key than the new one has sealed, by no node, whatever it has slept through: the database itself
//! refuses it, until the next rotation begins.

use crate::sealer::PREFIX_BYTES;
use crate::sql::database::Conn;
use crate::sql::error::Result;
use crate::sql::reseal::{Column, SEALED, beginning, literal};
use crate::sql::tx::list;

/// What says no.
const REFUSE: &str = "CREATE OR REPLACE FUNCTION refuse_old_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a value for %.% was sealed with a key that is given up', TG_TABLE_NAME, TG_ARGV[0]
        USING HINT = 'stop that node, copy sealing.key from the data directory of another one, and start it again';
END $$";

/// Refuses whatever begins otherwise. No reader is waited for, and none waits.
pub(super) fn refuse_others(conn: &Conn, prefix: &[u8; PREFIX_BYTES]) -> Result<()> {
    let prefix = literal(conn, prefix);
    let trigger = |Column { table, column, .. }: &Column| {
        let begins = beginning(&format!("NEW.{column}"));
        format!(
            "CREATE OR REPLACE TRIGGER old_key_{table}_{column} BEFORE INSERT OR UPDATE OF {column} ON {table}
             FOR EACH ROW WHEN ({begins} <> {prefix}) EXECUTE FUNCTION refuse_old_key('{column}');
             ALTER TABLE {table} ENABLE TRIGGER old_key_{table}_{column};"
        )
    };
    conn.run_all(&format!("{REFUSE}; {}", SEALED.iter().map(trigger).collect::<String>()))
}

/// Refuses nothing any more: two keys are in use.
pub(super) fn allow_all(conn: &Conn) -> Result<()> {
    let sql = "SELECT CAST(relname AS TEXT), CAST(tgname AS TEXT) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
               JOIN pg_namespace ON pg_namespace.oid = relnamespace
               WHERE nspname = current_schema() AND left(tgname, 8) = 'old_key_' AND tgenabled <> 'D' ORDER BY relname, tgname";
    let there = list(conn, sql, (), |row| Ok((row.take::<String>()?, row.take::<String>()?)))?;
    if there.is_empty() {
        return Ok(());
    }
    let off = |(table, name): &(String, String)| format!("ALTER TABLE {table} DISABLE TRIGGER {name};");
    conn.run_all(&there.iter().map(off).collect::<String>())
}
