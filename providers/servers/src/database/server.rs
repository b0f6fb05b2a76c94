//! A server, as it is talked to: where it is, and who administers it.

use std::io;
use std::time::Duration;

use larder_clients::{Error, HostStream, Tls};
use larder_sdk::docker::{self, Endpoint, NotRunning};
use larder_sdk::{Addon, Config, Failure, ProvisionType, Stream, secrets};

use super::offer::{External, Settings};
use super::place::Place;
use super::release::IMAGE;
use super::{Kind, SERVER};
use crate::{told, told_port};

/// How long to wait for a server that can't be reached now.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// A server.
#[derive(Clone)]
pub struct Server {
    kind: &'static Kind,
    host: String,
    port: u16,
    /// Whether to secure connections. None in a container: nobody vouches for that.
    pub tls: Option<Tls>,
    /// The certificate of who vouches for it, for programs in containers; the host knows its own authorities.
    pub(super) authority: Option<String>,
    /// Who administers it.
    pub user: String,
    /// With which password.
    pub password: String,
    /// Where the administrator logs in; empty if that is no database.
    pub database: String,
    /// How long it may take to do what it is asked, if not as long as the host waits.
    wait: Option<Duration>,
}

impl Server {
    /// The one that the addon is on. Until a container runs there is none.
    pub(super) fn of(addon: &Addon, kind: &'static Kind) -> Result<Self, NotRunning> {
        match Place::of(addon, kind)? {
            Place::Container => {
                let Endpoint { host, published: port, .. } = docker::inspect(SERVER)?.endpoint(kind.port)?;
                let (user, database) = (kind.admin.to_owned(), kind.admin_database.unwrap_or_default().to_owned());
                Ok(Self {
                    kind,
                    host,
                    port,
                    tls: None,
                    authority: None,
                    user,
                    password: password()?,
                    database,
                    wait: None,
                })
            }
            Place::External(external) => Ok(Self::external(external, kind)),
            Place::Common => Ok(Self::common(addon, kind)?),
        }
    }

    fn external(external: External, kind: &'static Kind) -> Self {
        let (port, tls) = (external.port(kind), external.tls(kind));
        let External { hostname: host, username: user, password, database, authority, .. } = external;
        let database = database.or_else(|| kind.admin_database.map(str::to_owned)).unwrap_or_default();
        Self { kind, host, port, tls: Some(tls), authority, user, password, database, wait: None }
    }

    /// As it said itself, in [`Server::config`].
    fn common(addon: &Addon, kind: &'static Kind) -> Result<Self, Failure> {
        let (host, port) = (told(addon, "hostname")?, told_port(addon, "port")?);
        let tls = addon.server_value("tls").and_then(|tls| Tls::named(&tls));
        // The operator may have changed the password since.
        let external = secrets::options::<Settings>()?.external;
        let is_it = |external: &External| external.hostname == host && external.port(kind) == port;
        if let Some(external) = external.filter(|external| tls.is_some() && is_it(external)) {
            return Ok(Self::external(external, kind));
        }
        let (user, password) = (told(addon, "username")?, told(addon, "password")?);
        let database = if kind.admin_database.is_some() { told(addon, "database")? } else { String::new() };
        Ok(Self { kind, host, port, tls, authority: None, user, password, database, wait: None })
    }

    /// Refuses to make anything new on a common server that is another one than the options mean: the host keeps one for a plan as long as
    /// there is one.
    pub(super) fn common_is_meant(addon: &Addon, kind: &'static Kind) -> Result<(), Failure> {
        let server = Self::common(addon, kind)?;
        let made_on = server.tls.map(|_| format!("{}:{}", server.host, server.port));
        let meant = secrets::options::<Settings>()?.external.map(|external| external.address(kind));
        if made_on == meant {
            return Ok(());
        }
        Err(Failure::rejected(not_meant(&addon.plan(), made_on.as_deref(), meant.as_deref())))
    }

    /// The same, which has so long to do what it is asked on each connection.
    pub(super) fn within(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }

