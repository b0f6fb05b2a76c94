//! A deleted addon that can be had back: it is gone for its user, and nothing is done about what it holds until the grace is over.
//!
//! Only an addon that was ready has a grace. Whatever was never used holds nothing that anybody would miss.

use serde_json::json;

use super::{CONTAINERS_LOOK_MS, Event, Illegal, Next, Step, Transition, Write, cleanup, undisturbed};
use crate::addon::{Addon, AddonState, Cleanup, Patience};
use crate::failure::StepFailure;
use crate::grace::Grace;
use crate::history::Entry;
use crate::operation::NewOperation;
use crate::retry::CALL_BACKOFF;
use crate::time::StoreTime;

/// A user wants the addon gone, and may want it back.
pub(super) fn requested(addon: &Addon, grace: Grace, now: StoreTime) -> Transition {
    match addon.state {
        // Asking again prolongs nothing.
        AddonState::Deprovisioned if addon.grace.is_some() => cleanup::unchanged(addon),
        AddonState::Ready => delete(addon, grace, "removed at a user's wish", vec![], now),
        // It was had back, and is not ready yet.
        AddonState::WaitingForProvision | AddonState::Provisioned if addon.grace.is_some() => {
            delete(addon, grace, "removed at a user's wish", vec![], now)
        }
        _ => cleanup::requested(addon, now),
    }
}

fn delete(addon: &Addon, grace: Grace, why: &str, mut writes: Vec<Write>, now: StoreTime) -> Transition {
    let message = format!("{why}; what it holds is kept until {}", grace.shown);
    let entry = Entry::with("deprovisioned", message.clone(), json!({ "kept_until": grace.shown.to_string() }));
    writes.extend([Write::ReleaseVariables, Write::WakeObjects, Write::Record(entry)]);
    let addon = Addon {
        state: AddonState::Deprovisioned,
        cleanup: Cleanup::Pending,
        delete_wanted: true,
        message,
        percent: None,
        grace: Some(grace),
        ..undisturbed(addon)
    };
    Transition { addon, writes, next: Next::At(now) }
}

/// Within the grace the app's variables are taken away, as often as somebody looks; afterwards the cleanup begins.
pub(super) fn woken(addon: &Addon, now: StoreTime) -> Transition {
    if addon.grace.is_some_and(|grace| !grace.is_over(now)) {
        return Transition { addon: addon.clone(), writes: vec![], next: Next::Do(Step::UnsetVariables) };
    }
    let entry = Entry::new("grace_over", "it can't be had back any more; what it holds is cleaned up");
    let begun = cleanup::begin(addon.clone(), vec![Write::Record(entry)], now);
    Transition { next: Next::Do(Step::Deprovision), ..begun }
}

/// What else can happen to an addon that can be had back.
pub(super) fn advance(addon: &Addon, event: Event, now: StoreTime) -> Result<Transition, Illegal> {
    let illegal = |event: &Event| Illegal { event: event.name(), state: addon.state, cleanup: addon.cleanup.as_str() };
    let Some(grace) = addon.grace else { return Err(illegal(&event)) };
    match event {
        Event::VariablesUnset => {
            Ok(Transition { addon: undisturbed(addon), writes: vec![], next: Next::At(grace.until) })
        }
        Event::Failed(Step::UnsetVariables, failure) => Ok(not_unset(addon, grace, &failure, now)),
        Event::UndeleteRequested { anew } if !grace.is_over(now) => Ok(undelete(addon, anew, now)),
        Event::ParentLost { reason } => {
            let entry = Entry::new("grace_over", format!("it can't be had back any more: {reason}"));
            Ok(cleanup::begin(addon.clone(), vec![Write::Record(entry)], now))
        }
        other => Err(illegal(&other)),
    }
}

fn not_unset(addon: &Addon, grace: Grace, failure: &StepFailure, now: StoreTime) -> Transition {
    let host_faults = addon.host_faults.saturating_add(1);
    let again = now.plus_ms(CALL_BACKOFF.wait_ms(host_faults)).min(grace.until);
    let entry = Entry::call_failed(Step::UnsetVariables, failure);
    let addon = Addon { host_faults, ..addon.clone() };
    Transition { addon, writes: vec![Write::Record(entry)], next: Next::At(again) }
}

/// It is as it was before its variables were set. Where its configuration may have changed meanwhile, it is asked for again.
fn undelete(addon: &Addon, anew: bool, now: StoreTime) -> Transition {
    // Whoever asks anew may have to wait until a server has recovered what it holds.
    let (state, message, limit_ms) = match anew {
        true => {
            (AddonState::WaitingForProvision, "had back; it is asked what it gives now", NewOperation::FOLLOW_LIMIT_MS)
        }
        false => (AddonState::Provisioned, "had back; setting variables", Addon::SINK_LIMIT_MS),
    };
    let addon = Addon {
        state,
        cleanup: Cleanup::None,
        delete_wanted: false,
        message: message.into(),
        patience: Patience::new(limit_ms, now),
        ..undisturbed(addon)
    };
    let entry = Entry::new("undeleted", "had back at a user's wish");
    Transition { addon, writes: vec![Write::WakeObjects, Write::Record(entry)], next: Next::At(now) }
}

/// Its time begins when its containers run: an engine that is slow, or away, is no reason to give it up.
pub(super) fn awaiting_containers(addon: &Addon, message: String, now: StoreTime) -> Transition {
    let patience = Patience::new(addon.patience.limit_ms, now);
    let addon = Addon { message, patience, ..undisturbed(addon) };
    Transition { addon, writes: vec![], next: Next::At(now.plus_ms(CONTAINERS_LOOK_MS)) }
}

/// It was had back, and could not become ready: that is no reason to lose what it holds. Its grace may have ended meanwhile, so
/// there is time to mend what was in the way.
pub(super) fn not_back(addon: &Addon, grace: Grace, why: &str, call: Option<Entry>, now: StoreTime) -> Transition {
    let writes = call.into_iter().map(Write::Record).collect();
    delete(addon, grace.prolonged(now), &format!("it could not be had back: {why}"), writes, now)
}
