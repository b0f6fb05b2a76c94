//! What went wrong, in the domain's words. The engine's texts come from somebody else: they are cut to one short line.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::time::Duration;

use bollard::errors::Error;
use larder_domain::ports::engine::EngineError;

use crate::wire::NotConnected;

/// The longest text of an error, in characters.
const TEXT_CHARS_MAX: usize = 500;

/// Why a request brought nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The engine said no. What that means may depend on what was asked.
    Status(u16, String),
    /// There is no answer, or none that can be understood.
    Other(EngineError),
}

impl Trouble {
    /// What a status means, if the request gives it no other meaning.
    pub(crate) fn general(self) -> EngineError {
        match self {
            Self::Other(error) => error,
            Self::Status(404, _) => EngineError::Missing,
            Self::Status(409, text) => EngineError::Conflict(text),
            Self::Status(400..=499, text) => EngineError::Refused(text),
            Self::Status(500.., text) => EngineError::Failed(text),
            Self::Status(status, text) => EngineError::Failed(format!("unexpected status {status}: {text}")),
        }
    }

    /// Whether there is no such thing.
    pub(crate) const fn is_missing(&self) -> bool {
        matches!(self, Self::Status(404, _))
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => Self::Status(status_code, line(&message)),
            Error::DockerStreamError { error } => Self::Other(EngineError::Failed(line(&error))),
            Error::IOError { err } if is_not_connected(&err) => {
                Self::Other(EngineError::Unreachable(line(&err.to_string())))
            }
            Error::RequestTimeoutError => Self::Other(EngineError::Unreachable("it does not answer".into())),
            error => Self::Other(EngineError::Failed(line(&whole(&error)))),
        }
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        Self::Other(error)
    }
}

impl From<Trouble> for EngineError {
    fn from(trouble: Trouble) -> Self {
        trouble.general()
    }
}

fn is_not_connected(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotConnected>())
}

/// An error and its causes. Many say only what their cause says.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// One line without control characters, and not a long one.
pub(crate) fn line(text: &str) -> String {
    // More than enough to begin with: a text may be megabytes of spaces.
    let beginning: String =
        text.chars().take(4 * TEXT_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = beginning.split_whitespace().collect();
    words.join(" ").chars().take(TEXT_CHARS_MAX).collect()
}

/// What an engine brings within its time.
pub(crate) async fn within<T, E: Into<EngineError>>(
    bound: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(bound, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(EngineError::Unreachable(format!("it did not answer within {} s", bound.as_secs_f32()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_their_meaning() {
        let general = |status| Trouble::Status(status, "why".into()).general();
        let why = || "why".to_owned();
        assert_eq!(general(404), EngineError::Missing);
        assert_eq!(general(409), EngineError::Conflict(why()));
        assert_eq!((general(400), general(403)), (EngineError::Refused(why()), EngineError::Refused(why())));
        assert_eq!((general(500), general(503)), (EngineError::Failed(why()), EngineError::Failed(why())));
        assert!(matches!(general(302), EngineError::Failed(_)));
    }

    #[test]
    fn texts_are_one_short_line() {
        assert_eq!(line("a\n\tb\u{1b}[31m  c\0 "), "a b [31m c");
        assert_eq!(line(&"x".repeat(10_000)).len(), TEXT_CHARS_MAX);
        assert_eq!(line(&"é".repeat(10_000)).chars().count(), TEXT_CHARS_MAX);
    }
}