    /// Whether it is one in a container, that nobody administers but us.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.tls.is_none()
    }

    /// What would help where its administrator is not let in.
    #[must_use]
    pub const fn login_advice(&self) -> &'static str {
        if self.is_ours() {
            "its first start was cut off before there was an administrator, or somebody has changed the password: delete the addon (a \
            common server by its own id) and make it anew"
        } else {
            "correct `external.username` and `external.password` in the provider's options"
        }
    }

    /// Where the container of a transfer reaches it, if it is in a container: beside the addon's own, and a common one from outside.
    pub(super) fn seen_from_beside(&self, addon: &Addon) -> (String, u16) {
        match (self.tls, addon.provision_type()) {
            (Some(_), _) => (self.host.clone(), self.port),
            (None, ProvisionType::Communal) => (Stream::SERVER.to_owned(), self.kind.port),
            (None, _) => ("127.0.0.1".to_owned(), self.kind.port),
        }
    }

    /// What those need who get a part of it; and the image that it runs from, if it is in a container.
    pub(super) fn config(self, image: Option<String>) -> Config {
        let config = Config::new()
            .credential("protocol", self.kind.protocol)
            .credential("hostname", self.host)
            .credential("port", self.port.to_string())
            .credential("username", self.user)
            .secret_credential("password", self.password);
        let config = match self.kind.admin_database {
            Some(_) => config.credential("database", self.database),
            None => config,
        };
        let told = [("tls", self.tls.map(|tls| tls.as_str().to_owned())), (IMAGE, image)];
        told.into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .fold(config, |config, (key, value)| config.credential(key, value))
    }

    /// What an app needs to use a database as this user. The query ends its URL.
    ///
    /// # Errors
    /// The host could not tell where the app reaches the server.
    pub fn config_of(&self, database: &str, user: &str, password: &str, query: &str) -> Result<Config, Failure> {
        let Kind { protocol, .. } = self.kind;
        let (host, port) = match self.tls {
            None => docker::for_app(&self.host, self.port)?,
            // It is in no container of ours.
            Some(_) => (self.host.clone(), self.port),
        };
        let url = format!("{protocol}://{user}:{password}@{host}:{port}/{database}{query}");
        Ok(Config::new()
            .secret("DATABASE_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", *protocol)
            .credential("hostname", host)
            .credential("port", port.to_string())
            .credential("username", user)
            .secret_credential("password", password)
            .credential("database", database))
    }

    /// Connects, and logs in by the function, which secures the connection if it is told to.
    ///
    /// # Errors
    /// Those of the function, and those of the connection.
    pub fn connect<S>(&self, mut log_in: impl FnMut(HostStream, bool) -> Result<S, Error>) -> Result<S, Error> {
        self.tls.unwrap_or(Tls::Off).connect(|tls| {
            let stream = HostStream::connect(&self.host, self.port).map_err(io::Error::from)?;
            log_in(self.wait.into_iter().fold(stream, HostStream::within), tls)
        })
    }

    /// What was refused to the administrator, and what would help: this advice, if the server's code is one that the provider knows.
    #[must_use]
    pub fn explain(&self, error: &Error, advice: Option<&str>) -> Failure {
        let advice = match (error, advice) {
            (_, Some(advice)) => advice,
            _ if self.is_ours() => "",
            (Error::Io(error), None) => advice_on(error),
            (Error::NoTls, None) => "set `external.tls` to `prefer` or `off` in the provider's options, or give it TLS",
            _ => "",
        };
        self.failure(error, advice)
    }

    /// The error, with a few words more.
    #[must_use]
    pub fn failure(&self, error: &Error, more: &str) -> Failure {
        let Self { host, port, .. } = self;
        let separator = if more.is_empty() { "" } else { "; " };
        let reason = format!("{host}:{port}: {error}{separator}{more}");
        if error.is_transient() { Failure::retry_after(AGAIN_AFTER, reason) } else { Failure::failed(reason) }
    }
}

/// Why nothing is made on a common server that is somewhere else than it is meant to be; in a container, if no place is told.
fn not_meant(plan: &str, made_on: Option<&str>, meant: Option<&str>) -> String {
    let (made_on, meant) = (made_on.unwrap_or("in a container"), meant.unwrap_or("a container"));
    format!(
        "the common server of the plan {plan} is {made_on}, and the provider's options lead to {meant}: the operator has to delete the \
        common server first (by its id, which its addons have as `parent`, and after them); the next one is made where the options lead"
    )
}

/// Of the administrator of a server in a container.
pub(super) fn password() -> Result<String, Failure> {
    secrets::password("server", 0, 40)
}

/// What would help against an error of the connection's.
fn advice_on(error: &io::Error) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_is_told_where_the_common_server_is_and_where_it_should_be() {
        let why = not_meant("small", None, Some("db.internal:5432"));
        assert!(
            why.contains("plan small is in a container, and the provider's options lead to db.internal:5432"),
            "{why}"
        );
        assert!(not_meant("small", Some("db.internal:5432"), None).contains("is db.internal:5432, and"), "{why}");
    }
}
