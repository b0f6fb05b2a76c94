//! The nodes that share the database: who is there, who reaches which engine, and so who may take which work.
//!
//! A node says every few seconds that it lives, in a row of its own. Nothing rests on that but who takes work about engines and what
//! people are shown: what a silent node may still write is decided by leases alone.

mod revision;

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::ids::NodeId;
use larder_domain::node::{Node, SILENT_MS_MAX};
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{EngineShared, NodeStore, ReachedEngine, Standing, Watcher};
use larder_domain::{EngineName, NodeName, OperationId, StoreTime, WallTime};
use uuid::Uuid;

use super::database::{Conn, Step};
use super::error::{Failure, Result as Outcome, Stop};
use super::open::OpenError;
use super::tx::{Tx, find, list};
use super::{SqlStore, added, postgres};
pub(super) use revision::Revision;

/// How long a node that went without a word is still shown, in milliseconds.
const GONE_KEPT_MS: u64 = 24 * 3_600_000;
/// How addresses of engines begin that can be reached from one machine only.
const LOCAL_ENGINE: &str = "unix:";

/// This process, as a node.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) name: NodeName,
    pub(super) id: NodeId,
    /// Of its data directory.
    pub(super) home: Uuid,
}

/// What a node has said of itself.
pub(super) type Announced = (String, Vec<ReachedEngine>);

/// Whom a node shares its database with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// Nobody.
    Alone,
    /// Nodes of other names.
    Others,
}

/// This process is the node of that name from now on. If whoever was it before had the same data directory, it is gone, and what it had
/// leased is free; any other may only be cut off, and its leases run out.
pub(super) fn join(
    conn: &Conn,
    company: Company,
    (name, home): (NodeName, Uuid),
    key: Option<String>,
    wall: WallTime,
) -> Result<Own, OpenError> {
    let own = Own { name, home, id: NodeId::generate() };
    conn.step(Step::BeginWriting)?;
    if let Conn::Postgres(_) = conn {
        // Others remember what was due: they are to look again.
        conn.execute("UPDATE installation SET last_commit = last_commit + 1", ())?;
    }
    let free =
        "UPDATE work SET lease_owner = NULL, lease_until = NULL, lease_token = NULL WHERE lease_until IS NOT NULL";
    match company {
        // Nobody else can have any.
        Company::Alone => conn.execute(free, ())?,
        Company::Others => {
            let sql = format!("{free} AND lease_owner IN (SELECT id FROM node WHERE name = ? AND home = ?)");
            conn.execute(&sql, (own.name.as_str(), own.home.as_bytes()))?
        }
    };
    conn.execute("DELETE FROM node WHERE name = ?", [own.name.as_str()])?;
    let now = conn.either("SELECT clock_ms FROM installation", postgres::NOW);
    let now = find(conn, now, (), |row| row.time())?.unwrap_or_default();
    insert(conn, &own, key.as_deref(), now, wall)?;
    conn.step(Step::Commit)?;
    Ok(own)
}

fn insert(conn: &Conn, own: &Own, key: Option<&str>, now: StoreTime, wall: WallTime) -> Outcome<()> {
    let sql = "INSERT INTO node (name, id, home, version, started_at, seen) VALUES (?, ?, ?, ?, ?, ?)";
    let (id, home, version) = (own.id.0.as_bytes(), own.home.as_bytes(), env!("CARGO_PKG_VERSION"));
    conn.execute(sql, (own.name.as_str(), id, home, version, wall.0, now.0))?;
    match key {
        Some(key) => conn.execute("UPDATE node SET key = ? WHERE id = ?", (key, id)).map(drop),
        None => Ok(()),
    }
}

#[async_trait]
impl NodeStore for SqlStore {
    fn node(&self) -> NodeId {
        self.own.id
    }

    async fn announce(&self, url: String, engines: Vec<ReachedEngine>) -> Result<Result<(), EngineShared>, StoreError> {
        let own = self.own.clone();
        *self.announced.lock().unwrap_or_else(PoisonError::into_inner) = Some((url.clone(), engines.clone()));
        self.writer.attempt(move |tx| announce(tx, &own, &url, &engines)).await
    }

