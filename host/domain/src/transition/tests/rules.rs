//! Rules that hold whatever happens.

use super::*;
use crate::operation::OperationState;

/// Calls `check` with every legal transition.
fn every_transition(check: impl Fn(&str, &Addon, &Transition)) {
    for (name, addon) in situations() {
        for event in events(&addon) {
            let label = format!("{name}, {}", event.name());
            if let Ok(done) = transition(&addon, event, NOW) {
                check(&label, &addon, &done);
            }
        }
    }
}

fn writes(done: &Transition, wanted: &Write) -> bool {
    done.writes.contains(wanted)
}

#[test]
fn terminal_states_are_left_only_when_a_user_wants_a_deleted_addon_back_in_time() {
    every_transition(|label, before, done| {
        let is_back = label.ends_with("undelete requested") && before.grace.is_some_and(|grace| !grace.is_over(NOW));
        assert!(!before.state.is_terminal() || done.addon.state == before.state || is_back, "{label}");
        assert!(is_back || !label.ends_with("undelete requested"), "{label}");
    });
}

#[test]
fn nothing_is_called_about_an_addon_in_its_grace_but_to_take_its_variables_away() {
    every_transition(|label, _, done| {
        if done.addon.kept().is_some_and(|grace| !grace.is_over(NOW)) {
            assert!(!matches!(done.next, Next::Do(step) if step != Step::UnsetVariables), "{label}");
            assert_eq!((&done.addon.cleanup, done.addon.delete_wanted), (&Cleanup::Pending, true), "{label}");
            assert!(!writes(done, &Write::ForgetConfig) && !writes(done, &Write::ForgetState), "{label}");
        }
    });
}

#[test]
fn only_what_was_ready_has_a_grace_and_asking_again_prolongs_nothing() {
    let grace = Grace { until: NOW.plus_ms(5), shown: WallTime(0) };
    for (name, addon) in situations() {
        let done = apply(&addon, Event::DeprovisionLater(grace)).addon;
        let was_ready = addon.state == AddonState::Ready || (addon.grace.is_some() && !addon.state.is_terminal());
        let expected = if was_ready { Some(grace) } else { addon.kept() };
        assert_eq!(done.grace, expected, "{name}");
        assert_eq!(apply(&done, Event::DeprovisionRequested).addon.grace, None, "{name}: at once");
    }
}

#[test]
fn an_operation_ends_with_its_addon_and_is_taken_back_if_that_may_be_had_back() {
    let grace = Grace { until: NOW.plus_ms(5), shown: WallTime(0) };
    for (name, addon) in situations().into_iter().filter(|(_, addon)| addon.running().is_some()) {
        let can_be_undone = addon.running().unwrap().can_be_undone();
        for (event, undoes) in [(Event::DeprovisionRequested, false), (Event::DeprovisionLater(grace), can_be_undone)] {
            let done = apply(&addon, event);
            assert!(done.addon.running().is_none() && writes(&done, &Write::ForgetOperation), "{name}");
            assert_eq!(writes(&done, &Write::UndoOperation), undoes, "{name}");
        }
    }
}

#[test]
fn an_addon_that_is_had_back_becomes_ready_or_is_deleted_as_it_was() {
    let kept = situations().into_iter().find(|(name, _)| *name == "deprovisioned, in its grace").unwrap().1;
    let back = apply(&kept, Event::UndeleteRequested { anew: false }).addon;
    assert_eq!((back.state, &back.cleanup, back.kept()), (AddonState::Provisioned, &Cleanup::None, None));
    let ready = apply(&back, Event::VariablesSet);
    assert!(writes(&ready, &Write::AttachVariables) && ready.addon.grace.is_none());

    let mut now = NOW;
    let mut addon = back;
    while addon.state == AddonState::Provisioned {
        let refused = Event::Failed(Step::SetVariables, StepFailure::Host("refused".into()));
        let done = transition(&addon, refused, now).unwrap();
        assert!(done.addon.state == AddonState::Provisioned || writes(&done, &Write::ReleaseVariables));
        addon = done.addon;
        now = now.plus_ms(60_000);
    }
    let prolonged = kept.grace.map(|grace| grace.prolonged(StoreTime(now.0 - 60_000)));
    assert_eq!((addon.state, addon.kept(), addon.error), (AddonState::Deprovisioned, prolonged, None));
    // One that shares another's resource is configured anew.
    let sharer = apply(&kept, Event::UndeleteRequested { anew: true }).addon;
    assert_eq!(apply(&sharer, Event::Woken).next, Next::Do(Step::Complete));
}

