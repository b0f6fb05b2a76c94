//! HTTP requests, one at a time: asked, and answered in full. Over `wasi:http`, so the host makes the connections, with TLS for
//! `https`, and follows no redirects.
//!
//! Each needs a grant `https://HOST` or `http://HOST:PORT`, but for the ports of the addon's own containers. A component
//! whose code uses nothing of this imports no `wasi:http`.
//!
//! ```ignore
//! let answer = Request::put("https://api.example.com/users/5").basic_auth("admin", &password).json(&user).send()?;
//! match answer.status {
//!     201 | 204 => Ok(()),
//!     _ => Err(Failure::failed(format!("the service answers {answer}"))),
//! }
//! ```

mod basic;
mod error;
mod exchange;
mod url;

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::json;

pub use error::Error;
pub use url::encoded;

/// The longest body of an answer, unless the request says otherwise.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long all of it may take, unless the request says otherwise: less than a call may.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How much of an answer's body is shown, in characters.
const SHOWN_MAX: usize = 300;

/// A request, said step by step.
#[derive(Clone)]
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    answer_bytes_max: usize,
    wait_max: Duration,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Show it.
    Get,
    /// Take this.
    Post,
    /// Let it be this.
    Put,
    /// Change it so.
    Patch,
    /// Let it not be.
    Delete,
}

impl Request {
    /// A request to a URL `http://…` or `https://…`. What comes from elsewhere goes through [`encoded`] into it.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let (headers, body) = (vec![], vec![]);
        Self { method, url: url.into(), headers, body, answer_bytes_max: ANSWER_BYTES_MAX, wait_max: WAIT_MAX }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// A `POST`.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::Post, url)
    }

    /// A `PUT`.
    #[must_use]
    pub fn put(url: impl Into<String>) -> Self {
        Self::new(Method::Put, url)
    }

    /// A `DELETE`.
    #[must_use]
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new(Method::Delete, url)
    }

    /// Adds a header. The host sets `Host` itself.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Says who asks (RFC 7617). The name has no `:`.
    #[must_use]
    pub fn basic_auth(self, name: &str, password: &str) -> Self {
        self.header("authorization", basic::header(name, password))
    }

    /// Sends these bytes.
    #[must_use]
    pub fn body(self, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { body: bytes.into(), ..self }.header("content-type", content_type)
    }

    /// Sends a JSON document.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        // What can't be written as JSON (a map whose keys are no texts) is sent as nothing, and refused there.
        self.body("application/json", serde_json::to_vec(value).unwrap_or_default())
    }

    /// Takes at most so many bytes as the answer's body; a megabyte by default.
    #[must_use]
    pub fn answer_bytes_max(self, bytes: usize) -> Self {
        Self { answer_bytes_max: bytes, ..self }
    }

    /// Waits at most so long until all is there; 20 seconds by default. The host waits 15 for an answer's head.
    #[must_use]
    pub fn wait_max(self, wait: Duration) -> Self {
        Self { wait_max: wait, ..self }
    }

    /// Sends it, and waits for the answer. Whatever its status, it is an answer.
    ///
    /// # Errors
    /// There is none; see [`Error`].
    pub fn send(&self) -> Result<Response, Error> {
        exchange::send(self)
    }
}

/// An answer, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Response {
    /// A header, if it is there and is text. The first, if there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        str::from_utf8(value).ok()
    }

    /// The body as a JSON document of a type.
    ///
    /// # Errors
    /// [`Error::NotThat`], with the place. Nothing is quoted, since it may be a secret.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = str::from_utf8(&self.body).map_err(|_| Error::NotThat("it is not text".to_owned()))?;
        json::read(text).map_err(|misfit| Error::NotThat(misfit.place("the answer")))
    }
}

/// For people: the status and the beginning of the body.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        // A character has at most four bytes.
        let beginning = &self.body[..self.body.len().min(4 * SHOWN_MAX)];
        let text = String::from_utf8_lossy(beginning);
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let shown: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN_MAX).collect();
        if shown.is_empty() { Ok(()) } else { write!(f, ": {shown}") }
    }
}

#[cfg(test)]
mod tests;
