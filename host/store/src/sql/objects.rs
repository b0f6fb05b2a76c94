//! Objects on Docker engines: what addons are to have of them, and where their ports are published.

mod ports;

use std::collections::BTreeMap;

use async_trait::async_trait;
use larder_domain::docker::{LocalName, Objects, Wanted};
use larder_domain::history::Entry;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{NoPort, ObjectOwner, ObjectStore, Phase, PortMap, Publish, StoredObject};
use larder_domain::work::{Lease, Subject, WorkKind};
use larder_domain::{AddonId, Digest, EngineName, ProviderName, StoreTime};

use super::SqlStore;
use super::addons::note;
use super::database::Conn;
use super::error::Result as Outcome;
use super::rows::Columns;
use super::tx::{Tx, find, list};
use super::work::plan;
use crate::{codec, places};

const TO_BE_MADE: &str = "to be made";

/// An object that is to be there, as it is stored.
#[derive(Debug)]
pub(super) struct SealedObject {
    name: LocalName,
    /// None if the document is the one that is stored: its object stays as it is.
    document: Option<Vec<u8>>,
}

/// A row, still sealed.
struct Row {
    name: LocalName,
    is_wanted: bool,
    by: Option<Digest>,
    revision: u64,
    document: Vec<u8>,
    phase: Phase,
    message: String,
    can_come_back: bool,
}

#[async_trait]
impl ObjectStore for SqlStore {
    async fn objects(&self, addon: AddonId) -> Result<Vec<StoredObject>, StoreError> {
        let rows = self.readers.read(move |conn| rows(conn, addon)).await?;
        rows.into_iter().map(|row| self.opened_object(addon, row)).collect()
    }

    async fn wants_objects(&self, engine: &EngineName) -> Result<bool, StoreError> {
        let engine = engine.to_string();
        let sql = "SELECT 1 FROM docker_object
                   LEFT JOIN addon_detail ON addon_detail.addon = docker_object.addon
                   WHERE wanted AND (engine IS NULL OR engine = ?) LIMIT 1";
        let read = |row: &mut Columns<'_>| row.take::<i64>();
        Ok(self.readers.read(move |conn| find(conn, sql, [engine], read)).await?.is_some())
    }

    async fn object_owners(&self, after: Option<AddonId>, count_max: usize) -> Result<Vec<ObjectOwner>, StoreError> {
        let after = after.map(|id| id.0.into_bytes()).unwrap_or_default();
        let sql = "SELECT DISTINCT docker_object.addon, provider, engine FROM docker_object
                   LEFT JOIN addon_detail ON addon_detail.addon = docker_object.addon
                   WHERE docker_object.addon > ? ORDER BY docker_object.addon LIMIT ?";
        let read = |row: &mut Columns<'_>| {
            let (addon, provider) = (AddonId(row.uuid()?), row.parsed("a provider's name")?);
            Ok(ObjectOwner { addon, provider, engine: row.parsed_or_null("an engine's name")? })
        };
        self.readers.read(move |conn| list(conn, sql, (after, count_max), read)).await
    }

    async fn note_object(
        &self,
        addon: AddonId,
        name: &LocalName,
        revision: u64,
        phase: Phase,
        message: String,
    ) -> Result<bool, StoreError> {
        let name = name.clone();
        let note = move |tx: &mut Tx<'_>| {
            let changed = tx.execute(
                "UPDATE docker_object SET phase = ?, message = ? WHERE addon = ? AND name = ? AND revision = ? AND wanted",
                (phase.as_str(), &message, addon.0.as_bytes(), name.as_str(), revision),
            )?;
            Ok(changed > 0)
        };
        self.writer.run(note).await
    }

    async fn forget_object(&self, addon: AddonId, name: &LocalName, revision: u64) -> Result<(), StoreError> {
        let name = name.clone();
        self.writer.run(move |tx| forget(tx, addon, &name, revision)).await
    }

    async fn unwant_objects(&self, addon: AddonId) -> Result<u64, StoreError> {
        self.writer.run(move |tx| unwant(tx, addon)).await
    }

    async fn publish(&self, publish: Publish) -> Result<Result<PortMap, NoPort>, StoreError> {
        self.writer.attempt(move |tx| ports::publish(tx, &publish)).await
    }

    async fn unpublish(&self, addon: AddonId, object: &LocalName, ports: Vec<u16>) -> Result<(), StoreError> {
        let object = object.clone();
        self.writer.run(move |tx| ports::unpublish(tx, addon, &object, &ports)).await
    }

    async fn published(&self, addon: AddonId) -> Result<BTreeMap<LocalName, PortMap>, StoreError> {
        self.readers.read(move |conn| ports::of(conn, addon)).await
    }

    async fn poke_objects(&self, addon: AddonId) -> Result<(), StoreError> {
        self.writer.run(move |tx| wake(tx, addon)).await
    }

    async fn poke_addon(&self, addon: AddonId) -> Result<(), StoreError> {
        self.writer.run(move |tx| plan::poke(tx, WorkKind::Addon, &Subject::Addon(addon), None)).await
    }

    async fn record(&self, addon: AddonId, entry: Entry) -> Result<(), StoreError> {
        self.writer.run(move |tx| note(tx, addon, &entry)).await
    }

    async fn settle_objects(&self, lease: &Lease, again: Option<StoreTime>) -> Result<(), StoreError> {
        let lease = lease.clone();
        let settle = move |tx: &mut Tx<'_>| {
            let holds = plan::is_held(tx, &lease)?;
            match again {
                None if holds => plan::rest_unless_poked(tx, &lease),
                _ => plan::release(tx, &lease, again.unwrap_or(tx.now)),
            }
        };
        self.writer.run(settle).await
    }
}

