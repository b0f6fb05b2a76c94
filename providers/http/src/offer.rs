//! What is offered: the broker's catalog in Larder's terms, or, as long as there is none, a service that says what is missing.

use larder_sdk::{Manifest, Options, Plan, Request, Service, json};
use serde::Deserialize;
use serde_json::Value;

use crate::catalog::{self, Catalog, Offering};

/// What there is until the options are set: a manifest has one service at least.
const PLACEHOLDER: &str = "http-broker";
/// What to do about it.
pub(crate) const UNSET: &str =
    "no broker is set; an operator sets its url and its catalog with `larder provider options`";
/// What an operator is told of the catalog.
const CATALOG: &str = "What the broker answers to GET /v2/catalog. All options together may have 64 KiB: of a larger catalog, \
    leave out every `metadata`, which is not used, and the services that nobody needs";
/// The bounds of a plan's deadline, in seconds. An instance is asked for and bound within it too.
const DEADLINE_S_MIN: u32 = 120;
const DEADLINE_S_MAX: u32 = 86_400;
/// The longest text in a manifest, in characters: less than in bytes, whatever they are.
const TEXT_MAX: usize = 1000;

/// What the operator sets.
#[derive(Deserialize)]
pub(crate) struct Settings {
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) password: String,
    pub(crate) catalog: Option<Catalog>,
}

pub(crate) fn manifest(options: &Options) -> Result<Manifest, String> {
    let settings: Settings = options.to()?;
    let manifest =
        Manifest::new(env!("CARGO_PKG_VERSION"), "Whatever a service broker offers").options(options_schema());
    match (settings.url, settings.catalog) {
        (None, None) => Ok(manifest.service(Service::new(PLACEHOLDER, UNSET).plan(Plan::new("default", UNSET)))),
        (Some(url), Some(catalog)) => {
            let request = Request::required("network", &origin(&url)?, "To ask the broker");
            Ok(services(&catalog)?.into_iter().fold(manifest, Manifest::service).request(request))
        }
        (Some(_), None) => Err("the catalog is missing: give the JSON of GET /v2/catalog as `catalog`".to_owned()),
        (None, Some(_)) => Err("the broker's address is missing: give it as `url`".to_owned()),
    }
}

fn options_schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "url": { "type": "string", "description": "The broker's address, without /v2, like https://broker.example.com" },
            "username": { "type": "string", "description": "Who asks; nobody by default" },
            "password": { "type": "string", "writeOnly": true },
            "catalog": { "type": "object", "description": CATALOG }
        }
    })
}

/// The destination that the broker's address needs.
fn origin(url: &str) -> Result<String, String> {
    let bad =
        || "options.url: give the broker's address like https://broker.example.com or http://10.0.0.5:8080".to_owned();
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let host = rest.split('/').next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") || host.is_empty() || rest.contains(['@', '?', '#']) {
        return Err(bad());
    }
    Ok(format!("{scheme}://{host}"))
}

fn services(catalog: &Catalog) -> Result<Vec<Service>, String> {
    if catalog.services.is_empty() {
        return Err("the catalog has no services".to_owned());
    }
    let names = catalog.services.iter().map(Offering::name).collect::<Result<Vec<_>, _>>()?;
    catalog::all_differ("services", &names)?;
    catalog.services.iter().zip(&names).map(|(offering, name)| service(offering, name)).collect()
}

fn service(offering: &Offering, name: &str) -> Result<Service, String> {
    let plans = offering.plans.iter().map(catalog::Plan::name).collect::<Result<Vec<_>, _>>()?;
    catalog::all_differ(&format!("plans of {name:?}"), &plans)?;
    let is_bindable = offering.plans.iter().any(|plan| offering.is_bindable(plan));
    let mut service = Service::new(name, &text(&offering.description, name)).bindable(is_bindable);
    for tag in offering.tags.iter().filter(|tag| !tag.trim().is_empty()) {
        service = service.tag(&text(tag, name));
    }
    if is_bindable {
        service = service.variable(&variable(name, "CREDENTIALS")).variable(&variable(name, "URL"));
    }
    Ok(offering.plans.iter().zip(&plans).fold(service, |service, (own, name)| service.plan(plan(own, name))))
}

fn plan(plan: &catalog::Plan, name: &str) -> Plan {
    let made = Plan::new(name, &text(&plan.description, name)).free(plan.free.unwrap_or(true)).parameters(schema(plan));
    match plan.maximum_polling_duration {
        Some(seconds) => made.provision_deadline_s(seconds.clamp(DEADLINE_S_MIN, DEADLINE_S_MAX)),
        None => made,
    }
}

/// The schema of parameters. A broker that tells none takes what it takes.
fn schema(plan: &catalog::Plan) -> Value {
    let mut schema = plan.parameters().filter(|schema| schema.is_object()).cloned().unwrap_or_else(|| json!({}));
    if let Value::Object(fields) = &mut schema {
        // Brokers write them for draft 4, which differs in what hardly anybody uses.
        fields.remove("$schema");
        fields.entry("type").or_insert_with(|| "object".into());
    }
    schema
}

/// The name of a variable that addons of a service set.
pub(crate) fn variable(service: &str, what: &str) -> String {
    let name = service.replace('-', "_").to_ascii_uppercase();
    let before = if name.starts_with(|first: char| first.is_ascii_digit()) { "SERVICE_" } else { "" };
    format!("{before}{name}_{what}")
}

/// A text that fits a manifest: one line, and not empty.
fn text(given: &str, otherwise: &str) -> String {
    let line = given.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line: String = line.collect::<Vec<_>>().join(" ").chars().take(TEXT_MAX).collect();
    if line.is_empty() { otherwise.to_owned() } else { line }
}

#[cfg(test)]
mod tests;
