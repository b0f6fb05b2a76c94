//! How a rotation begins, and who takes it over.

use larder_domain::NodeName;
use larder_domain::audit::{Action, Actor};
use larder_domain::ports::StoreError;
use serde_json::json;

use super::drive::KeyDriving;
use super::refuse::allow_all;
use super::row::Row;
use crate::sealer::{Offer, sealed_by};
use crate::sql::error::{Failure, Result as Outcome, Stop};
use crate::sql::nodes::{Own, heard_after};
use crate::sql::tx::Tx;
use crate::sql::{SqlStore, audit};

/// A rotation can't begin. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotationRefused {
    /// It would not learn the new key.
    #[error(
        "the node `{0}` runs a version of Larder that can't learn a new key: update it, or stop it, and rotate then"
    )]
    Older(NodeName),
    /// What it would offer is sealed with a key that the others do not have.
    #[error(
        "this node has not the installation's key `{0}`: stop it, copy `sealing.key` from the data directory of a node that has it, and start it again"
    )]
    OtherKey(String),
    /// It is one process's alone.
    #[error("the store is in a data directory, whose server rotates its key by itself")]
    Embedded,
}

impl SqlStore {
    /// Has a new key be there for all nodes, and this one drive the rotation. One that is under way, or was broken off, goes on in its place;
    /// if nobody drives it, this node does.
    ///
    /// # Errors
    /// The database failed, or the key can't be written down here.
    pub async fn begin_key_rotation(&self) -> Result<Result<(), RotationRefused>, StoreError> {
        let Some(sealer) = self.keyfile.clone() else { return Ok(Err(RotationRefused::Embedded)) };
        // Of the last one, something may be left in the file.
        self.learn_keys().await?;
        let (own, offer) = (self.own.clone(), sealer.offer()?);
        if let Err(refused) = self.writer.attempt(move |tx| begin(tx, &own, &offer)).await? {
            return Ok(Err(refused));
        }
        self.learn_and_say().await?;
        Ok(Ok(()))
    }

    /// Learns the new key, and does not wait for the next beat to say so.
    async fn learn_and_say(&self) -> Result<(), StoreError> {
        self.learn_keys().await?;
        let (own, key) = (self.own.id, self.keyfile.as_ref().map(|sealer| sealer.key_id()));
        let sql = "UPDATE node SET key = ? WHERE id = ?";
        self.writer.run(move |tx| tx.execute(sql, (key.as_deref(), own.0.as_bytes())).map(drop)).await
    }

    /// What this node is to drive now, if anything: what it drives already, or what its driver has left. A rotation that stopped waits until
    /// somebody asks again, or a node starts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn key_driving(&self, at_start: bool) -> Result<Option<KeyDriving<'_>>, StoreError> {
        let Some(sealer) = self.keyfile.clone() else { return Ok(None) };
        let (own, now) = (self.own.id.0, self.clock.now());
        let Some(row) = self.readers.read(move |conn| Row::read(conn, now)).await? else { return Ok(None) };
        let is_own = row.driver == own && row.is_unfinished() && !row.is_stopped;
        if !is_own && !row.is_abandoned(at_start) {
            return Ok(None);
        }
        self.learn_and_say().await?;
        if sealer.key_id() != row.key {
            // It could not do it; another one can.
            return Ok(None);
        }
        if !is_own {
            let (own, key) = (self.own.clone(), row.key.clone());
            if !self.writer.run(move |tx| take_over(tx, &own, &key, at_start)).await? {
                return Ok(None);
            }
        }
        Ok(Some(KeyDriving::new(self, sealer, row.key, row.sealed.is_some())))
    }
}

fn begin(tx: &mut Tx<'_>, own: &Own, offer: &Offer) -> Outcome<(), Stop<RotationRefused>> {
    let sql = "SELECT name FROM node WHERE seen > ? AND key IS NULL ORDER BY name";
    if let Some(node) = tx.find(sql, [heard_after(tx.now)], |row| row.parsed("a node's name"))? {
        return Err(Stop::Refused(RotationRefused::Older(node)));
    }
    let row = Row::read(tx.conn, tx.now)?;
    if let Some(row) = row.as_ref().filter(|row| row.is_live()) {
        if row.is_stopped || row.is_abandoned(false) {
            drive(tx, own)?;
        }
        return Ok(());
    }
    let (old, id) = (sealed_by(&offer.sealed), own.id.0.as_bytes());
    if let Some(row) = row
        && old.as_ref() != Some(&row.key)
    {
        return Err(Stop::Refused(RotationRefused::OtherKey(row.key)));
    }
    let sql = "INSERT INTO key_rotation (one, key, sealed, driver) VALUES (1, ?, ?, ?)
               ON CONFLICT (one) DO UPDATE SET key = EXCLUDED.key, sealed = EXCLUDED.sealed, driver = EXCLUDED.driver, resealed = 0, total = 0,
               trouble = NULL, stopped = FALSE";
    if tx.execute(sql, (offer.name.as_str(), &offer.sealed, id))? == 0 {
        return Err(Failure::corrupt("no word of a rotation that begins").into());
    }
    audit::note_of_all(tx, Actor::Admin, Action::KeyAdded, &json!({ "key": offer.name }))?;
    Ok(allow_all(tx.conn)?)
}

/// This node does it from now on.
fn drive(tx: &Tx<'_>, own: &Own) -> Outcome<()> {
    let sql = "UPDATE key_rotation SET driver = ?, stopped = FALSE, trouble = NULL";
    tx.execute(sql, [own.id.0.as_bytes()]).map(drop)
}

fn take_over(tx: &Tx<'_>, own: &Own, key: &str, at_start: bool) -> Outcome<bool> {
    let is_left = Row::read(tx.conn, tx.now)?.is_some_and(|row| row.key == key && row.is_abandoned(at_start));
    if is_left {
        drive(tx, own)?;
    }
    Ok(is_left)
}
