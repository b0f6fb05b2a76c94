//! What a broker is asked: requests of the Open Service Broker API 2.17. What its answers mean is told by `answer`.

use std::time::Duration;

use larder_sdk::http::{Error, Method, Request, Response, encoded};
use larder_sdk::{Failure, secrets};
use serde_json::Value;

use crate::offer::{Settings, UNSET};
use crate::record::Record;

const VERSION: &str = "2.17";
/// How long an answer may take. Each call asks once, and may take 30 seconds.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The longest answer: it must fit into an addon's state.
const ANSWER_BYTES_MAX: usize = 128 * 1024;

/// A broker.
pub(crate) struct Broker {
    url: String,
    username: String,
    password: String,
}

/// What an addon has there.
#[derive(Clone, Copy)]
pub(crate) enum Thing {
    /// The service instance, which has the addon's id.
    Instance,
    /// The binding to it that holds the credentials of a generation.
    Binding(u32),
}

impl Thing {
    /// For people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Instance => "service instance",
            Self::Binding(_) => "binding",
        }
    }

    fn path(self, id: &str) -> String {
        match self {
            Self::Instance => format!("service_instances/{id}"),
            Self::Binding(generation) => {
                format!("service_instances/{id}/service_bindings/{}", binding_id(id, generation))
            }
        }
    }
}

/// The first binding has the addon's id. Later ones have theirs made of it, as a UUID, which is what most brokers want: the number in the
/// place of the time, and version 8 (one's own) in that of version 7, so that it is no addon's.
fn binding_id(id: &str, generation: u32) -> String {
    let mut parts = id.splitn(4, '-');
    match (generation, parts.next(), parts.next(), parts.next(), parts.next()) {
        (1.., Some(_), Some(time), Some(version), Some(rest)) => {
            format!("{generation:08x}-{time}-8{}-{rest}", version.get(1..).unwrap_or_default())
        }
        _ => id.to_owned(),
    }
}

impl Broker {
    pub(crate) fn of(settings: Settings) -> Result<Self, Failure> {
        let Settings { url, username, password, .. } = settings;
        let url = url.ok_or_else(|| Failure::failed(UNSET))?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), username, password })
    }

    /// The one that is set now.
    pub(crate) fn set() -> Result<Self, Failure> {
        Self::of(secrets::options()?)
    }

    pub(crate) fn put(&self, thing: Thing, id: &str, body: &Value) -> Result<Response, Error> {
        self.request(Method::Put, &format!("{}?accepts_incomplete=true", thing.path(id))).json(body).send()
    }

    pub(crate) fn patch(&self, thing: Thing, id: &str, body: &Value) -> Result<Response, Error> {
        self.request(Method::Patch, &format!("{}?accepts_incomplete=true", thing.path(id))).json(body).send()
    }

    pub(crate) fn delete(&self, thing: Thing, id: &str, record: &Record) -> Result<Response, Error> {
        let path = format!("{}?accepts_incomplete=true&{}", thing.path(id), ids(record));
        self.request(Method::Delete, &path).send()
    }

    /// How an operation is doing.
    pub(crate) fn last_operation(
        &self,
        thing: Thing,
        id: &str,
        record: &Record,
        operation: Option<&str>,
    ) -> Result<Response, Error> {
        let operation = operation.map(|name| format!("&operation={}", encoded(name))).unwrap_or_default();
        self.request(Method::Get, &format!("{}/last_operation?{}{operation}", thing.path(id), ids(record))).send()
    }

    /// A binding, with its credentials.
    pub(crate) fn binding(&self, generation: u32, id: &str, record: &Record) -> Result<Response, Error> {
        self.request(Method::Get, &format!("{}?{}", Thing::Binding(generation).path(id), ids(record))).send()
    }

    fn request(&self, method: Method, path: &str) -> Request {
        let request = Request::new(method, format!("{}/v2/{path}", self.url))
            .header("x-broker-api-version", VERSION)
            .header("accept", "application/json")
            .wait_max(WAIT_MAX)
            .answer_bytes_max(ANSWER_BYTES_MAX);
        if self.username.is_empty() { request } else { request.basic_auth(&self.username, &self.password) }
    }
}

fn ids(record: &Record) -> String {
    format!("service_id={}&plan_id={}", encoded(&record.service_id), encoded(&record.terms.plan_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_has_a_binding_of_its_own() {
        let id = "019c0f5e-8d3a-7cc0-9d5f-1f6c1a2b3c4e";
        assert_eq!(binding_id(id, 0), id);
        assert_eq!(binding_id(id, 1), "00000001-8d3a-8cc0-9d5f-1f6c1a2b3c4e");
        assert_eq!(binding_id(id, u32::MAX), "ffffffff-8d3a-8cc0-9d5f-1f6c1a2b3c4e");
    }
}
