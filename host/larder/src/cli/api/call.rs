//! One call of the API, before it is made.

use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use reqwest::{Body, Client, Method, RequestBuilder, Url};
use serde_json::Value;

use crate::cli::failure::{Failure, Result};

/// How long an answer may take that has nothing to wait for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an upload may take.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(30 * 60);
/// The longest wait that a server agrees to in one call, in seconds.
pub(crate) const WAIT_S_MAX: u64 = 60;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A call: method, path, query, headers, body.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, String)>,
    body: Option<Body>,
    /// None for a stream that never ends.
    patience: Option<Duration>,
}

impl Call {
    /// A call to a path, given segment by segment.
    pub(crate) fn new(method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|&segment| segment.to_owned()).collect();
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None, patience: Some(PATIENCE) }
    }

    /// Asks for something.
    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    /// Has something removed.
    pub(crate) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds to the query.
    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds to the query if there is a value.
    pub(crate) fn query_if(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Has the server answer only when there is news, or when the time is over.
    pub(crate) fn wait(mut self, seconds: u64) -> Self {
        let seconds = seconds.min(WAIT_S_MAX);
        self.patience = self.patience.map(|patience| patience + Duration::from_secs(seconds));
        self.header(PREFER, format!("wait={seconds}"))
    }

    /// Makes it safe to repeat the call.
    pub(crate) fn idempotency_key(self, key: &str) -> Self {
        self.header(IDEMPOTENCY_KEY, key)
    }

    /// Sends JSON.
    pub(crate) fn json(mut self, value: &Value) -> Self {
        self.body = Some(Body::from(value.to_string()));
        self.header(CONTENT_TYPE, "application/json")
    }

    /// Sends a component of a known size.
    pub(crate) fn wasm(mut self, body: Body, size_bytes: u64) -> Self {
        self.body = Some(body);
        self.patience = Some(UPLOAD_PATIENCE);
        self.header(CONTENT_TYPE, "application/wasm").header(CONTENT_LENGTH, size_bytes.to_string())
    }

    /// Sends data of which nobody knows how long they take, or how long it takes to use them.
    pub(crate) fn data(mut self, body: Body) -> Self {
        self.body = Some(body);
        self.endless().header(CONTENT_TYPE, "application/octet-stream")
    }

    /// Expects an answer without an end.
    pub(crate) fn endless(mut self) -> Self {
        self.patience = None;
        self
    }

    /// The full address. A segment that would change the path's meaning is refused.
    pub(super) fn url(&self, base: &Url) -> Result<Url> {
        let mut url = base.clone();
        if let Some(segment) = self.path.iter().find(|segment| matches!(segment.as_str(), "" | "." | "..")) {
            return Err(Failure::usage(format!("`{segment}` is no name")));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    pub(super) fn into_request(self, http: &Client, url: Url) -> RequestBuilder {
        let mut request = http.request(self.method, url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        match self.patience {
            Some(patience) => request.timeout(patience),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, call: &Call) -> Result<String> {
        call.url(&Url::parse(base).unwrap()).map(String::from)
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        let call = Call::get(&["v1", "apps", "a/b?c#d %", "config"]).query("format", "env&x=1");
        let expected = "http://h/v1/apps/a%2Fb%3Fc%23d%20%25/config?format=env%26x%3D1";
        assert_eq!(url("http://h", &call).unwrap(), expected);
        for name in ["", ".", ".."] {
            assert!(url("http://h", &Call::delete(&["v1", "apps", name])).is_err(), "{name:?} was taken");
        }
    }

    #[test]
    fn a_server_may_live_below_a_path() {
        for base in ["http://h/larder", "http://h/larder/"] {
            assert_eq!(url(base, &Call::get(&["v1", "catalog"])).unwrap(), "http://h/larder/v1/catalog");
        }
    }
}
