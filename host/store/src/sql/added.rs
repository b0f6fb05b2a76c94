//! Engines that were added while servers ran, and which of them may be: a name stands for one machine, and a machine for one name.

use larder_domain::audit::{Action, Actor};
use larder_domain::engines::ENGINES_MAX;
use larder_domain::ports::store::{AddRefusal, NewEngine};
use larder_domain::{EngineName, NodeName};
use serde_json::json;

use super::audit;
use super::database::Conn;
use super::error::{Result as Outcome, Stop};
use super::nodes::{Own, heard_after, is_local};
use super::tx::{Tx, find, list};

/// One of them, as it stands in the database.
pub(super) struct Row {
    pub(super) name: EngineName,
    pub(super) url: String,
    pub(super) node: Option<NodeName>,
    sealed: Vec<u8>,
}

impl Row {
    /// What is sealed of it.
    pub(super) fn sealed(&self) -> &[u8] {
        &self.sealed
    }
}

/// All of them, and the number of the last change.
pub(super) fn all(conn: &Conn) -> Outcome<(u64, Vec<Row>)> {
    let revision = revision(conn)?;
    let sql = "SELECT name, url, node, definition FROM added_engine ORDER BY name";
    let rows = list(conn, sql, (), |row| {
        let (name, url) = (row.parsed("an engine's name")?, row.take()?);
        Ok(Row { name, url, node: row.parsed_or_null("a node's name")?, sealed: row.take()? })
    })?;
    Ok((revision, rows))
}

pub(super) fn revision(conn: &Conn) -> Outcome<u64> {
    Ok(find(conn, "SELECT engines_revision FROM installation", (), |row| row.uint())?.unwrap_or_default())
}

/// Whether one of this name was added.
pub(super) fn is_there(conn: &Conn, name: &EngineName) -> Outcome<bool> {
    let sql = "SELECT 1 FROM added_engine WHERE name = ?";
    Ok(find(conn, sql, [name.as_str()], |_| Ok(()))?.is_some())
}

/// Adds one, or changes what is said of it. Whether it is new.
pub(super) fn add(tx: &mut Tx<'_>, own: &Own, new: &NewEngine, sealed: &[u8]) -> Outcome<bool, Stop<AddRefusal>> {
    let (name, url) = (&new.name, new.url.as_str());
    let node = is_local(url).then_some(own.name.as_str());
    refuse_taken(tx, own, name, url, node)?;
    let sql = "SELECT url, node FROM added_engine WHERE name = ?";
    let before: Option<(String, Option<NodeName>)> =
        tx.find(sql, [name.as_str()], |row| Ok((row.take()?, row.parsed_or_null("a node's name")?)))?;
    match &before {
        Some((before, of)) => refuse_move(tx, own, name, (before, of.as_ref()), (url, node))?,
        None => {
            refuse_many(tx, own)?;
            let count = if new.is_inhabited { 0 } else { inhabitants(tx, name)? };
            if count > 0 {
                return Err(Stop::Refused(AddRefusal::Stranger { engine: name.clone(), count }));
            }
        }
    }
    let sql = "INSERT INTO added_engine (name, url, node, definition) VALUES (?, ?, ?, ?) ON CONFLICT (name)
               DO UPDATE SET url = excluded.url, node = excluded.node, definition = excluded.definition";
    tx.write(sql, (name.as_str(), url, node, sealed))?;
    changed(tx, Action::EngineAdded, name, Some(url))?;
    Ok(before.is_none())
}

/// Takes one away; nothing if none of that name was added.
pub(super) fn remove(tx: &mut Tx<'_>, name: &EngineName) -> Outcome<()> {
    if tx.execute("DELETE FROM added_engine WHERE name = ?", [name.as_str()])? == 0 {
        return Ok(());
    }
    tx.write("DELETE FROM drained_engine WHERE name = ?", [name.as_str()])?;
    changed(tx, Action::EngineForgotten, name, None)
}

fn changed(tx: &mut Tx<'_>, action: Action, name: &EngineName, url: Option<&str>) -> Outcome<()> {
    tx.write("UPDATE installation SET engines_revision = engines_revision + 1", ())?;
    tx.memory.poked.engines = true;
    // What waits for an engine may find it there.
    tx.memory.poked.work = true;
    let data = url.map_or_else(|| json!({ "engine": name }), |url| json!({ "engine": name, "url": url }));
    audit::note_of_all(tx, Actor::Admin, action, &data)
}

