//! The manifest: what a provider says of itself. Its JSON form is described in docs/manifest.schema.json; what is not
//! said is left out of it, and the host's defaults hold.

mod plan;
mod request;
mod service;

use serde::Serialize;
use serde_json::{Value, json};

pub use plan::Plan;
pub use request::Request;
pub use service::Service;

/// What a provider offers, and what it asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    version: String,
    description: String,
    services: Vec<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requests: Vec<Request>,
}

impl Manifest {
    /// A provider of that version that offers nothing yet.
    #[must_use]
    pub fn new(version: &str, description: &str) -> Self {
        Self {
            version: version.to_owned(),
            description: description.to_owned(),
            services: vec![],
            options: None,
            requests: vec![],
        }
    }

    /// Offers a service.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// Takes options of the operator's that fit this JSON Schema. None, by default.
    #[must_use]
    pub fn options(self, schema: Value) -> Self {
        Self { options: Some(schema), ..self }
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

#[cfg(test)]
mod tests;
