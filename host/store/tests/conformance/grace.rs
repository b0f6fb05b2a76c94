//! Deleted addons that can be had back.

use larder_domain::addon::ProvisionType;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{AddonFilter, Change, Child, Desired, Fence, Leased, UndeleteRefusal};
use larder_domain::work::{LEASE_MS, WorkKind};
use larder_domain::{AddonId, AddonState, AppName, Cleanup, Event, Next, SecretString, Step, WallTime};

use crate::world::{Build, World, change, config, new_addon, used};

const HOUR_MS: u64 = 3_600_000;

/// A ready addon of the app `shop`, with a variable that came and one that was only reserved.
async fn ready(world: &World) -> (AppName, AddonId) {
    let app = world.app("shop").await;
    let new = new_addon(world, Some(&app)).declares(&["A_URL", "A_SPARE"]);
    let id = world.ready(new, config(&[("A_URL", "a")])).await;
    (app, id)
}

/// Takes the deleted addon's variables from its app, as the worker does at once.
async fn unset(world: &World) {
    let turn = world.turn().await.unwrap();
    assert_eq!(turn.step, Step::UnsetVariables);
    world.result(&turn.lease, Event::VariablesUnset).await.unwrap();
}

async fn back(world: &World, id: AddonId) -> Result<AddonState, UndeleteRefusal> {
    world.store.undelete(id, u64::MAX).await.unwrap().map(|record| record.addon.state)
}

pub(crate) async fn a_deleted_addon_is_gone_and_all_that_it_holds_is_kept(world: World) {
    world.clock.set_wall(WallTime(7_000));
    let (app, id) = ready(&world).await;
    let deleted = world.delete_later(id, HOUR_MS).await;
    assert_eq!((deleted.addon.state, &deleted.addon.cleanup), (AddonState::Deprovisioned, &Cleanup::Pending));
    assert_eq!(deleted.addon.grace.unwrap().shown, WallTime(7_000 + 3_600_000));
    assert_eq!(world.store.addon(id).await.unwrap().unwrap().addon, deleted.addon);
    assert!(world.sees(&app).await.is_empty());
    assert_eq!(world.store.apps(None, 9).await.unwrap(), [(app.clone(), used(0))]);
    assert!(world.store.addons(AddonFilter { count_max: 9, ..AddonFilter::default() }).await.unwrap().is_empty());
    let last = world.store.history(Some(id), 0, 99).await.unwrap().pop().unwrap();
    assert_eq!(
        (last.kind.as_str(), last.data["kept_until"].as_str()),
        ("deprovisioned", Some("1970-01-01T01:00:07.000Z"))
    );
    assert_eq!(world.delete_later(id, 9 * HOUR_MS).await.next, Next::Unchanged, "asking again prolongs nothing");

    unset(&world).await;
    world.clock.advance_ms(HOUR_MS - 1);
    assert!(world.turn().await.is_none());
    assert!(world.store.addon_config(id).await.unwrap().is_some());
    // Its names are free meanwhile.
    let other = new_addon(&world, Some(&app)).declares(&["A_URL", "A_SPARE"]);
    world.ready(other, config(&[("A_URL", "b")])).await;
    world.clock.advance_ms(1);
    assert_eq!(back(&world, id).await, Err(UndeleteRefusal::NotInGrace), "it is over, though nobody has looked yet");
    let turn = world.turn().await.unwrap();
    assert_eq!((turn.step, turn.record.spec.id, turn.record.addon.grace), (Step::Deprovision, id, None));
    world.result(&turn.lease, Event::CleanedUp).await.unwrap();
    assert_eq!(world.store.addon_config(id).await.unwrap(), None);
    assert_eq!(world.sees(&app).await, ["A_URL=b"]);
}