#[test]
fn whatever_keeps_an_addon_from_being_had_back_costs_nobody_their_data() {
    let late = NOW.plus_ms(3_600_000);
    for (name, back) in
        situations().into_iter().filter(|(_, addon)| addon.grace.is_some() && !addon.state.is_terminal())
    {
        for event in events(&back) {
            let label = format!("{name}, {}", event.name());
            let is_meant = ["deprovision requested", "parent lost"].contains(&event.name());
            let Ok(done) = transition(&back, event, late) else { continue };
            let ends = done.addon.state.is_terminal();
            assert!(is_meant || !ends || done.addon.kept().is_some_and(|grace| !grace.is_over(late)), "{label}");
        }
    }
}

#[test]
fn waiting_for_containers_uses_up_no_time() {
    let kept = situations().into_iter().find(|(name, _)| *name == "deprovisioned, in its grace").unwrap().1;
    for anew in [false, true] {
        let back = apply(&kept, Event::UndeleteRequested { anew }).addon;
        let mut addon = back.clone();
        let mut now = NOW;
        for _ in 0..100 {
            now = now.plus_ms(60_000);
            let woken = transition(&addon, Event::Woken, now).unwrap();
            assert!(matches!(woken.next, Next::Do(Step::SetVariables | Step::Complete)), "it is not given up");
            let message = "their image is being pulled".to_owned();
            let done = transition(&woken.addon, Event::AwaitingContainers { message }, now).unwrap();
            assert_eq!(done.next, Next::At(now.plus_ms(CONTAINERS_LOOK_MS)));
            addon = done.addon;
        }
        assert_eq!(addon.patience, Patience::new(back.patience.limit_ms, now));
    }
}

#[test]
fn an_addon_that_says_anew_what_it_gives_may_take_as_long_as_one_that_tells_its_app_anew() {
    let kept = situations().into_iter().find(|(name, _)| *name == "deprovisioned, in its grace").unwrap().1;
    let mut addon = apply(&kept, Event::UndeleteRequested { anew: true }).addon;
    let minute = Pending::bounded(60_000, "the server recovers".into(), None);
    let (mut now, mut minutes) = (NOW, 0);
    while addon.state == AddonState::WaitingForProvision {
        addon = transition(&addon, Event::StillPending(minute.clone()), now).unwrap().addon;
        now = now.plus_ms(60_000);
        addon = transition(&addon, Event::Woken, now).unwrap().addon;
        minutes += 1;
    }
    assert_eq!((minutes, addon.state), (NewOperation::FOLLOW_LIMIT_MS / 60_000, AddonState::Deprovisioned));
    assert!(addon.kept().is_some(), "nothing of it is lost");
    let why = "it could not be had back: it was not ready after 900 s; what it holds";
    assert!(addon.message.starts_with(why), "{}", addon.message);
    // Its variables are set in the time that a sink has.
    let back = apply(&kept, Event::UndeleteRequested { anew: true }).addon;
    let provisioned = apply(&back, Event::Configured(Box::default())).addon;
    assert_eq!(provisioned.patience.limit_ms, Addon::SINK_LIMIT_MS);
}