impl SqlStore {
    /// Seals documents that differ from those that are stored. Nobody but the holder of the addon's lease writes documents.
    pub(super) async fn seal_objects(
        &self,
        addon: AddonId,
        objects: &Objects,
    ) -> Result<Vec<SealedObject>, StoreError> {
        let stored = self.objects(addon).await?;
        let is_stored = |name: &LocalName, wanted: &Wanted| {
            // What could not be made is tried again by whoever asks for it again.
            let is_same = |old: &StoredObject| old.phase != Phase::Failed && old.wanted.as_ref() == Some(wanted);
            stored.iter().any(|old| old.name == *name && is_same(old))
        };
        let seal = |(name, wanted): (&LocalName, &Wanted)| {
            let seal = || self.sealer.seal(&places::document(addon, name), wanted.document.reveal().as_bytes());
            let document = if is_stored(name, wanted) { None } else { Some(seal()?) };
            Ok(SealedObject { name: name.clone(), document })
        };
        objects.iter().map(seal).collect()
    }

    fn opened_object(&self, addon: AddonId, row: Row) -> Result<StoredObject, StoreError> {
        let Row { name, is_wanted, by, revision, document, phase, message, can_come_back } = row;
        let open = || {
            let plain = self.sealer.open(&places::document(addon, &name), &document)?;
            // Not in the reader's words: they may quote what is secret.
            let unread = |_| StoreError::Corrupt(format!("a document of the object `{name}`"));
            Wanted::stored(codec::decode_text(&plain)?).map_err(unread)
        };
        // What is to go is not read: it goes also if nobody can.
        let wanted = is_wanted.then(open).transpose()?;
        Ok(StoredObject { name, wanted, by, revision, phase, message, can_come_back })
    }
}

/// Stores all objects that an addon is to have; what it has beside them is to go. Work about them is due if that changes
/// anything: a provider says what it wants in each call, and is called again when that was looked at.
pub(super) fn want(
    tx: &mut Tx<'_>,
    addon: AddonId,
    provider: &ProviderName,
    by: Digest,
    objects: &[SealedObject],
) -> Outcome<()> {
    let (key, mut changes) = (addon.0.as_bytes(), 0);
    for old in rows(tx.conn, addon)?.iter().filter(|old| old.is_wanted) {
        if !objects.iter().any(|object| object.name == old.name) {
            let sql = "UPDATE docker_object SET wanted = FALSE WHERE addon = ? AND name = ?";
            changes += tx.execute(sql, (key, old.name.as_str()))?;
        }
    }
    for object in objects {
        let Some(document) = &object.document else { continue };
        changes += tx.execute(
            "INSERT INTO docker_object (addon, name, provider, wanted, revision, digest, document, phase, message)
             VALUES (?, ?, ?, TRUE, 1, ?, ?, ?, ?)
             ON CONFLICT (addon, name) DO UPDATE SET wanted = TRUE, revision = docker_object.revision + 1, digest = excluded.digest,
                 document = excluded.document, phase = excluded.phase, message = excluded.message",
            (key, object.name.as_str(), provider.as_str(), &by.0, document, Phase::Waiting.as_str(), TO_BE_MADE),
        )?;
    }
    match changes {
        0 => Ok(()),
        _ => plan::poke(tx, WorkKind::Objects, &Subject::Objects(addon), Some(provider)),
    }
}

