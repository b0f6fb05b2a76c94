//! Addons that are a part of others: of a communal server, or of the resource that they share.

use larder_domain::ports::StoreError;
use larder_domain::ports::store::{AppRefusal, Applied, Child, CreateRefusal, Fence, InUse, NewAddon, Unless};
use larder_domain::work::{Subject, WorkKind};
use larder_domain::{AddonId, AddonSpec, AddonState, AppName, Event, Grace, OperationId};

use super::apply::{Brought, apply, step};
use super::progress::Progress;
use super::record::SealedParts;
use crate::sql::database::Conn;
use crate::sql::error::{Result, Stop};
use crate::sql::tx::{Tx, list};
use crate::sql::work::plan;

/// The communal server for a new user: the one there is, or this one, which is then made.
pub(super) fn server(tx: &mut Tx<'_>, server: &NewAddon, parts: &SealedParts) -> Result<AddonId, Stop<CreateRefusal>> {
    let AddonSpec { id, provider, service, plan, .. } = &server.spec;
    let key = (provider.as_str(), service.as_str(), plan.as_str());
    let sql = "SELECT addon FROM communal_server WHERE provider = ? AND service = ? AND plan = ?";
    if let Some(there) = tx.find(sql, key, |row| Ok(AddonId(row.uuid()?)))?
        && is_live(tx, there)?
    {
        return Ok(there);
    }
    super::create::create(tx, server, parts, None)?;
    tx.write(
        "INSERT INTO communal_server (provider, service, plan, addon) VALUES (?, ?, ?, ?)
         ON CONFLICT (provider, service, plan) DO UPDATE SET addon = excluded.addon",
        (key.0, key.1, key.2, id.0.as_bytes()),
    )?;
    Ok(*id)
}

/// Whether an addon is there and not over.
pub(super) fn is_live(tx: &Tx<'_>, addon: AddonId) -> Result<bool> {
    let live = tx.find("SELECT live FROM addon WHERE id = ?", [addon.0.as_bytes()], |row| row.take::<bool>())?;
    Ok(live.unwrap_or(false))
}

/// Deletes an addon, unless others are a part of it. They are looked for here, so that none comes between.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    id: AddonId,
    grace: Option<Grace>,
    unless: Unless,
) -> Result<Applied, Stop<InUse>> {
    let mut users = children(tx.conn, id)?;
    users.retain(|user| match unless {
        Unless::Used => true,
        Unless::Lived => user.live,
        Unless::Never => false,
    });
    if !users.is_empty() {
        return Err(Stop::Refused(InUse(users)));
    }
    Ok(want_gone(tx, id, grace)?)
}

fn want_gone(tx: &mut Tx<'_>, id: AddonId, grace: Option<Grace>) -> Result<Applied> {
    let event = grace.map_or(Event::DeprovisionRequested, Event::DeprovisionLater);
    apply(tx, id, &event, &Fence::User, &Brought::default())
}

/// Deletes all live addons of an app, unless one is protected or others' addons are a part of it.
pub(in crate::sql) fn delete_all_of(
    tx: &mut Tx<'_>,
    app: &AppName,
    grace: Option<Grace>,
) -> Result<Vec<AddonId>, Stop<AppRefusal>> {
    // The youngest first, so that what is a part of another one goes before it.
    let sql = "SELECT id, protected FROM addon JOIN addon_detail ON addon = id WHERE app = ? AND live ORDER BY id DESC";
    let all = list(tx.conn, sql, [app.as_str()], |row| Ok((AddonId(row.uuid()?), row.take::<bool>()?)))?;
    if let Some((id, _)) = all.iter().find(|(_, protected)| *protected) {
        return Err(Stop::Refused(AppRefusal::Protected(*id)));
    }
    let all: Vec<AddonId> = all.into_iter().map(|(id, _)| id).collect();
    for id in &all {
        let mut users = children(tx.conn, *id)?;
        users.retain(|user| !all.contains(&user.id));
        if !users.is_empty() {
            return Err(Stop::Refused(AppRefusal::AddonInUse(*id, users)));
        }
    }
    for id in &all {
        want_gone(tx, *id, grace)?;
    }
    Ok(all)
}

