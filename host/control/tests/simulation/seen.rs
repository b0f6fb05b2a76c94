//! What was seen of an addon last, and so what may be seen of it next.

use larder_domain::{Addon, AddonState, Cleanup};

/// An addon as it was seen last.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) addon: Addon,
    /// Somebody has had it back, and it does not live yet.
    pub(crate) is_had_back: bool,
    /// Somebody has had it back some time.
    pub(crate) was_had_back: bool,
}

/// Whether an addon can come from the one state to the other in one transaction.
pub(crate) fn can_follow(before: AddonState, after: AddonState, is_had_back: bool) -> bool {
    use AddonState::{Deprovisioned, Error, Provisioned, Ready, WaitingForProvision};
    match (before, after) {
        (same, other) if same == other => true,
        // Straight to ready where nobody outside is to be told.
        (WaitingForProvision, Provisioned | Ready) | (Provisioned, Ready | WaitingForProvision) => true,
        (WaitingForProvision | Provisioned | Ready, Deprovisioned | Error) => true,
        (Deprovisioned, Provisioned | WaitingForProvision) => is_had_back,
        _ => false,
    }
}

/// What is wrong with an addon as it stands, if anything is.
pub(crate) fn impossible(addon: &Addon) -> Option<&'static str> {
    let is_terminal = addon.state.is_terminal();
    let rules = [
        (addon.begun && !addon.begin_intended, "it was begun without an intent"),
        (!is_terminal && addon.cleanup != Cleanup::None, "it lives, and is cleaned up"),
        (!is_terminal && addon.delete_wanted, "it lives, and somebody wants it gone"),
        (
            is_terminal && addon.begin_intended && addon.cleanup == Cleanup::None,
            "it may have begun, and is not cleaned up",
        ),
        (addon.cleanup != Cleanup::None && !addon.begin_intended, "it is cleaned up, and was never to begin"),
        (
            (addon.state == AddonState::Error) != addon.error.is_some(),
            "an error without a reason, or a reason without an error",
        ),
        (addon.state == AddonState::Deprovisioned && !addon.delete_wanted, "it is gone, and nobody wanted that"),
        (addon.running().is_some() && addon.state != AddonState::Ready, "an operation on what is not ready"),
        (
            matches!(addon.state, AddonState::Provisioned | AddonState::Ready) && !addon.begun,
            "it is there and never began",
        ),
        (addon.state == AddonState::Ready && addon.grace.is_some(), "it is ready, and still in its grace"),
        (addon.kept().is_some() && addon.cleanup != Cleanup::Pending, "it can be had back, and is cleaned up"),
    ];
    rules.into_iter().find_map(|(is_broken, rule)| is_broken.then_some(rule))
}
