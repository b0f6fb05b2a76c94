//! What a plan would create or update, held against the catalog: whatever the server would refuse is told before anything is changed.

use std::collections::HashMap;

use jsonschema::PatternOptions;
use larder_domain::VariableName;
use larder_domain::limits::PARAMETERS_BYTES_MAX;
use serde_json::Value;

use super::labtest;
use super::mistake::{Code, Mistakes, names};
use super::plan::{AppPlan, Plan};
use super::update::Update;
use super::wanted::WantedAddon;
use crate::cli::model::{Plan as ServicePlan, Service};

/// How many problems are listed of one addon's parameters.
const PROBLEMS_MAX: usize = 5;
/// How large a schema's pattern may be when compiled, in bytes: as on the server.
const PATTERN_BYTES_MAX: usize = 512 * 1024;

/// Checks all that is to be created or updated.
pub(crate) fn check(plan: &Plan, catalog: &[Service], is_labtest: bool, mistakes: &mut Mistakes) {
    for app in &plan.apps {
        let mut holders = holders(app, catalog);
        for addon in &app.create {
            let Some(service) = choose(addon, catalog, mistakes) else { continue };
            check_type(addon, service, mistakes);
            check_data(addon, service, mistakes);
            if let Some(plan) = choose_plan(addon, service, mistakes) {
                check_parameters(addon, service, plan, is_labtest, mistakes);
            }
            claim(addon, service, &mut holders, mistakes);
        }
        for update in app.update.iter().filter(|update| update.is_operation()) {
            check_update(update, &app.app, catalog, is_labtest, mistakes);
        }
    }
}

/// An addon stays with its service and provider; whether they are as the file says was found out before.
fn check_update(update: &Update, app: &str, catalog: &[Service], is_labtest: bool, mistakes: &mut Mistakes) {
    let Update { addon, wanted, .. } = update;
    let service = catalog.iter().find(|s| s.name == addon.service && s.provider == addon.provider);
    match service.filter(|service| may_have(service, "update")) {
        Some(service) => {
            if let Some(plan) = choose_plan(wanted, service, mistakes) {
                check_parameters(wanted, service, plan, is_labtest, mistakes);
            }
        }
        None => {
            let why = format!("its provider {} can't update it", addon.provider);
            let what = format!("the addon {app}/{} differs in {}, and {why}", addon.name, update.fields());
            mistakes.add_as(Code::AddonDiffers, wanted.line, what);
        }
    }
}

/// Whether a service's provider exports an interface. A server that doesn't say is asked to do it, and says it then.
fn may_have(service: &Service, interface: &str) -> bool {
    service.exports.as_ref().is_none_or(|exports| exports.iter().any(|export| export == interface))
}

fn check_data(addon: &WantedAddon, service: &Service, mistakes: &mut Mistakes) {
    if let Some(data) = addon.initial_data.as_ref().filter(|_| !may_have(service, "transfer")) {
        let provider = &service.provider;
        let what = format!("the provider {provider} can't load data, and the addon `{}` is to have some", addon.name);
        mistakes.add_as(Code::NotSupported, data.line, what);
    }
}

/// The only service of this name, or that of the provider.
fn choose<'a>(addon: &WantedAddon, catalog: &'a [Service], mistakes: &mut Mistakes) -> Option<&'a Service> {
    let (line, wanted) = (addon.line, &addon.service);
    let of_name: Vec<&Service> = catalog.iter().filter(|service| service.name == *wanted).collect();
    if let Some(provider) = &addon.provider {
        let found = of_name.into_iter().find(|service| service.provider == *provider);
        if found.is_none() {
            let offered = sorted(catalog.iter().filter(|s| s.provider == *provider).map(|s| s.name.as_str()));
            let (code, what) = if offered.is_empty() {
                let there = sorted(catalog.iter().map(|service| service.provider.as_str()));
                let what =
                    format!("there is no provider {provider} with an active version; there are {}", names(there));
                (Code::UnknownProvider, what)
            } else {
                let what = format!("the provider {provider} offers no service {wanted}; it offers {}", names(offered));
                (Code::UnknownService, what)
            };
            mistakes.add_as(code, line, what);
        }
        return found;
    }
    match of_name[..] {
        [service] => return Some(service),
        [] => {
            let there = names(sorted(catalog.iter().map(|service| service.name.as_str())));
            let what = format!("no provider offers the service {wanted}; there are {there}");
            mistakes.add_as(Code::UnknownService, line, what);
        }
        _ => {
            let by = names(sorted(of_name.iter().map(|service| service.provider.as_str())));
            mistakes.add_as(Code::AmbiguousService, line, format!("the service {wanted} is offered by {by}"));
        }
    }
    None
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn check_type(addon: &WantedAddon, service: &Service, mistakes: &mut Mistakes) {
    if !service.provision_types.contains(&addon.provision_type) {
        let offered = names(service.provision_types.iter().map(String::as_str));
        let what =
            format!("the service {} is not offered as {}, only as {offered}", service.name, addon.provision_type);
        mistakes.add_as(Code::ProvisionTypeNotOffered, addon.line, what);
    }
}

