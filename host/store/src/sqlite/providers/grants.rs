//! What providers may do: replaced as a whole, under a revision.

use larder_domain::ProviderName;
use larder_domain::grants::{Granted, Permission, is_approved};
use larder_domain::ports::StoreError;
use larder_domain::ports::store::RevisionChanged;
use larder_domain::provider::{Version, VersionState};
use rusqlite::Connection;

use super::versions;
use crate::sqlite::error::{Result, Stop};
use crate::sqlite::tx::{Tx, list};

pub(super) fn all(conn: &Connection, provider: &ProviderName) -> Result<Vec<Granted>> {
    let sql = "SELECT capability, value, granted_at FROM provider_grant WHERE provider = ? ORDER BY capability, value";
    list(conn, sql, [provider.as_str()], |row| {
        Ok(Granted { capability: row.take()?, value: row.take()?, granted_at: row.wall()? })
    })
}

pub(super) fn set(
    tx: &mut Tx<'_>,
    provider: &ProviderName,
    grants: &[Permission],
    revision: u64,
) -> Result<(), Stop<RevisionChanged>> {
    let sql = "SELECT revision FROM provider WHERE name = ?";
    let is: u64 = tx.find(sql, [provider.as_str()], |row| row.take())?.ok_or(StoreError::Missing("provider"))?;
    if is != revision {
        return Err(Stop::Refused(RevisionChanged { is }));
    }
    let before = all(tx.conn, provider)?;
    tx.execute("UPDATE provider SET revision = revision + 1 WHERE name = ?", [provider.as_str()])?;
    tx.execute("DELETE FROM provider_grant WHERE provider = ?", [provider.as_str()])?;
    for grant in grants {
        let (capability, value) = (grant.capability().as_str(), grant.value());
        let since = before.iter().find(|granted| granted.capability == capability && granted.value == value);
        let since = since.map_or(tx.wall, |granted| granted.granted_at);
        tx.execute(
            "INSERT INTO provider_grant (provider, capability, value, granted_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (provider.as_str(), capability, value, since.0),
        )?;
    }
    Ok(activate_what_waited(tx, provider)?)
}

/// Only the newest version that can serve: one that was uploaded later is what the operator wants.
fn activate_what_waited(tx: &mut Tx<'_>, provider: &ProviderName) -> Result<()> {
    let granted = all(tx.conn, provider)?;
    let cannot_serve = |version: &Version| version.state == VersionState::Refused;
    let newest = versions::all(tx.conn, provider)?.into_iter().find(|version| !cannot_serve(version));
    if let Some(version) = newest.filter(|version| version.state == VersionState::WaitingForApproval)
        && version.manifest.as_ref().is_some_and(|manifest| is_approved(manifest, &granted))
    {
        versions::make_active(tx, provider, version)?;
    }
    Ok(())
}
