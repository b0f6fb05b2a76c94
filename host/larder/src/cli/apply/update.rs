//! What is to be changed of an addon that is there. Parameters may be secret, so only their names are told.

use serde_json::{Map, Value, json};

use super::wanted::{SHARED, WantedAddon};
use crate::cli::model::Addon;

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// `plan`, `protected`, or `parameters.NAME`.
    pub(crate) field: String,
    /// What it is and what it is to be, where that is no secret.
    pub(crate) values: Option<(String, String)>,
}

/// All that changes of one addon.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    /// As it is.
    pub(crate) addon: Addon,
    /// As it is to be, its plan filled in.
    pub(crate) wanted: WantedAddon,
    /// At least one.
    pub(crate) changes: Vec<Changed>,
}

impl Update {
    /// What has to be changed for an addon to be as wanted; none if nothing has to.
    pub(crate) fn of(wanted: &WantedAddon, addon: &Addon) -> Option<Self> {
        let plan = wanted.plan.clone().unwrap_or_else(|| addon.plan.clone());
        let protected = wanted.protected.unwrap_or(addon.protected);
        let mut changes = Vec::new();
        // What is shared has its owner's plan and parameters; of those it can be given none.
        if wanted.provision_type != SHARED {
            changes.extend(changed("plan", &addon.plan, &plan));
            changes.extend(parameters(wanted, addon).into_iter().map(|name| {
                let field = format!("parameters.{name}");
                Changed { field, values: None }
            }));
        }
        changes.extend(changed("protected", &addon.protected.to_string(), &protected.to_string()));
        let wanted = WantedAddon { plan: Some(plan), ..wanted.clone() };
        (!changes.is_empty()).then(|| Self { addon: addon.clone(), wanted, changes })
    }

    /// Whether its provider has to do something.
    pub(crate) fn is_operation(&self) -> bool {
        self.changes.iter().any(|change| change.field != "protected")
    }

    /// The request that changes it.
    pub(crate) fn body(&self) -> Value {
        let mut body = Map::new();
        for Changed { field, .. } in &self.changes {
            let (name, value) = match field.as_str() {
                "plan" => ("plan", json!(self.wanted.plan)),
                "protected" => ("protected", json!(self.wanted.protected)),
                // Parameters are replaced as a whole.
                _ => ("parameters", json!(self.wanted.parameters)),
            };
            body.insert(name.to_owned(), value);
        }
        Value::Object(body)
    }

    /// What differs, in a message.
    pub(crate) fn fields(&self) -> String {
        let fields: Vec<&str> = self.changes.iter().map(|change| change.field.as_str()).collect();
        fields.join(", ")
    }
}

impl Changed {
    /// For people: `plan small -> large`, `parameters.password`.
    pub(crate) fn text(&self) -> String {
        match &self.values {
            Some((from, to)) => format!("{} {from} -> {to}", self.field),
            None => self.field.clone(),
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        match &self.values {
            Some((from, to)) => json!({"field": self.field, "from": from, "to": to}),
            None => json!({"field": self.field}),
        }
    }
}

fn changed(field: &str, from: &str, to: &str) -> Option<Changed> {
    (from != to).then(|| Changed { field: field.to_owned(), values: Some((from.to_owned(), to.to_owned())) })
}

/// The names of the parameters that are not as wanted.
pub(crate) fn parameters<'a>(wanted: &'a WantedAddon, addon: &'a Addon) -> Vec<&'a str> {
    let other = wanted.parameters.iter().filter(|(name, value)| addon.parameters.get(*name) != Some(value));
    let gone = addon.parameters.iter().filter(|(name, _)| !wanted.parameters.contains_key(*name));
    other.chain(gone).map(|(name, _)| name.as_str()).collect()
}