/// The plan that is asked for, or the first.
fn choose_plan<'a>(addon: &WantedAddon, service: &'a Service, mistakes: &mut Mistakes) -> Option<&'a ServicePlan> {
    let Some(asked) = &addon.plan else { return service.plans.first() };
    let found = service.plans.iter().find(|plan| plan.name == *asked);
    if found.is_none() {
        let plans = names(service.plans.iter().map(|plan| plan.name.as_str()));
        let what = format!("the service {} has no plan {asked}; it has {plans}", service.name);
        mistakes.add_as(Code::UnknownPlan, addon.line, what);
    }
    found
}

fn check_parameters(
    addon: &WantedAddon,
    service: &Service,
    plan: &ServicePlan,
    is_labtest: bool,
    mistakes: &mut Mistakes,
) {
    let schema = &plan.parameters;
    let known = known_parameters(schema);
    let unknown: Vec<(&String, &usize)> = addon
        .parameter_lines
        .iter()
        .filter(|(name, _)| known.as_ref().is_some_and(|k| !k.contains(&name.as_str())))
        .collect();
    for (name, line) in &unknown {
        let parameters = known.clone().unwrap_or_default();
        let (code, what) = if is_labtest {
            let keys = labtest::SERVICE.into_iter().chain(parameters);
            let what = format!("unknown key `{name}` in the service `{}`; there are {}", addon.name, names(keys));
            (Code::InvalidFile, what)
        } else {
            let what = format!("the service {} has no parameter `{name}`; it has {}", service.name, names(parameters));
            (Code::InvalidParameters, what)
        };
        mistakes.add_as(code, **line, what);
    }
    if unknown.is_empty() {
        fit(addon, schema, mistakes);
    }
}

/// The names of all parameters, if the schema has no others.
fn known_parameters(schema: &Value) -> Option<Vec<&str>> {
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let is_simple =
        ["patternProperties", "$ref", "allOf", "anyOf", "oneOf"].iter().all(|key| schema.get(key).is_none());
    let names = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    (is_closed && is_simple).then(|| names.map(|(name, _)| name.as_str()).collect())
}

/// Problems name the place and the rule, and quote no value: it may be a secret.
fn fit(addon: &WantedAddon, schema: &Value, mistakes: &mut Mistakes) {
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
    let bytes = serde_json::to_string(&addon.parameters).map_or(0, |text| text.len());
    if bytes > PARAMETERS_BYTES_MAX {
        let what = format!(
            "the parameters of the addon `{}` have {bytes} bytes; at most {PARAMETERS_BYTES_MAX} are allowed",
            addon.name
        );
        return mistakes.add_as(Code::InvalidParameters, addon.line, what);
    }
    // What this program can't read, a newer server can: it is the one that decides.
    let Ok(validator) = jsonschema::options().with_pattern_options(patterns).build(schema) else { return };
    let parameters = Value::Object(addon.parameters.clone());
    for problem in validator.iter_errors(&parameters).take(PROBLEMS_MAX) {
        let place = problem.instance_path().to_string();
        let first = place.trim_start_matches('/').split('/').next().unwrap_or_default();
        let line = addon.parameter_lines.get(first).copied().unwrap_or(addon.line);
        let place = if place.is_empty() { "the parameters".to_owned() } else { format!("the parameter {place}") };
        let what = format!("{place} of the addon `{}`: {}", addon.name, problem.masked());
        mistakes.add_as(Code::InvalidParameters, line, what);
    }
}

/// Who has each variable of an app, or will have it. An addon that is not ready yet has its variables all the same.
fn holders(app: &AppPlan, catalog: &[Service]) -> HashMap<String, String> {
    let named = |id: &String| format!("the addon {id}");
    let holder = |owner: &Option<String>| owner.as_ref().map_or_else(|| "the app itself".to_owned(), named);
    let mut holders: HashMap<_, _> = app.held.iter().map(|(name, owner)| (name.clone(), holder(owner))).collect();
    let updated = app.update.iter().map(|update| &update.addon);
    for addon in app.unchanged.iter().chain(updated).chain(&app.left) {
        let service = catalog.iter().find(|s| s.name == addon.service && s.provider == addon.provider);
        for name in service.map(|service| variables(service, addon.attach_as.as_deref())).unwrap_or_default() {
            holders.insert(name, format!("the addon `{}`", addon.name));
        }
    }
    holders
}

/// Has an addon take its variables, as far as they are known before it is made.
fn claim(addon: &WantedAddon, service: &Service, holders: &mut HashMap<String, String>, mistakes: &mut Mistakes) {
    for name in variables(service, addon.attach_as.as_deref()) {
        let holder = format!("the addon `{}`", addon.name);
        if let Some(other) = holders.insert(name.clone(), holder) {
            let what = format!("the addon `{}` sets {name}, which {other} has already", addon.name);
            mistakes.add_as(Code::VariableTaken, addon.line, what);
        }
    }
}

fn variables(service: &Service, prefix: Option<&str>) -> Vec<String> {
    // A service that sets what it is told has the word `any` here, and no list.
    let names = if service.variables.is_array() { service.variable_names() } else { Vec::new() };
    let prefixed = |name: &str| prefix.map_or_else(|| name.to_owned(), |prefix| format!("{prefix}_{name}"));
    names.into_iter().filter(|name| name.parse::<VariableName>().is_ok()).map(prefixed).collect()
}

#[cfg(test)]
mod tests;
