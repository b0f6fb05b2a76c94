//! Larder's own file: an app with its variables and addons, and its experiments.

use std::rc::Rc;

use super::data;
use super::engine;
use super::fields::Fields;
use super::mistake::Mistakes;
use super::wanted::{Contents, INDEPENDENT, Section, Variable, WantedAddon};
use super::yaml::{Kind, Node};

const FILE: [&str; 4] = ["app", "variables", "addons", "experiments"];
const EXPERIMENT: [&str; 2] = ["variables", "addons"];
const ADDON: [&str; 12] = [
    "name",
    "service",
    "provider",
    "plan",
    "provision_type",
    "shared_experiment_name",
    "shared_app_name",
    "attach_as",
    "parameters",
    "protected",
    engine::KEY,
    data::KEY,
];

/// Reads the whole.
pub(crate) fn read(root: &Node, mistakes: &mut Mistakes) -> Contents {
    let Some(fields) = Fields::of(root, "the file", &FILE, mistakes) else { return Contents::default() };
    let line = fields.get("app").map_or(root.line, |(key, _)| key.line);
    let app = fields.text("app", mistakes).map(|app| (line, app));
    let base = section(&fields, mistakes);
    let mut experiments = Vec::new();
    if let Some((_, node)) = fields.get("experiments")
        && let Some(fields) = Fields::any(node, "`experiments`", mistakes)
    {
        for (key, node) in fields.entries() {
            let what = format!("the experiment `{}`", key.text);
            // Nothing below its name: it is to be there, and empty.
            let fields = if node.is_null() { None } else { Fields::of(node, &what, &EXPERIMENT, mistakes) };
            let section = fields.map(|fields| section(&fields, mistakes)).unwrap_or_default();
            experiments.push((key.line, key.text.clone(), section));
        }
    }
    Contents { app, base, experiments }
}

fn section(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Section {
    let variables = fields.get("variables").map(|(_, node)| variables(node, mistakes)).unwrap_or_default();
    let addons = fields.get("addons").map(|(_, node)| addons(node, mistakes)).unwrap_or_default();
    let mut section = Section { variables, addons };
    section.check(mistakes);
    section
}

fn variables(node: &Node, mistakes: &mut Mistakes) -> Vec<Variable> {
    let Some(fields) = Fields::any(node, "`variables`", mistakes) else { return Vec::new() };
    let mut variables = Vec::new();
    for (key, node) in fields.entries() {
        let (line, name) = (key.line, key.text.clone());
        match node.text() {
            Some(value) => variables.push(Variable { line, name, value: value.to_owned() }),
            None if node.is_null() => {
                mistakes.add(line, format!("the variable {name} has no value; write \"\" for an empty one"))
            }
            None => mistakes.add(line, format!("the variable {name} has to be a text, not {}", node.noun())),
        }
    }
    variables
}

fn addons(node: &Node, mistakes: &mut Mistakes) -> Vec<WantedAddon> {
    let Kind::List(items) = &node.kind else {
        mistakes.add(node.line, format!("`addons` has to be a list, not {}", node.noun()));
        return Vec::new();
    };
    items.iter().filter_map(|item| addon(item, mistakes)).collect()
}

fn addon(node: &Rc<Node>, mistakes: &mut Mistakes) -> Option<WantedAddon> {
    let fields = Fields::of(node, "an addon", &ADDON, mistakes)?;
    let service = fields.required("service", "this addon", node.line, mistakes)?;
    let mut addon = WantedAddon {
        line: node.line,
        name: fields.text("name", mistakes).unwrap_or_else(|| service.clone()),
        provider: fields.text("provider", mistakes),
        plan: fields.text("plan", mistakes),
        provision_type: fields.text("provision_type", mistakes).unwrap_or_else(|| INDEPENDENT.to_owned()),
        shared_experiment: fields.text("shared_experiment_name", mistakes),
        shared_app: fields.text("shared_app_name", mistakes),
        attach_as: fields.text("attach_as", mistakes),
        protected: fields.flag_if_any("protected", mistakes),
        engine: engine::named(&fields, mistakes),
        initial_data: data::named(&fields, mistakes),
        service,
        ..WantedAddon::default()
    };
    if let Some((_, node)) = fields.get("parameters") {
        let parameters = Fields::any(node, "`parameters`", mistakes)?;
        for (key, node) in parameters.entries() {
            let value = mistakes.keep(node.to_json())?;
            addon.parameter_lines.insert(key.text.clone(), key.line);
            addon.parameters.insert(key.text.clone(), value);
        }
    }
    Some(addon)
}
