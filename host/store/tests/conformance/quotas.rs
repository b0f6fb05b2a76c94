//! How many live addons there may be: counted and refused in the transaction that takes the place.

use std::collections::BTreeMap;

use larder_domain::audit::Action;
use larder_domain::operation::{NewOperation, OperationKind, PlanAndParameters};
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{CreateRefusal, Created, Fence, NewAddon, RevisionChanged, UndeleteRefusal};
use larder_domain::quota::{PlanQuota, Quota, QuotaExceeded};
use larder_domain::{AddonId, AppName, Digest, Event, OperationId, ProvisionType, Role};
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{Build, World, change, config, new_addon, provider};

const HOUR_MS: u64 = 3_600_000;

fn full_app(app: &AppName, limit: u64, used: u64) -> QuotaExceeded {
    QuotaExceeded { quota: Quota::App(app.clone()), limit, used }
}

fn full_plan(plan: &str, limit: u64, used: u64) -> QuotaExceeded {
    QuotaExceeded { quota: Quota::Plan(provider("pg"), plan.parse().unwrap()), limit, used }
}

/// An addon of the app, of those of which there may be so many.
fn nth(world: &World, app: &AppName, nth: u64, app_addons_max: u64) -> NewAddon {
    NewAddon { app_addons_max, ..new_addon(world, Some(app)).named(&format!("n{nth}")) }
}

async fn refused(world: &World, new: NewAddon) -> QuotaExceeded {
    match world.store.create_addon(new).await.unwrap() {
        Err(CreateRefusal::Quota(full)) => full,
        other => crate::world::panic_with(&format!("{other:?}")),
    }
}

async fn set_quotas(world: &World, quotas: &[(&str, u64)]) {
    let pg = provider("pg");
    if world.store.provider(&pg).await.unwrap().is_none() {
        world.store.upload(&pg, Digest([1; 32]), b"pg".to_vec()).await.unwrap();
    }
    let revision = world.store.provider(&pg).await.unwrap().unwrap().revision;
    let quotas = quotas.iter().map(|(plan, limit)| (plan.parse().unwrap(), *limit)).collect();
    world.store.set_quotas(&pg, quotas, revision).await.unwrap().unwrap();
}

/// Of each plan with a quota, how many there are.
async fn used(world: &World) -> Vec<(String, u64)> {
    let pg = world.store.provider(&provider("pg")).await.unwrap().unwrap();
    pg.quotas.into_iter().map(|quota| (quota.plan.to_string(), quota.used)).collect()
}

fn to_plan(plan: &str) -> Event {
    Event::OperationRequested(Box::new(NewOperation {
        id: OperationId::generate(),
        kind: OperationKind::Update,
        deadline_ms: 900_000,
        overlap_ms: 0,
        change: Some(PlanAndParameters { plan: plan.parse().unwrap(), parameters: json!({ "size": 9 }).into() }),
        after: None,
    }))
}

pub(crate) async fn an_app_has_as_many_addons_as_it_may(world: World) {
    let (shop, blue) = (world.app("shop").await, world.app("shop.blue").await);
    let first = world.create(nth(&world, &shop, 1, 2)).await;
    world.create(nth(&world, &shop, 2, 2)).await;
    assert_eq!(refused(&world, nth(&world, &shop, 3, 2)).await, full_app(&shop, 2, 2));
    world.create(nth(&world, &blue, 1, 2)).await;

    world.store.set_app_quota(&shop, Some(3)).await.unwrap();
    let third = world.create(nth(&world, &shop, 3, 2)).await;
    assert_eq!(refused(&world, nth(&world, &shop, 4, 2)).await, full_app(&shop, 3, 3));

    // What is there stays, also above the quota.
    world.store.set_app_quota(&shop, Some(1)).await.unwrap();
    assert_eq!(refused(&world, nth(&world, &shop, 4, 2)).await, full_app(&shop, 1, 3));
    world.delete(third).await;
    world.delete(first).await;
    assert_eq!(refused(&world, nth(&world, &shop, 4, 2)).await, full_app(&shop, 1, 1));

    world.store.set_app_quota(&shop, None).await.unwrap();
    world.create(nth(&world, &shop, 4, 2)).await;
    let nowhere = world.store.set_app_quota(&"nowhere".parse().unwrap(), Some(1)).await;
    assert!(matches!(nowhere, Err(StoreError::Missing("app"))));
    let told = world.store.audit(None, None, 9).await.unwrap();
    assert_eq!(told[0].data, json!({ "app": "shop", "addons_max": null }));
    assert!(told.iter().all(|entry| entry.action == Action::QuotaSet) && told.len() == 3);
}

pub(crate) async fn many_at_once_do_not_get_past_a_quota(world: World) {
    let shop = world.app("shop").await;
    let create = |new| {
        let store = world.store.clone();
        async move { store.create_addon(new).await.unwrap() }
    };
    let all: JoinSet<_> = (0..30).map(|one| create(nth(&world, &shop, one, 5))).collect();
    let all = all.join_all().await;
    assert_eq!(all.iter().filter(|created| matches!(created, Ok(Created::New(_)))).count(), 5);
    let full = Err(CreateRefusal::Quota(full_app(&shop, 5, 5)));
    assert_eq!(all.iter().filter(|created| **created == full).count(), 25);
}

