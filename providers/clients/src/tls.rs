//! Whether to secure a connection: an operator's choice, under one name for all servers.

use serde::Deserialize;

use crate::Error;

/// Whether to secure a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// It is secure, or there is none.
    Require,
    /// It is secure if the server has TLS. One that has it and can't prove who it is isn't talked to.
    #[default]
    Prefer,
    /// It is in the clear.
    Off,
}

impl Tls {
    /// Connects as this says. The function connects afresh each time, and secures the connection if it is told to.
    ///
    /// # Errors
    /// Those of the function.
    pub fn connect<T>(self, mut connect: impl FnMut(bool) -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Self::Require => connect(true),
            Self::Off => connect(false),
            Self::Prefer => match connect(true) {
                Err(Error::NoTls) => connect(false),
                connected => connected,
            },
        }
    }

    /// The choice as operators write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Prefer => "prefer",
            Self::Off => "off",
        }
    }

    /// The choice that is written so.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Require, Self::Prefer, Self::Off].into_iter().find(|tls| tls.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(tls: Tls, mut refuse: impl FnMut() -> Error) -> Vec<bool> {
        let mut tries = vec![];
        let connected = tls.connect(|secure| {
            tries.push(secure);
            if secure { Err(refuse()) } else { Ok(()) }
        });
        assert_eq!(connected.is_ok(), tries.last() == Some(&false));
        tries
    }

    #[test]
    fn only_where_there_is_no_tls_it_is_done_without() {
        assert_eq!(tries(Tls::Off, || Error::NoTls), [false]);
        assert_eq!(tries(Tls::Require, || Error::NoTls), [true]);
        assert_eq!(tries(Tls::Prefer, || Error::NoTls), [true, false]);
        assert_eq!(tries(Tls::Prefer, || Error::Insecure("the certificate is another's".to_owned())), [true]);
    }

    #[test]
    fn a_choice_has_one_name() {
        for tls in [Tls::Require, Tls::Prefer, Tls::Off] {
            assert_eq!(Tls::named(tls.as_str()), Some(tls));
        }
        assert_eq!(Tls::named("verify-full"), None);
    }
}