    async fn beat(&self) -> Result<Standing, StoreError> {
        // Whoever has another key sealed by now says so with this very beat.
        self.learn_keys().await?;
        let (own, key) = (self.own.clone(), self.keyfile.as_ref().map(|sealer| sealer.key_id()));
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.writer.run(move |tx| beat(tx, &own, key.as_deref(), announced.as_ref())).await
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        self.readers.check_writer()?;
        let own = self.own.clone();
        self.readers.read(move |conn| standing(conn, &own)).await
    }

    async fn leave(&self) -> Result<(), StoreError> {
        let own = self.own.clone();
        self.writer.run(move |tx| tx.execute("DELETE FROM node WHERE id = ?", [own.id.0.as_bytes()]).map(drop)).await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let now = self.clock.now();
        self.readers.read(move |conn| all(conn, now)).await
    }

    async fn set_draining(&self, name: &NodeName, draining: bool) -> Result<bool, StoreError> {
        let name = name.clone();
        let job = move |tx: &mut Tx<'_>| {
            tx.memory.poked.work = true;
            Ok(tx.execute("UPDATE node SET draining = ? WHERE name = ?", (draining, name.as_str()))? > 0)
        };
        self.writer.run(job).await
    }

    async fn engines_of_others(&self) -> Result<Vec<ReachedEngine>, StoreError> {
        if self.listener.is_none() {
            return Ok(vec![]);
        }
        let (own, now) = (self.own.id, self.clock.now());
        self.readers.read(move |conn| of_others(conn, own, now)).await
    }

    async fn drained_engines(&self) -> Result<Vec<EngineName>, StoreError> {
        let sql = "SELECT name FROM drained_engine ORDER BY name";
        self.readers.read(move |conn| list(conn, sql, (), |row| row.parsed("an engine's name"))).await
    }

    async fn set_engine_drained(&self, name: &EngineName, drained: bool) -> Result<(), StoreError> {
        let name = name.clone();
        let sql = match drained {
            true => "INSERT INTO drained_engine (name) VALUES (?) ON CONFLICT (name) DO NOTHING",
            false => "DELETE FROM drained_engine WHERE name = ?",
        };
        self.writer.run(move |tx| tx.execute(sql, [name.as_str()]).map(drop)).await
    }

    async fn look_after(&self, operation: OperationId) -> Result<(), StoreError> {
        let own = self.own.id;
        let sql = "INSERT INTO transfer (operation, node) VALUES (?, ?)";
        self.writer.run(move |tx| tx.execute(sql, (operation.0.as_bytes(), own.0.as_bytes())).map(drop)).await
    }

    async fn let_go(&self, operation: OperationId) -> Result<(), StoreError> {
        let sql = "DELETE FROM transfer WHERE operation = ?";
        self.writer.run(move |tx| tx.execute(sql, [operation.0.as_bytes()]).map(drop)).await
    }

    async fn is_looked_after(&self, operation: OperationId) -> Result<bool, StoreError> {
        let (own, now) = (self.own.id, self.clock.now());
        let sql =
            "SELECT 1 FROM transfer JOIN node ON node.id = transfer.node WHERE operation = ? AND id <> ? AND seen > ?";
        let read = move |conn: &Conn| {
            find(conn, sql, (operation.0.as_bytes(), own.0.as_bytes(), heard_after(now)), |_| Ok(()))
                .map(|it| it.is_some())
        };
        self.readers.read(read).await
    }

    fn watch_others(&self) -> Box<dyn Watcher> {
        self.pokes.watch_others()
    }

    fn watch_wishes(&self) -> Box<dyn Watcher> {
        self.pokes.watch_wishes()
    }

    async fn providers_revision(&self, within: Duration) -> Result<u64, StoreError> {
        self.revision(within).await
    }
}

/// Whether an engine can be reached from one machine only.
pub(super) fn is_local(url: &str) -> bool {
    url.starts_with(LOCAL_ENGINE)
}

