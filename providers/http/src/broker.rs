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

/// One of the two things that an addon has there. Both have the addon's id.
#[derive(Clone, Copy)]
pub(crate) enum Thing {
    /// The service instance.
    Instance,
    /// The one binding to it.
    Binding,
}

impl Thing {
    /// For people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Instance => "service instance",
            Self::Binding => "binding",
        }
    }

    fn path(self, id: &str) -> String {
        match self {
            Self::Instance => format!("service_instances/{id}"),
            Self::Binding => format!("service_instances/{id}/service_bindings/{id}"),
        }
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

    /// The binding, with its credentials.
    pub(crate) fn binding(&self, id: &str, record: &Record) -> Result<Response, Error> {
        self.request(Method::Get, &format!("{}?{}", Thing::Binding.path(id), ids(record))).send()
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
    format!("service_id={}&plan_id={}", encoded(&record.service_id), encoded(&record.plan_id))
}