/// Neither the name nor the url is another engine's.
fn refuse_taken(
    tx: &Tx<'_>,
    own: &Own,
    name: &EngineName,
    url: &str,
    node: Option<&str>,
) -> Outcome<(), Stop<AddRefusal>> {
    let named = "SELECT node FROM node_engine JOIN node ON node.name = node_engine.node
                 WHERE engine = ? AND NOT added ORDER BY node";
    let (heard_after, id) = (heard_after(tx.now), own.id.0.as_bytes());
    // Also one that is silent: it may only be paused, and would go on with its own.
    if let Some(node) = tx.find(named, [name.as_str()], |row| row.parsed("a node's name"))? {
        return Err(Stop::Refused(AddRefusal::InFile { engine: name.clone(), node }));
    }
    // A socket of another machine is another engine's.
    let at = "SELECT engine FROM node_engine JOIN node ON node.name = node_engine.node
              WHERE node_engine.url = ?1 AND engine <> ?2 AND NOT added AND (seen > ?3 OR id = ?4)
                  AND (CAST(?5 AS TEXT) IS NULL OR node = ?5)
              UNION
              SELECT name FROM added_engine WHERE url = ?1 AND name <> ?2 AND (CAST(?5 AS TEXT) IS NULL OR node = ?5)
              ORDER BY 1";
    let there = tx.find(at, (url, name.as_str(), heard_after, id, node), |row| row.parsed("an engine's name"))?;
    there.map_or(Ok(()), |engine| Err(Stop::Refused(AddRefusal::UrlTaken(engine))))
}

/// It is where it was, or nothing of anybody's is there.
fn refuse_move(
    tx: &Tx<'_>,
    own: &Own,
    name: &EngineName,
    (before, of): (&str, Option<&NodeName>),
    (url, node): (&str, Option<&str>),
) -> Outcome<(), Stop<AddRefusal>> {
    // Where there is one node alone, its name may be another one after each start.
    let is_alone = matches!(tx.conn, Conn::Sqlite(_));
    if before == url && (is_alone || of.map(NodeName::as_str) == node) {
        return Ok(());
    }
    let living = "SELECT 1 FROM node WHERE name = ? AND seen > ? AND id <> ?";
    if let Some(of) = of.filter(|_| !is_alone)
        && tx.find(living, (of.as_str(), heard_after(tx.now), own.id.0.as_bytes()), |_| Ok(()))?.is_some()
    {
        return Err(Stop::Refused(AddRefusal::Elsewhere { engine: name.clone(), node: of.clone() }));
    }
    match inhabitants(tx, name)? {
        0 => Ok(()),
        count => Err(Stop::Refused(AddRefusal::Moved { engine: name.clone(), url: before.to_owned(), count })),
    }
}

/// How many addons are on it, those included that are over and still have something there.
fn inhabitants(tx: &Tx<'_>, name: &EngineName) -> Outcome<u64> {
    let sql = "SELECT count(*) FROM addon_detail JOIN addon ON id = addon_detail.addon
               WHERE engine = ? AND (live OR grace_until IS NOT NULL
                   OR EXISTS (SELECT 1 FROM docker_object WHERE docker_object.addon = addon.id))";
    Ok(tx.find(sql, [name.as_str()], |row| row.uint())?.unwrap_or_default())
}

fn refuse_many(tx: &Tx<'_>, own: &Own) -> Outcome<(), Stop<AddRefusal>> {
    let sql = "SELECT count(*) FROM (
                   SELECT engine FROM node_engine JOIN node ON node.name = node_engine.node WHERE NOT added AND (seen > ? OR id = ?)
                   UNION SELECT name FROM added_engine) AS known";
    let known: u64 = tx.find(sql, (heard_after(tx.now), own.id.0.as_bytes()), |row| row.uint())?.unwrap_or_default();
    if known < ENGINES_MAX as u64 { Ok(()) } else { Err(Stop::Refused(AddRefusal::TooMany)) }
}