pub(crate) async fn a_plan_has_as_many_addons_as_it_may(world: World) {
    set_quotas(&world, &[("small", 2)]).await;
    let (shop, blog) = (world.app("shop").await, world.app("blog").await);
    let first = world.create(nth(&world, &shop, 1, 9)).await;
    world.create(nth(&world, &blog, 1, 9)).await;
    assert_eq!(refused(&world, nth(&world, &shop, 2, 9)).await, full_plan("small", 2, 2));

    // Other plans, other providers, communal servers, and those that share what is there already.
    let mut large = nth(&world, &shop, 2, 9);
    large.spec.plan = "large".parse().unwrap();
    world.create(large).await;
    world.create(nth(&world, &shop, 3, 9).by("other")).await;
    let mut server = new_addon(&world, None);
    server.spec.role = Role::Server;
    world.create(server).await;
    let mut sharer = nth(&world, &shop, 4, 9);
    (sharer.spec.provision_type, sharer.spec.parent) = (ProvisionType::Shared, Some(first));
    let sharer = world.create(sharer).await;
    assert_eq!(used(&world).await, [("small".to_owned(), 2)]);

    world.delete(sharer).await;
    assert_eq!(refused(&world, nth(&world, &shop, 2, 9)).await, full_plan("small", 2, 2), "a sharer had no place");
    world.delete(first).await;
    world.create(nth(&world, &shop, 5, 9)).await;
    set_quotas(&world, &[("large", 0)]).await;
    world.create(nth(&world, &shop, 6, 9)).await;
    set_quotas(&world, &[("small", 1)]).await;
    assert_eq!(refused(&world, nth(&world, &shop, 7, 9)).await, full_plan("small", 1, 3));
}

pub(crate) async fn plan_quotas_are_set_under_a_revision(world: World) {
    set_quotas(&world, &[("small", 2), ("large", 7)]).await;
    let pg = world.store.provider(&provider("pg")).await.unwrap().unwrap();
    let quota = |plan: &str, limit| PlanQuota { plan: plan.parse().unwrap(), limit, used: 0 };
    assert_eq!(pg.quotas, [quota("large", 7), quota("small", 2)]);
    let stale = world.store.set_quotas(&provider("pg"), BTreeMap::new(), pg.revision - 1).await.unwrap();
    assert_eq!(stale, Err(RevisionChanged { is: pg.revision }));
    let told = world.store.audit(Some(provider("pg")), None, 1).await.unwrap().remove(0);
    assert_eq!((told.action, told.data), (Action::QuotaSet, json!({ "small": 2, "large": 7 })));
    world.store.remove_provider(&provider("pg"), true).await.unwrap().unwrap();
    set_quotas(&world, &[]).await;
    let pg = world.store.provider(&provider("pg")).await.unwrap().unwrap();
    assert_eq!(pg.quotas, [], "they went with the provider that had them");
}

pub(crate) async fn an_addon_that_is_had_back_takes_its_places_again(world: World) {
    let shop = world.app("shop").await;
    let id = world.ready(nth(&world, &shop, 1, 9), config(&[])).await;
    world.delete_later(id, HOUR_MS).await;
    set_quotas(&world, &[("small", 1)]).await;
    let other = world.create(nth(&world, &shop, 2, 1)).await;
    let back = async |most| world.store.undelete(id, most).await.unwrap().map(|record| record.spec.id);
    assert_eq!(back(1).await, Err(UndeleteRefusal::Quota(full_app(&shop, 1, 1))));
    assert_eq!(back(2).await, Err(UndeleteRefusal::Quota(full_plan("small", 1, 1))));
    world.delete(other).await;
    assert_eq!(back(1).await, Ok(id));
    assert_eq!(used(&world).await, [("small".to_owned(), 1)]);
    assert_eq!(refused(&world, nth(&world, &shop, 3, 1)).await, full_app(&shop, 1, 1));
}

pub(crate) async fn an_update_takes_a_place_only_in_another_plan(world: World) {
    let shop = world.app("shop").await;
    let id = world.ready(nth(&world, &shop, 1, 9), config(&[])).await;
    let ask = async |id: AddonId, plan| world.store.apply(change(id, to_plan(plan), Fence::User)).await;
    set_quotas(&world, &[("large", 0), ("small", 0)]).await;
    assert!(matches!(ask(id, "large").await, Err(StoreError::Quota(full)) if full == full_plan("large", 0, 0)));
    assert_eq!(used(&world).await, [("large".to_owned(), 0), ("small".to_owned(), 1)]);
    ask(id, "small").await.unwrap();
    assert_eq!(used(&world).await, [("large".to_owned(), 0), ("small".to_owned(), 1)]);
    world.delete(id).await;
    assert_eq!(used(&world).await, [("large".to_owned(), 0), ("small".to_owned(), 0)]);
}

pub(crate) async fn an_update_under_way_has_a_place_in_both_plans(world: World) {
    let shop = world.app("shop").await;
    let (grown, failed) = (nth(&world, &shop, 1, 9), nth(&world, &shop, 2, 9));
    let grown = world.ready(grown, config(&[])).await;
    let failed = world.ready(failed, config(&[])).await;
    for id in [grown, failed] {
        world.store.apply(change(id, to_plan("large"), Fence::User)).await.unwrap();
    }
    let turns = world.turns(2).await;
    set_quotas(&world, &[("large", 2), ("small", 2)]).await;
    let both = |large, small| [("large".to_owned(), large), ("small".to_owned(), small)];
    assert_eq!(used(&world).await, both(2, 2));
    let lease = |id| &turns.iter().find(|turn| turn.record.spec.id == id).unwrap().lease;
    for event in [Event::Begun { message: "growing".into() }, Event::Configured(Box::new(config(&[])))] {
        world.result(lease(grown), event).await.unwrap();
    }
    world.result(lease(grown), Event::VariablesSet).await.unwrap();
    assert_eq!(used(&world).await, both(2, 1));
    world.delete(failed).await;
    assert_eq!(used(&world).await, both(1, 0));
}
