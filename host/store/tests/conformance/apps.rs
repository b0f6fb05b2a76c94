//! Apps and their own variables.

use larder_domain::ports::StoreError;
use larder_domain::ports::store::{
    APP_VARIABLES_MAX, AppRefusal, CASCADE_ADDONS_MAX, Cascade, Child, ConfigPatch, PatchRefusal,
};
use larder_domain::{AddonState, AppName, Grace, SecretString};
use tokio::task::JoinSet;

use crate::world::{Build, World, new_addon, used};

fn patch(changes: &[(&str, Option<&str>)]) -> ConfigPatch {
    changes.iter().map(|(name, value)| (name.parse().unwrap(), value.map(SecretString::new))).collect()
}

pub(crate) async fn apps_are_created_listed_and_deleted(world: World) {
    let shop = world.app("shop").await;
    let experiment = world.app("shop.blue").await;
    let blog = world.app("blog").await;
    assert!(!world.store.create_app(&shop).await.unwrap());
    let id = world.create(new_addon(&world, Some(&shop))).await;
    assert_eq!(
        world.store.apps(None, 9).await.unwrap(),
        [(blog.clone(), used(0)), (shop.clone(), used(1)), (experiment.clone(), used(0))]
    );
    assert_eq!(world.store.apps(Some(blog), 1).await.unwrap(), [(shop.clone(), used(1))]);

    assert_eq!(world.store.delete_app(&shop, None).await.unwrap(), Err(AppRefusal::InUse(1)));
    world.delete(id).await;
    world.store.patch_app_config(&shop, patch(&[("OWN", Some("1"))])).await.unwrap().unwrap();
    assert_eq!(world.store.delete_app(&shop, None).await.unwrap(), Ok(vec![]));
    assert!(!world.store.has_app(&shop).await.unwrap());
    assert_eq!(world.store.app_config(&shop).await.unwrap(), None);
    assert!(matches!(world.store.delete_app(&shop, None).await, Err(StoreError::Missing("app"))));
    assert!(world.store.addon(id).await.unwrap().is_some(), "what became of its addons can still be read");
    world.app("shop").await;
    assert_eq!(world.sees(&shop).await, [] as [String; 0]);
}

pub(crate) async fn a_cascade_is_all_or_nothing(world: World) {
    let (shop, blog) = (world.app("shop").await, world.app("blog").await);
    let owner = world.create(new_addon(&world, Some(&shop))).await;
    let sharer = |app, name| {
        let mut new = new_addon(&world, Some(app)).named(name);
        new.spec.parent = Some(owner);
        new
    };
    let here = world.create(sharer(&shop, "here")).await;
    let there = world.create(sharer(&blog, "there")).await;
    let free = world.create(new_addon(&world, Some(&shop)).named("free")).await;
    let cascade = Some(Cascade { grace: Grace::of(60_000, world.store.now(), world.store.wall()) });
    let state = async |id| world.store.addon(id).await.unwrap().unwrap().addon.state;

    let users = vec![Child { id: there, live: true }];
    assert_eq!(world.store.delete_app(&shop, cascade).await.unwrap(), Err(AppRefusal::AddonInUse(owner, users)));
    world.delete(there).await;
    world.store.protect(owner, true).await.unwrap().unwrap();
    assert_eq!(world.store.delete_app(&shop, cascade).await.unwrap(), Err(AppRefusal::Protected(owner)));
    assert_eq!(
        (state(here).await, state(free).await),
        (AddonState::WaitingForProvision, AddonState::WaitingForProvision)
    );
    assert_eq!(world.store.app_use(&shop).await.unwrap(), Some(used(3)));

    world.store.protect(owner, false).await.unwrap().unwrap();
    assert_eq!(world.store.delete_app(&shop, cascade).await.unwrap(), Ok(vec![free, here, owner]));
    assert!(!world.store.has_app(&shop).await.unwrap());
    for id in [owner, here, free] {
        assert_eq!(state(id).await, AddonState::Deprovisioned);
    }
}

pub(crate) async fn a_cascade_takes_a_bounded_number_along(world: World) {
    let shop = world.app("shop").await;
    let new = |nth| new_addon(&world, Some(&shop)).named(&format!("n{nth}"));
    let create = |new| {
        let store = world.store.clone();
        async move { store.create_addon(new).await.unwrap().unwrap() }
    };
    let all: JoinSet<_> = (0..CASCADE_ADDONS_MAX).map(|nth| create(new(nth))).collect();
    all.join_all().await;
    let last = world.create(new(CASCADE_ADDONS_MAX)).await;
    let cascade = Some(Cascade { grace: None });
    let count = CASCADE_ADDONS_MAX as u64 + 1;
    assert_eq!(world.store.delete_app(&shop, cascade).await.unwrap(), Err(AppRefusal::TooMany(count)));
    world.delete(last).await;
    assert_eq!(world.store.delete_app(&shop, cascade).await.unwrap().unwrap().len(), CASCADE_ADDONS_MAX);
    assert!(!world.store.has_app(&shop).await.unwrap());
}

pub(crate) async fn own_variables_are_set_and_unset(world: World) {
    let app = world.app("shop").await;
    let changes = patch(&[("B", Some("2")), ("A", Some("1")), ("C", None)]);
    world.store.patch_app_config(&app, changes).await.unwrap().unwrap();
    assert_eq!(world.sees(&app).await, ["A=1", "B=2"]);
    world.store.patch_app_config(&app, patch(&[("A", Some("")), ("B", None)])).await.unwrap().unwrap();
    assert_eq!(world.sees(&app).await, ["A="]);
    let unknown: AppName = "other".parse().unwrap();
    let refused = world.store.patch_app_config(&unknown, patch(&[("A", Some("1"))])).await.unwrap();
    assert_eq!(refused, Err(PatchRefusal::NoApp));
}

pub(crate) async fn a_patch_is_all_or_nothing(world: World) {
    let app = world.app("shop").await;
    let owner = world.create(new_addon(&world, Some(&app)).declares(&["TAKEN"])).await;
    for value in [Some("1"), None] {
        let refused = world.store.patch_app_config(&app, patch(&[("A", Some("1")), ("TAKEN", value)])).await.unwrap();
        assert_eq!(refused, Err(PatchRefusal::OwnedByAddon { variable: "TAKEN".parse().unwrap(), owner }));
    }
    assert_eq!(world.sees(&app).await, [] as [String; 0]);
}

pub(crate) async fn an_app_has_a_bounded_number_of_variables(world: World) {
    let app = world.app("shop").await;
    let many = |range: std::ops::Range<usize>| {
        range.map(|n| (format!("V{n}").parse().unwrap(), Some(SecretString::new("x")))).collect::<ConfigPatch>()
    };
    world.store.patch_app_config(&app, many(0..APP_VARIABLES_MAX)).await.unwrap().unwrap();
    world.store.patch_app_config(&app, many(0..3)).await.unwrap().unwrap();
    let refused = world.store.patch_app_config(&app, many(APP_VARIABLES_MAX..APP_VARIABLES_MAX + 1)).await.unwrap();
    assert_eq!(refused, Err(PatchRefusal::TooMany));
    assert_eq!(world.sees(&app).await.len(), APP_VARIABLES_MAX);
}
