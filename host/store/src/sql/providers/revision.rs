//! The number that keeps two operators from overwriting each other's changes of one provider.

use larder_domain::ProviderName;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::RevisionChanged;

use crate::sql::error::{Result, Stop};
use crate::sql::tx::Tx;

/// Refuses what was decided about another revision than this one.
pub(super) fn check(tx: &Tx<'_>, provider: &ProviderName, decided: u64) -> Result<(), Stop<RevisionChanged>> {
    let sql = "SELECT revision FROM provider WHERE name = ?";
    let is: u64 = tx.find(sql, [provider.as_str()], |row| row.take())?.ok_or(StoreError::Missing("provider"))?;
    if is == decided { Ok(()) } else { Err(Stop::Refused(RevisionChanged { is })) }
}

/// Goes on to the next revision, if it still is this one.
pub(super) fn advance(tx: &Tx<'_>, provider: &ProviderName, from: u64) -> Result<(), Stop<RevisionChanged>> {
    check(tx, provider, from)?;
    tx.write("UPDATE provider SET revision = revision + 1 WHERE name = ?", [provider.as_str()])?;
    Ok(())
}
