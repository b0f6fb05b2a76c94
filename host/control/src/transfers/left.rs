//! Containers of transfers that nobody looks after any more: what a crash has left.

use larder_domain::ports::StoreError;
use larder_domain::ports::engine::Found;
use larder_domain::{Event, OperationId};

use super::transfer::apply;
use crate::Control;
use crate::containers::NamedEngine;
use crate::worker::Unfinished;

/// Removes the container, if nobody here looks after its operation, and ends that.
pub(crate) async fn end_left(
    control: &Control,
    engine: &NamedEngine,
    found: &Found,
    operation: OperationId,
) -> Result<(), Unfinished> {
    if control.transfers.has(operation) {
        return Ok(());
    }
    tracing::info!(full_name = found.full_name, "removing the container of a transfer that broke off");
    engine.remove(found).await?;
    let addon = found.owner.addon;
    let bytes = control.store.addon(addon).await?.and_then(|record| record.addon.operation).map_or(0, |it| it.bytes);
    let result = Err("the host stopped while data flowed".to_owned());
    match apply(control, addon, operation, Event::TransferEnded { bytes, result }).await {
        // It has ended already, or its addon has.
        Ok(()) | Err(StoreError::Illegal(_) | StoreError::Missing(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
