//! The audit log: written by the transaction that does what it tells of.

use async_trait::async_trait;
use larder_domain::ProviderName;
use larder_domain::audit::{AUDIT_ENTRIES_MAX, Action, Actor, AuditEntry};
use larder_domain::ports::StoreError;
use larder_domain::ports::store::AuditStore;
use serde_json::Value;

use super::SqlStore;
use super::error::{Failure, Result};
use super::rows::Columns;
use super::tx::{Tx, list};

/// What stands in the column of providers where none was concerned.
pub(super) const OF_ALL: &str = "";

pub(super) fn note(tx: &Tx<'_>, actor: Actor, action: Action, provider: &ProviderName, data: &Value) -> Result<()> {
    write(tx, actor, action, provider.as_str(), data)
}

/// The same of what was done to the installation as a whole.
pub(super) fn note_of_all(tx: &Tx<'_>, actor: Actor, action: Action, data: &Value) -> Result<()> {
    write(tx, actor, action, OF_ALL, data)
}

fn write(tx: &Tx<'_>, actor: Actor, action: Action, provider: &str, data: &Value) -> Result<()> {
    let sql = "INSERT INTO audit (at, actor, action, provider, data) VALUES (?, ?, ?, ?, ?) RETURNING id";
    let entry = (tx.wall.0, actor.as_str(), action.as_str(), provider, data.to_string());
    let newest =
        tx.find(sql, entry, |row| row.uint())?.ok_or_else(|| Failure::corrupt("no audit entry where one was made"))?;
    tx.write("DELETE FROM audit WHERE id <= ?", [newest.saturating_sub(AUDIT_ENTRIES_MAX)])?;
    Ok(())
}

#[async_trait]
impl AuditStore for SqlStore {
    async fn audit(
        &self,
        provider: Option<ProviderName>,
        before: Option<u64>,
        count_max: usize,
    ) -> std::result::Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT id, at, actor, action, provider, data FROM audit
            WHERE id < ?1 AND (CAST(?2 AS TEXT) IS NULL OR provider = ?2) ORDER BY id DESC LIMIT ?3";
        let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
        let count = i64::try_from(count_max).unwrap_or(i64::MAX);
        self.readers
            .read(move |conn| list(conn, sql, (before, provider.as_ref().map(ProviderName::as_str), count), read))
            .await
    }
}

fn read(row: &mut Columns<'_>) -> Result<AuditEntry> {
    let (id, at) = (row.uint()?, row.wall()?);
    let actor = row.named("an actor", Actor::from_name)?;
    let action = row.named("an action", Action::from_name)?;
    let provider: String = row.take()?;
    let provider = match provider.as_str() {
        OF_ALL => None,
        name => Some(name.parse().map_err(|_| Failure::corrupt("an audit entry of a provider without a name"))?),
    };
    let data: String = row.take()?;
    let data = serde_json::from_str(&data).map_err(|_| Failure::corrupt("an audit entry that is no JSON"))?;
    Ok(AuditEntry { id, at, actor, action, provider, data })
}

#[cfg(test)]
mod tests {
    use larder_domain::{StoreTime, WallTime};
    use rusqlite::Connection;
    use serde_json::json;

    use super::*;
    use crate::sql::database::Conn;
    use crate::sql::migrations;
    use crate::sql::tx::Memory;

    #[test]
    fn the_oldest_entries_go_when_there_are_too_many() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrations::run(&mut conn).unwrap();
        for id in [1, 2, AUDIT_ENTRIES_MAX] {
            let sql = "INSERT INTO audit (id, at, actor, action, provider, data) VALUES (?, 0, 'host', 'accepted', 'pg', '{}')";
            conn.execute(sql, [id]).unwrap();
        }
        let conn = Conn::Sqlite(conn);
        let mut memory = Memory::default();
        let tx = Tx { conn: &conn, now: StoreTime(0), wall: WallTime::default(), memory: &mut memory };
        note(&tx, Actor::Admin, Action::Removed, &"pg".parse().unwrap(), &json!({})).unwrap();
        let left = list(&conn, "SELECT id FROM audit ORDER BY id", (), |row| row.uint()).unwrap();
        assert_eq!(left, [2, AUDIT_ENTRIES_MAX, AUDIT_ENTRIES_MAX + 1]);
    }
}
