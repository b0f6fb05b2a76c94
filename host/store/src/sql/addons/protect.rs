//! Protecting an addon against deletion: the one thing about what was asked for that may change.

use larder_domain::AddonId;
use larder_domain::audit::{Action, Actor};
use larder_domain::history::Entry;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::ProtectRefusal;
use serde_json::json;

use super::history;
use super::record::SealedRecord;
use crate::sql::audit;
use crate::sql::error::{Result, Stop};
use crate::sql::tx::Tx;

pub(super) fn protect(
    tx: &mut Tx<'_>,
    id: AddonId,
    protected: bool,
) -> Result<Box<SealedRecord>, Stop<ProtectRefusal>> {
    let record = load(tx, id)?;
    if record.progress.addon.state.is_terminal() {
        return Err(Stop::Refused(ProtectRefusal::Over));
    }
    set(tx, &record, protected)?;
    Ok(Box::new(load(tx, id)?))
}

/// Has it be so, whatever the addon's state.
pub(super) fn set(tx: &mut Tx<'_>, record: &SealedRecord, protected: bool) -> Result<()> {
    if record.is_protected() == protected {
        return Ok(());
    }
    let mut progress = record.progress.clone();
    let id = progress.addon.id;
    tx.write("UPDATE addon_detail SET protected = ? WHERE addon = ?", (protected, id.0.as_bytes()))?;
    let (action, entry) = if protected {
        (Action::Protected, Entry::new("protected", "deleting it is refused from now on"))
    } else {
        (Action::Unprotected, Entry::new("unprotected", "it can be deleted again"))
    };
    history::record(tx, &mut progress, &entry)?;
    progress.save(tx, &record.progress)?;
    audit::note(tx, Actor::Admin, action, &progress.provider, &json!({ "addon": id, "app": progress.app }))
}

pub(super) fn load(tx: &Tx<'_>, id: AddonId) -> Result<SealedRecord> {
    SealedRecord::load(tx.conn, id)?.ok_or_else(|| StoreError::Missing("addon").into())
}