#[test]
fn a_rotation_that_a_deletion_broke_off_ends_the_old_credentials_when_the_addon_is_back() {
    let grace = Grace { until: NOW.plus_ms(5), shown: WallTime(0) };
    for (name, ready) in situations().into_iter().filter(|(_, addon)| addon.running().is_some()) {
        let operation = ready.running().unwrap();
        let is_due = operation.kind == OperationKind::Rotate && !operation.can_be_undone();
        let deleted = apply(&ready, Event::DeprovisionLater(grace)).addon;
        // It may be deleted again before it is ready.
        let back = apply(&deleted, Event::UndeleteRequested { anew: false }).addon;
        let deleted = apply(&back, Event::DeprovisionLater(grace)).addon;
        let back = apply(&deleted, Event::UndeleteRequested { anew: false }).addon;
        let done = apply(&back, Event::VariablesSet);
        assert!(writes(&done, &Write::AttachVariables), "{name}");
        let is_outdated = ready.outdated.is_some();
        assert_eq!(done.addon.running().is_some(), is_due || is_outdated, "{name}");
        if is_due {
            assert_eq!(done.next, Next::Do(Step::EndRotation), "{name}");
            assert_eq!(apply(&done.addon, Event::Woken).next, Next::Do(Step::EndRotation), "{name}: after a crash");
            assert_eq!(done.addon.generation_in_calls(), ready.generation_in_calls(), "{name}");
            let ended = apply(&done.addon, Event::RotationEnded).addon;
            assert_eq!(ended.operation.unwrap().state, OperationState::Succeeded, "{name}");
        }
    }
}

#[test]
fn when_the_grace_is_over_the_cleanup_begins_with_time_of_its_own() {
    let kept = situations().into_iter().find(|(name, _)| *name == "deprovisioned, in its grace").unwrap().1;
    let end = kept.grace.unwrap().until;
    assert_eq!(apply(&kept, Event::Woken).next, Next::Do(Step::UnsetVariables));
    assert_eq!(apply(&kept, Event::VariablesUnset).next, Next::At(end));
    let failed = || Event::Failed(Step::UnsetVariables, StepFailure::Host("down".into()));
    let late = transition(&kept, failed(), StoreTime(end.0 - 1)).unwrap();
    assert_eq!(late.next, Next::At(end), "no failure puts off the end");
    let over = transition(&kept, Event::Woken, end).unwrap();
    assert_eq!((over.next, over.addon.grace), (Next::Do(Step::Deprovision), None));
    assert_eq!(over.addon.patience, Patience::new(Addon::CLEANUP_PENDING_LIMIT_MS, end));
    assert!(transition(&kept, Event::UndeleteRequested { anew: false }, end).is_err());
    let lost = apply(&kept, Event::ParentLost { reason: "it was deleted".into() });
    assert_eq!((lost.next, lost.addon.grace, &lost.addon.cleanup), (Next::At(NOW), None, &Cleanup::Pending));
}

#[test]
fn ready_is_left_only_by_deprovisioning_or_a_lost_parent() {
    for (situation, ready) in situations().into_iter().filter(|(_, addon)| addon.state == AddonState::Ready) {
        for event in events(&ready) {
            let name = event.name();
            let leaves = transition(&ready, event, NOW).is_ok_and(|done| done.addon.state != AddonState::Ready);
            let ends = ["deprovision requested", "deprovision requested, with grace", "parent lost"];
            assert_eq!(leaves, ends.contains(&name), "{situation}: {name}");
        }
    }
}

#[test]
fn entering_a_terminal_state_releases_the_variables_and_cleans_up_whatever_was_begun() {
    every_transition(|label, before, done| {
        if before.state.is_terminal() || !done.addon.state.is_terminal() {
            return;
        }
        assert!(writes(done, &Write::ReleaseVariables), "{label}");
        let expected = if before.begin_intended { Cleanup::Pending } else { Cleanup::None };
        assert_eq!(done.addon.cleanup, expected, "{label}");
        assert_eq!(done.addon.error.is_some(), done.addon.state == AddonState::Error, "{label}");
    });
}

#[test]
fn begin_is_never_called_without_a_stored_intent() {
    every_transition(|label, _, done| {
        assert!(done.next != Next::Do(Step::Begin) || done.addon.begin_intended, "{label}");
    });
}

#[test]
fn variables_are_attached_only_on_the_way_to_ready() {
    every_transition(|label, before, done| {
        let attaches = writes(done, &Write::AttachVariables);
        assert_eq!(
            attaches,
            before.state == AddonState::Provisioned && done.addon.state == AddonState::Ready,
            "{label}"
        );
    });
}

#[test]
fn a_user_may_always_want_an_addon_gone() {
    for (name, addon) in situations() {
        let done = apply(&addon, Event::DeprovisionRequested);
        assert!(done.addon.state.is_terminal(), "{name}");
        assert_eq!(apply(&done.addon, Event::DeprovisionRequested).next, Next::Unchanged, "{name}: the second time");
    }
}