pub(crate) async fn an_addon_that_is_had_back_is_as_it_was(world: World) {
    let (app, id) = ready(&world).await;
    let never = world.create(new_addon(&world, Some(&app)).named("b")).await;
    assert_eq!(back(&world, never).await, Err(UndeleteRefusal::NotInGrace));
    world.delete_later(never, HOUR_MS).await;
    assert_eq!(back(&world, never).await, Err(UndeleteRefusal::NotInGrace), "what was never ready has no grace");

    world.delete_later(id, HOUR_MS).await;
    let late = world.turn().await.unwrap();
    let record = world.store.undelete(id, u64::MAX).await.unwrap().unwrap();
    assert_eq!((record.addon.state, record.addon.delete_wanted), (AddonState::Provisioned, false));
    assert!(world.sees(&app).await.is_empty(), "no variable before it is ready");
    // Who takes the variables away has lost its right, and nobody else begins before it has ended.
    assert!(matches!(world.result(&late.lease, Event::VariablesUnset).await, Err(StoreError::Fenced)));
    assert!(world.turn().await.is_none());
    world.store.release(&late.lease, world.store.now()).await.unwrap();
    let turn = world.turn().await.unwrap();
    assert_eq!(turn.step, Step::SetVariables);
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(world.sees(&app).await, ["A_URL=a"]);
    assert_eq!(world.store.apps(None, 9).await.unwrap(), [(app.clone(), used(1))]);
    let addon = world.store.addon(id).await.unwrap().unwrap().addon;
    assert_eq!((addon.state, addon.grace, addon.cleanup), (AddonState::Ready, None, Cleanup::None));
    assert_eq!(back(&world, id).await, Err(UndeleteRefusal::NotInGrace));
    let kinds = world.store.history(Some(id), 0, 99).await.unwrap();
    let kinds: Vec<&str> = kinds.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds[kinds.len() - 3..], ["deprovisioned", "undeleted", "ready"]);
    let own = vec![("A_SPARE".parse().unwrap(), Some(SecretString::new("mine")))];
    assert!(world.store.patch_app_config(&app, own).await.unwrap().is_err(), "what was reserved is so again");
    // It can be deleted and had back as often as wanted.
    world.delete_later(id, HOUR_MS).await;
    assert_eq!(back(&world, id).await, Ok(AddonState::Provisioned));
    let nobody = world.store.undelete(AddonId::generate(), u64::MAX).await;
    assert!(matches!(nobody, Err(StoreError::Missing("addon"))));
}

pub(crate) async fn what_somebody_else_has_by_now_is_in_the_way(world: World) {
    let (app, id) = ready(&world).await;
    world.delete_later(id, HOUR_MS).await;
    unset(&world).await;
    let namesake = world.create(new_addon(&world, Some(&app))).await;
    assert_eq!(back(&world, id).await, Err(UndeleteRefusal::NameTaken(namesake)));
    world.delete(namesake).await;
    for name in ["A_SPARE", "A_URL"] {
        let other = world.create(new_addon(&world, Some(&app)).named("c").declares(&[name])).await;
        let (variable, owner) = (name.parse().unwrap(), Some(other));
        assert_eq!(back(&world, id).await, Err(UndeleteRefusal::VariableTaken { variable, owner }));
        world.delete(other).await;
        let set = |value: Option<&str>| vec![(name.parse().unwrap(), value.map(SecretString::new))];
        world.store.patch_app_config(&app, set(Some("mine"))).await.unwrap().unwrap();
        let taken = UndeleteRefusal::VariableTaken { variable: name.parse().unwrap(), owner: None };
        assert_eq!(back(&world, id).await, Err(taken));
        world.store.patch_app_config(&app, set(None)).await.unwrap().unwrap();
    }
    world.store.delete_app(&app, None).await.unwrap().unwrap();
    assert_eq!(back(&world, id).await, Err(UndeleteRefusal::NoApp(app.clone())));
    assert!(world.store.addon_config(id).await.unwrap().is_some(), "a refusal changes nothing");
    world.store.create_app(&app).await.unwrap();
    assert_eq!(back(&world, id).await, Ok(AddonState::Provisioned));
}

pub(crate) async fn a_grace_outlives_restarts_and_ends_when_it_was_to(world: World) {
    let (_, id) = ready(&world).await;
    world.delete_later(id, HOUR_MS).await;
    let stored = world.store.addon(id).await.unwrap();
    let world = world.restart();
    assert_eq!(world.store.addon(id).await.unwrap(), stored);
    world.clock.set_wall(WallTime(i64::MAX / 2));
    unset(&world).await;
    world.clock.advance_ms(HOUR_MS / 2);
    let world = world.restart();
    assert!(world.turn().await.is_none(), "setting the time of day ends no grace");
    world.clock.advance_ms(HOUR_MS);
    assert_eq!(world.turn().await.unwrap().step, Step::Deprovision);
}

pub(crate) async fn a_grace_that_is_cut_short_is_over(world: World) {
    let (_, id) = ready(&world).await;
    world.delete_later(id, HOUR_MS).await;
    unset(&world).await;
    let cut = world.delete(id).await;
    assert_eq!((cut.addon.grace, &cut.addon.cleanup), (None, &Cleanup::Pending));
    assert_eq!(back(&world, id).await, Err(UndeleteRefusal::NotInGrace));
    assert_eq!(world.turn().await.unwrap().step, Step::Deprovision);
    assert_eq!(world.delete(id).await.next, Next::Unchanged);
}

