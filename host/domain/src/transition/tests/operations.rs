//! Operations on ready addons, from their beginning to their end.

use super::*;
use crate::operation::OperationState;

fn ready() -> Addon {
    situations().into_iter().find(|(name, _)| *name == "ready").unwrap().1
}

fn begun(kind: OperationKind) -> Addon {
    apply(&ready(), Event::OperationRequested(Box::new(wish(kind)))).addon
}

fn outcome(addon: &Addon) -> (OperationState, Option<&str>) {
    let operation = addon.operation.as_ref().unwrap();
    (operation.state, operation.error.as_ref().map(|error| error.code.as_str()))
}

/// The addon after an event, at its time.
fn later(addon: &Addon, event: Event, ms: u64) -> Transition {
    transition(addon, event, NOW.plus_ms(ms)).unwrap()
}

#[test]
fn an_update_goes_through_the_steps_of_provisioning_and_is_the_addons_own_at_the_end() {
    let addon = begun(OperationKind::Update);
    let woken = apply(&addon, Event::Woken);
    assert_eq!(woken.next, Next::Do(Step::BeginUpdate));
    let asked = apply(&woken.addon, Event::Begun { message: "growing".into() });
    assert_eq!(asked.next, Next::Do(Step::Complete));
    let waiting = apply(&asked.addon, Event::StillPending(pending()));
    assert_eq!(waiting.next, Next::At(NOW.plus_ms(2_000)));
    let configured = apply(&waiting.addon, Event::Configured(Box::default()));
    assert!(configured.writes.contains(&Write::AdoptChange));
    assert_eq!(configured.next, Next::Do(Step::SetVariables));
    let done = apply(&configured.addon, Event::VariablesSet);
    assert_eq!((outcome(&done.addon), done.next), ((OperationState::Succeeded, None), Next::Rest));
    assert!(done.writes.contains(&Write::ForgetOperation) && !done.writes.contains(&Write::UndoOperation));
    assert_eq!((done.addon.state, done.addon.generation), (AddonState::Ready, 0));
}

#[test]
fn whatever_fails_before_the_app_is_given_something_new_is_undone_and_the_addon_stays_ready() {
    for stage in [Stage::Begin, Stage::Complete, Stage::SetVariables, Stage::End] {
        let rotating = on(&ready(), OperationKind::Rotate, stage);
        let step = events(&rotating).into_iter().find_map(|event| match event {
            Event::Failed(step, StepFailure::Guest(GuestFailure::Failed(_))) => Some(step),
            _ => None,
        });
        let failure = StepFailure::Guest(GuestFailure::Failed("no".into()));
        let mut done = apply(&rotating, Event::Failed(step.unwrap(), failure.clone()));
        let mut now = 0;
        while done.addon.running().is_some() {
            // A sink that refuses is asked again until the deadline.
            now += 60_000;
            done = later(&done.addon, Event::Woken, now);
        }
        let undone = done.writes.contains(&Write::UndoOperation);
        assert_eq!(undone, matches!(stage, Stage::Begin | Stage::Complete), "{stage}");
        assert_eq!((outcome(&done.addon).0, done.addon.state), (OperationState::Failed, AddonState::Ready), "{stage}");
    }
}

#[test]
fn a_rotation_counts_up_overlaps_and_then_ends_the_old_credentials() {
    let addon = begun(OperationKind::Rotate);
    assert_eq!((addon.generation, addon.generation_in_calls()), (0, 1));
    let asked = apply(&addon, Event::Begun { message: "made".into() }).addon;
    let configured = apply(&asked, Event::Configured(Box::default())).addon;
    assert_eq!((configured.generation, configured.generation_in_calls()), (1, 1));
    let overlapping = apply(&configured, Event::VariablesSet);
    assert_eq!(overlapping.next, Next::At(NOW.plus_ms(600_000)));
    assert!(overlapping.addon.is_settled(), "nobody need wait for the overlap");
    let early = later(&overlapping.addon, Event::Woken, 1_000);
    assert_eq!(early.next, Next::At(NOW.plus_ms(600_000)), "woken early, it waits for the rest");
    let over = later(&early.addon, Event::Woken, 600_000);
    assert_eq!(over.next, Next::Do(Step::EndRotation));
    let done = later(&over.addon, Event::RotationEnded, 600_001).addon;
    assert_eq!((outcome(&done), done.generation), ((OperationState::Succeeded, None), 1));
    assert_eq!(
        apply(&done, Event::OperationRequested(Box::new(wish(OperationKind::Rotate)))).addon.generation_in_calls(),
        2
    );
}

#[test]
fn a_failed_rotation_keeps_the_generation() {
    let addon = begun(OperationKind::Rotate);
    let rejected = StepFailure::Guest(GuestFailure::Rejected("not now".into()));
    let done = apply(&addon, Event::Failed(Step::BeginRotation, rejected)).addon;
    assert_eq!((outcome(&done), done.generation_in_calls()), ((OperationState::Failed, Some("provider_rejected")), 0));
}

