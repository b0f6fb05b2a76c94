//! Creating addons.

use std::sync::Arc;

use larder_domain::audit::Action;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{CreateRefusal, Created, Idempotency, Leased, NewAddon, ProtectRefusal};
use larder_domain::{AddonId, AddonSpec, AddonState, Step, WallTime};
use serde_json::json;

use crate::world::{Build, World, new_addon, provider, used};

pub(crate) async fn an_addon_is_created_whole(world: World) {
    let app = world.app("shop").await;
    let new = new_addon(&world, Some(&app)).declares(&["A_URL"]);
    world.clock.set_wall(WallTime(7_000));
    let id = world.create(new.clone()).await;

    let record = world.store.addon(id).await.unwrap().unwrap();
    let spec = AddonSpec { created_at: WallTime(7_000), ..new.spec };
    assert_eq!((&*record.spec, &record.addon), (&spec, &new.addon));
    assert_eq!(world.store.seed(id).await.unwrap(), Some(new.seed.clone()));
    assert_eq!(world.store.addon_config(id).await.unwrap(), None);
    assert!(world.store.guest_state(id).await.unwrap().is_empty());
    let history = world.store.history(Some(id), 0, 10).await.unwrap();
    assert_eq!(history.iter().map(|e| (e.seq, e.kind.as_str())).collect::<Vec<_>>(), [(1, "created")]);

    let turn = world.turn().await.unwrap();
    assert_eq!((&*turn.record.spec, &turn.seed, turn.step), (&spec, &new.seed, Step::Begin));
    let stored = world.store.addon(id).await.unwrap().unwrap();
    assert!(stored.addon.begin_intended, "the intent is stored before the effect");
    assert_eq!(turn.record, stored);
}

pub(crate) async fn nothing_is_stored_for_an_unknown_app(world: World) {
    let app = "shop".parse().unwrap();
    let refused = world.store.create_addon(new_addon(&world, Some(&app))).await.unwrap();
    assert_eq!(refused, Err(CreateRefusal::NoApp(app.clone())));
    is_empty(&world).await;
    assert!(!world.store.has_app(&app).await.unwrap());
}

pub(crate) async fn a_live_name_is_taken_and_a_dead_one_is_free(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, Some(&app))).await;
    let again = world.store.create_addon(new_addon(&world, Some(&app)).declares(&["A_URL"])).await.unwrap();
    assert_eq!(again, Err(CreateRefusal::NameTaken));
    assert_eq!(world.store.apps(None, 9).await.unwrap(), [(app.clone(), used(1))]);
    world.create(new_addon(&world, Some(&world.app("other").await))).await;
    world.delete(id).await;
    world.create(new_addon(&world, Some(&app)).declares(&["A_URL"])).await;
}

pub(crate) async fn reserved_variables_are_taken(world: World) {
    let app = world.app("shop").await;
    let owner = world.create(new_addon(&world, Some(&app)).declares(&["A_URL"])).await;
    world.store.patch_app_config(&app, vec![("OWN".parse().unwrap(), Some("1".into_secret()))]).await.unwrap().unwrap();
    for (variable, owner) in [("A_URL", Some(owner)), ("OWN", None)] {
        let new = new_addon(&world, Some(&app)).named("second").declares(&["B_URL", variable]);
        let refused = world.store.create_addon(new).await.unwrap();
        assert_eq!(refused, Err(CreateRefusal::VariableTaken { variable: variable.parse().unwrap(), owner }));
    }
    world.create(new_addon(&world, Some(&app)).named("second").declares(&["B_URL"])).await;
}