/// The objects that were wanted when the addon's operation began are wanted again, as they were, and no others.
pub(super) fn bring_back(tx: &mut Tx<'_>, addon: AddonId, provider: &ProviderName) -> Outcome<()> {
    let key = addon.0.as_bytes();
    tx.write(
        "UPDATE docker_object SET wanted = FALSE WHERE addon = ?1 AND wanted
         AND name NOT IN (SELECT name FROM operation_object WHERE addon = ?1)",
        [key],
    )?;
    tx.write(
        "INSERT INTO docker_object (addon, name, provider, wanted, revision, digest, document, phase, message)
         SELECT addon, name, ?2, TRUE, 1, digest, document, ?3, ?4 FROM operation_object WHERE addon = ?1
         ON CONFLICT (addon, name) DO UPDATE SET wanted = TRUE, revision = docker_object.revision + 1, digest = excluded.digest,
             document = excluded.document, phase = excluded.phase, message = excluded.message
             WHERE NOT docker_object.wanted OR docker_object.document <> excluded.document",
        (key, provider.as_str(), Phase::Waiting.as_str(), TO_BE_MADE),
    )?;
    // Also where nothing has changed: what ended meanwhile was the provider's to decide about, and no longer is.
    match self::provider(tx, addon)? {
        Some(_) => plan::poke(tx, WorkKind::Objects, &Subject::Objects(addon), Some(provider)),
        None => Ok(()),
    }
}

/// Makes work about an addon's objects due now, if it has any.
pub(super) fn wake(tx: &mut Tx<'_>, addon: AddonId) -> Outcome<()> {
    match provider(tx, addon)? {
        Some(provider) => plan::poke(tx, WorkKind::Objects, &Subject::Objects(addon), Some(&provider)),
        None => Ok(()),
    }
}

fn unwant(tx: &Tx<'_>, addon: AddonId) -> Outcome<u64> {
    Ok(tx.execute("UPDATE docker_object SET wanted = FALSE WHERE addon = ?", [addon.0.as_bytes()])? as u64)
}

fn forget(tx: &Tx<'_>, addon: AddonId, name: &LocalName, revision: u64) -> Outcome<()> {
    let key = (addon.0.as_bytes(), name.as_str());
    let gone = tx.execute(
        "DELETE FROM docker_object WHERE addon = ? AND name = ? AND revision = ? AND NOT wanted
         AND (addon, name) NOT IN (SELECT addon, name FROM operation_object)",
        (key.0, key.1, revision),
    )?;
    if gone > 0 {
        tx.write("DELETE FROM docker_port WHERE addon = ? AND object = ?", key)?;
    }
    Ok(())
}

fn provider(tx: &Tx<'_>, addon: AddonId) -> Outcome<Option<ProviderName>> {
    let sql = "SELECT provider FROM docker_object WHERE addon = ? LIMIT 1";
    tx.find(sql, [addon.0.as_bytes()], |row| row.parsed("a provider's name"))
}

fn rows(conn: &Conn, addon: AddonId) -> Outcome<Vec<Row>> {
    let sql = "SELECT name, wanted, digest, revision, document, phase, message,
                   (addon, name) IN (SELECT addon, name FROM operation_object)
               FROM docker_object WHERE addon = ? ORDER BY name";
    list(conn, sql, [addon.0.as_bytes()], |row| {
        Ok(Row {
            name: row.parsed("an object's name")?,
            is_wanted: row.take()?,
            by: row.take::<Option<_>>()?.map(Digest),
            revision: row.uint()?,
            document: row.take()?,
            phase: row.named("an object's phase", Phase::from_name)?,
            message: row.take()?,
            can_come_back: row.take()?,
        })
    })
}
