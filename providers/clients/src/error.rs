//! What can go wrong with a server. One type for all of them, since what a provider does about it is the same.

use std::fmt;
use std::io;

/// How much of a server's words is shown, in characters.
const WORDS_MAX: usize = 300;

/// Why something was not done.
#[derive(Debug)]
pub enum Error {
    /// The connection broke, or the server took too long.
    Io(io::Error),
    /// The server says no.
    Refused(Refusal),
    /// What the server says is not its protocol, or too much.
    Protocol(String),
    /// It would have taken TLS, and there is none to be trusted.
    Insecure(String),
    /// TLS was asked for, and the server has none.
    NoTls,
    /// What the caller asks for can't be said in this protocol, or must not be.
    BadInput(String),
    /// Something of this name is there and was not made by Larder. It was left alone.
    Foreign(String),
}

/// A server's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// PostgreSQL: the SQLSTATE. MySQL: the error's number. Redis: the first word, such as `NOPERM`.
    pub code: String,
    /// The rest, for people: shortened, and without control characters.
    pub message: String,
}

impl Error {
    /// The server's code, if it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.code),
            _ => None,
        }
    }

    /// Whether the same may well be granted in a moment.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io(error) => !matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::Unsupported
            ),
            Self::Refused(refusal) => refusal.is_transient(),
            _ => false,
        }
    }

    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol(what.into())
    }

    /// Whether no more can be said on this connection.
    pub(crate) fn ends_session(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Protocol(_) | Self::Insecure(_) | Self::NoTls)
    }

    /// The same error, without a password that the server may have repeated.
    pub(crate) fn without(mut self, password: &str) -> Self {
        if let Self::Refused(refusal) = &mut self
            && !password.is_empty()
        {
            refusal.message = refusal.message.replace(password, "…");
            refusal.code = refusal.code.replace(password, "…");
        }
        self
    }
}

impl Refusal {
    pub(crate) fn new(code: &str, message: &str) -> Self {
        Self { code: printable(code), message: printable(message) }
    }

    fn is_transient(&self) -> bool {
        const REDIS: [&str; 5] = ["LOADING", "BUSY", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN"];
        // Too many connections of all, of a user by the server's rule or by its own, a lock that was waited for, a deadlock, a server on
        // its way down.
        const MYSQL: [&str; 6] = ["1040", "1203", "1226", "1205", "1213", "1053"];
        // Broken connection, undone transaction, too few resources, in use, the operator is at work.
        const POSTGRES: [&str; 5] = ["08", "40", "53", "55006", "57P"];
        let code = self.code.as_str();
        let is_sqlstate =
            code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        REDIS.contains(&code)
            || MYSQL.contains(&code)
            || (is_sqlstate && POSTGRES.iter().any(|class| code.starts_with(class)))
            || (code == "ERR" && self.message.starts_with("max number of clients"))
    }
}

/// Servers are not trusted with the screens of those who read this.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(WORDS_MAX).collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the connection to the server: {error}"),
            Self::Refused(refusal) => write!(f, "the server refuses: {refusal}"),
            Self::Protocol(what) => write!(f, "the server is not understood: {what}"),
            Self::Insecure(what) => write!(f, "the connection is not secure: {what}"),
            Self::NoTls => f.write_str("the connection is not secure: the server has no TLS"),
            Self::BadInput(what) => f.write_str(what),
            Self::Foreign(what) => write!(f, "{what} is there and was not made by Larder"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