pub(crate) async fn the_same_request_is_answered_the_same_for_a_day(world: World) {
    let app = world.app("shop").await;
    let with_key = |body: u8| NewAddon {
        idempotency: Some(Idempotency { key: "admin/create/k".into(), body: [body; 32] }),
        ..new_addon(&world, Some(&app))
    };
    let id = world.create(with_key(1)).await;
    let again = world.store.create_addon(with_key(1)).await.unwrap();
    assert_eq!(again, Ok(Created::Replayed(world.store.addon(id).await.unwrap().unwrap())));
    assert_eq!(world.store.create_addon(with_key(2)).await.unwrap(), Err(CreateRefusal::IdempotencyMismatch));

    let before = |body| Idempotency { key: "admin/create/k".into(), body: [body; 32] };
    let earlier = world.store.created_before(&before(1)).await.unwrap();
    assert_eq!(earlier, Ok(world.store.addon(id).await.unwrap()));
    assert_eq!(world.store.created_before(&before(2)).await.unwrap(), Err(CreateRefusal::IdempotencyMismatch));
    let unknown = Idempotency { key: "admin/create/other".into(), body: [1; 32] };
    assert_eq!(world.store.created_before(&unknown).await.unwrap(), Ok(None));

    world.delete(id).await;
    let after_the_end = world.store.create_addon(with_key(1)).await.unwrap().unwrap();
    assert!(matches!(after_the_end, Created::Replayed(record) if record.addon.state == AddonState::Deprovisioned));
    world.clock.advance_ms(24 * 3_600_000);
    let last = world.create(with_key(2)).await;

    world.delete(last).await;
    world.store.delete_app(&app, None).await.unwrap().unwrap();
    world.store.create_app(&app).await.unwrap();
    let in_the_new_app = world.store.create_addon(with_key(2)).await.unwrap();
    assert!(matches!(in_the_new_app, Ok(Created::New(_))), "an app's end is its keys' end: {in_the_new_app:?}");
}

pub(crate) async fn many_at_once_all_come_to_be(world: World) {
    let app = world.app("shop").await;
    let tasks = (0..50).map(|n| {
        let (store, new) = (Arc::clone(&world.store), new_addon(&world, Some(&app)).named(&format!("db-{}", n / 2)));
        tokio::spawn(async move { store.create_addon(new).await.unwrap() })
    });
    let mut refused = 0;
    for task in tasks.collect::<Vec<_>>() {
        refused += usize::from(task.await.unwrap() == Err(CreateRefusal::NameTaken));
    }
    assert_eq!(refused, 25, "of two addons with one name, one");
    assert_eq!(world.store.apps(None, 9).await.unwrap(), [(app, used(25))]);
    let leased = world.store.lease_due(world.node, 100, vec![]).await.unwrap();
    assert_eq!(leased.iter().filter(|leased| matches!(leased, Leased::Addon { .. })).count(), 25);
}

async fn is_empty(world: &World) {
    assert_eq!(world.store.history(None, 0, 10).await.unwrap(), []);
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), None);
    assert_eq!(world.store.addons(crate::lists::everything()).await.unwrap(), []);
}

trait IntoSecret {
    fn into_secret(self) -> larder_domain::SecretString;
}

impl IntoSecret for &str {
    fn into_secret(self) -> larder_domain::SecretString {
        larder_domain::SecretString::new(self)
    }
}

pub(crate) async fn whether_an_addon_is_protected_can_be_changed_while_it_lives(world: World) {
    let app = world.app("shop").await;
    let id = world.create(new_addon(&world, Some(&app))).await;
    let protect = async |protected| world.store.protect(id, protected).await.unwrap();
    for (protected, entries) in [(false, 1), (true, 2), (true, 2), (false, 3)] {
        assert_eq!(protect(protected).await.unwrap().spec.protected, protected);
        assert_eq!(world.store.addon(id).await.unwrap().unwrap().spec.protected, protected);
        let history = world.store.history(Some(id), 0, 9).await.unwrap();
        assert_eq!(history.len(), entries, "what is so already is not told");
    }
    let history = world.store.history(Some(id), 0, 9).await.unwrap();
    assert_eq!(
        history.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(),
        ["created", "protected", "unprotected"]
    );
    let audit = world.store.audit(Some(provider("pg")), None, 9).await.unwrap();
    assert_eq!(audit.iter().map(|entry| entry.action).collect::<Vec<_>>(), [Action::Unprotected, Action::Protected]);
    assert_eq!(audit[0].data, json!({ "addon": id, "app": "shop" }));

    world.delete(id).await;
    assert_eq!(protect(true).await, Err(ProtectRefusal::Over));
    assert!(!world.store.addon(id).await.unwrap().unwrap().spec.protected);
    let nobody = world.store.protect(AddonId::generate(), true).await;
    assert!(matches!(nobody, Err(StoreError::Missing("addon"))));
}
