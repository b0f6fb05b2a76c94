//! A server, as it is talked to: where it is, and who administers it.

use std::io;
use std::time::Duration;

use larder_clients::postgres::{Login, Session};
use larder_clients::{Error, HostStream, Tls};
use larder_sdk::docker::{Endpoint, NotRunning};
use larder_sdk::{Addon, Config, Failure, secrets};

use crate::container;
use crate::offer::{External, Settings};
use crate::place::Place;

/// How long to wait for a server that can't be reached now.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
const WRONG_PASSWORD: &str = "28P01";
const NOT_LET_IN: &str = "28000";
const NO_RIGHTS: &str = "42501";
const NO_DATABASE: &str = "3D000";

/// A server.
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether to secure connections. None in a container: nobody vouches for that.
    pub(crate) tls: Option<Tls>,
    user: String,
    password: String,
    /// Where the administrator logs in.
    database: String,
}

impl Server {
    /// The one that the addon is on. Until a container runs there is none.
    pub(crate) fn of(addon: &Addon) -> Result<Self, NotRunning> {
        match Place::of(addon)? {
            Place::Container => {
                let Endpoint { host, published: port, .. } = container::endpoint()?;
                let (user, database) = (container::ADMIN.to_owned(), container::ADMIN.to_owned());
                Ok(Self { host, port, tls: None, user, password: container::password()?, database })
            }
            Place::External(external) => Ok(Self::external(external)),
            Place::Common => Ok(Self::common(addon)?),
        }
    }

    fn external(external: External) -> Self {
        let External { hostname: host, port, username: user, password, database, tls, .. } = external;
        Self { host, port, tls: Some(tls), user, password, database }
    }

    /// As it said itself, in [`Server::config`].
    fn common(addon: &Addon) -> Result<Self, Failure> {
        let value = |key: &str| {
            addon.server_value(key).ok_or_else(|| Failure::failed(format!("the common server does not tell its {key}")))
        };
        let port = value("port")?.parse().map_err(|_| Failure::failed("the common server's port is no number"))?;
        let tls = addon.server_value("tls").and_then(|tls| Tls::named(&tls));
        let [host, user, password] = [value("hostname")?, value("username")?, value("password")?];
        // The operator may have changed the password since.
        let external = secrets::options::<Settings>()?.external;
        if let Some(external) =
            external.filter(|external| tls.is_some() && external.hostname == host && external.port == port)
        {
            return Ok(Self::external(external));
        }
        Ok(Self { host, port, tls, user, password, database: value("database")? })
    }

    /// What those need who get a part of it.
    pub(crate) fn config(self) -> Config {
        let config = Config::new()
            .credential("protocol", "postgresql")
            .credential("hostname", self.host)
            .credential("port", self.port.to_string())
            .credential("username", self.user)
            .secret_credential("password", self.password)
            .credential("database", self.database);
        match self.tls {
            Some(tls) => config.credential("tls", tls.as_str()),
            None => config,
        }
    }

    /// Logs in as the administrator.
    pub(crate) fn administer(&self) -> Result<Session<HostStream>, Failure> {
        self.administer_in(&self.database)
    }

    /// The same in another database.
    pub(crate) fn administer_in(&self, database: &str) -> Result<Session<HostStream>, Failure> {
        self.connect(&self.user, &self.password, database).map_err(|error| self.explain(&error))
    }

    /// Logs in as somebody else.
    pub(crate) fn log_in(&self, user: &str, password: &str, database: &str) -> Result<Session<HostStream>, Failure> {
        self.connect(user, password, database).map_err(|error| self.failure(&error, "as the app's own role"))
    }

    fn connect(&self, user: &str, password: &str, database: &str) -> Result<Session<HostStream>, Error> {
        self.tls.unwrap_or(Tls::Off).connect(|tls| {
            let stream = HostStream::connect(&self.host, self.port).map_err(io::Error::from)?;
            Session::connect(stream, &Login { user, password, database, tls })
        })
    }

    /// What was refused to the administrator, and what would help.
    pub(crate) fn explain(&self, error: &Error) -> Failure {
        let hint = match (error, error.code()) {
            _ if self.tls.is_none() => "",
            (_, Some(WRONG_PASSWORD | NOT_LET_IN)) => {
                "correct `external.username` and `external.password` in the provider's options"
            }
            (_, Some(NO_RIGHTS)) => "give the role in the provider's options CREATEROLE and CREATEDB",
            (_, Some(NO_DATABASE)) => "correct `external.database` in the provider's options",
            (Error::Io(error), _) => hint(error),
            (Error::NoTls, _) => "set `external.tls` to `prefer` or `off` in the provider's options, or give it TLS",
            _ => "",
        };
        self.failure(error, hint)
    }

    fn failure(&self, error: &Error, more: &str) -> Failure {
        let Self { host, port, .. } = self;
        let separator = if more.is_empty() { "" } else { "; " };
        let reason = format!("{host}:{port}: {error}{separator}{more}");
        if error.is_transient() { Failure::retry_after(AGAIN_AFTER, reason) } else { Failure::failed(reason) }
    }
}

/// What would help against an error of the connection's.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "if the name leads to addresses in a network of yours, tell that as `external.network` in the provider's options"
        }
        // The server's certificate.
        io::ErrorKind::InvalidData => {
            "give the server a certificate for this name, tell its authority by `larder serve --ca-file`, or set `external.tls` \
            to `off` in the provider's options"
        }
        _ => "",
    }
}