/// The addons that are a part of this one: those that live, and those that can be had back.
pub(super) fn children(conn: &Conn, parent: AddonId) -> Result<Vec<Child>> {
    let sql = "SELECT id, live FROM addon_detail JOIN addon ON id = addon
               WHERE parent = ? AND (live OR grace_until IS NOT NULL) ORDER BY id";
    list(conn, sql, [parent.0.as_bytes()], |row| Ok(Child { id: AddonId(row.uuid()?), live: row.take()? }))
}

/// The addon that this one is a part of.
pub(super) fn parent(tx: &Tx<'_>, addon: AddonId) -> Result<Option<AddonId>> {
    let sql = "SELECT parent FROM addon_detail WHERE addon = ? AND parent IS NOT NULL";
    tx.find(sql, [addon.0.as_bytes()], |row| Ok(AddonId(row.uuid()?)))
}

/// The addons whose containers an addon may be reached in: itself, the one that it is a part of, and the one that this is a part of.
/// There are no more, since nobody shares what is shared.
pub(in crate::sql) fn line(tx: &Tx<'_>, addon: AddonId) -> Result<Vec<AddonId>> {
    let mut line = vec![addon];
    while let Some(parent) = line.last().map(|last| parent(tx, *last)).transpose()?.flatten() {
        line.push(parent);
    }
    Ok(line)
}

/// Tells the parts of an addon what became of it: those that waited go on, those that share what has changed follow, those
/// that have lost it end, and those that were deleted can't be had back any more.
pub(super) fn tell_children(tx: &mut Tx<'_>, before: &Progress, parent: &Progress, is_new: bool) -> Result<()> {
    let now = parent.addon.state;
    if before.addon.state == AddonState::Ready && now == AddonState::Ready && is_new {
        return let_sharers_follow(tx, parent.addon.id);
    }
    if before.addon.state == now || !(now == AddonState::Ready || now.is_terminal()) {
        return Ok(());
    }
    for Child { id: child, live } in children(tx.conn, parent.addon.id)? {
        if now == AddonState::Ready {
            if live {
                plan::poke(tx, WorkKind::Addon, &Subject::Addon(child), None)?;
            }
            continue;
        }
        let progress = Progress::load(tx, child)?.ok_or(StoreError::Missing("addon"))?;
        let reason = parent.addon.error.as_ref().map_or("it was deleted", |error| error.reason.as_str());
        let lost = Event::ParentLost { reason: format!("the addon that this one is a part of is over: {reason}") };
        let (after, next) = step(tx, &progress, &lost, &Brought::default())?;
        plan::after_wish(tx, WorkKind::Addon, &Subject::Addon(child), &after.provider, next)?;
    }
    Ok(())
}

/// The addons that share this one's resource give their apps what it gives from now on.
fn let_sharers_follow(tx: &mut Tx<'_>, owner: AddonId) -> Result<()> {
    let sql = "SELECT id FROM addon_detail JOIN addon ON id = addon
               WHERE parent = ? AND live AND provision_type = 'shared' ORDER BY id";
    for sharer in list(tx.conn, sql, [owner.0.as_bytes()], |row| Ok(AddonId(row.uuid()?)))? {
        outdate(tx, sharer)?;
    }
    Ok(())
}

/// A ready addon that could not tell its app anew what it gives tries it again as soon as it can. One that tells it now goes on with that.
pub(in crate::sql) fn hasten(tx: &mut Tx<'_>, addon: AddonId) -> Result<()> {
    let outdated = Progress::load(tx, addon)?.and_then(|progress| progress.addon.outdated);
    match outdated {
        Some(outdated) if outdated.at > tx.now => outdate(tx, addon),
        _ => Ok(()),
    }
}

/// A live addon tells its app anew what it gives, as soon as it can.
pub(in crate::sql) fn outdate(tx: &mut Tx<'_>, addon: AddonId) -> Result<()> {
    let progress = Progress::load(tx, addon)?.ok_or(StoreError::Missing("addon"))?;
    let outdated = Event::Outdated(OperationId::generate());
    let (after, next) = step(tx, &progress, &outdated, &Brought::default())?;
    plan::after_wish(tx, WorkKind::Addon, &Subject::Addon(addon), &after.provider, next)
}