#[test]
fn nothing_live_is_ever_left_without_a_next_step() {
    every_transition(|label, _, done| {
        let addon = &done.addon;
        let is_told = addon.running().is_none() && addon.outdated.is_none();
        let is_left_alone = is_told && addon.health_every_ms.is_none();
        let finished = (addon.state == AddonState::Ready && is_left_alone)
            || (addon.state.is_terminal() && !addon.cleanup.is_due());
        assert_eq!(done.next == Next::Rest, finished && done.next != Next::Unchanged, "{label}");
    });
}

#[test]
fn deleting_an_addon_in_error_keeps_the_error_and_cleans_up_again() {
    let (_, failed) = situations().into_iter().find(|(name, _)| *name == "error, cleanup done").unwrap();
    let done = apply(&failed, Event::DeprovisionRequested);
    assert_eq!(
        (done.addon.state, done.addon.cleanup, done.addon.delete_wanted),
        (AddonState::Error, Cleanup::Pending, true)
    );
}

#[test]
fn nothing_is_told_twice_in_one_moment() {
    every_transition(|what, _, done| {
        let told: Vec<&Entry> = done
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::Record(entry) => Some(entry),
                _ => None,
            })
            .collect();
        for (at, entry) in told.iter().enumerate() {
            assert!(told[..at].iter().all(|other| !entry.message.ends_with(&other.message)), "{what}: {told:?}");
        }
    });
}

#[test]
fn the_end_tells_which_call_ended_it() {
    let new = Addon::new(AddonId::generate(), 900_000, 3, NOW);
    let begun = Addon { begin_intended: true, begun: true, ..new };
    let rejected = StepFailure::Guest(GuestFailure::Rejected("no".into()));
    let done = apply(&begun, Event::Failed(Step::Complete, rejected));
    let data = json!({ "code": "provider_rejected", "call": "provision-complete", "outcome": "rejected" });
    assert!(writes(&done, &Write::Record(Entry::with("error", "no", data))), "{:?}", done.writes);
    let done = apply(&begun, Event::ParentLost { reason: "gone".into() });
    assert!(writes(&done, &Write::Record(Entry::with("error", "gone", json!({ "code": "parent_lost" })))));
}

#[test]
fn three_faults_in_a_row_are_an_error_and_a_typed_answer_ends_the_row() {
    let begun = situations().into_iter().find(|(name, _)| *name == "waiting, begun").unwrap().1;
    let fault = || Event::Failed(Step::Complete, failures()[3].clone());
    let twice = apply(&apply(&begun, fault()).addon, fault()).addon;
    assert_eq!(apply(&twice, fault()).addon.state, AddonState::Error);
    let eased = apply(&twice, Event::StillPending(pending())).addon;
    assert_eq!(apply(&eased, fault()).addon.state, AddonState::WaitingForProvision);
}

#[test]
fn faults_of_the_host_are_never_the_providers() {
    let mut addon = situations().remove(2).1;
    for _ in 0..100 {
        addon = apply(&addon, Event::Failed(Step::Complete, StepFailure::Host("down".into()))).addon;
    }
    assert_eq!((addon.state, addon.attempts), (AddonState::WaitingForProvision, 0));
}

#[test]
fn after_five_failed_cleanups_the_host_goes_on_alone_and_asks_daily() {
    let mut addon = apply(&situations().remove(2).1, Event::DeprovisionRequested).addon;
    let mut waits_s = vec![];
    for _ in 0..6 {
        let done = apply(&addon, Event::Failed(Step::Deprovision, failures()[3].clone()));
        let Next::At(at) = done.next else { panic!("{:?}", done.next) };
        waits_s.push(at.since_ms(NOW) / 1000);
        // What the provider needs to know of the rest, and what may have to be blotted out, stays until that is done.
        assert!(!writes(&done, &Write::ForgetState) && !writes(&done, &Write::ForgetConfig));
        addon = done.addon;
    }
    assert_eq!(waits_s, [2, 4, 8, 16, 86_400, 86_400]);
    // Who asks again has mended something.
    let again = apply(&addon, Event::DeprovisionRequested);
    assert_eq!((&again.addon.cleanup, again.next), (&Cleanup::Pending, Next::At(NOW)));
    assert_eq!(apply(&addon, Event::CleanedUp).addon.cleanup, Cleanup::Done);
}

