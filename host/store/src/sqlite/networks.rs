//! Networks that apps' own containers are in: their addons' containers are to be in them, too, and are reached there by other names.

use larder_domain::addon::ProvisionType;
use larder_domain::operation::OperationKind;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::Busy;
use larder_domain::work::{Subject, WorkKind};
use larder_domain::{AddonId, AddonName, AddonSpec, AddonState, AppName, NetworkName, Next};
use rusqlite::Connection;

use super::addons::{Progress, follow};
use super::error::{Result, Stop};
use super::objects;
use super::tx::{Tx, find, list};
use super::work::plan;

/// An addon that is on an engine, and whose app gets or leaves a network.
struct Affected {
    addon: AddonId,
    name: AddonName,
    parent: Option<AddonId>,
    provision_type: ProvisionType,
}

/// The app's network; none if there is no such app.
pub(super) fn of_app(conn: &Connection, app: &AppName) -> Result<Option<Option<NetworkName>>> {
    find(conn, "SELECT network FROM app WHERE name = ?", [app.as_str()], |row| row.parsed_or_null("a network's name"))
}

/// The networks of all apps that use the addon's containers.
pub(super) fn of_addon(conn: &Connection, addon: AddonId) -> Result<Vec<NetworkName>> {
    let sql = "SELECT network FROM app WHERE network IS NOT NULL AND name IN (
                   SELECT app FROM addon WHERE live AND id = ?1
                   UNION SELECT app FROM addon_detail JOIN addon ON id = addon_detail.addon WHERE parent = ?1 AND live)
               GROUP BY network ORDER BY network";
    list(conn, sql, [addon.0.as_bytes()], |row| row.parsed("a network's name"))
}

/// Says which network an app has, and has everything follow that depends on it. False if it was so before.
pub(super) fn set(
    tx: &mut Tx<'_>,
    app: &AppName,
    network: Option<&NetworkName>,
) -> std::result::Result<bool, Stop<Busy>> {
    let before = of_app(tx.conn, app)?.ok_or(StoreError::Missing("app"))?;
    if before.as_ref() == network {
        return Ok(false);
    }
    tx.execute("UPDATE app SET network = ? WHERE name = ?", (network.map(NetworkName::as_str), app.as_str()))?;
    for affected in affected(tx, app)? {
        // Whose containers they are: those of a part are its server's, or its owner's.
        objects::wake(tx, affected.parent.unwrap_or(affected.addon))?;
        if affected.provision_type != ProvisionType::Shared {
            tell_anew(tx, &affected)?;
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
        Some(_) => objects::wake(tx, parent),
        None => Ok(()),
    }
}

fn affected(tx: &Tx<'_>, app: &AppName) -> Result<Vec<Affected>> {
    let sql = "SELECT id, name, parent, provision_type FROM addon JOIN addon_detail ON addon_detail.addon = id
               WHERE app = ? AND live AND engine IS NOT NULL ORDER BY id";
    list(tx.conn, sql, [app.as_str()], |row| {
        Ok(Affected {
            addon: AddonId(row.uuid()?),
            name: row.parsed("an addon's name")?,
            parent: row.take::<Option<_>>()?.map(|id| AddonId(uuid::Uuid::from_bytes(id))),
            provision_type: row.named("a provision type", ProvisionType::from_name)?,
        })
    })
}

/// The app is told anew where its addon is reached.
fn tell_anew(tx: &mut Tx<'_>, affected: &Affected) -> std::result::Result<(), Stop<Busy>> {
    let progress = Progress::load(tx, affected.addon)?.ok_or(StoreError::Missing("addon"))?;
    let is_free = progress.addon.running().is_none_or(|operation| operation.kind == OperationKind::Follow);
    match progress.addon.state {
        // A call that is under way may have asked already: its answer counts no more, and it is made again.
        AddonState::WaitingForProvision => {
            let subject = Subject::Addon(affected.addon);
            Ok(plan::after_wish(tx, WorkKind::Addon, &subject, &progress.provider, Next::At(tx.now))?)
        }
        AddonState::Ready if is_free => Ok(follow(tx, &progress)?),
        AddonState::Provisioned | AddonState::Ready => Err(Stop::Refused(Busy(affected.name.clone()))),
        AddonState::Deprovisioned | AddonState::Error => Ok(()),
    }
}
