//! The manifest: what a provider says of itself. Its JSON form is described in docs/manifest.schema.json.

use serde::Serialize;
use serde_json::{Value, json};

/// What a provider offers, and what it asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    version: String,
    description: String,
    services: Vec<Service>,
    options: Value,
    requests: Vec<Request>,
}

/// Something that can be had.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    name: String,
    description: String,
    tags: Vec<String>,
    variables: Variables,
    plans: Vec<Plan>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Variables {
    Names(Vec<String>),
    Any(&'static str),
}

/// A size of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    name: String,
    description: String,
    parameters: Value,
    provision_deadline_s: u32,
    failed_attempts_max: u32,
}

/// A capability that a provider asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    capability: String,
    value: String,
    required: bool,
    reason: String,
}

/// The schema of an object without members.
fn nothing() -> Value {
    json!({ "type": "object", "additionalProperties": false })
}

impl Manifest {
    /// A provider of that version that offers nothing yet.
    #[must_use]
    pub fn new(version: &str, description: &str) -> Self {
        let (version, description) = (version.to_owned(), description.to_owned());
        Self {
            version,
            description,
            services: vec![],
            options: nothing(),
            requests: vec![],
        }
    }

    /// Offers a service.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// Takes options of the operator's that fit this JSON Schema.
    #[must_use]
    pub fn options(self, schema: Value) -> Self {
        Self {
            options: schema,
            ..self
        }
    }

    /// Asks for a capability.
    #[must_use]
    pub fn request(mut self, request: Request) -> Self {
        self.requests.push(request);
        self
    }

    /// The manifest as the host reads it.
    #[must_use]
    pub fn to_json(&self) -> String {
        json!(self).to_string()
    }
}

impl Service {
    /// A service without plans, which sets no variables.
    #[must_use]
    pub fn new(name: &str, description: &str) -> Self {
        let (name, description) = (name.to_owned(), description.to_owned());
        Self {
            name,
            description,
            tags: vec![],
            variables: Variables::Names(vec![]),
            plans: vec![],
        }
    }

    /// Declares a variable that the service sets.
    #[must_use]
    pub fn variable(mut self, name: &str) -> Self {
        match &mut self.variables {
            Variables::Names(names) => names.push(name.to_owned()),
            Variables::Any(_) => {}
        }
        self
    }

    /// Declares that the service may set any variable.
    #[must_use]
    pub fn any_variables(self) -> Self {
        Self {
            variables: Variables::Any("any"),
            ..self
        }
    }

    /// Adds a word to find the service by.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }

    /// Adds a plan. The first one is the default.
    #[must_use]
    pub fn plan(mut self, plan: Plan) -> Self {
        self.plans.push(plan);
        self
    }
}

impl Plan {
    /// A plan without parameters, with the usual bounds.
    #[must_use]
    pub fn new(name: &str, description: &str) -> Self {
        let (name, description) = (name.to_owned(), description.to_owned());
        Self {
            name,
            description,
            parameters: nothing(),
            provision_deadline_s: 900,
            failed_attempts_max: 3,
        }
    }

    /// Takes parameters of the developer's that fit this JSON Schema.
    #[must_use]
    pub fn parameters(self, schema: Value) -> Self {
        Self {
            parameters: schema,
            ..self
        }
    }

    /// Bounds how long provisioning may take, in seconds.
    #[must_use]
    pub fn provision_deadline_s(self, seconds: u32) -> Self {
        Self {
            provision_deadline_s: seconds,
            ..self
        }
    }

    /// So many traps or limits in a row end in `error`.
    #[must_use]
    pub fn failed_attempts_max(self, attempts: u32) -> Self {
        Self {
            failed_attempts_max: attempts,
            ..self
        }
    }
}

impl Request {
    /// A capability without which the provider is useless.
    #[must_use]
    pub fn required(capability: &str, value: &str, reason: &str) -> Self {
        let [capability, value, reason] = [capability, value, reason].map(str::to_owned);
        Self {
            capability,
            value,
            required: true,
            reason,
        }
    }

    /// A capability that the provider can do without.
    #[must_use]
    pub fn optional(capability: &str, value: &str, reason: &str) -> Self {
        Self {
            required: false,
            ..Self::required(capability, value, reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_written_as_the_host_reads_it() {
        let service = Service::new("cache", "A cache")
            .variable("CACHE_URL")
            .tag("cache")
            .plan(Plan::new("small", "64 MiB"));
        let written: Value =
            serde_json::from_str(&Manifest::new("1.0.0", "Caches").service(service).to_json())
                .unwrap();
        assert_eq!(written["services"][0]["variables"], json!(["CACHE_URL"]));
        assert_eq!(
            written["services"][0]["plans"][0]["parameters"]["type"],
            "object"
        );
        let any = Service::new("any", "Anything")
            .any_variables()
            .variable("IGNORED");
        assert_eq!(json!(any)["variables"], "any");
    }
}
