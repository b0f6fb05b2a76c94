//! The API's answers as far as people get to see them. `--json` passes the answers on unread.
//!
//! Every field may be missing or `null`, and unknown ones are skipped: an older command line can look at a
//! newer server.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::failure::{Failure, Kind, Result};

/// Reads one of the types below.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T> {
    T::deserialize(without_nulls(value)).map_err(|error| unexpected(&error))
}

/// A field that is `null` is as good as missing, save among an addon's parameters, which are its user's.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let known = fields.iter().filter(|(_, value)| !value.is_null());
            let kept = |(name, value): (&String, &Value)| match name.as_str() {
                "parameters" => (name.clone(), value.clone()),
                _ => (name.clone(), without_nulls(value)),
            };
            Value::Object(known.map(kept).collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// Reads the entries of a list, `{"name": [...]}`; one that is missing has none.
pub(crate) fn read_list<T: DeserializeOwned>(value: &Value, name: &str) -> Result<Vec<T>> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(vec![]),
        Some(Value::Array(entries)) => entries.iter().map(read).collect(),
        Some(_) => Err(unexpected(&format!("`{name}` is no list"))),
    }
}

fn unexpected(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Kind::Failed, "bad_answer", format!("the server's answer is not as expected: {error}"))
        .or_help("compare `larder --version` with the server's, or use --json")
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Engine {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) drained: bool,
    pub(crate) source: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) addons: u64,
    pub(crate) weight: Option<u32>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) url: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Addon {
    pub(crate) id: String,
    pub(crate) app: Option<String>,
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) service: String,
    pub(crate) plan: String,
    pub(crate) provision_type: String,
    pub(crate) parent: Option<String>,
    pub(crate) engine: Option<String>,
    pub(crate) attach_as: Option<String>,
    pub(crate) protected: bool,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) state: String,
    pub(crate) message: Option<String>,
    pub(crate) percent: Option<f64>,
    pub(crate) error: Option<AddonError>,
    pub(crate) health: Health,
    pub(crate) operation: Option<Operation>,
    pub(crate) cleanup: Cleanup,
    pub(crate) attempts: u64,
    pub(crate) delete_wanted: bool,
    pub(crate) kept_until: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct AddonError {
    pub(crate) code: String,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Health {
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) stage: String,
    pub(crate) message: String,
    pub(crate) percent: Option<u8>,
    pub(crate) error: Option<AddonError>,
    pub(crate) bytes: u64,
}

impl Operation {
    /// Whether it goes on and somebody may want to wait for it: an overlap and a stream go on by themselves.
    pub(crate) fn is_under_way(&self) -> bool {
        self.state == "running" && !matches!(self.stage.as_str(), "overlap" | "stream")
    }

