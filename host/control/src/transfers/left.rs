//! Transfers that nobody looks after any more, and their containers and networks: what a crash has left.

use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{Found, Passage};
use larder_domain::{AddonId, Event, OperationId};

use super::transfer::apply;
use crate::Control;
use crate::containers::NamedEngine;
use crate::worker::Unfinished;

/// Why it is over.
const STOPPED: &str = "the host stopped while data flowed";

/// Removes the networks that were made for operations which nobody here looks after.
pub(crate) async fn close_left(control: &Control, engine: &NamedEngine) -> Result<(), Unfinished> {
    let mut last = Ok(());
    for Passage { name, operation } in engine.engine.passages(control.store.installation()).await? {
        if !is_looked_after(control, operation).await? {
            tracing::info!(name, "removing the network of a transfer that broke off");
            // One that can't be closed keeps no other from being so.
            last = engine.engine.close_passage(&name).await.map_err(Unfinished::from).and(last);
        }
    }
    last
}

/// Ends the transfers that the process before this one had begun, so that their addons are free for something else. A container that
/// one of them had is found by its label. One that can't be ended runs out by itself, and keeps no other from being ended.
pub(crate) async fn end_all_left(control: &Control) -> Result<(), StoreError> {
    for addon in control.store.operating().await? {
        if let Err(error) = end_transfer_of(control, addon).await {
            tracing::warn!(%error, %addon, "a transfer that broke off is not ended yet; it runs out by itself");
        }
    }
    Ok(())
}

async fn end_transfer_of(control: &Control, addon: AddonId) -> Result<(), StoreError> {
    let record = control.store.addon(addon).await?;
    let operation = record.as_ref().and_then(|record| record.addon.running());
    match operation.filter(|it| it.kind.is_transfer()) {
        Some(it) if !is_looked_after(control, it.id).await? => end(control, addon, it.id, it.bytes).await,
        _ => Ok(()),
    }
}

/// Whether somebody looks after a transfer, here or on another node.
async fn is_looked_after(control: &Control, operation: OperationId) -> Result<bool, StoreError> {
    Ok(control.transfers.has(operation) || control.store.is_looked_after(operation).await?)
}

/// Removes the container, if nobody here looks after its operation, and ends that.
pub(crate) async fn end_left(
    control: &Control,
    engine: &NamedEngine,
    found: &Found,
    operation: OperationId,
) -> Result<(), Unfinished> {
    if is_looked_after(control, operation).await? {
        return Ok(());
    }
    tracing::info!(full_name = found.full_name, "removing the container of a transfer that broke off");
    engine.remove(found).await?;
    let addon = found.owner.addon;
    let bytes = control.store.addon(addon).await?.and_then(|record| record.addon.operation).map_or(0, |it| it.bytes);
    Ok(end(control, addon, operation, bytes).await?)
}

async fn end(control: &Control, addon: AddonId, operation: OperationId, bytes: u64) -> Result<(), StoreError> {
    let result = Err(STOPPED.to_owned());
    match apply(control, addon, operation, Event::TransferEnded { bytes, result }).await {
        // It has ended already, or its addon has.
        Ok(()) | Err(StoreError::Illegal(_) | StoreError::Missing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
