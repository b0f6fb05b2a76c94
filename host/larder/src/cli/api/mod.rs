//! The client of the HTTP API: one call, its answer, and what can go wrong between.
//!
//! It follows no redirects, since the API has none and a token must not travel. Addresses on this machine are
//! reached without a proxy. Answers are bounded in size and in time.

pub(crate) mod call;
pub(crate) mod pages;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod upload;

mod trouble;

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use super::failure::{Failure, Kind, Result};
use super::settings::{Settings, Source, is_loopback};
use call::Call;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often a server is asked again that had too much to do.
const RETRIES_MAX: u32 = 4;
/// The longest wait for that, in seconds.
const RETRY_AFTER_S_MAX: u64 = 10;
const USER_AGENT: &str = concat!("larder/", env!("CARGO_PKG_VERSION"));

/// A server.
#[derive(Debug)]
pub(crate) struct Api {
    http: Client,
    base: Url,
    token: Option<HeaderValue>,
    source: Source,
}

/// What a server answered to a call that it carried out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Which state of the thing it shows, where the server says so.
    pub(crate) etag: Option<String>,
    /// `null` where there was none.
    pub(crate) body: Value,
}

impl Api {
    /// A client for a server, which is not called yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&settings.url) {
            builder = builder.no_proxy();
        }
        if settings.url.scheme() == "http" {
            // Spares reading the system's certificates, which a small container may not even have.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| trouble::unusable(&error))?;
        let token = settings.token.as_deref().map(bearer).transpose()?;
        Ok(Self { http, base: settings.url.clone(), token, source: settings.source.clone() })
    }

    /// Where the server is.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_here(&self) -> bool {
        is_loopback(&self.base)
    }

    /// Makes a call and reads its answer, which is JSON or empty.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer> {
        let response = self.send(call).await?;
        let status = response.status();
        let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = self.read(response).await?;
        if bytes.is_empty() {
            return Ok(Answer { status, etag, body: Value::Null });
        }
        let body = serde_json::from_slice(&bytes).map_err(|_| trouble::not_larder(self.url(), status))?;
        Ok(Answer { status, etag, body })
    }

    /// Makes a call whose answer is text.
    pub(crate) async fn text(&self, call: Call) -> Result<String> {
        let response = self.send(call.header(ACCEPT, "text/plain")).await?;
        let status = response.status();
        String::from_utf8(self.read(response).await?).map_err(|_| trouble::not_larder(self.url(), status))
    }

    /// Makes a call; the answer is a success, its body not yet read.
    pub(crate) async fn send(&self, call: Call) -> Result<Response> {
        let url = call.url(&self.base)?;
        let mut request = call.into_request(&self.http, url);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        for _ in 0..RETRIES_MAX {
            // What can be read only once can't be sent again.
            let Some(again) = request.try_clone() else { break };
            let response = request.send().await.map_err(|error| self.transport(&error))?;
            request = again;
            match pause(&response) {
                Some(pause) => sleep(pause).await,
                None => return self.succeeded(response).await,
            }
        }
        let response = request.send().await.map_err(|error| self.transport(&error))?;
        self.succeeded(response).await
    }

    async fn succeeded(&self, response: Response) -> Result<Response> {
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    async fn refused(&self, response: Response) -> Failure {
        let status = response.status();
        let bytes = match self.read(response).await {
            Ok(bytes) => bytes,
            Err(failure) => return failure,
        };
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let failure = Failure::from_problem(status.as_u16(), &body);
        let mut failure = failure.unwrap_or_else(|| trouble::not_larder(self.url(), status));
        if status == StatusCode::UNAUTHORIZED {
            failure.kind = Kind::Unauthorized;
            failure.advice = Some(trouble::WHICH_TOKEN.to_owned());
        }
        failure
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(trouble::not_larder(self.url(), response.status()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn transport(&self, error: &reqwest::Error) -> Failure {
        trouble::transport(self.url(), &self.source, error)
    }
}

/// How long to wait until a server that had too much to do may be asked again: it has done nothing yet. None if it says nothing of the
/// kind, or wants to be left alone for longer than anybody waits.
fn pause(response: &Response) -> Option<Duration> {
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    if seconds > RETRY_AFTER_S_MAX {
        return None;
    }
    // So that those who were turned away together do not come back together.
    let spread = Duration::from_millis(seconds * u64::from(Uuid::new_v4().as_bytes()[0]));
    Some(Duration::from_secs(seconds) + spread)
}

/// The header that presents a token, kept out of debug output.
fn bearer(token: &str) -> Result<HeaderValue> {
    let wrong = || Failure::usage("the token has characters that no token has").or_help("copy it again");
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| wrong())?;
    header.set_sensitive(true);
    Ok(header)
}
