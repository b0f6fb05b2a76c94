//! How a rotation begins, and who takes it over.

use larder_domain::NodeName;
use larder_domain::audit::{Action, Actor};
use larder_domain::ports::StoreError;
use serde_json::json;

use super::drive::KeyDriving;
use super::refuse::{is_able, refuse_others};
use super::row::{Row, with_another};
use crate::sealer::{KeyError, LearnError, Offer, prefix_of, sealed_by};
use crate::sql::error::{Failure, Result as Outcome, Stop, with_causes};
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
    /// It would go on with a key that is given up, and what it seals is refused.
    #[error(
        "the node `{0}` has not the installation's key: stop it, copy `sealing.key` from the data directory of a node that has it, and rotate then"
    )]
    Behind(NodeName),
    /// It could open nothing of what is to be sealed anew.
    #[error(
        "this node has not the key `{0}`, which the rotation needs until it has ended: ask a node that has it, or copy `sealing.key` from the data directory of such a node to this one, start it again, and rotate then"
    )]
    WithoutOld(String),
    /// It could not go along itself.
    #[error("this node's key file can't be written ({0}): make it writable, then rotate again")]
    Unwritable(String),
    /// It can't refuse what was sealed with a key that is given up.
    #[error(
        "the database's server is too old to refuse a key that is given up: update it to PostgreSQL 14 or newer, then rotate again"
    )]
    Server,
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
        // Of the last one, something may be left in the file. What can't be written must not begin.
        let learned = self.try_to_learn().await?;
        if let Err(LearnError::Key(error)) = learned.and_then(|()| Ok(sealer.write_again()?)) {
            return Ok(Err(RotationRefused::Unwritable(with_causes(&error))));
        }
        let (own, offer, keys) = (self.own.clone(), sealer.offer()?, sealer.key_ids());
        if let Err(refused) = self.writer.attempt(move |tx| begin(tx, &own, &offer, &keys)).await? {
            return Ok(Err(refused));
        }
        match self.learn_and_say().await? {
            Err(LearnError::Key(error)) => {
                self.stop_unlearned(&error).await?;
                Ok(Err(RotationRefused::Unwritable(with_causes(&error))))
            }
            _ => Ok(Ok(())),
        }
    }

    /// Learns the new key, and does not wait for the next beat to say so.
    async fn learn_and_say(&self) -> Result<Result<(), LearnError>, StoreError> {
        let learned = self.try_to_learn().await?;
        let (own, key) = (self.own.id, self.keyfile.as_ref().map(|sealer| sealer.key_id()));
        let sql = "UPDATE node SET key = ? WHERE id = ?";
        self.writer.run(move |tx| tx.execute(sql, (key.as_deref(), own.0.as_bytes())).map(drop)).await?;
        Ok(learned)
    }

    /// Nobody takes a rotation from a driver that lives: one that can't go on has to say so.
    async fn stop_unlearned(&self, error: &KeyError) -> Result<(), StoreError> {
        let why = with_causes(error);
        let trouble = format!(
            "the node `{}` was to drive it and can't write its key file ({why}): make it writable, then rotate again, or ask another node",
            self.own.name
        );
        tracing::error!("the rotation of the key stopped: {trouble}");
        let own = self.own.id;
        let sql = "UPDATE key_rotation SET trouble = ?, stopped = TRUE WHERE driver = ? AND sealed IS NOT NULL";
        self.writer.run(move |tx| tx.execute(sql, (trouble.as_str(), own.0.as_bytes())).map(drop)).await
    }

    /// Nobody goes on with it who has not the old key: that would find nothing to seal anew.
    async fn note_without_old(&self, row: &Row, old: &str) -> Result<(), StoreError> {
        let trouble = format!(
            "nobody goes on with it: the key `{old}` is needed until it has ended. Start a node whose `sealing.key` has it, or copy that file to one that runs and start that again"
        );
        if row.is_stopped || row.trouble.as_ref() == Some(&trouble) {
            return Ok(());
        }
        tracing::warn!("the rotation of the key waits: {trouble}");
        let (key, driver) = (row.key.clone(), row.driver);
        let sql =
            "UPDATE key_rotation SET trouble = ? WHERE key = ? AND driver = ? AND sealed IS NOT NULL AND NOT stopped";
        self.writer.run(move |tx| tx.execute(sql, (trouble.as_str(), key.as_str(), driver.as_bytes())).map(drop)).await
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
        let learned = self.learn_and_say().await?;
        if sealer.key_id() != row.key {
            // It could not do it; another one can.
            if let Err(LearnError::Key(error)) = learned.as_ref()
                && is_own
            {
                self.stop_unlearned(error).await?;
            }
            return Ok(None);
        }
        if let Some(old) = row.old().filter(|old| !sealer.key_ids().contains(old)) {
            self.note_without_old(&row, &old).await?;
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

fn begin(tx: &mut Tx<'_>, own: &Own, offer: &Offer, keys: &[String]) -> Outcome<(), Stop<RotationRefused>> {
    if !is_able(tx.conn)? {
        return Err(Stop::Refused(RotationRefused::Server));
    }
    let sql = "SELECT name FROM node WHERE seen > ? AND key IS NULL ORDER BY name";
    if let Some(node) = tx.find(sql, [heard_after(tx.now)], |row| row.parsed("a node's name"))? {
        return Err(Stop::Refused(RotationRefused::Older(node)));
    }
    let row = Row::read(tx.conn, tx.now)?;
    if let Some(row) = row.as_ref().filter(|row| row.is_live()) {
        return go_on(tx, own, row, keys);
    }
    let id = own.id.0.as_bytes();
    let old = sealed_by(&offer.sealed).ok_or_else(|| Failure::corrupt("a new key that nothing has sealed"))?;
    if let Some(row) = row.filter(|row| old != row.key) {
        return Err(Stop::Refused(RotationRefused::OtherKey(row.key)));
    }
    if let Some(node) = with_another(tx.conn, tx.now, [&old, &offer.name])? {
        return Err(Stop::Refused(RotationRefused::Behind(node)));
    }
    let sql = "INSERT INTO key_rotation (one, key, sealed, driver) VALUES (1, ?, ?, ?)
               ON CONFLICT (one) DO UPDATE SET key = EXCLUDED.key, sealed = EXCLUDED.sealed, driver = EXCLUDED.driver, resealed = 0, total = 0,
               trouble = NULL, stopped = FALSE";
    if tx.execute(sql, (offer.name.as_str(), &offer.sealed, id))? == 0 {
        return Err(Failure::corrupt("no word of a rotation that begins").into());
    }
    audit::note_of_all(tx, Actor::Admin, Action::KeyAdded, &json!({ "key": offer.name }))?;
    let prefixes: Vec<_> = [&old, &offer.name].into_iter().filter_map(|name| prefix_of(name)).collect();
    Ok(refuse_others(tx.conn, &prefixes)?)
}

/// One that is under way. If nobody drives it, this node does, if it can.
fn go_on(tx: &Tx<'_>, own: &Own, row: &Row, keys: &[String]) -> Outcome<(), Stop<RotationRefused>> {
    let without_old = row.old().filter(|old| !keys.contains(old));
    match without_old {
        Some(_) if !keys.contains(&row.key) => Err(Stop::Refused(RotationRefused::OtherKey(row.key.clone()))),
        _ if !row.is_stopped && !row.is_abandoned(false) => Ok(()),
        Some(old) => Err(Stop::Refused(RotationRefused::WithoutOld(old))),
        None => Ok(drive(tx, own)?),
    }
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
