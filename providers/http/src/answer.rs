//! What a broker's answers mean.

use std::time::Duration;

use larder_sdk::Failure;
use larder_sdk::http::Response;
use serde::Deserialize;

/// How long to wait before a broker is asked again, if it does not say; and the bounds of what it may say.
pub(crate) const AGAIN_AFTER: Duration = Duration::from_secs(3);
const AGAIN_AFTER_S_MIN: u64 = 1;
const AGAIN_AFTER_S_MAX: u64 = 300;
/// How much of its words is shown, in characters.
const WORDS_MAX: usize = 300;

/// The body of an error.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    error: Option<String>,
    description: Option<String>,
}

/// The body of `last_operation`.
#[derive(Debug, Deserialize)]
pub(crate) struct LastOperation {
    pub(crate) state: OperationState,
    description: Option<String>,
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OperationState {
    /// It goes on.
    #[serde(rename = "in progress")]
    InProgress,
    /// It is done.
    Succeeded,
    /// It will not work.
    Failed,
}

impl LastOperation {
    /// The broker's words, or others.
    pub(crate) fn words(&self, otherwise: &str) -> String {
        self.description.as_deref().map(printable).filter(|words| !words.is_empty()).unwrap_or(otherwise.to_owned())
    }
}

/// When to ask again: as the broker says, within bounds. A date is not read.
pub(crate) fn again_after(answer: &Response) -> Duration {
    let said = answer.header("retry-after").and_then(|value| value.trim().parse().ok());
    said.map_or(AGAIN_AFTER, |seconds: u64| Duration::from_secs(seconds.clamp(AGAIN_AFTER_S_MIN, AGAIN_AFTER_S_MAX)))
}

/// What becomes of an addon whose request got this answer, which is none of the good ones.
pub(crate) fn refusal(answer: &Response) -> Failure {
    let Refusal { error, description } = answer.json().unwrap_or_default();
    let error = error.unwrap_or_default();
    let words = description.map_or_else(|| answer.to_string(), |words| format!("{}: {words}", answer.status));
    let words = printable(&words);
    match answer.status {
        408 | 429 => Failure::retry_after(again_after(answer), format!("the broker has no time: {words}")),
        422 if error == "ConcurrencyError" => {
            Failure::retry_after(again_after(answer), format!("the broker is at something else: {words}"))
        }
        401 | 403 => Failure::failed(format!("the broker does not let in who the operator's options name: {words}")),
        412 => Failure::failed(format!("the broker speaks another version of its API: {words}")),
        422 if error == "MaintenanceInfoConflict" => {
            Failure::failed(format!("the broker's catalog has changed, and the operator's option has not: {words}"))
        }
        400..500 => Failure::rejected(format!("the broker refuses: {words}")),
        500.. => Failure::failed(format!("the broker has failed: {words}")),
        status => Failure::failed(format!("the broker gives an answer that there should not be, {status}")),
    }
}

/// Whether the answer says that nothing was made.
pub(crate) const fn is_without_effect(answer: &Response) -> bool {
    matches!(answer.status, 400..500)
}

/// Brokers are not trusted with the screens of those who read this.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(WORDS_MAX).collect()
}
