//! On which engine an addon is. Decided once, by what is known here in the transaction that decides it, so that many who come
//! at once are spread like many who come one after the other.

use std::collections::BTreeSet;

use async_trait::async_trait;
use larder_domain::engines::{Candidate, EngineWish, Placement};
use larder_domain::history::Entry;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{AddRefusal, AddedEngine, EngineStore, Inhabited, NewEngine, Watcher};
use larder_domain::work::{Subject, WorkKind};
use larder_domain::{AddonId, AppName, EngineName, NetworkName, NodeName};

use super::addons::note;
use super::database::Conn;
use super::error::{Result as Outcome, Stop};
use super::tx::{Tx, find, list};
use super::work::plan;
use super::{SqlStore, added, networks};
use crate::places;

#[async_trait]
impl EngineStore for SqlStore {
    async fn pin_engine(&self, addon: AddonId, placement: &Placement) -> Result<Option<EngineName>, StoreError> {
        if let Some(Some(engine)) = self.readers.read(move |conn| row(conn, addon)).await?.map(|row| row.engine) {
            return Ok(Some(engine));
        }
        let placement = placement.clone();
        self.writer.run(move |tx| pin(tx, addon, &placement)).await
    }

    async fn engine_addons(&self) -> Result<Vec<(EngineName, u64)>, StoreError> {
        let sql = "SELECT engine, count(*) FROM addon_detail JOIN addon ON id = addon_detail.addon
                   WHERE engine IS NOT NULL
                       AND (live OR EXISTS (SELECT 1 FROM docker_object WHERE docker_object.addon = addon.id))
                   GROUP BY engine ORDER BY engine";
        self.readers
            .read(move |conn| list(conn, sql, (), |row| Ok((row.parsed("an engine's name")?, row.uint()?))))
            .await
    }

    async fn add_engine(&self, engine: NewEngine) -> Result<Result<bool, AddRefusal>, StoreError> {
        let definition = engine.definition.to_text();
        let sealed = self.sealer.seal(&places::engine(&engine.name), definition.reveal().as_bytes())?;
        let own = self.own.clone();
        self.writer.attempt(move |tx| added::add(tx, &own, &engine, &sealed)).await
    }

    async fn added_engines(&self) -> Result<(u64, Vec<AddedEngine>), StoreError> {
        let (revision, rows) = self.readers.read(added::all).await?;
        let machines: BTreeSet<_> = rows.iter().filter_map(|row| row.node.clone()).collect();
        Ok((revision, rows.into_iter().map(|row| self.open_engine(row, &machines)).collect()))
    }

    async fn engines_revision(&self) -> Result<u64, StoreError> {
        self.readers.read(added::revision).await
    }

    fn watch_engines(&self) -> Box<dyn Watcher> {
        self.pokes.watch_engines()
    }

    async fn forget_engine(&self, engine: &EngineName) -> Result<Result<u64, Inhabited>, StoreError> {
        let engine = engine.clone();
        self.writer.attempt(move |tx| forget(tx, &engine)).await
    }

    async fn set_app_engine(&self, app: &AppName, wish: Option<EngineWish>) -> Result<(), StoreError> {
        let app = app.clone();
        let job = move |tx: &mut Tx<'_>| {
            let wish = wish.as_ref().map(ToString::to_string);
            match tx.execute("UPDATE app SET engine = ? WHERE name = ?", (wish, app.as_str()))? {
                0 => Err(StoreError::Missing("app").into()),
                _ => Ok(()),
            }
        };
        self.writer.run(job).await
    }

    async fn app_engine(&self, app: &AppName) -> Result<Option<EngineWish>, StoreError> {
        let app = app.clone();
        let sql = "SELECT engine FROM app WHERE name = ?";
        let read = move |conn: &Conn| {
            find(conn, sql, [app.as_str()], |row| row.parsed_or_null("a wish for an engine")).map(Option::flatten)
        };
        self.readers.read(read).await
    }

    async fn set_app_network(&self, app: &AppName, network: Option<NetworkName>) -> Result<bool, StoreError> {
        let app = app.clone();
        self.writer.run(move |tx| networks::set(tx, &app, network.as_ref())).await
    }

    async fn app_network(&self, app: &AppName) -> Result<Option<NetworkName>, StoreError> {
        let app = app.clone();
        self.readers.read(move |conn| Ok(networks::of_app(conn, &app)?.flatten())).await
    }

    async fn networks(&self, addon: AddonId) -> Result<Vec<NetworkName>, StoreError> {
        self.readers.read(move |conn| networks::of_addon(conn, addon)).await
    }
}

impl SqlStore {
    fn open_engine(&self, row: added::Row, machines: &BTreeSet<NodeName>) -> AddedEngine {
        // One that can't be read keeps nobody from the others.
        let opened = self.sealer.open(&places::engine(&row.name), row.sealed());
        let definition = opened.ok().and_then(|plain| serde_json::from_slice(&plain).ok());
        let is_own = match &row.node {
            None => true,
            // A database of one process alone has the one machine, which may have another name by now; unless it came from several nodes:
            // then nobody knows whose sockets are here, and to take one machine's engine for another's would lose what is on that.
            Some(_) if self.listener.is_none() && machines.len() == 1 => true,
            Some(node) => *node == self.own.name,
        };
        let added::Row { name, url, node, .. } = row;
        AddedEngine { name, url, node, is_own, definition }
    }
}

