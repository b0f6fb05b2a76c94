//! Variables: whose names they are, and when an app sees them.

use larder_domain::ports::StoreError;
use larder_domain::ports::store::{Change, CreateRefusal, Fence};
use larder_domain::{AddonState, Event, Next, SecretString, Step};

use crate::world::{Build, World, change, config, new_addon};

pub(crate) async fn variables_appear_when_ready_and_vanish_when_deleted(world: World) {
    let app = world.app("shop").await;
    let own = vec![("OWN".parse().unwrap(), Some(SecretString::new("mine")))];
    world.store.patch_app_config(&app, own).await.unwrap().unwrap();
    let id = world.create(new_addon(&world, Some(&app)).declares(&["A_URL", "B_URL"])).await;
    let (turn, applied) = world.provision(config(&[("B_URL", "b"), ("A_URL", "a")])).await;
    assert_eq!(applied.addon.state, AddonState::Provisioned);
    assert_eq!(world.sees(&app).await, ["OWN=mine"], "the app's sink does not have them yet");
    assert_eq!(world.store.addon_config(id).await.unwrap(), Some(config(&[("B_URL", "b"), ("A_URL", "a")])));

    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(world.sees(&app).await, ["A_URL=a", "B_URL=b", "OWN=mine"]);
    let variables = world.store.app_config(&app).await.unwrap().unwrap();
    assert_eq!(variables.iter().map(|v| v.addon).collect::<Vec<_>>(), [Some(id), Some(id), None]);

    world.delete(id).await;
    assert_eq!(world.sees(&app).await, ["OWN=mine"]);
    world.create(new_addon(&world, Some(&app)).declares(&["A_URL", "B_URL"])).await;
}

pub(crate) async fn variables_that_nobody_outside_is_told_of_are_set_with_their_commit(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, Some(&app)).declares(&["A_URL"])).await;
    let turn = world.turn().await.unwrap();
    let at_once = |event| Change { sets_variables: true, ..change(id, event, Fence::Lease(turn.lease.clone())) };
    let begun = world.store.apply(at_once(Event::Begun { message: "begun".into() })).await.unwrap();
    assert_eq!((begun.addon.state, begun.next), (AddonState::WaitingForProvision, Next::Do(Step::Complete)));
    let configured = Event::Configured(Box::new(config(&[("A_URL", "a")])));
    let ready = world.store.apply(at_once(configured)).await.unwrap();
    assert_eq!((ready.addon.state, ready.next), (AddonState::Ready, Next::Rest));
    assert_eq!(world.sees(&app).await, ["A_URL=a"]);
    let history = world.store.history(Some(id), 0, 100).await.unwrap();
    let kinds: Vec<_> = history.iter().map(|entry| entry.kind.as_str()).collect();
    assert!(kinds.ends_with(&["provisioned", "ready"]), "both are told: {kinds:?}");
    assert!(world.turn().await.is_none(), "its lease has ended, and there is nothing more to do");
}

pub(crate) async fn what_precedes_an_event_is_stored_with_it_or_not_at_all(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, Some(&app)).declares(&["A_URL"])).await;
    let turn = world.turn().await.unwrap();
    let lines = async || {
        let history = world.store.history(Some(id), 0, 100).await.unwrap();
        history.into_iter().map(|entry| entry.kind).collect::<Vec<_>>()
    };
    let before = lines().await;
    let both = |event| Change {
        preceded_by: Some(Event::Begun { message: "begun".into() }),
        sets_variables: true,
        ..change(id, event, Fence::Lease(turn.lease.clone()))
    };
    let illegal = world.store.apply(both(Event::VariablesSet)).await;
    assert!(matches!(illegal, Err(StoreError::Illegal(_))), "{illegal:?}");
    let addon = world.store.addon(id).await.unwrap().unwrap().addon;
    assert_eq!((lines().await, addon.begun), (before.clone(), false), "nothing of it");
    let configured = Event::Configured(Box::new(config(&[("A_URL", "a")])));
    let ready = world.store.apply(both(configured)).await.unwrap();
    assert_eq!((ready.addon.state, ready.addon.begun, ready.next), (AddonState::Ready, true, Next::Rest));
    let stored = world.store.addon(id).await.unwrap().unwrap();
    assert_eq!((stored.addon, stored.updated_at), (ready.addon, ready.updated_at));
    assert_eq!(lines().await[before.len()..], ["call", "call", "provisioned", "ready"]);
    assert_eq!(world.sees(&app).await, ["A_URL=a"]);
}

pub(crate) async fn any_variables_are_claimed_when_they_arrive(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, Some(&app)).declares_any()).await;
    let (turn, _) = world.provision(config(&[("X", "1")])).await;
    let late = world.store.create_addon(new_addon(&world, Some(&app)).named("b").declares(&["X"])).await.unwrap();
    assert_eq!(late, Err(CreateRefusal::VariableTaken { variable: "X".parse().unwrap(), owner: Some(id) }));
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(world.sees(&app).await, ["X=1"]);
}

pub(crate) async fn a_taken_variable_refuses_the_configuration(world: World) {
    let app = world.app("shop").await;
    let first = world.ready(new_addon(&world, Some(&app)).declares(&["X"]), config(&[("X", "1")])).await;
    let id = world.create(new_addon(&world, Some(&app)).named("b").declares_any()).await;
    let (_, applied) = world.provision(config(&[("FREE", "2"), ("X", "2")])).await;
    assert_eq!((applied.addon.state, applied.next), (AddonState::Error, Next::At(world.store.now())));
    let error = applied.addon.error.unwrap();
    assert_eq!(error.code, "variable_taken");
    assert!(error.reason.contains('X') && error.reason.contains(&first.to_string()), "{}", error.reason);
    assert_eq!(world.sees(&app).await, ["X=1"]);
    assert_eq!(world.store.addon_config(id).await.unwrap(), None, "nothing of the refused configuration is stored");
    world.create(new_addon(&world, Some(&app)).named("c").declares(&["FREE"])).await;
}

pub(crate) async fn addons_without_app_claim_nothing(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, None).declares_any()).await;
    let (turn, applied) = world.provision(config(&[("X", "1")])).await;
    assert_eq!(applied.next, Next::Do(Step::SetVariables));
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(world.store.addon_config(id).await.unwrap(), Some(config(&[("X", "1")])));
    world.create(new_addon(&world, Some(&app)).declares(&["X"])).await;
    assert_eq!(world.sees(&app).await, [] as [String; 0]);
}

pub(crate) async fn reserved_names_that_did_not_arrive_stay_reserved(world: World) {
    let app = world.app("shop").await;
    let new = new_addon(&world, Some(&app)).declares(&["CAME", "DID_NOT"]);
    let id = world.ready(new, config(&[("CAME", "1")])).await;
    assert_eq!(world.sees(&app).await, ["CAME=1"]);
    let second = || new_addon(&world, Some(&app)).named("b").declares(&["DID_NOT"]);
    assert!(world.store.create_addon(second()).await.unwrap().is_err());
    world.delete(id).await;
    world.create(second()).await;
}