#[test]
fn a_pending_cleanup_is_no_failed_attempt_for_an_hour() {
    let mut addon = apply(&situations().remove(2).1, Event::DeprovisionRequested).addon;
    let long = Pending::bounded(600_000, "still there".into(), None);
    for minute in 0..6 {
        let now = NOW.plus_ms(minute * 600_000);
        addon = transition(&addon, Event::CleanupPending(long.clone()), now).unwrap().addon;
        assert_eq!(addon.cleanup, Cleanup::Pending, "after {minute}0 minutes");
    }
    addon = transition(&addon, Event::CleanupPending(long), NOW.plus_ms(3_600_000)).unwrap().addon;
    assert!(matches!(addon.cleanup, Cleanup::Failing { attempts: 1, .. }));
}

#[test]
fn a_jump_of_the_clock_does_not_use_up_the_deadline() {
    let begun = situations().remove(2).1;
    let waiting = transition(&begun, Event::StillPending(pending()), NOW).unwrap().addon;
    let year = NOW.plus_ms(365 * 86_400_000);
    let woken = transition(&waiting, Event::Woken, year).unwrap();
    assert_eq!(woken.next, Next::Do(Step::Complete));
    assert_eq!(woken.addon.patience.waited_ms, 2_000 + Patience::MARGIN_MS);
}

#[test]
fn to_wake_an_addon_again_stores_nothing_and_all_of_its_waiting_counts() {
    let begun = situations().remove(2).1;
    let waiting = transition(&begun, Event::StillPending(pending()), NOW).unwrap().addon;
    let expected_ms = waiting.patience.expected_ms;
    // As long as a call that begins now would count as well.
    let (soon, late) = (NOW.plus_ms(expected_ms + 30_000), NOW.plus_ms(expected_ms + 30_001));
    let woken = transition(&waiting, Event::Woken, soon).unwrap();
    assert_eq!((&woken.addon, woken.next), (&waiting, Next::Do(Step::Complete)));
    let woken_late = transition(&waiting, Event::Woken, late).unwrap().addon;
    assert_eq!(woken_late.patience.waited_ms, expected_ms + 30_001);
    for (woken, at) in [(woken.addon, soon), (woken_late, late)] {
        let (called, pending) = (at.plus_ms(29_000), Event::StillPending(pending()));
        let pending = transition(&woken, pending, called).unwrap().addon;
        assert_eq!(pending.patience.waited_ms, called.since_ms(NOW));
    }
    // The first call is intended before it is made.
    let new = situations().remove(0).1;
    assert!(transition(&new, Event::Woken, NOW).unwrap().addon.begin_intended);
}

#[test]
fn waiting_ends_at_the_deadline() {
    let mut addon = situations().remove(2).1;
    let mut now = NOW;
    let minute = Pending::bounded(60_000, "working".into(), None);
    let mut minutes = 0;
    while addon.state == AddonState::WaitingForProvision {
        addon = transition(&addon, Event::StillPending(minute.clone()), now).unwrap().addon;
        now = now.plus_ms(60_000);
        addon = transition(&addon, Event::Woken, now).unwrap().addon;
        minutes += 1;
    }
    assert_eq!((minutes, addon.error.unwrap().code.as_str()), (15, "provision_deadline"));
}

#[test]
fn a_sink_that_keeps_failing_ends_in_error_and_cleanup() {
    let mut addon = situations().into_iter().find(|(name, _)| *name == "provisioned").unwrap().1;
    addon.patience = Patience::new(Addon::SINK_LIMIT_MS, NOW);
    let mut now = NOW;
    while addon.state == AddonState::Provisioned {
        let done =
            transition(&addon, Event::Failed(Step::SetVariables, StepFailure::Host("refused".into())), now).unwrap();
        addon = done.addon;
        if let Next::At(at) = done.next {
            now = at;
        }
    }
    assert_eq!((addon.error.unwrap().code.as_str(), addon.cleanup), ("variables_not_set", Cleanup::Pending));
    assert!(now.since_ms(NOW) <= Addon::SINK_LIMIT_MS + SINK_BACKOFF.longest_ms);
}
