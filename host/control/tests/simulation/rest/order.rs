//! Whether everything is in order while nothing goes on.

use std::collections::{BTreeMap, BTreeSet};

use larder_domain::docker::ObjectKind;
use larder_domain::ports::engine::ContainerState;
use larder_domain::ports::store::{AppStore as _, ObjectStore as _, Phase};
use larder_domain::{AddonId, AddonRecord, AddonState, AppName, Role};
use larder_store::SqlStore;

use crate::guest::value_of;
use crate::invariants::all;
use crate::users::APPS;
use crate::world::World;

/// An object that is not yet what it is to be.
pub(super) async fn unmade(world: &World, raw: &SqlStore) -> Option<String> {
    for record in all(raw).await {
        let (id, is_over) = (record.spec.id, record.addon.state.is_terminal());
        for object in raw.objects(id).await.unwrap() {
            let full_name = format!("larder-{id}-{}", object.name);
            let is_container = object.wanted.as_ref().map(|wanted| wanted.spec.kind()) == Some(ObjectKind::Container);
            let is_right = match world.engine.container(&full_name) {
                Some(it) => it.state == ContainerState::Running && it.owner.revision == object.revision,
                None => !is_container && world.engine.volumes().contains(&full_name),
            };
            if is_over || object.wanted.is_none() || object.phase != Phase::Made || !is_right {
                let (number, phase, message) = (world.number(id), object.phase, object.message);
                return Some(format!("{} of addon {number} is {phase}: {message}", object.name));
            }
        }
    }
    None
}

/// Everything at once.
pub(super) async fn check(world: &World, raw: &SqlStore) {
    let all: BTreeMap<AddonId, AddonRecord> =
        all(raw).await.into_iter().map(|record| (record.spec.id, record)).collect();
    objects(world, raw, &all).await;
    let mut right = BTreeSet::new();
    for app in APPS {
        variables(world, raw, &all, &app.parse().unwrap(), &mut right).await;
    }
    for (id, record) in &all {
        outside(world, *id, record);
        let has_variables = record.addon.state == AddonState::Ready && record.spec.app.is_some();
        let number = world.number(*id);
        world.holds("ready_gives_variables", right.contains(id) == has_variables, || {
            format!("addon {number} is {}, and its app has variables of it: {}", record.addon.state, right.contains(id))
        });
        let is_there = world.state().platform.contains(id);
        let is_to_be_there = has_variables && world.plan.tells_platform;
        world.holds("platform_has_what_is_ready", is_there == is_to_be_there, || {
            format!("addon {number} is {}, and the platform has variables of it: {is_there}", record.addon.state)
        });
    }
}

/// Each object of an engine has a live owner that wants it; and no two containers one address.
async fn objects(world: &World, raw: &SqlStore, all: &BTreeMap<AddonId, AddonRecord>) {
    let mut wanted = BTreeSet::new();
    for (id, _) in all.iter().filter(|(_, record)| !record.addon.state.is_terminal()) {
        let objects = raw.objects(*id).await.unwrap();
        wanted.extend(objects.iter().filter(|it| it.wanted.is_some()).map(|it| format!("larder-{id}-{}", it.name)));
    }
    for name in world.engine.containers().into_iter().chain(world.engine.volumes()) {
        let owner = crate::engine::addon_of(&name).map(|id| (world.number(id), all.get(&id).map(|it| it.addon.state)));
        world.holds("object_has_owner", wanted.contains(&name), || format!("an object of nobody's is left: {owner:?}"));
    }
    let mut addresses = BTreeSet::new();
    for container in world.engine.containers().iter().filter_map(|name| world.engine.container(name)) {
        for address in container.published.values() {
            world.holds("one_container_per_address", addresses.insert(*address), || format!("two have {address}"));
        }
    }
}

/// An app sees what its addons give by now, and credentials that work.
async fn variables(
    world: &World,
    raw: &SqlStore,
    all: &BTreeMap<AddonId, AddonRecord>,
    app: &AppName,
    right: &mut BTreeSet<AddonId>,
) {
    for variable in raw.app_config(app).await.unwrap().unwrap_or_default() {
        let Some(owner) = variable.addon else { continue };
        right.insert(owner);
        let record = &all[&owner];
        let is_shared = record.spec.provision_type == larder_domain::ProvisionType::Shared;
        let source = record.spec.parent.filter(|_| is_shared).map_or(record, |root| &all[&root]);
        let (id, generation) = (source.spec.id, source.addon.generation);
        let expected = value_of(id, generation, source.spec.parameters.reveal());
        world.holds("variables_are_current", variable.value.reveal() == expected, || {
            let said = variable.value.reveal().rsplit_once('/').map(|(first, size)| (first.rsplit('/').next(), size));
            format!(
                "addon {} tells its app (generation, size) {said:?}, and is of {generation}: {:?}",
                world.number(owner),
                source.spec.parameters.reveal()
            )
        });
        let works = world.state().outside.get(&id).is_some_and(|outside| outside.valid.contains(&generation));
        world.holds("credentials_work", works, || {
            format!("addon {} tells its app of generation {generation}, which does not work", world.number(owner))
        });
    }
}

/// What a provider has made is there as long as its addon lives, and no longer.
fn outside(world: &World, id: AddonId, record: &AddonRecord) {
    let is_own = record.spec.provision_type != larder_domain::ProvisionType::Shared;
    let outside = world.state().outside.get(&id).cloned();
    let is_there = outside.as_ref().is_some_and(|outside| !outside.is_abandoned);
    let (number, state) = (world.number(id), record.addon.state);
    if state == AddonState::Ready && is_own {
        world
            .holds("resource_of_the_living", outside.is_some(), || format!("addon {number} is ready, and has nothing"));
    }
    // A part of a server goes with it.
    let may_go_along = record.spec.parent.is_some() && record.spec.role == Role::User;
    if state.is_terminal() && !may_go_along {
        world.holds("no_resource_of_the_dead", !is_there, || format!("addon {number} is {state}, and is still there"));
    }
}

/// When everything was deleted.
pub(super) async fn nothing_is_left(world: &World) {
    let left = (world.engine.containers().len(), world.engine.volumes().len(), world.engine.networks().len());
    world.holds("nothing_is_left", left == (0, 0, 0), || format!("containers, volumes, networks: {left:?}"));
}
