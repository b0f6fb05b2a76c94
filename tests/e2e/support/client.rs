//! What the tests say to a host, and what they hear.

use std::future::Future;
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// How long a test waits for something to become true.
const UNTIL_MAX: Duration = Duration::from_secs(60);

/// A host's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    /// Sends a request and reads the whole answer.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, body }
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// The detail of a problem with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> String {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert!(self.body["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{}", self.text);
        self.body["detail"].as_str().unwrap().to_owned()
    }

    /// The identifier of an addon that was accepted.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        assert!(matches!(self.status, 200..=202), "{}", self.text);
        self.body["id"].as_str().unwrap().to_owned()
    }
}

/// Asks again until the answer is there.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    until_within(UNTIL_MAX, what, ask).await
}

/// The same for what may take longer, or must not take as long.
pub(crate) async fn until_within<T, F: Future<Output = Option<T>>>(
    at_most: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A request for a `chameleon` that behaves as told.
pub(crate) fn behave(behaviour: Value) -> Value {
    json!({ "service": "chameleon", "parameters": behaviour })
}