#[test]
fn an_addon_has_one_operation_at_a_time() {
    let addon = begun(OperationKind::Update);
    let second = transition(&addon, Event::OperationRequested(Box::new(wish(OperationKind::Rotate))), NOW);
    assert!(second.is_err());
}

#[test]
fn an_update_that_was_worked_out_before_another_is_not_begun_after_it() {
    let configured = apply(&on(&ready(), OperationKind::Update, Stage::Complete), Event::Configured(Box::default()));
    let done = apply(&configured.addon, Event::VariablesSet).addon;
    let ask = |kind, after| {
        let wish = NewOperation { after, ..wish(kind) };
        transition(&done, Event::OperationRequested(Box::new(wish)), NOW)
    };
    let last = done.operation.as_ref().map(|last| last.id);
    assert!(ask(OperationKind::Update, None).is_err() && ask(OperationKind::Update, last).is_ok());
    assert!(ask(OperationKind::Rotate, None).is_ok(), "it changes nothing that another has changed");
}

#[test]
fn deleting_an_addon_breaks_its_operation_off() {
    let done = apply(&begun(OperationKind::Update), Event::DeprovisionRequested);
    assert_eq!(
        (done.addon.state, outcome(&done.addon)),
        (AddonState::Deprovisioned, (OperationState::Failed, Some("broken_off")))
    );
    assert!(done.writes.contains(&Write::ForgetOperation));
}

#[test]
fn an_operation_ends_at_its_deadline() {
    let addon = apply(&begun(OperationKind::Update), Event::Begun { message: "growing".into() }).addon;
    let mut addon = apply(&addon, Event::StillPending(Pending::bounded(60_000, "growing".into(), None))).addon;
    let mut minutes = 0;
    while addon.running().is_some() {
        minutes += 1;
        addon = later(&addon, Event::Woken, minutes * 60_000).addon;
        if addon.running().is_some() {
            let pending = Pending::bounded(60_000, "growing".into(), None);
            addon = later(&addon, Event::StillPending(pending), minutes * 60_000).addon;
        }
    }
    assert_eq!((minutes, outcome(&addon)), (15, (OperationState::Failed, Some("operation_deadline"))));
}

#[test]
fn a_stream_is_given_up_when_nothing_flows() {
    let described = apply(&begun(OperationKind::Export), Event::TransferBegun(SecretString::new("{}")));
    assert_eq!(described.next, Next::At(NOW.plus_ms(Operation::STREAM_IDLE_MS)));
    let flowing = later(&described.addon, Event::Transferred { bytes: 10 }, 50_000);
    let woken = later(&flowing.addon, Event::Woken, 70_000);
    assert_eq!(woken.next, Next::At(NOW.plus_ms(50_000 + Operation::STREAM_IDLE_MS)));
    let idle = later(&woken.addon, Event::Woken, 50_000 + Operation::STREAM_IDLE_MS);
    assert_eq!(outcome(&idle.addon), (OperationState::Failed, Some("transfer_idle")));
    let done = later(&flowing.addon, Event::TransferEnded { bytes: 12, result: Ok(()) }, 60_000).addon;
    assert_eq!(outcome(&done), (OperationState::Succeeded, None));
    assert_eq!(done.operation.as_ref().map(|operation| operation.bytes), Some(12));
}

#[test]
fn a_transfer_for_which_nobody_waits_any_more_ends_before_its_provider_has_begun() {
    let gone = || Event::TransferEnded { bytes: 0, result: Err("nobody waits".into()) };
    let export = apply(&begun(OperationKind::Export), gone());
    assert_eq!(outcome(&export.addon), (OperationState::Failed, Some("transfer_failed")));
    assert!(export.writes.contains(&Write::UndoOperation));
    assert!(transition(&begun(OperationKind::Update), gone(), NOW).is_err());
}

#[test]
fn health_is_said_when_it_changes_and_asked_for_again() {
    let checked = Addon { health_every_ms: Some(60_000), health: Health::HEALTHY, ..ready() };
    assert_eq!(apply(&checked, Event::Woken).next, Next::Do(Step::CheckHealth));
    let same = apply(&checked, Event::HealthChecked(Health::HEALTHY));
    assert_eq!((same.writes.len(), same.next), (0, Next::At(NOW.plus_ms(60_000))));
    let ill = apply(&checked, Event::HealthChecked(Health::unhealthy("no login".into())));
    assert_eq!((ill.writes.len(), ill.addon.state), (1, AddonState::Ready));
    assert_eq!(ill.next, Next::At(NOW.plus_ms(10_000)), "it may recover soon");
    let noted = apply(&ready(), Event::HealthNoted(Health::unhealthy("its container ended".into())));
    assert_eq!(noted.next, Next::Unchanged, "what the host sees plans nothing");
    assert_eq!(apply(&checked, Event::HealthNotOffered).next, Next::Rest);
}

fn outdated() -> Event {
    Event::Outdated(OperationId::generate())
}