fn announce(tx: &Tx<'_>, own: &Own, url: &str, engines: &[ReachedEngine]) -> Outcome<(), Stop<EngineShared>> {
    // Of those that were added, it was decided when they were.
    for ReachedEngine { name, url, .. } in engines.iter().filter(|engine| !engine.is_added) {
        if added::is_there(tx.conn, name)? {
            return Err(Stop::Refused(EngineShared::Added(name.clone())));
        }
        let sql = "SELECT node, node_engine.url FROM node_engine JOIN node ON name = node
                   WHERE engine = ? AND node <> ? AND seen > ? ORDER BY node";
        let others = list(tx.conn, sql, (name.as_str(), own.name.as_str(), heard_after(tx.now)), |row| {
            Ok((row.parsed("a node's name")?, row.take::<String>()?))
        })?;
        if let Some((node, _)) = others.into_iter().find(|(_, theirs)| is_local(theirs) || is_local(url)) {
            return Err(Stop::Refused(EngineShared::Socket { engine: name.clone(), node }));
        }
    }
    let name = own.name.as_str();
    if tx.execute("UPDATE node SET url = ?, seen = ? WHERE name = ?", (url, tx.now.0, name))? == 0 {
        // It has left, or was forgotten; then it says so again when it is heard of.
        return Ok(());
    }
    tx.write("DELETE FROM node_engine WHERE node = ?", [name])?;
    for engine in engines {
        let ReachedEngine { name: engine, url, advertise, labels, weight, is_added } = engine;
        let labels = serde_json::to_string(labels).map_err(|error| Failure::database(error.to_string()))?;
        let sql = "INSERT INTO node_engine (node, engine, url, advertise, labels, weight, added) VALUES (?, ?, ?, ?, ?, ?, ?)";
        tx.write(sql, (name, engine.as_str(), url, advertise, labels, *weight, *is_added))?;
    }
    Ok(())
}

/// The engines that other living nodes reach.
fn of_others(conn: &Conn, own: NodeId, now: StoreTime) -> Outcome<Vec<ReachedEngine>> {
    let sql =
        "SELECT engine, node_engine.url, advertise, labels, weight, added FROM node_engine JOIN node ON name = node
               WHERE id <> ? AND seen > ? ORDER BY engine, node";
    let mut engines = list(conn, sql, (own.0.as_bytes(), heard_after(now)), |row| {
        let (name, url, advertise) = (row.parsed("an engine's name")?, row.take()?, row.take()?);
        let labels = serde_json::from_str(&row.take::<String>()?);
        let labels = labels.map_err(|error| Failure::corrupt(format!("an engine's labels ({error})")))?;
        Ok(ReachedEngine { name, url, advertise, labels, weight: row.take()?, is_added: row.take()? })
    })?;
    engines.dedup_by(|one, other| one.name == other.name);
    Ok(engines)
}

/// Whoever was heard of after this lives. Of the first seconds of a store, that is before its time began.
pub(super) fn heard_after(now: StoreTime) -> i64 {
    now.0.cast_signed().saturating_sub(SILENT_MS_MAX.cast_signed())
}

fn beat(tx: &Tx<'_>, own: &Own, key: Option<&str>, announced: Option<&Announced>) -> Outcome<Standing> {
    let (seen, id) = (tx.now.0, own.id.0.as_bytes());
    let heard = match key {
        Some(key) => tx.execute("UPDATE node SET seen = ?, key = ? WHERE id = ?", (seen, key, id))?,
        None => tx.execute("UPDATE node SET seen = ? WHERE id = ?", (seen, id))?,
    };
    let is_anothers = || tx.find("SELECT 1 FROM node WHERE name = ?", [own.name.as_str()], |_| Ok(()));
    if heard == 0 && is_anothers()?.is_none() {
        // It was not heard of for so long that it was forgotten.
        insert(tx.conn, own, key, tx.now, tx.wall)?;
        if let Some((url, engines)) = announced
            && let Err(Stop::Failed(failure)) = announce(tx, own, url, engines)
        {
            return Err(failure);
        }
    }
    let gone_before = tx.now.0.saturating_sub(GONE_KEPT_MS);
    tx.write("DELETE FROM node WHERE seen < ? AND id <> ?", (gone_before, own.id.0.as_bytes()))?;
    tx.write("DELETE FROM transfer WHERE node NOT IN (SELECT id FROM node)", ())?;
    standing(tx.conn, own)
}

