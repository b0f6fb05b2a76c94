//! `.labtest.yml`: what an experiment needs, as a list of plain variables and a map of services.
//!
//! A service's own options stand beside the keys that every service has; they become the addon's parameters. Whether the
//! provider knows them is found out from the catalog, where unknown ones are refused.

use super::data;
use super::engine;
use super::fields::Fields;
use super::mistake::{Mistakes, names};
use super::wanted::{Contents, INDEPENDENT, Section, Variable, WantedAddon};
use super::yaml::{Key, Kind, Node};

/// The key at the top, by which such a file is known.
pub(crate) const TOP: &str = "labtest";
/// The keys that every service has.
pub(crate) const SERVICE: [&str; 10] = [
    "provider",
    "service",
    "plan",
    "provision_type",
    "shared_experiment_name",
    "shared_instance_name",
    "shared_app_name",
    "attach_as",
    engine::KEY,
    data::KEY,
];
/// The provider that means whichever offers the service.
const ANY_PROVIDER: &str = "docker";

/// Reads the whole.
pub(crate) fn read(root: &Node, mistakes: &mut Mistakes) -> Contents {
    let mut section = Section::default();
    let below = Fields::of(root, "the file", &[TOP], mistakes).and_then(|fields| fields.get(TOP));
    let Some((_, node)) = below else {
        mistakes.add(root.line, format!("there is nothing below `{TOP}`; there can be environment, services"));
        return Contents::default();
    };
    if let Some(fields) = Fields::of(node, "`labtest`", &["environment", "services"], mistakes) {
        if let Some((_, node)) = fields.get("environment") {
            section.variables = environment(node, mistakes);
        }
        if let Some((_, node)) = fields.get("services")
            && let Some(fields) = Fields::any(node, "`services`", mistakes)
        {
            section.addons = fields.entries().iter().filter_map(|(key, node)| addon(key, node, mistakes)).collect();
        }
    }
    section.check(mistakes);
    Contents { base: section, ..Contents::default() }
}

fn environment(node: &Node, mistakes: &mut Mistakes) -> Vec<Variable> {
    let Kind::List(items) = &node.kind else {
        mistakes.add(node.line, format!("`environment` has to be a list of KEY=VALUE, not {}", node.noun()));
        return Vec::new();
    };
    let mut variables = Vec::new();
    for item in items {
        match item.text().and_then(|text| text.split_once('=')) {
            Some((name, value)) => {
                variables.push(Variable { line: item.line, name: name.to_owned(), value: value.to_owned() });
            }
            // The text may be a secret, so the message doesn't repeat it.
            None => mistakes.add(item.line, "an entry of `environment` has to be KEY=VALUE"),
        }
    }
    variables
}

fn addon(key: &Key, node: &Node, mistakes: &mut Mistakes) -> Option<WantedAddon> {
    let (line, what) = (key.line, format!("the service `{}`", key.text));
    let fields = Fields::any(node, &what, mistakes)?;
    let provider = fields.required("provider", &what, line, mistakes);
    let service = fields.required("service", &what, line, mistakes);
    let mut addon = WantedAddon {
        line,
        name: key.text.clone(),
        service: service?,
        provider: Some(provider?).filter(|provider| provider != ANY_PROVIDER),
        plan: fields.text("plan", mistakes),
        provision_type: fields.text("provision_type", mistakes).unwrap_or_else(|| INDEPENDENT.to_owned()),
        shared_experiment: shared_experiment(&fields, mistakes),
        shared_app: fields.text("shared_app_name", mistakes),
        attach_as: fields.text("attach_as", mistakes),
        engine: engine::named(&fields, mistakes),
        initial_data: data::named(&fields, mistakes),
        ..WantedAddon::default()
    };
    for (key, node) in fields.rest(&SERVICE) {
        let value = mistakes.keep(node.to_json())?;
        addon.parameter_lines.insert(key.text.clone(), key.line);
        addon.parameters.insert(key.text.clone(), value);
    }
    Some(addon)
}

/// Under either of its two names, but not both.
fn shared_experiment(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let both = ["shared_experiment_name", "shared_instance_name"];
    if let (Some(_), Some((key, _))) = (fields.get(both[0]), fields.get(both[1])) {
        mistakes.add(key.line, format!("{} mean the same: leave one out", names(both)));
    }
    fields.text(both[0], mistakes).or_else(|| fields.text(both[1], mistakes))
}
