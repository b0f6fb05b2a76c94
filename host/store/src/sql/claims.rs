//! Who has which variable's name in an app. An addon has its names from its creation, or from the moment they arrive if its
//! service sets `any`, until it is released; names that were reserved and then did not arrive stay its own until then, since
//! a later configuration of the same addon may bring them.

use larder_domain::{AddonId, VariableName};
use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;

/// A name that somebody else has.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) variable: VariableName,
    /// None if it is the app's own.
    pub(super) owner: Option<AddonId>,
}

impl Taken {
    /// For the person whose addon can't have it.
    pub(super) fn reason(&self) -> String {
        let Self { variable, owner } = self;
        match owner {
            Some(owner) => format!("the variable {variable} belongs to addon {owner}"),
            None => format!("the variable {variable} is the app's own"),
        }
    }
}

/// Gives the addon these names, unless somebody else has one of them: then nothing is written.
pub(super) fn claim<'a>(
    tx: &Tx<'_>,
    app: &str,
    addon: AddonId,
    names: impl Iterator<Item = &'a VariableName>,
) -> Result<Result<(), Taken>> {
    let mut free = vec![];
    for variable in names {
        match holder(tx, app, variable)? {
            None => free.push(variable),
            Some(owner) if owner == Some(addon) => {}
            Some(owner) => return Ok(Err(Taken { variable: variable.clone(), owner })),
        }
    }
    for variable in free {
        tx.write(
            "INSERT INTO app_variable (app, name, addon) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (app, variable.as_str(), addon.0.as_bytes()),
        )?;
    }
    Ok(Ok(()))
}

/// Who has a name: nobody, the app itself (`Some(None)`), or an addon.
pub(super) fn holder(tx: &Tx<'_>, app: &str, variable: &VariableName) -> Result<Option<Option<AddonId>>> {
    tx.find("SELECT addon FROM app_variable WHERE app = ? AND name = ?", (app, variable.as_str()), |row| {
        Ok(row.take::<Option<_>>()?.map(|id| AddonId(Uuid::from_bytes(id))))
    })
}

/// Frees an addon's names but those that its service declares and these.
pub(super) fn release_undeclared(tx: &Tx<'_>, addon: AddonId, names: &[&str]) -> Result<()> {
    // Of a service that sets any name, `declared` is the word "any" and no list.
    let sql = tx.conn.either(
        "DELETE FROM app_variable WHERE addon = ?1 AND name NOT IN (SELECT value FROM json_each(?2))
         AND EXISTS (SELECT 1 FROM addon_detail WHERE addon = ?1 AND declared = '\"any\"')",
        "DELETE FROM app_variable WHERE addon = ?1 AND name NOT IN (SELECT json_array_elements_text(CAST(CAST(?2 AS text) AS json)))
         AND EXISTS (SELECT 1 FROM addon_detail WHERE addon = ?1 AND declared = '\"any\"')",
    );
    tx.write(sql, (addon.0.as_bytes(), serde_json::json!(names).to_string()))?;
    Ok(())
}

/// Frees all names of an addon.
pub(super) fn release(tx: &Tx<'_>, addon: AddonId) -> Result<()> {
    tx.write("DELETE FROM app_variable WHERE addon = ?", [addon.0.as_bytes()])?;
    Ok(())
}
