//! Published ports: each of an engine is one container's, for as long as the container is to be there.

use std::collections::BTreeMap;

use larder_domain::AddonId;
use larder_domain::docker::LocalName;
use larder_domain::ports::store::{NoPort, PortMap, Publish};

use crate::sql::database::Conn;
use crate::sql::error::{Result, Stop};
use crate::sql::tx::{Tx, list};

/// Gives a container the ports that it lacks, and others for those that somebody else has.
pub(super) fn publish(tx: &mut Tx<'_>, publish: &Publish) -> Result<PortMap, Stop<NoPort>> {
    let Publish { addon, object, ports, taken, .. } = publish;
    let engine = publish.engine.as_str();
    let key = (addon.0.as_bytes(), object.as_str());
    let sql = "SELECT 1 FROM docker_object WHERE addon = ? AND name = ? AND wanted";
    if tx.find(sql, key, |row| row.take::<u8>())?.is_none() {
        // It went meanwhile, and nobody would give its ports back.
        return Ok(PortMap::new());
    }
    for port in taken {
        let sql = "DELETE FROM docker_port WHERE engine = ? AND port = ? AND addon = ? AND object = ?";
        tx.write(sql, (engine, port, key.0, key.1))?;
    }
    let mut given = of(tx.conn, *addon)?.remove(object).unwrap_or_default();
    for container_port in ports {
        if given.contains_key(container_port) {
            continue;
        }
        let port = free(tx, publish)?.ok_or(Stop::Refused(NoPort))?;
        tx.write(
            "INSERT INTO docker_port (engine, port, addon, object, container_port) VALUES (?, ?, ?, ?, ?)",
            (engine, port, key.0, key.1, container_port),
        )?;
        given.insert(*container_port, port);
    }
    given.retain(|port, _| ports.contains(port));
    Ok(given)
}

/// Takes ports of a container back.
pub(super) fn unpublish(tx: &Tx<'_>, addon: AddonId, object: &LocalName, ports: &[u16]) -> Result<()> {
    for port in ports {
        let sql = "DELETE FROM docker_port WHERE addon = ? AND object = ? AND container_port = ?";
        tx.write(sql, (addon.0.as_bytes(), object.as_str(), port))?;
    }
    Ok(())
}

/// The first port after the last one that was given, so that one that has just become free is not given at once to somebody
/// else, whose clients would then be met by strangers.
fn free(tx: &Tx<'_>, publish: &Publish) -> Result<Option<u16>> {
    let (first, last) = (*publish.range.start(), *publish.range.end());
    let newest: Option<u16> = tx
        .find("SELECT last_port FROM docker_engine WHERE name = ?", [publish.engine.as_str()], |row| row.take())?
        .filter(|port| publish.range.contains(port));
    let begin = newest.map_or(first, |port| if port == last { first } else { port + 1 });
    let is_free = |port: &u16| -> Result<bool> {
        let sql = "SELECT 1 FROM docker_port WHERE engine = ? AND port = ?";
        let found = tx.find(sql, (publish.engine.as_str(), port), |row| row.take::<u16>())?;
        Ok(found.is_none() && !publish.taken.contains(port))
    };
    for port in (begin..=last).chain(first..begin) {
        if is_free(&port)? {
            let sql = "INSERT INTO docker_engine (name, last_port) VALUES (?, ?)
                       ON CONFLICT (name) DO UPDATE SET last_port = excluded.last_port";
            tx.write(sql, (publish.engine.as_str(), port))?;
            return Ok(Some(port));
        }
    }
    Ok(None)
}

/// The ports of an addon's containers.
pub(super) fn of(conn: &Conn, addon: AddonId) -> Result<BTreeMap<LocalName, PortMap>> {
    let sql = "SELECT object, container_port, port FROM docker_port WHERE addon = ?";
    let rows: Vec<(LocalName, u16, u16)> =
        list(conn, sql, [addon.0.as_bytes()], |row| Ok((row.parsed("an object's name")?, row.take()?, row.take()?)))?;
    let mut ports = BTreeMap::<LocalName, PortMap>::new();
    for (object, container_port, port) in rows {
        ports.entry(object).or_default().insert(container_port, port);
    }
    Ok(ports)
}
