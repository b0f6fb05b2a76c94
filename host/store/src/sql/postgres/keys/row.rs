//! The one row that says how a rotation stands.

use larder_domain::ports::StoreError;
use larder_domain::{NodeName, StoreTime};
use uuid::Uuid;

use super::super::RelocateError;
use crate::sealer::{Offer, sealed_by};
use crate::sql::SqlStore;
use crate::sql::database::Conn;
use crate::sql::error::Result;
use crate::sql::nodes::heard_after;
use crate::sql::tx::{find, list};

/// Of a node's row: whether its key is none that the installation is sealed with any more. While a rotation is under way, there are two:
/// the new one, and the one that it is sealed with itself, whose name stands behind the byte of the format.
pub(in crate::sql) const HAS_OTHER_KEY: &str = "EXISTS (SELECT 1 FROM key_rotation WHERE key_rotation.key <> node.key
    AND (sealed IS NULL OR encode(substr(sealed, 2, 4), 'hex') <> node.key))";

/// A rotation, as all nodes see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRotation {
    /// The name of the new key.
    pub key: String,
    /// The one of before; none once nothing needs it any more.
    pub old: Option<String>,
    /// Whether it goes on by itself.
    pub is_under_way: bool,
    /// How many values were sealed anew.
    pub resealed: u64,
    /// How many there were to be.
    pub total: u64,
    /// Why it does not go on, or what it waits for.
    pub trouble: Option<String>,
    /// Whether what the key of before has sealed may still stand where nothing reads it.
    pub has_remnants: bool,
}

/// The same, as it is stored.
pub(super) struct Row {
    pub(super) key: String,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) driver: Uuid,
    pub(super) is_stopped: bool,
    pub(super) has_remnants: bool,
    is_driven: bool,
    resealed: u64,
    total: u64,
    pub(super) trouble: Option<String>,
}

impl Row {
    /// As it is now; none if there was no rotation yet.
    pub(super) fn read(conn: &Conn, now: StoreTime) -> Result<Option<Self>> {
        let sql =
            "SELECT key, sealed, driver, stopped, remnants, EXISTS (SELECT 1 FROM node WHERE id = driver AND seen > ?),
                   resealed, total, trouble FROM key_rotation";
        find(conn, sql, [heard_after(now)], |row| {
            Ok(Self {
                key: row.take()?,
                sealed: row.take()?,
                driver: row.uuid()?,
                is_stopped: row.take()?,
                has_remnants: row.take()?,
                is_driven: row.take()?,
                resealed: row.uint()?,
                total: row.uint()?,
                trouble: row.take()?,
            })
        })
    }

    /// Whether the new key is still offered.
    pub(super) const fn is_live(&self) -> bool {
        self.sealed.is_some()
    }

    /// Whether there is something left to do.
    pub(super) const fn is_unfinished(&self) -> bool {
        self.is_live() || self.has_remnants
    }

    /// Whether nobody does what is left. Once somebody has to be asked, that is so at a start alone.
    pub(super) const fn is_abandoned(&self, at_start: bool) -> bool {
        self.is_unfinished() && ((at_start && self.is_stopped) || (!self.is_stopped && !self.is_driven))
    }

    /// The key of before, as long as it is needed.
    pub(super) fn old(&self) -> Option<String> {
        sealed_by(self.sealed.as_ref()?)
    }

    pub(super) fn offer(&self) -> Option<Offer> {
        Some(Offer { name: self.key.clone(), sealed: self.sealed.clone()? })
    }

    fn seen(self) -> KeyRotation {
        KeyRotation {
            old: self.old(),
            // What is left of the old key's work is cleared away by whoever is there; nobody takes that over at once.
            is_under_way: !self.is_stopped && (self.is_live() || (self.has_remnants && self.is_driven)),
            key: self.key,
            resealed: self.resealed,
            total: self.total,
            trouble: self.trouble,
            has_remnants: self.has_remnants,
        }
    }
}

/// The living nodes that do not seal with this key.
pub(super) fn without(conn: &Conn, now: StoreTime, key: &str) -> Result<Vec<NodeName>> {
    let sql = "SELECT name FROM node WHERE seen > ? AND key IS DISTINCT FROM ? ORDER BY name";
    list(conn, sql, (heard_after(now), key), |row| row.parsed("a node's name"))
}

/// The first of the living nodes that have none of these keys.
pub(super) fn with_another(conn: &Conn, now: StoreTime, keys: [&str; 2]) -> Result<Option<NodeName>> {
    let sql = "SELECT name FROM node WHERE seen > ? AND key NOT IN (?, ?) ORDER BY name";
    find(conn, sql, (heard_after(now), keys[0], keys[1]), |row| row.parsed("a node's name"))
}

/// Whoever takes the installation elsewhere needs one key for it.
pub(in crate::sql::postgres) fn refuse_rotating(source: &mut postgres::Client) -> Result<(), RelocateError> {
    let has_any: bool = source.query_one("SELECT to_regclass('key_rotation') IS NOT NULL", &[])?.try_get(0)?;
    if !has_any {
        // Of an older version, which is told of later.
        return Ok(());
    }
    let rotating = source.query_opt("SELECT 1 FROM key_rotation WHERE sealed IS NOT NULL", &[])?;
    if rotating.is_some() { Err(RelocateError::RotatingThere) } else { Ok(()) }
}

impl SqlStore {
    /// How the rotation stands that is under way, or that was the last one. None if there was none, or the store is one process's alone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn key_rotation(&self) -> std::result::Result<Option<KeyRotation>, StoreError> {
        if self.keyfile.is_none() {
            return Ok(None);
        }
        let now = self.clock.now();
        self.readers.read(move |conn| Ok(Row::read(conn, now)?.map(Row::seen))).await
    }
}
