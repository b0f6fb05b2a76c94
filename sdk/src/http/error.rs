//! Why there is no answer.

use std::fmt;
use std::time::Duration;

use crate::Failure;

/// How long to wait before a server is asked again that did not answer.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Why there is no answer, or none that is of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No grant permits it. The addon's history says which one is missing.
    Denied,
    /// The request can't be sent as it is; why.
    BadRequest(String),
    /// The server was not reached, and knows nothing of it.
    Unreachable(String),
    /// It took too long. The server may have done what was asked for.
    TimedOut,
    /// The server did not prove who it is, or does not speak TLS.
    Insecure(String),
    /// The connection broke, or the answer is not HTTP. The server may have done what was asked for.
    Broken(String),
    /// The answer's body is longer than this many bytes.
    TooLong(usize),
    /// The answer is not what was asked for.
    NotThat(String),
}

impl Error {
    /// Whether the server may have got the request, and done what it says.
    #[must_use]
    pub const fn may_have_arrived(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Broken(_) | Self::TooLong(_) | Self::NotThat(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the request was not granted; the addon's history says what is missing"),
            Self::BadRequest(why) => write!(f, "this can't be asked: {why}"),
            Self::Unreachable(why) => write!(f, "the server can't be reached: {why}"),
            Self::TimedOut => f.write_str("the server did not answer in time"),
            Self::Insecure(why) => write!(f, "the connection can't be secured: {why}"),
            Self::Broken(why) => write!(f, "the server gave no answer: {why}"),
            Self::TooLong(bytes) => write!(f, "the server's answer has more than {bytes} bytes"),
            Self::NotThat(why) => write!(f, "the server's answer is not understood: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            // A server that is being started, or has too much to do, may be there in a moment.
            Error::Unreachable(_) | Error::TimedOut | Error::Broken(_) => Self::retry_after(AGAIN_AFTER, reason),
            _ => Self::failed(reason),
        }
    }
}
