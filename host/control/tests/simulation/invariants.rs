//! What has to hold after every step, whatever goes wrong: looked at right after each transaction, in the database itself.

use std::collections::BTreeSet;

use larder_domain::ports::store::{AddonFilter, AddonStore as _, AppStore as _};
use larder_domain::{Addon, AddonId, AddonRecord, AddonState, AppName};
use larder_store::SqlStore;

use crate::plants::Plant;
use crate::seen::{Seen, can_follow, impossible};
use crate::world::World;

/// Entries of the history that one transaction writes at most, and more.
const ENTRIES_MAX: usize = 200;
/// Addons of one run at most, and more.
const ADDONS_MAX: usize = 1_000;

/// Looks at what a transaction has changed: the addon that it was about, and all of which it wrote a line of history.
pub(crate) async fn after_write(world: &World, raw: &SqlStore, about: Option<AddonId>) {
    let last = world.state().last_entry;
    let new = raw.history(None, last, ENTRIES_MAX).await.unwrap();
    let mut touched: BTreeSet<AddonId> = about.into_iter().collect();
    for entry in &new {
        world.say(Some(entry.addon), format_args!("- {}", entry.kind));
        touched.insert(entry.addon);
    }
    if let Some(entry) = new.last() {
        world.state().last_entry = entry.id;
    }
    let mut apps = BTreeSet::new();
    for id in touched {
        let Some(record) = raw.addon(id).await.unwrap() else { continue };
        look(world, raw, &record).await;
        apps.extend(record.spec.app.clone());
    }
    for app in apps {
        variables(world, raw, &app).await;
    }
}

/// One addon, and how it has come there from where it was seen last.
async fn look(world: &World, raw: &SqlStore, record: &AddonRecord) {
    let (addon, id) = (&record.addon, record.spec.id);
    let number = world.number(id);
    let before = world.state().seen.get(&id).cloned();
    world.holds("possible_state", impossible(addon).is_none(), || {
        format!("addon {number}: {}: {addon:?}", impossible(addon).unwrap_or_default())
    });
    if let Some(before) = &before {
        let follows = can_follow(before.addon.state, addon.state, before.is_had_back);
        world.holds("legal_transition", follows, || {
            format!("addon {number} was {} and is {}", before.addon.state, addon.state)
        });
        let generation = before.addon.generation;
        let is_right = addon.generation == generation || addon.generation == generation + 1;
        world.holds("generation_counts", is_right, || {
            format!("addon {number} went from generation {generation} to {}", addon.generation)
        });
    }
    let has_changed = before.as_ref().is_none_or(|before| before.addon.state != addon.state);
    if has_changed && matches!(addon.state, AddonState::Provisioned | AddonState::Ready) {
        let has_config = raw.addon_config(id).await.unwrap().is_some();
        world.holds("ready_has_config", has_config, || {
            format!("addon {number} is {} without configuration", addon.state)
        });
    }
    remember(world, id, addon, before);
}

fn remember(world: &World, id: AddonId, addon: &Addon, before: Option<Seen>) {
    let flags = before.map_or((false, false), |before| (before.is_had_back, before.was_had_back));
    let is_had_back = flags.0 && addon.state == AddonState::Deprovisioned;
    world.state().seen.insert(id, Seen { addon: addon.clone(), is_had_back, was_had_back: flags.1 });
}

/// What an app sees: only what addons give that are ready.
async fn variables(world: &World, raw: &SqlStore, app: &AppName) {
    let mut seen = raw.app_config(app).await.unwrap().unwrap_or_default();
    if world.plant == Some(Plant::VariableBack) {
        let gone = world.state().seen.iter().find(|(_, seen)| seen.addon.state.is_terminal()).map(|(id, _)| *id);
        seen.iter_mut().for_each(|variable| variable.addon = gone.or(variable.addon));
    }
    for owner in seen.into_iter().filter_map(|variable| variable.addon) {
        let state = raw.addon(owner).await.unwrap().map(|record| record.addon.state);
        world.holds("no_variable_of_the_dead", state == Some(AddonState::Ready), || {
            format!("an app has a variable of addon {}, which is {state:?}", world.number(owner))
        });
    }
}

/// When a node starts: what was committed before is there.
pub(crate) async fn at_start(world: &World, raw: &SqlStore) {
    let last = world.state().last_entry;
    let is_there = last == 0 || raw.history(None, last - 1, 1).await.unwrap().iter().any(|entry| entry.id == last);
    world
        .holds("committed_stays", is_there, || format!("the line of history number {last} was committed, and is gone"));
    let known: Vec<AddonId> = world.state().seen.keys().copied().collect();
    for id in known {
        let is_there = raw.addon(id).await.unwrap().is_some();
        world.holds("committed_stays", is_there, || format!("addon {} was created, and is gone", world.number(id)));
    }
    everything(world, raw).await;
}

/// All addons at once: names are unique among those that live in an app.
pub(crate) async fn everything(world: &World, raw: &SqlStore) {
    let (mut names, mut apps) = (BTreeSet::new(), BTreeSet::new());
    for record in all(raw).await {
        look(world, raw, &record).await;
        let Some(app) = record.spec.app.clone() else { continue };
        if !record.addon.state.is_terminal() {
            let is_new = names.insert((app.clone(), record.spec.name.clone()));
            world.holds("one_of_a_name", is_new, || format!("two addons of {app} are named {}", record.spec.name));
        }
        apps.insert(app);
    }
    for app in apps {
        variables(world, raw, &app).await;
    }
}

/// Every addon that there ever was, in order of creation.
pub(crate) async fn all(raw: &SqlStore) -> Vec<AddonRecord> {
    let filter = AddonFilter { states: AddonState::ALL.to_vec(), count_max: ADDONS_MAX, ..AddonFilter::default() };
    raw.addons(filter).await.unwrap()
}
