//! What is to be done: what is wanted, compared with what there is. Pure.
//!
//! An addon that is there under its name is as the file says, or is updated, or is a mistake where that can't be.
//! What the file leaves to the server (plan, provider) is as the file says, whatever the server chose.

use std::collections::HashMap;

use super::actual::{Actual, AppState};
use super::engine::WantedEngine;
use super::mistake::{Code, Mistakes};
use super::update::{self, Update};
use super::wanted::{SHARED, Target, Variable, WantedAddon};
use crate::cli::model::Addon;

/// What is to be done for each app of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) apps: Vec<AppPlan>,
}

/// What is to be done for one app.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct AppPlan {
    pub(crate) app: String,
    /// Whether it has to be created.
    pub(crate) is_new: bool,
    /// Variables that are to have these values.
    pub(crate) set: Vec<Variable>,
    /// Variables that have theirs.
    pub(crate) set_already: Vec<String>,
    pub(crate) create: Vec<WantedAddon>,
    pub(crate) update: Vec<Update>,
    pub(crate) unchanged: Vec<Addon>,
    /// Addons that the file doesn't have, and that stay.
    pub(crate) left: Vec<Addon>,
    /// Those that go.
    pub(crate) delete: Vec<Addon>,
    /// Who has which variable: an addon, by its id, or the app itself.
    pub(crate) held: HashMap<String, Option<String>>,
}

/// Compares. With `prune`, addons that the file doesn't have go.
pub(crate) fn plan(targets: &[Target], actual: &Actual, prune: bool, mistakes: &mut Mistakes) -> Plan {
    let apps = targets.iter().map(|target| {
        let state = actual.get(&target.app);
        let mut plan = AppPlan { app: target.app.clone(), is_new: state.is_none(), ..AppPlan::default() };
        let nothing = AppState::default();
        let state = state.unwrap_or(&nothing);
        plan_addons(&mut plan, target, targets, actual, prune, mistakes);
        plan_variables(&mut plan, target, state, mistakes);
        plan
    });
    Plan { apps: apps.collect() }
}

fn plan_addons(
    plan: &mut AppPlan,
    target: &Target,
    targets: &[Target],
    actual: &Actual,
    prune: bool,
    mistakes: &mut Mistakes,
) {
    let there: &[Addon] = actual.get(&target.app).map_or(&[], |state| &state.addons);
    for wanted in &target.section.addons {
        let owner = find_owner(wanted, &target.app, targets, actual, prune, mistakes);
        match there.iter().find(|addon| addon.name == wanted.name) {
            None => plan.create.push(wanted.clone()),
            Some(addon) => {
                let label = format!("{}/{}", target.app, wanted.name);
                for difference in differences(wanted, addon, owner) {
                    mistakes.add_as(Code::AddonDiffers, wanted.line, format!("the addon {label} {difference}"));
                }
                match Update::of(wanted, addon) {
                    Some(update) => plan.update.push(update),
                    None => plan.unchanged.push(addon.clone()),
                }
            }
        }
    }
    let others = there.iter().filter(|addon| target.section.addons.iter().all(|wanted| wanted.name != addon.name));
    let others: Vec<Addon> = others.cloned().collect();
    if prune {
        for addon in others.iter().filter(|addon| addon.protected) {
            let what = format!("the addon {}/{} is to be pruned, and is protected", target.app, addon.name);
            mistakes.add_as(Code::Protected, 0, what);
        }
        plan.delete = others;
    } else {
        plan.left = others;
    }
}

/// Whose resource an addon shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// It shares none, or that was a mistake.
    None,
    /// This addon's.
    There(&'a str),
    /// That of an addon that the same file creates.
    New,
}

fn find_owner<'a>(
    wanted: &WantedAddon,
    app: &str,
    targets: &[Target],
    actual: &'a Actual,
    prune: bool,
    mistakes: &mut Mistakes,
) -> Owner<'a> {
    let Some(owner_app) = wanted.owner_app(app) else { return Owner::None };
    let name = &wanted.name;
    let target = targets.iter().find(|target| target.app == owner_app);
    let in_file = target.and_then(|target| target.section.addons.iter().find(|addon| addon.name == *name));
    let is_pruned = prune && target.is_some() && in_file.is_none();
    let there = actual.get(&owner_app).and_then(|state| state.addons.iter().find(|addon| addon.name == *name));
    let there = there.filter(|_| !is_pruned);
    let service = match (there, in_file) {
        _ if owner_app == app => None,
        (Some(addon), _) => Some(&addon.service),
        // Of two new ones that share, one could come before its owner.
        (None, Some(addon)) => Some(&addon.service).filter(|_| addon.provision_type != SHARED),
        (None, None) => None,
    };
    match service {
        None => {
            let what = format!("there is no addon {name} in {owner_app} that could be shared");
            mistakes.add_as(Code::UnknownOwner, wanted.line, what);
        }
        Some(service) if *service != wanted.service => {
            let what = format!("the addon {name} in {owner_app} is of the service {service}, not {}", wanted.service);
            mistakes.add_as(Code::InvalidShare, wanted.line, what);
        }
        Some(_) => return there.map_or(Owner::New, |addon| Owner::There(root(addon))),
    }
    Owner::None
}