fn standing(conn: &Conn, own: &Own) -> Outcome<Standing> {
    let sql = format!("SELECT draining, {} FROM node WHERE id = ?", other_key(conn));
    let found = find(conn, &sql, [own.id.0.as_bytes()], |row| Ok((row.take::<bool>()?, row.take::<bool>()?)))?;
    Ok(match found {
        None => Standing::Replaced,
        Some((_, true)) => Standing::OtherKey,
        Some((true, false)) => Standing::Draining,
        Some((false, false)) => Standing::Working,
    })
}

/// Of a node's row: whether its key is none that the installation is sealed with any more.
fn other_key(conn: &Conn) -> &'static str {
    conn.either("0", postgres::keys::HAS_OTHER_KEY)
}

/// Whether a node is to take no more work; none if there is no such node.
fn is_draining(conn: &Conn, node: NodeId) -> Outcome<Option<bool>> {
    find(conn, "SELECT draining FROM node WHERE id = ?", [node.0.as_bytes()], |row| row.take())
}

/// The engines that other living nodes reach and this one does not: work about them is theirs. What nobody reaches is anybody's, who then
/// says so. None if the node is to take no work at all.
pub(super) fn engines_to_leave(conn: &Conn, node: NodeId, now: StoreTime) -> Outcome<Option<Vec<String>>> {
    if let Conn::Sqlite(_) = conn {
        return Ok((is_draining(conn, node)? != Some(true)).then(Vec::new));
    }
    let sql = format!(
        "SELECT (SELECT draining OR {} FROM node WHERE id = ?1), elsewhere.engine FROM (SELECT 1) AS one LEFT JOIN (
             SELECT DISTINCT engine FROM node_engine JOIN node ON name = node WHERE id <> ?1 AND seen > ?2
             AND engine NOT IN (SELECT engine FROM node_engine JOIN node ON name = node WHERE id = ?1)
         ) AS elsewhere ON TRUE ORDER BY elsewhere.engine",
        postgres::keys::HAS_OTHER_KEY
    );
    let rows = list(conn, &sql, (node.0.as_bytes(), heard_after(now)), |row| {
        Ok((row.take::<Option<bool>>()?, row.take::<Option<String>>()?))
    })?;
    let is_draining = rows.first().is_some_and(|(draining, _)| *draining == Some(true));
    Ok((!is_draining).then(|| rows.into_iter().filter_map(|(_, engine)| engine).collect()))
}

fn all(conn: &Conn, now: StoreTime) -> Outcome<Vec<Node>> {
    let sql = "SELECT node, engine FROM node_engine ORDER BY node, engine";
    let mut engines: HashMap<NodeName, Vec<EngineName>> = HashMap::new();
    for (node, engine) in
        list(conn, sql, (), |row| Ok((row.parsed("a node's name")?, row.parsed("an engine's name")?)))?
    {
        engines.entry(node).or_default().push(engine);
    }
    let sql = "SELECT lease_owner, count(*) FROM work WHERE lease_until > ? GROUP BY lease_owner ORDER BY lease_owner";
    let leases: HashMap<Uuid, u64> =
        list(conn, sql, [now.0], |row| Ok((row.uuid()?, row.uint()?)))?.into_iter().collect();
    let sql = format!(
        "SELECT name, id, url, version, started_at, seen, draining, {} FROM node ORDER BY name",
        other_key(conn)
    );
    list(conn, &sql, (), |row| {
        let name: NodeName = row.parsed("a node's name")?;
        let engines = engines.get(&name).cloned().unwrap_or_default();
        let (id, url, version) = (NodeId(row.uuid()?), row.take()?, row.take()?);
        let (started_at, silent_ms) = (row.wall()?, now.since_ms(row.time()?));
        Ok(Node {
            name,
            id,
            url,
            version,
            started_at,
            silent_ms,
            is_draining: row.take()?,
            has_other_key: row.take()?,
            engines,
            leases: leases.get(&id.0).copied().unwrap_or_default(),
        })
    })
}
