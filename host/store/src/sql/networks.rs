//! Networks that apps' own containers are in: their addons' containers are to be in them, too, and are reached there by other names.

use larder_domain::addon::ProvisionType;
use larder_domain::ports::StoreError;
use larder_domain::{AddonId, AddonSpec, AppName, NetworkName};

use super::addons::{hasten, line, outdate};
use super::database::Conn;
use super::error::Result;
use super::objects;
use super::tx::{Tx, find, list};

/// The app's network; none if there is no such app.
pub(super) fn of_app(conn: &Conn, app: &AppName) -> Result<Option<Option<NetworkName>>> {
    find(conn, "SELECT network FROM app WHERE name = ?", [app.as_str()], |row| row.parsed_or_null("a network's name"))
}

/// The networks of all apps that use the addon's containers: of its own, of those with parts of it, and of those that share these.
pub(super) fn of_addon(conn: &Conn, addon: AddonId) -> Result<Vec<NetworkName>> {
    let sql = "WITH part (id) AS (SELECT addon FROM addon_detail WHERE parent = ?1)
               SELECT network FROM app WHERE network IS NOT NULL AND name IN (
                   SELECT app FROM addon WHERE live AND id = ?1
                   UNION SELECT app FROM addon WHERE live AND id IN (SELECT id FROM part)
                   UNION SELECT app FROM addon WHERE live AND id IN (SELECT addon FROM addon_detail WHERE parent IN (SELECT id FROM part)))
               GROUP BY network ORDER BY network";
    list(conn, sql, [addon.0.as_bytes()], |row| row.parsed("a network's name"))
}

/// Says which network an app has, and has everything follow that depends on it. False if it was so before: what could not be told then
/// is told now.
pub(super) fn set(tx: &mut Tx<'_>, app: &AppName, network: Option<&NetworkName>) -> Result<bool> {
    let before = of_app(tx.conn, app)?.ok_or(StoreError::Missing("app"))?;
    if before.as_ref() == network {
        tell_at_once(tx, app)?;
        return Ok(false);
    }
    tx.write("UPDATE app SET network = ? WHERE name = ?", (network.map(NetworkName::as_str), app.as_str()))?;
    for (addon, provision_type) in affected(tx, app)? {
        wake(tx, addon)?;
        // What is shared is reached where its owner says.
        if provision_type != ProvisionType::Shared {
            outdate(tx, addon)?;
        }
    }
    Ok(true)
}

/// Whether the app reaches the addon in a network of its own.
pub(super) fn is_inside(tx: &Tx<'_>, spec: &AddonSpec) -> Result<bool> {
    let sql = "SELECT 1 FROM addon_detail, app
               WHERE addon_detail.addon = ? AND addon_detail.engine IS NOT NULL AND app.name = ? AND network IS NOT NULL";
    let app = spec.app.as_ref().map(AppName::as_str);
    Ok(tx.find(sql, (spec.id.0.as_bytes(), app), |row| row.take::<u8>())?.is_some())
}

/// An app that has a network has got an addon: the containers that this is a part of are to be in it.
pub(super) fn joined(tx: &mut Tx<'_>, app: Option<&AppName>, parent: AddonId) -> Result<()> {
    match app.map(|app| of_app(tx.conn, app)).transpose()?.flatten().flatten() {
        Some(_) => wake(tx, parent),
        None => Ok(()),
    }
}

/// Has the containers looked at in which an addon is reached: those of a part are its server's, or its owner's, or its owner's server's.
fn wake(tx: &mut Tx<'_>, addon: AddonId) -> Result<()> {
    for one in line(tx, addon)? {
        objects::wake(tx, one)?;
    }
    Ok(())
}

/// The addons that are on an engine, and whose app gets or leaves a network.
fn affected(tx: &Tx<'_>, app: &AppName) -> Result<Vec<(AddonId, ProvisionType)>> {
    let sql = "SELECT id, provision_type FROM addon JOIN addon_detail ON addon_detail.addon = id
               WHERE app = ? AND live AND engine IS NOT NULL ORDER BY id";
    list(tx.conn, sql, [app.as_str()], |row| {
        Ok((AddonId(row.uuid()?), row.named("a provision type", ProvisionType::from_name)?))
    })
}

/// What the app is to be told anew is not put off any longer.
fn tell_at_once(tx: &mut Tx<'_>, app: &AppName) -> Result<()> {
    let sql = "SELECT id FROM addon WHERE app = ? AND live AND state = 'ready' AND outdated IS NOT NULL ORDER BY id";
    for addon in list(tx.conn, sql, [app.as_str()], |row| Ok(AddonId(row.uuid()?)))? {
        hasten(tx, addon)?;
    }
    Ok(())
}