/// Whoever shares what is shared itself shares it with the same owner.
fn root(owner: &Addon) -> &str {
    let parent = owner.parent.as_deref().filter(|_| owner.provision_type == SHARED);
    parent.unwrap_or(&owner.id)
}

/// Where an addon that is there is not as wanted and can't become so. Parameters may be secret, so only their names are told.
pub(crate) fn differences(wanted: &WantedAddon, addon: &Addon, owner: Owner<'_>) -> Vec<String> {
    let nothing = || "none".to_owned();
    let or_any = |wanted: &Option<String>, actual: &str| wanted.clone().unwrap_or_else(|| actual.to_owned());
    let pairs = [
        ("service", addon.service.clone(), wanted.service.clone()),
        ("provider", addon.provider.clone(), or_any(&wanted.provider, &addon.provider)),
        ("provision_type", addon.provision_type.clone(), wanted.provision_type.clone()),
        (
            "attach_as",
            addon.attach_as.clone().unwrap_or_else(nothing),
            wanted.attach_as.clone().unwrap_or_else(nothing),
        ),
    ];
    let differ = pairs.into_iter().filter(|(_, actual, wanted)| actual != wanted);
    let mut found: Vec<String> =
        differ.map(|(field, actual, wanted)| format!("has the {field} {actual}, and the file says {wanted}")).collect();
    if let Some(WantedEngine { wish, .. }) = wanted.engine.as_ref().filter(|engine| !engine.is(addon.engine.as_deref()))
    {
        found.push(match &addon.engine {
            Some(engine) => format!("is on the engine {engine} for good, and the file says {wish}"),
            None => format!("is on no engine, and the file says {wish}"),
        });
    }
    if wanted.provision_type == SHARED && found.is_empty() {
        found.extend(owners(wanted, addon));
    }
    let is_other = match owner {
        Owner::None => false,
        Owner::There(id) => addon.parent.as_deref().is_some_and(|parent| parent != id),
        Owner::New => true,
    };
    if is_other && found.is_empty() {
        found.push("shares another addon than the file says in shared_experiment_name and shared_app_name".to_owned());
    }
    found
}

/// Where an addon differs that shares what only its owner can change.
fn owners(wanted: &WantedAddon, addon: &Addon) -> Vec<String> {
    let plan = wanted.plan.as_ref().filter(|plan| **plan != addon.plan);
    let plan = plan.map(|plan| format!("has its owner's plan {}, and the file says {plan}", addon.plan));
    let names = update::parameters(wanted, addon).into_iter();
    plan.into_iter()
        .chain(names.map(|name| {
            format!("has another value of the parameter `{name}` than the file, and shares its owner's resource")
        }))
        .collect()
}

fn plan_variables(plan: &mut AppPlan, target: &Target, state: &AppState, mistakes: &mut Mistakes) {
    let own = state.variables.keys().map(|name| (name.clone(), None));
    // Those of an addon that goes are free.
    let stays = |id: &String| plan.delete.iter().all(|addon| addon.id != *id);
    let of_addons = state.of_addons.iter().filter(|(_, id)| stays(id));
    plan.held = own.chain(of_addons.map(|(name, id)| (name.clone(), Some(id.clone())))).collect();
    for variable in &target.section.variables {
        let name = &variable.name;
        if let Some(Some(id)) = plan.held.get(name) {
            let what = format!("the variable {name} of {} is set by the addon {id}", target.app);
            mistakes.add_as(Code::VariableOwnedByAddon, variable.line, what);
        } else if state.variables.get(name) == Some(&variable.value) {
            plan.set_already.push(name.clone());
        } else {
            plan.set.push(variable.clone());
        }
        plan.held.entry(name.clone()).or_default();
    }
}

#[cfg(test)]
mod tests;
