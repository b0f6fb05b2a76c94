//! What providers may do: replaced as a whole, under a revision.

use larder_domain::ProviderName;
use larder_domain::audit::{Action, Actor};
use larder_domain::grants::{Granted, Permission};
use larder_domain::ports::store::RevisionChanged;
use larder_domain::provider::VersionState;
use serde_json::json;

use super::{revision, versions};
use crate::sql::audit;
use crate::sql::database::Conn;
use crate::sql::error::{Result, Stop};
use crate::sql::tx::{Tx, list};

pub(super) fn all(conn: &Conn, provider: &ProviderName) -> Result<Vec<Granted>> {
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
    revision::advance(tx, provider, revision)?;
    let before = all(tx.conn, provider)?;
    tx.write("DELETE FROM provider_grant WHERE provider = ?", [provider.as_str()])?;
    for grant in grants {
        let (capability, value) = (grant.capability().as_str(), grant.value());
        let since = before.iter().find(|granted| granted.capability == capability && granted.value == value);
        let since = since.map_or(tx.wall, |granted| granted.granted_at);
        tx.write(
            "INSERT INTO provider_grant (provider, capability, value, granted_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (provider.as_str(), capability, value, since.0),
        )?;
    }
    note(tx, provider, &before)?;
    Ok(activate_what_waited(tx, provider)?)
}

/// What is new, and what is gone.
fn note(tx: &Tx<'_>, provider: &ProviderName, before: &[Granted]) -> Result<()> {
    let now = all(tx.conn, provider)?;
    let not_in = |these: &[Granted], those: &[Granted]| -> Vec<Granted> {
        let is_same =
            |one: &Granted, other: &Granted| (&one.capability, &one.value) == (&other.capability, &other.value);
        these.iter().filter(|one| !those.iter().any(|other| is_same(one, other))).cloned().collect()
    };
    for (action, changed) in [(Action::Granted, not_in(&now, before)), (Action::Revoked, not_in(before, &now))] {
        for Granted { capability, value, .. } in changed {
            audit::note(tx, Actor::Admin, action, provider, &json!({ "capability": capability, "value": value }))?;
        }
    }
    Ok(())
}

/// Only the newest version that can serve: one that was uploaded later is what the operator wants.
pub(super) fn activate_what_waited(tx: &mut Tx<'_>, provider: &ProviderName) -> Result<()> {
    let all = versions::all(tx.conn, provider)?;
    let newest = all.into_iter().find(|version| version.state != VersionState::Refused);
    if let Some(version) = newest.filter(|version| version.state == VersionState::WaitingForApproval)
        && versions::may_serve(tx, provider, &version)?
    {
        versions::make_active(tx, Actor::Host, provider, version)?;
    }
    Ok(())
}
