//! What an operation under way needs beside its addon's row. Sealed values are moved as they are: each was sealed for the place
//! in which it may come to stand.

use larder_domain::AddonId;
use larder_domain::operation::NewOperation;

use super::progress::Progress;
use crate::sql::claims;
use crate::sql::database::Conn;
use crate::sql::error::{Failure, Result};
use crate::sql::objects;
use crate::sql::tx::{Tx, list};

/// Keeps what the operation was asked for, and what is there now.
pub(super) fn begin(tx: &Tx<'_>, addon: AddonId, wish: &NewOperation, parameters: Option<&[u8]>) -> Result<()> {
    let key = addon.0.as_bytes();
    forget(tx, addon)?;
    tx.write(
        "INSERT INTO operation_detail (addon, new_plan, new_parameters, old_state)
         VALUES (?1, ?2, ?3, (SELECT value FROM guest_state WHERE addon = ?1))",
        (key, wish.change.as_ref().map(|change| change.plan.as_str()), parameters),
    )?;
    tx.write(
        "INSERT INTO operation_object (addon, name, digest, document)
         SELECT addon, name, digest, document FROM docker_object WHERE addon = ? AND wanted",
        [key],
    )?;
    Ok(())
}

/// What an update was asked for is the addon's own.
pub(super) fn adopt(tx: &Tx<'_>, addon: AddonId) -> Result<()> {
    tx.write(
        "UPDATE addon_detail SET plan = coalesce(new_plan, plan), parameters = coalesce(new_parameters, parameters)
         FROM operation_detail AS operation WHERE operation.addon = addon_detail.addon AND addon_detail.addon = ?",
        [addon.0.as_bytes()],
    )?;
    Ok(())
}

/// Keeps where a transfer's data come from or go.
pub(super) fn keep_transfer(tx: &Tx<'_>, addon: AddonId, sealed: Option<&[u8]>) -> Result<()> {
    let sealed = sealed.ok_or_else(|| Failure::corrupt("a transfer that was not sealed"))?;
    tx.write("UPDATE operation_detail SET transfer = ? WHERE addon = ?", (sealed, addon.0.as_bytes()))?;
    Ok(())
}

/// Brings back the provider's state and the wanted objects.
pub(super) fn undo(tx: &mut Tx<'_>, of: &Progress) -> Result<()> {
    let key = of.addon.id.0.as_bytes();
    tx.write("DELETE FROM guest_state WHERE addon = ?", [key])?;
    tx.write(
        "INSERT INTO guest_state (addon, value) SELECT addon, old_state FROM operation_detail WHERE addon = ? AND old_state IS NOT NULL",
        [key],
    )?;
    objects::bring_back(tx, of.addon.id, &of.provider)
}

/// The addons with one.
pub(super) fn under_way(conn: &Conn) -> Result<Vec<AddonId>> {
    list(conn, "SELECT addon FROM operation_detail ORDER BY addon", (), |row| Ok(AddonId(row.uuid()?)))
}

/// From here on the operation is not undone: what it has removed goes for good.
pub(super) fn go_on(tx: &Tx<'_>, addon: AddonId) -> Result<()> {
    tx.write("DELETE FROM operation_object WHERE addon = ?", [addon.0.as_bytes()])?;
    Ok(())
}

/// Nothing of it is needed any more.
pub(super) fn forget(tx: &Tx<'_>, addon: AddonId) -> Result<()> {
    tx.write("DELETE FROM operation_detail WHERE addon = ?", [addon.0.as_bytes()])?;
    Ok(())
}

/// Frees the names of variables that an addon has given up: it keeps those that it declared, and those that it gives now.
pub(super) fn release_unused(tx: &Tx<'_>, addon: AddonId, config: &larder_domain::config::AddonConfig) -> Result<()> {
    let names: Vec<&str> = config.variables.iter().map(|variable| variable.name.as_str()).collect();
    claims::release_undeclared(tx, addon, &names)
}
