//! The manifest: what a provider says of itself through `describe`. A guest's text, so everything in it is bounded
//! and checked here; JSON Schemas are compiled by the control crate.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::addon::{DeclaredVariables, ProvisionType};
use crate::engines::EngineWish;
use crate::grants::{Permission, PermissionError};
use crate::limits::{CONFIG_ENTRIES_MAX, MANIFEST_BYTES_MAX};
use crate::names::{PlanName, ServiceName};

/// The longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// How many services, and how many plans of one service, a provider may offer.
pub const OFFERS_MAX: usize = 64;
/// The longest provision deadline, in seconds.
pub const DEADLINE_S_MAX: u32 = 86_400;

/// What a provider offers, and what it asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The provider's own version, for people.
    pub version: String,
    /// What it is, in a sentence.
    pub description: String,
    /// At least one.
    pub services: Vec<Service>,
    /// JSON Schema of the operator's options.
    #[serde(default = "nothing_schema")]
    pub options: Value,
    /// Capabilities that it needs.
    #[serde(default)]
    pub requests: Vec<Request>,
}

/// Something that can be had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Several providers may offer a service of one name.
    pub name: ServiceName,
    /// What it is, in a sentence.
    pub description: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether a service broker's clients may bind to it.
    #[serde(default = "yes")]
    pub bindable: bool,
    /// How its addons can come by their resource.
    #[serde(default = "independent_only")]
    pub provision_types: Vec<ProvisionType>,
    /// What it sets in an app.
    pub variables: DeclaredVariables,
    /// At least one; the first is the default.
    pub plans: Vec<Plan>,
}

/// A size of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Unique within its service.
    pub name: PlanName,
    /// What it is, in a sentence.
    pub description: String,
    /// Whether it costs nothing.
    #[serde(default = "yes")]
    pub free: bool,
    /// JSON Schema of the developer's parameters.
    #[serde(default = "nothing_schema")]
    pub parameters: Value,
    /// How long provisioning may take, in seconds.
    #[serde(default = "default_deadline_s")]
    pub provision_deadline_s: u32,
    /// So many traps or limits in a row end in `error`.
    #[serde(default = "default_failed_attempts")]
    pub failed_attempts_max: u32,
    /// Which engines will do for its addons, like `disk=ssd`; any unless it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineWish>,
}

/// A capability that a provider asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Which one: `network`, `docker`, …
    pub capability: String,
    /// How far it goes.
    pub value: String,
    /// Whether the provider is useless without.
    pub required: bool,
    /// What for.
    pub reason: String,
}

impl Request {
    /// What is asked for.
    ///
    /// # Errors
    /// The host has no such capability, or can't read the value.
    pub fn permission(&self) -> Result<Permission, PermissionError> {
        Permission::parse(&self.capability, &self.value)
    }
}

fn nothing_schema() -> Value {
    json!({ "type": "object", "additionalProperties": false })
}

const fn yes() -> bool {
    true
}

fn independent_only() -> Vec<ProvisionType> {
    vec![ProvisionType::Independent]
}

const fn default_deadline_s() -> u32 {
    900
}

const fn default_failed_attempts() -> u32 {
    3
}

/// What is wrong with a manifest, for its author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidManifest(String);

impl Manifest {
    /// Reads and checks what a guest returned.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidManifest> {
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(InvalidManifest(format!(
                "it has {} bytes; at most {MANIFEST_BYTES_MAX} are allowed",
                text.len()
            )));
        }
        let manifest: Self = serde_json::from_str(text).map_err(|error| InvalidManifest(error.to_string()))?;
        manifest.check().map_err(InvalidManifest)?;
        Ok(manifest)
    }

    /// The service of that name.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    fn check(&self) -> Result<(), String> {
        check_text("version", &self.version)?;
        check_text("description", &self.description)?;
        check_count("services", self.services.len())?;
        check_unique("service", self.services.iter().map(|s| s.name.as_str()))?;
        if self.requests.len() > OFFERS_MAX {
            return Err(format!("it has {} requests; at most {OFFERS_MAX} are allowed", self.requests.len()));
        }
        for request in &self.requests {
            check_text("a request's capability", &request.capability)?;
            check_text("a request's value", &request.value)?;
            check_text("a request's reason", &request.reason)?;
            // A capability that this host doesn't have may be another's; a value that can't be read is nobody's.
            match request.permission() {
                Ok(_) | Err(PermissionError::Unknown(_)) => {}
                Err(error) => return Err(format!("a request's value: {error}")),
            }
        }
        self.services
            .iter()
            .try_for_each(|service| service.check().map_err(|reason| format!("service {}: {reason}", service.name)))
    }
}

impl Service {
    /// The plan of that name; the first one without a name.
    #[must_use]
    pub fn plan(&self, name: Option<&PlanName>) -> Option<&Plan> {
        name.map_or_else(|| self.plans.first(), |name| self.plans.iter().find(|plan| plan.name == *name))
    }

    fn check(&self) -> Result<(), String> {
        check_text("description", &self.description)?;
        check_count("plans", self.plans.len())?;
        check_unique("plan", self.plans.iter().map(|p| p.name.as_str()))?;
        if self.tags.len() > OFFERS_MAX {
            return Err(format!("{} tags; at most {OFFERS_MAX} are allowed", self.tags.len()));
        }
        self.tags.iter().try_for_each(|tag| check_text("a tag", tag))?;
        if self.provision_types.is_empty() {
            return Err("provision_types is empty; name at least one of independent, communal, shared".into());
        }
        if let DeclaredVariables::Names(names) = &self.variables {
            if names.len() > CONFIG_ENTRIES_MAX {
                return Err(format!("{} variables; at most {CONFIG_ENTRIES_MAX} are allowed", names.len()));
            }
            check_unique("variable", names.iter().map(crate::VariableName::as_str))?;
        }
        self.plans.iter().try_for_each(|plan| plan.check().map_err(|reason| format!("plan {}: {reason}", plan.name)))
    }
}

impl Plan {
    fn check(&self) -> Result<(), String> {
        check_text("description", &self.description)?;
        if !(1..=DEADLINE_S_MAX).contains(&self.provision_deadline_s) {
            return Err(format!("provision_deadline_s is {}; use 1 to {DEADLINE_S_MAX}", self.provision_deadline_s));
        }
        if !(1..=20).contains(&self.failed_attempts_max) {
            return Err(format!("failed_attempts_max is {}; use 1 to 20", self.failed_attempts_max));
        }
        Ok(())
    }
}

fn check_text(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > DESCRIPTION_BYTES_MAX {
        return Err(format!("{what} has {} bytes; use 1 to {DESCRIPTION_BYTES_MAX}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{what} has control characters; use plain text on one line"));
    }
    Ok(())
}

fn check_count(what: &str, count: usize) -> Result<(), String> {
    if (1..=OFFERS_MAX).contains(&count) { Ok(()) } else { Err(format!("{count} {what}; use 1 to {OFFERS_MAX}")) }
}

fn check_unique<'a>(what: &str, mut names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(*name)).map_or(Ok(()), |twice| Err(format!("the {what} {twice} is there twice")))
}