#[test]
fn an_app_is_told_anew_as_soon_as_nothing_else_is_under_way() {
    let told = apply(&ready(), outdated());
    assert_eq!((told.next, told.addon.running().unwrap().kind), (Next::At(NOW), OperationKind::Follow));
    let again = apply(&told.addon, outdated()).addon;
    assert_ne!(again.operation.as_ref().unwrap().id, told.addon.operation.unwrap().id, "from the beginning");
    let configured = apply(&again, Event::Configured(Box::default())).addon;
    let done = apply(&configured, Event::VariablesSet);
    assert_eq!((outcome(&done.addon), done.next), ((OperationState::Succeeded, None), Next::Rest));
    assert_eq!(done.addon.outdated, None);

    let streams = on(&ready(), OperationKind::Export, Stage::Stream);
    let waiting = apply(&streams, outdated());
    assert_eq!((&waiting.addon.operation, waiting.next), (&streams.operation, Next::Unchanged));
    let ended = apply(&waiting.addon, Event::TransferEnded { bytes: 1, result: Ok(()) });
    assert_eq!((outcome(&ended.addon), ended.next), ((OperationState::Succeeded, None), Next::At(NOW.plus_ms(5_000))));
    assert_eq!(apply(&ended.addon, Event::Woken).next, Next::At(NOW.plus_ms(5_000)), "woken early, it waits");
    let told = later(&ended.addon, Event::Woken, 5_000);
    assert_eq!((told.next, told.addon.running().unwrap().kind), (Next::Do(Step::Complete), OperationKind::Follow));

    let provisioned = situations().into_iter().find(|(name, _)| *name == "provisioned").unwrap().1;
    let waiting = apply(&provisioned, outdated());
    assert_eq!(waiting.next, Next::Unchanged);
    let ready = apply(&waiting.addon, Event::VariablesSet);
    assert!(!ready.addon.is_settled() && ready.writes.contains(&Write::AttachVariables));
}

#[test]
fn an_app_that_could_not_be_told_is_told_later_and_others_are_not_kept_from_the_addon() {
    let mut addon = Addon { health_every_ms: Some(60_000), ..ready() };
    let rejected = || StepFailure::Guest(GuestFailure::Rejected("not now".into()));
    addon = apply(&addon, outdated()).addon;
    let mut waits = vec![];
    let mut now = NOW;
    for _ in 0..7 {
        let failed = transition(&addon, Event::Failed(Step::Complete, rejected()), now).unwrap();
        assert_eq!(outcome(&failed.addon), (OperationState::Failed, Some("provider_rejected")));
        let again = failed.addon.outdated.unwrap();
        waits.push(again.at.since_ms(now) / 1000);
        let at = again.at.min(now.plus_ms(60_000));
        assert_eq!(failed.next, Next::At(at), "meanwhile its provider is asked how it does");
        assert!(
            transition(&failed.addon, Event::OperationRequested(Box::new(wish(OperationKind::Rotate))), now).is_ok()
        );
        now = again.at;
        let told = transition(&failed.addon, Event::Woken, now).unwrap();
        assert_eq!(told.next, Next::Do(Step::Complete));
        addon = told.addon;
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900]);
}

#[test]
fn an_app_is_told_anew_while_old_credentials_work_and_their_end_waits_for_nothing() {
    let overlaps = apply(&on(&ready(), OperationKind::Rotate, Stage::SetVariables), Event::VariablesSet).addon;
    let end = NOW.plus_ms(600_000);
    let asked = apply(&overlaps, outdated());
    assert_eq!((&asked.addon.operation, asked.next), (&overlaps.operation, Next::At(NOW)));
    let telling = apply(&asked.addon, Event::Woken);
    assert_eq!((telling.next, telling.addon.is_settled()), (Next::Do(Step::Complete), true));
    let failed = apply(&telling.addon, Event::Failed(Step::Complete, StepFailure::Host("the engine is away".into())));
    assert_eq!(apply(&failed.addon, Event::Woken).next, Next::At(NOW.plus_ms(30_000)));
    let telling = later(&failed.addon, Event::Woken, 30_000);
    assert_eq!(telling.next, Next::Do(Step::Complete));
    let configured = later(&telling.addon, Event::Configured(Box::default()), 30_000);
    assert_eq!(configured.next, Next::Do(Step::SetVariables));
    assert_eq!(configured.addon.generation_in_calls(), overlaps.generation_in_calls());
    let told = later(&configured.addon, Event::VariablesSet, 30_000).addon;
    assert_eq!((&told.operation, told.outdated), (&overlaps.operation, None));
    assert_eq!(later(&told, Event::Woken, 30_000).next, Next::At(end));
    assert!(transition(&told, Event::VariablesSet, NOW).is_err(), "nothing was asked for");

    let over = later(&failed.addon, Event::Woken, 600_000);
    assert_eq!(over.next, Next::Do(Step::EndRotation));
    let ended = later(&over.addon, Event::RotationEnded, 600_000);
    assert_eq!(ended.next, Next::At(end.plus_ms(5_000)), "it is still to be told");
}