fn forget(tx: &mut Tx<'_>, engine: &EngineName) -> Outcome<u64, Stop<Inhabited>> {
    let name = engine.as_str();
    let sql = "SELECT count(*) FROM addon_detail JOIN addon ON id = addon_detail.addon
               WHERE engine = ? AND (live OR grace_until IS NOT NULL)";
    let inhabitants = tx.find(sql, [name], |row| row.uint())?.unwrap_or_default();
    if inhabitants > 0 {
        return Err(Stop::Refused(Inhabited(inhabitants)));
    }
    let sql = "SELECT DISTINCT docker_object.addon FROM docker_object
               JOIN addon_detail ON addon_detail.addon = docker_object.addon WHERE engine = ?";
    let over = list(tx.conn, sql, [name], |row| Ok(AddonId(row.uuid()?)))?;
    let given_up = Entry::new("engine_forgotten", format!("what it had on the engine {engine} is given up with that"));
    for addon in &over {
        for sql in ["DELETE FROM docker_object WHERE addon = ?", "DELETE FROM docker_port WHERE addon = ?"] {
            tx.write(sql, [addon.0.as_bytes()])?;
        }
        note(tx, *addon, &given_up)?;
        plan::poke(tx, WorkKind::Addon, &Subject::Addon(*addon), None)?;
    }
    tx.write("DELETE FROM engine_tally WHERE engine = ?", [name])?;
    added::remove(tx, engine)?;
    Ok(over.len() as u64)
}

/// Where an addon is, and what it is a part of.
struct Place {
    engine: Option<EngineName>,
    parent: Option<AddonId>,
    is_live: bool,
}

fn row(conn: &Conn, addon: AddonId) -> Outcome<Option<Place>> {
    let sql = "SELECT engine, parent, live FROM addon_detail JOIN addon ON id = addon_detail.addon WHERE addon_detail.addon = ?";
    find(conn, sql, [addon.0.as_bytes()], |row| {
        let engine = row.parsed_or_null("an engine's name")?;
        Ok(Place {
            engine,
            parent: row.take::<Option<_>>()?.map(|id| AddonId(uuid::Uuid::from_bytes(id))),
            is_live: row.take()?,
        })
    })
}

fn pin(tx: &Tx<'_>, addon: AddonId, placement: &Placement) -> Outcome<Option<EngineName>> {
    let Some(place) = row(tx.conn, addon)? else { return Ok(None) };
    if place.engine.is_some() {
        return Ok(place.engine);
    }
    let Some(engine) = choose(tx, place.parent, Some(placement))? else { return Ok(None) };
    tx.write("UPDATE addon_detail SET engine = ? WHERE addon = ?", (engine.as_str(), addon.0.as_bytes()))?;
    plan::pin(tx, addon, &engine)?;
    if place.is_live {
        count(tx, addon, 1)?;
    }
    Ok(Some(engine))
}

/// The engine for an addon: that of its parent, or the one with the most room.
pub(super) fn choose(
    tx: &Tx<'_>,
    parent: Option<AddonId>,
    placement: Option<&Placement>,
) -> Outcome<Option<EngineName>> {
    if let Some(parent) = parent {
        return Ok(row(tx.conn, parent)?.and_then(|place| place.engine));
    }
    let Some(mut placement) = placement.cloned() else { return Ok(None) };
    let there = still_there(tx, &placement.candidates)?;
    // Who wished for what is gone by now is not to be elsewhere.
    if !(there.is_empty() && placement.is_wished) {
        placement.candidates = there;
    }
    let live = |engine: &EngineName| {
        // A count that went wrong makes for a bad choice. It keeps nobody from creating addons.
        let sql = "SELECT CASE WHEN live > 0 THEN live ELSE 0 END FROM engine_tally WHERE engine = ?";
        Ok::<u64, super::error::Failure>(tx.find(sql, [engine.as_str()], |row| row.uint())?.unwrap_or_default())
    };
    Ok(placement.roomiest(live)?.cloned())
}

/// Those that nobody has given up since it was looked which there are.
fn still_there(tx: &Tx<'_>, candidates: &[Candidate]) -> Outcome<Vec<Candidate>> {
    let mut there = vec![];
    for candidate in candidates {
        if !candidate.is_added || added::is_there(tx.conn, &candidate.name)? {
            there.push(candidate.clone());
        }
    }
    Ok(there)
}

/// Counts an addon that has come to live or lives no more, if it is on an engine by itself and not as a part of another one.
pub(super) fn count(tx: &Tx<'_>, addon: AddonId, live: i64) -> Outcome<()> {
    let sql = "INSERT INTO engine_tally (engine, live)
               SELECT engine, CAST(? AS BIGINT) FROM addon_detail WHERE addon = ? AND engine IS NOT NULL AND parent IS NULL
               ON CONFLICT (engine) DO UPDATE SET live = engine_tally.live + excluded.live";
    tx.write(sql, (live, addon.0.as_bytes()))?;
    Ok(())
}
