//! Whether a call may be made: asked of the store itself, at the moment at which it is made.

use larder_domain::operation::OperationKind;
use larder_domain::ports::runtime::Export;
use larder_domain::ports::store::AddonStore as _;
use larder_domain::{Addon, Role};

use super::Guest;
use crate::plants::Plant;

impl Guest {
    /// No effect without a durable intent.
    pub(super) async fn check_intent(&self) {
        let (world, export, spec) = (&self.world, self.call.export, &self.call.addon);
        let record = self.raw.addon(spec.id).await.unwrap();
        let Some(record) = record else {
            // A version is tried before it serves, about an addon that is none.
            let is_trial = spec.app.is_none() && spec.role == Role::User;
            return world
                .holds("intent_before_call", is_trial, || format!("`{export}` of an addon that is not stored"));
        };
        let mut addon = record.addon;
        if world.plant == Some(Plant::NoIntent) && export == Export::BeginProvision {
            addon.begin_intended = false;
        }
        world.holds("intent_before_call", is_intended(export, &addon), || {
            format!("`{export}` of addon {}, which is {addon:?}", world.number(spec.id))
        });
    }
}

/// Whether the store knows that this call may be made. What a user has wished meanwhile may have ended it since, but not undone it.
fn is_intended(export: Export, addon: &Addon) -> bool {
    let operated = |kind| addon.operation.as_ref().is_some_and(|operation| operation.kind == kind);
    match export {
        Export::BeginProvision => addon.begin_intended,
        // An answer of `begin-provision` that leaves nothing behind is stored with the next one.
        Export::ProvisionComplete | Export::GetConfig => addon.begin_intended,
        Export::CheckHealth => addon.begun,
        Export::Deprovision => addon.state.is_terminal() && addon.cleanup.is_due() && addon.kept().is_none(),
        Export::BeginUpdate => operated(OperationKind::Update),
        Export::BeginRotation | Export::EndRotation => operated(OperationKind::Rotate),
        Export::BeginExport => operated(OperationKind::Export),
        Export::BeginImport => operated(OperationKind::Import),
    }
}