    /// What is to be said of it, on one line.
    pub(crate) fn remark(&self) -> String {
        let Self { kind, state, message, percent, error, .. } = self;
        match (error, percent) {
            (Some(error), _) => format!("{kind} {state}: {}: {}", error.code, error.reason),
            (None, Some(percent)) => format!("{kind} {state}: {message} ({percent} %)"),
            (None, None) => format!("{kind} {state}: {message}"),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Cleanup {
    pub(crate) state: String,
    pub(crate) attempts: Option<u64>,
    pub(crate) last_error: Option<String>,
}

impl Cleanup {
    /// What is to be said of it, on one line.
    pub(crate) fn remark(&self) -> String {
        match &self.last_error {
            Some(why) => format!("{}: {why}", self.state),
            None => self.state.clone(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) active: Option<String>,
    pub(crate) live_addons: u64,
    pub(crate) grants: Vec<Grant>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) quotas: Vec<PlanQuota>,
    pub(crate) versions: Vec<Version>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct PlanQuota {
    pub(crate) plan: String,
    pub(crate) limit: u64,
    pub(crate) used: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Limit {
    pub(crate) name: String,
    pub(crate) value: u64,
    pub(crate) default: u64,
    pub(crate) max: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct AuditEntry {
    pub(crate) at: String,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) provider: String,
    pub(crate) data: Value,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Grant {
    pub(crate) capability: String,
    pub(crate) value: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Request {
    pub(crate) capability: String,
    pub(crate) value: String,
    pub(crate) required: bool,
    pub(crate) reason: String,
    pub(crate) granted: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Version {
    pub(crate) digest: String,
    pub(crate) state: String,
    pub(crate) check: String,
    pub(crate) size_bytes: u64,
    pub(crate) uploaded_at: String,
    pub(crate) version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) services: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) requests: Vec<Request>,
    pub(crate) refusal: Option<Refusal>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) provider: String,
    pub(crate) provision_types: Vec<String>,
    /// The names of those it sets, or `any`.
    pub(crate) variables: Value,
    /// Which optional interfaces its provider has; none said by an older server.
    pub(crate) exports: Option<Vec<String>>,
    pub(crate) plans: Vec<Plan>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// The schema of its parameters.
    pub(crate) parameters: Value,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) addons: u64,
    /// How many it may have; none said by an older server.
    pub(crate) addons_max: Option<u64>,
}

/// An app's variables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct AppConfig {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) details: Vec<Variable>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) secret: bool,
    pub(crate) addon: Option<String>,
}

/// A port of a container, in an app's network and from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) host: String,
    pub(crate) published: u16,
}

/// One part of what an addon is reached with.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Credential {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) secret: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct LogLine {
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    pub(crate) at: String,
    pub(crate) stream: String,
    pub(crate) text: String,
}

/// Identifiers of entries are opaque here; some are numbers.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(id_text(&Value::deserialize(deserializer)?))
}

/// An identifier, number or text, as it goes into a query; empty if there is none.
pub(crate) fn id_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

impl Service {
    /// The names of the variables that an addon of it sets; `any` where its parameters decide.
    pub(crate) fn variable_names(&self) -> Vec<&str> {
        match &self.variables {
            Value::String(word) => vec![word],
            Value::Array(variables) => variables.iter().filter_map(variable_name).collect(),
            _ => Vec::new(),
        }
    }
}

/// A variable is declared by its name, or by an object that says more.
fn variable_name(variable: &Value) -> Option<&str> {
    variable.as_str().or_else(|| variable.get("name")?.as_str())
}

impl Addon {
    /// How people call it: `APP/NAME`, which every command takes; without an app, its id.
    pub(crate) fn label(&self) -> String {
        self.app.as_ref().map_or_else(|| self.id.clone(), |app| format!("{app}/{}", self.name))
    }

    /// Whether nothing of it is left, nor ever will be.
    pub(crate) fn is_removed(&self) -> bool {
        matches!(self.state.as_str(), "deprovisioned" | "error")
            && matches!(self.cleanup.state.as_str(), "" | "none" | "done")
    }

    /// Whether waiting for it makes no sense any more.
    pub(crate) fn is_settled(&self) -> bool {
        match self.state.as_str() {
            "ready" => !self.operation.as_ref().is_some_and(Operation::is_under_way),
            state => matches!(state, "deprovisioned" | "error"),
        }
    }

    /// What is to be said about its state, on one line.
    pub(crate) fn remark(&self) -> String {
        if let Some(error) = &self.error {
            return format!("{}: {}", error.code, error.reason);
        }
        if let Some(operation) = self.operation.as_ref().filter(|operation| operation.is_under_way()) {
            return operation.remark();
        }
        let message = self.message.clone().unwrap_or_default();
        match self.percent.filter(|_| !self.is_settled()) {
            Some(percent) if message.is_empty() => format!("{percent} %"),
            Some(percent) => format!("{message} ({percent} %)"),
            None => message,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_null_is_as_good_as_nothing_but_among_parameters() {
        let addon = json!({"id": "7", "state": null, "cleanup": {"state": null}, "parameters": {"size": null}});
        let addon: Addon = read(&addon).unwrap();
        assert_eq!((addon.state.as_str(), addon.cleanup.state.as_str()), ("", ""));
        assert_eq!(Value::from(addon.parameters), json!({"size": null}));
    }

    #[test]
    fn identifiers_of_entries_may_be_numbers() {
        let lines: Vec<LogLine> = read_list(&json!({"lines": [{"id": 7}, {"id": "8"}, {}]}), "lines").unwrap();
        assert_eq!(lines.iter().map(|line| line.id.as_str()).collect::<Vec<_>>(), ["7", "8", ""]);
    }

    #[test]
    fn what_is_not_as_expected_is_called_so() {
        assert_eq!(read::<Addon>(&json!({"id": 7})).unwrap_err().code, "bad_answer");
    }
}
