//! Having a deleted addon back: with its name, its variables and all that its provider made, or not at all.

use larder_domain::addon::{DeclaredVariables, ProvisionType};
use larder_domain::config::AddonConfig;
use larder_domain::docker::names_in_networks;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::UndeleteRefusal;
use larder_domain::work::{Subject, WorkKind};
use larder_domain::{AddonId, AddonSpec, AppName, Event, VariableName, transition};

use super::apply::{Brought, step};
use super::family;
use super::progress::Progress;
use super::record::SealedRecord;
use crate::sql::claims::{self, Taken};
use crate::sql::error::{Result, Stop};
use crate::sql::tx::{Tx, find};
use crate::sql::work::plan;
use crate::sql::{networks, quotas};

/// The names that were the addon's: those that its service declares, and those that arrived.
pub(super) fn names(spec: &AddonSpec, config: &AddonConfig) -> Vec<VariableName> {
    let arrived = config.variables.iter().map(|variable| variable.name.clone());
    let declared = match &spec.variables {
        DeclaredVariables::Any(_) => &[][..],
        DeclaredVariables::Names(names) => names,
    };
    // One that can't have the prefix could not have it when the addon was created either.
    let reserved = declared.iter().filter_map(|name| name.prefixed(spec.attach_as.as_ref()).ok());
    arrived.chain(reserved).collect()
}

/// Whether the app was told to reach the addon by a name in a network of its own.
pub(super) fn is_told_inside(spec: &AddonSpec, config: &AddonConfig) -> bool {
    let names = [Some(spec.id), spec.parent].into_iter().flatten().map(names_in_networks);
    let values = config.variables.iter().map(|v| &v.value).chain(config.credentials.iter().map(|c| &c.value));
    names.into_iter().any(|name| values.clone().any(|value| value.reveal().contains(&name)))
}

/// `told_inside` is [`is_told_inside`] of what is kept.
pub(super) fn undelete(
    tx: &mut Tx<'_>,
    spec: &AddonSpec,
    names: &[VariableName],
    told_inside: bool,
    app_addons_max: u64,
) -> Result<Box<SealedRecord>, Stop<UndeleteRefusal>> {
    let id = spec.id;
    let before = Progress::load(tx, id)?.ok_or(StoreError::Missing("addon"))?;
    let shares = spec.provision_type == ProvisionType::Shared;
    let event = Event::UndeleteRequested { anew: shares || networks::is_inside(tx, spec)? != told_inside };
    if transition(&before.addon, event.clone(), tx.now).is_err() {
        return Err(Stop::Refused(UndeleteRefusal::NotInGrace));
    }
    if let Some(full) = quotas::exceeded(tx, spec, app_addons_max)? {
        return Err(Stop::Refused(UndeleteRefusal::Quota(full)));
    }
    if let Some(parent) = family::parent(tx, id)?
        && !family::is_live(tx, parent)?
    {
        return Err(Stop::Refused(UndeleteRefusal::ParentGone(parent)));
    }
    if let Some(app) = &spec.app {
        reclaim(tx, app, spec, names)?;
    }
    if let Some(parent) = family::parent(tx, id)? {
        networks::joined(tx, spec.app.as_ref(), parent)?;
    }
    let (after, next) = step(tx, &before, &event, &Brought::default())?;
    plan::after_wish(tx, WorkKind::Addon, &Subject::Addon(id), &after.provider, next)?;
    let record = SealedRecord::load(tx.conn, id)?.ok_or(StoreError::Missing("addon"))?;
    Ok(Box::new(record))
}

/// Has the addon's names in its app be its own again.
fn reclaim(tx: &Tx<'_>, app: &AppName, spec: &AddonSpec, names: &[VariableName]) -> Result<(), Stop<UndeleteRefusal>> {
    let known = find(tx.conn, "SELECT 1 FROM app WHERE name = ?", [app.as_str()], |row| row.take::<u8>())?;
    if known.is_none() {
        return Err(Stop::Refused(UndeleteRefusal::NoApp(app.clone())));
    }
    let sql = "SELECT id FROM addon WHERE app = ? AND name = ? AND live";
    let key = (app.as_str(), spec.name.as_str());
    if let Some(other) = tx.find(sql, key, |row| Ok(AddonId(row.uuid()?)))? {
        return Err(Stop::Refused(UndeleteRefusal::NameTaken(other)));
    }
    match claims::claim(tx, app.as_str(), spec.id, names.iter())? {
        Ok(()) => Ok(()),
        Err(Taken { variable, owner }) => Err(Stop::Refused(UndeleteRefusal::VariableTaken { variable, owner })),
    }
}
