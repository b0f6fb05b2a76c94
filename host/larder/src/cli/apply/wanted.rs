//! What a file asks for, whichever of its two forms it has. Names are checked here as the server would check them, so that
//! nothing has begun when one is refused.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use larder_domain::limits::VALUE_BYTES_MAX;
use larder_domain::variables::Prefix;
use larder_domain::{AddonName, AppName, VariableName};
use serde_json::{Map, Value, json};

use super::engine::{self, WantedEngine};
use super::mistake::{Mistakes, names};

/// The ways in which an addon comes by its resource.
pub(crate) const PROVISION_TYPES: [&str; 3] = [INDEPENDENT, "communal", SHARED];
pub(crate) const INDEPENDENT: &str = "independent";
pub(crate) const SHARED: &str = "shared";

/// A whole file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    /// The app that it names.
    pub(crate) app: Option<(usize, String)>,
    /// What the app is to have.
    pub(crate) base: Section,
    /// What its experiments are to have.
    pub(crate) experiments: Vec<(usize, String, Section)>,
}

/// What one app is to have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Section {
    pub(crate) variables: Vec<Variable>,
    pub(crate) addons: Vec<WantedAddon>,
}

/// The same, with the app's name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) app: String,
    pub(crate) section: Section,
}

/// One of an app's own variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// One addon.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct WantedAddon {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) provider: Option<String>,
    pub(crate) plan: Option<String>,
    pub(crate) provision_type: String,
    pub(crate) shared_experiment: Option<String>,
    pub(crate) shared_app: Option<String>,
    /// In upper case, as the server keeps it.
    pub(crate) attach_as: Option<String>,
    pub(crate) parameters: Map<String, Value>,
    /// Where each parameter stands.
    pub(crate) parameter_lines: BTreeMap<String, usize>,
    /// As it is, or unprotected if it is new, where the file says nothing.
    pub(crate) protected: Option<bool>,
    pub(crate) engine: Option<WantedEngine>,
    pub(crate) initial_data: Option<InitialData>,
}

/// What a new addon begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitialData {
    pub(crate) line: usize,
    /// A file or a directory, as the file says.
    pub(crate) source: String,
    /// The file that was found there; none before it was looked for.
    pub(crate) file: Option<PathBuf>,
}

impl WantedAddon {
    /// The request that creates it.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "name": self.name, "service": self.service, "provision_type": self.provision_type,
            "parameters": self.parameters, "protected": self.protected.unwrap_or_default(),
        });
        let texts = [
            ("provider", &self.provider),
            ("plan", &self.plan),
            ("shared_experiment_name", &self.shared_experiment),
            ("shared_app_name", &self.shared_app),
            ("attach_as", &self.attach_as),
            (engine::KEY, &self.engine.as_ref().map(|engine| engine.wish.to_string())),
        ];
        if let Some(fields) = body.as_object_mut() {
            let given = texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())));
            fields.extend(given);
        }
        body
    }

    /// The app whose addon of the same name it shares, if it shares one.
    pub(crate) fn owner_app(&self, app: &str) -> Option<String> {
        let experiment = self.shared_experiment.as_ref().filter(|_| self.provision_type == SHARED)?;
        let own = app.split('.').next().unwrap_or_default();
        Some(format!("{}.{experiment}", self.shared_app.as_deref().unwrap_or(own)))
    }
}

impl Section {
    /// Checks what can be checked of it alone.
    pub(crate) fn check(&mut self, mistakes: &mut Mistakes) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for variable in &self.variables {
            check_variable(variable, mistakes);
            if let Some(earlier) = seen.insert(&variable.name, variable.line) {
                let name = &variable.name;
                mistakes.add(
                    variable.line,
                    format!("the variable {name} is here for the second time; the first is in line {earlier}"),
                );
            }
        }
        for addon in &mut self.addons {
            check_addon(addon, mistakes);
        }
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for addon in &self.addons {
            if let Some(earlier) = seen.insert(&addon.name, addon.line) {
                let name = &addon.name;
                mistakes.add(
                    addon.line,
                    format!("the addon `{name}` is here for the second time; the first is in line {earlier}"),
                );
            }
        }
    }
}

fn check_variable(variable: &Variable, mistakes: &mut Mistakes) {
    if let Err(error) = variable.name.parse::<VariableName>() {
        mistakes.add(variable.line, error.to_string());
    }
    let (name, bytes) = (&variable.name, variable.value.len());
    if bytes > VALUE_BYTES_MAX {
        mistakes.add(
            variable.line,
            format!("the value of {name} has {bytes} bytes; at most {VALUE_BYTES_MAX} are allowed"),
        );
    }
    if variable.value.contains('\0') {
        mistakes.add(variable.line, format!("the value of {name} has a NUL character"));
    }
}

fn check_addon(addon: &mut WantedAddon, mistakes: &mut Mistakes) {
    let line = addon.line;
    if let Err(error) = addon.name.parse::<AddonName>() {
        mistakes.add(line, error.to_string());
    }
    if let Some(prefix) = addon.attach_as.take() {
        addon.attach_as = mistakes.keep(upper_case(line, &prefix));
    }
    let (name, kind) = (&addon.name, addon.provision_type.as_str());
    if !PROVISION_TYPES.contains(&kind) {
        let known = names(PROVISION_TYPES);
        mistakes.add(line, format!("`{kind}` is no provision type of the addon `{name}`; there are {known}"));
        return;
    }
    if kind == SHARED && addon.shared_experiment.is_none() {
        mistakes
            .add(line, format!("the shared addon `{name}` has no `shared_experiment_name`: whose resource it shares"));
    }
    if let Some(data) = addon.initial_data.as_ref().filter(|_| kind == SHARED) {
        let what = format!("the shared addon `{name}` has its owner's data, so it can't have `initial_data_source`");
        mistakes.add(data.line, what);
    }
    let given = [("shared_experiment_name", &addon.shared_experiment), ("shared_app_name", &addon.shared_app)];
    for (key, text) in given.iter().filter_map(|(key, text)| Some((key, text.as_ref()?))) {
        if kind != SHARED {
            mistakes
                .add(line, format!("`{key}` goes with the provision type shared, and the addon `{name}` is {kind}"));
        } else if let Err(error) = text.parse::<AddonName>() {
            // One label each, which is an addon's grammar; an app's name would take a whole experiment.
            mistakes.add(line, format!("`{key}` of the addon `{name}`: {error}"));
        }
    }
}

/// A prefix as the server keeps it.
fn upper_case(line: usize, prefix: &str) -> Result<String, super::mistake::Mistake> {
    let prefix: Prefix = prefix
        .parse()
        .map_err(|error: larder_domain::variables::BadPrefix| super::mistake::Mistake::new(line, error.to_string()))?;
    Ok(prefix.into())
}

/// Each app with what it is to have: `app` is the one that the file is about.
pub(crate) fn targets(app: &str, contents: Contents, line: usize, mistakes: &mut Mistakes) -> Vec<Target> {
    if let Err(error) = app.parse::<AppName>() {
        mistakes.add(line, error.to_string());
    }
    if app.contains('.') && !contents.experiments.is_empty() {
        mistakes.add(line, format!("`{app}` is an experiment itself, so it can't have `experiments`"));
    }
    let mut targets = vec![Target { app: app.to_owned(), section: contents.base }];
    for (line, name, section) in contents.experiments {
        if let Err(error) = name.parse::<AddonName>() {
            mistakes.add(line, format!("the experiment's name: {error}"));
        }
        targets.push(Target { app: format!("{app}.{name}"), section });
    }
    targets
}
