//! A node learns the key that another one offers, and forgets the one of before when nothing needs it any more.

use larder_domain::StoreTime;
use larder_domain::ports::StoreError;

use super::row::Row;
use crate::KeyfileSealer;
use crate::sealer::{LearnError, sealed_by};
use crate::sql::SqlStore;
use crate::sql::database::Conn;
use crate::sql::error::{Result as Outcome, with_causes};
use crate::sql::open::OpenError;
use crate::sql::tx::find;

impl SqlStore {
    /// Has this node's file and its work go along with the rotation that there is.
    ///
    /// # Errors
    /// The database failed. That a key can't be learned is told in the log, and seen by all who wait for this node.
    pub async fn learn_keys(&self) -> Result<(), StoreError> {
        self.try_to_learn().await.map(drop)
    }

    /// The same, and why a key can't be learned, or forgotten.
    pub(super) async fn try_to_learn(&self) -> Result<Result<(), LearnError>, StoreError> {
        let Some(sealer) = self.keyfile.clone() else { return Ok(Ok(())) };
        let now = self.clock.now();
        self.readers
            .glance(move |conn| {
                let Some(row) = Row::read(conn, now)? else { return Ok(Ok(())) };
                let learned = learn(&row, &sealer);
                if let Err(error) = &learned {
                    let (key, error) = (&row.key, with_causes(error));
                    match row.is_live() {
                        true => tracing::error!(
                            key,
                            error,
                            "the new key can't be learned; the rotation waits for this node"
                        ),
                        false => tracing::error!(key, error, "the key of before is still in this node's file"),
                    }
                }
                Ok(learned)
            })
            .await
    }
}

fn learn(row: &Row, sealer: &KeyfileSealer) -> Result<(), LearnError> {
    if let Some(offer) = row.offer() {
        if sealer.learn(&offer)? {
            tracing::info!(key = offer.name, "another key is to seal everything; this node has learned it");
        }
    } else if sealer.drop_old_keys(&row.key)? {
        tracing::info!(key = row.key, "the key of before is gone from this node's file");
    }
    Ok(())
}

/// The same of a node that starts, before it opens anything.
pub(in crate::sql::postgres) fn learn_first(conn: &Conn, sealer: &KeyfileSealer) -> Result<(), OpenError> {
    match Row::read(conn, StoreTime::default())?.map(|row| learn(&row, sealer)) {
        Some(Err(LearnError::Key(error))) => Err(OpenError::KeyFile(error)),
        // Without the key of before, it is none of this installation's nodes; that is told better by what it can't open.
        Some(Err(LearnError::Unknown)) => Err(other_key(conn, sealer)),
        _ => Ok(()),
    }
}

/// Why a node can't be one with the key that it has.
pub(in crate::sql::postgres) fn other_key(conn: &Conn, sealer: &KeyfileSealer) -> OpenError {
    let key = || -> Outcome<Option<String>> {
        if let Some(row) = Row::read(conn, StoreTime::default())? {
            return Ok(Some(row.key));
        }
        let sql = "SELECT key_check FROM installation";
        Ok(find(conn, sql, (), |row| row.take::<Vec<u8>>())?.and_then(|sealed| sealed_by(&sealed)))
    };
    match key() {
        Ok(key) => OpenError::OtherKey { key: key.unwrap_or_default(), own: sealer.key_ids().join(", ") },
        Err(failure) => failure.into(),
    }
}