pub(crate) async fn a_part_that_can_be_had_back_keeps_the_other_in_use_until_that_ends(world: World) {
    let (app, owner) = ready(&world).await;
    let mut sharer = new_addon(&world, Some(&app)).named("b");
    (sharer.spec.provision_type, sharer.spec.parent) = (ProvisionType::Shared, Some(owner));
    let sharer = world.ready(sharer, config(&[("B_URL", "a")])).await;
    let child = |live| [Child { id: sharer, live }];
    assert_eq!(world.store.children(owner).await.unwrap(), child(true));
    world.delete_later(sharer, HOUR_MS).await;
    unset(&world).await;
    assert_eq!(world.store.children(owner).await.unwrap(), child(false));
    // What it shares may be another by now.
    assert_eq!(back(&world, sharer).await, Ok(AddonState::WaitingForProvision));
    let turn = world.turn().await.unwrap();
    assert_eq!(turn.step, Step::Complete);
    let anew = Event::Configured(Box::new(config(&[("B_URL", "changed")])));
    world.result(&turn.lease, anew).await.unwrap();
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();
    assert_eq!(world.sees(&app).await, ["A_URL=a", "B_URL=changed"]);

    world.delete_later(sharer, HOUR_MS).await;
    unset(&world).await;
    world.delete(owner).await;
    let part = world.store.addon(sharer).await.unwrap().unwrap().addon;
    assert_eq!((part.state, part.grace, part.cleanup), (AddonState::Deprovisioned, None, Cleanup::Pending));
    assert_eq!(back(&world, sharer).await, Err(UndeleteRefusal::NotInGrace));
    assert_eq!(world.turns(9).await.len(), 2, "both are cleaned up");
}

pub(crate) async fn its_objects_are_looked_at_when_it_goes_and_when_it_comes_back(world: World) {
    let wanted = larder_domain::docker::Wanted::parse(SecretString::new(r#"{"kind":"volume","name":"data"}"#)).unwrap();
    let id = world.create(new_addon(&world, None)).await;
    let turn = world.turn().await.unwrap();
    world.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
    let configured = change(id, Event::Configured(Box::new(config(&[]))), Fence::Lease(turn.lease.clone()));
    let by = larder_domain::Digest([1; 32]);
    let objects = Some(Desired { by, all: [("data".parse().unwrap(), wanted)].into() });
    world.store.apply(Change { objects, ..configured }).await.unwrap();
    world.result(&turn.lease, Event::VariablesSet).await.unwrap();

    let objects_due = async || {
        let leased = world.store.lease_due(world.node, 9, vec![]).await.unwrap();
        let mut due = false;
        for leased in leased {
            match leased {
                Leased::Other(lease) if lease.kind == WorkKind::Objects => {
                    due = true;
                    world.store.settle_objects(&lease, None).await.unwrap();
                }
                Leased::Addon { lease, .. } | Leased::Other(lease) => {
                    world.store.release(&lease, world.store.now().plus_ms(LEASE_MS)).await.unwrap();
                }
            }
        }
        due
    };
    assert!(objects_due().await);
    assert!(!objects_due().await);
    world.delete_later(id, HOUR_MS).await;
    assert!(objects_due().await);
    back(&world, id).await.unwrap();
    assert!(objects_due().await);
    assert_eq!(world.store.objects(id).await.unwrap().len(), 1);
}

pub(crate) async fn deleted_ones_are_listed_while_they_can_be_had_back(world: World) {
    let app = world.app("shop").await;
    let mut ids = vec![];
    for name in ["a", "b", "c"] {
        ids.push(world.ready(new_addon(&world, Some(&app)).named(name), config(&[])).await);
    }
    let loose = world.ready(new_addon(&world, None).by("redis"), config(&[])).await;
    for id in [ids[0], ids[2], loose] {
        world.delete_later(id, HOUR_MS).await;
    }
    world.delete(ids[1]).await;
    let list = async |filter: AddonFilter| {
        let filter = AddonFilter { kept: true, count_max: filter.count_max.max(1), ..filter };
        let found = world.store.addons(filter).await.unwrap();
        found.into_iter().map(|record| record.spec.id).collect::<Vec<_>>()
    };
    let all = || AddonFilter { count_max: 9, ..AddonFilter::default() };
    assert_eq!(list(all()).await, [ids[0], ids[2], loose]);
    assert_eq!(list(AddonFilter { app: Some(app.clone()), ..all() }).await, [ids[0], ids[2]]);
    assert_eq!(list(AddonFilter { provider: Some("redis".parse().unwrap()), ..all() }).await, [loose]);
    assert_eq!(list(AddonFilter { count_max: 1, after: Some(ids[0]), ..all() }).await, [ids[2]]);
    assert_eq!(list(AddonFilter { states: vec![AddonState::Ready], ..all() }).await, []);
    back(&world, ids[0]).await.unwrap();
    assert_eq!(list(all()).await, [ids[2], loose], "one that is had back is no deleted one, ready or not");
}
