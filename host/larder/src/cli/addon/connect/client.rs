//! Which program speaks to which service, and how it is told where to go and who it is.

use std::ffi::OsString;

use crate::cli::addon::credentials::{Credentials, Endpoint};
use crate::cli::exec::{Environment, Program, is_among};

/// How libpq is told about TLS.
const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// What each program takes on its command line.
#[derive(Debug, PartialEq, Eq)]
enum Arguments {
    Fixed(Vec<String>),
    /// Those of MariaDB's client and of MySQL's differ in how TLS is asked for.
    Mysql {
        common: Vec<String>,
        is_encrypted: bool,
    },
}

/// A service's client. The first program is the usual one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) programs: &'static [&'static str],
    /// As Debian and its descendants call it.
    pub(super) package: &'static str,
    pub(super) image: &'static str,
    arguments: Arguments,
    /// What it is told in secret, and what only fits there.
    pub(super) environment: Vec<(&'static str, String)>,
    /// What it must not hear: somebody's settings for another server.
    cleared: &'static [&'static str],
}

impl Client {
    /// The client for what the addon speaks, if one is known.
    pub(super) fn of(credentials: &Credentials, endpoint: &Endpoint) -> Option<Self> {
        match credentials.protocol().as_str() {
            "redis" | "rediss" | "valkey" => Some(redis(credentials, endpoint)),
            "postgresql" | "postgres" => Some(postgres(credentials, endpoint)),
            "mysql" | "mariadb" => Some(mysql(credentials, endpoint)),
            _ => None,
        }
    }

    /// The arguments for one of the programs; none of them is a secret.
    pub(super) fn arguments(&self, program: &str) -> Vec<OsString> {
        let tls: &[&str] = match &self.arguments {
            Arguments::Fixed(_) => &[],
            Arguments::Mysql { is_encrypted, .. } => match (program, is_encrypted) {
                ("mysql", true) => &["--ssl-mode=REQUIRED"],
                ("mysql", false) => &[],
                (_, true) => &["--ssl"],
                // Newer ones would refuse a server without TLS.
                (_, false) => &["--skip-ssl-verify-server-cert"],
            },
        };
        let (Arguments::Fixed(common) | Arguments::Mysql { common, .. }) = &self.arguments;
        common.iter().map(OsString::from).chain(tls.iter().map(OsString::from)).collect()
    }

    /// The program as it is started here.
    pub(super) fn program(self, name: &str, more: Vec<OsString>, inherited: Environment) -> Program {
        let mut args = self.arguments(name);
        args.extend(more);
        Program { name: name.into(), args, environment: self.told(inherited) }
    }

    /// What is inherited, without what would mislead the client, and with what it is to know.
    pub(super) fn told(&self, mut inherited: Environment) -> Environment {
        inherited.retain(|name, _| !is_among(name, self.cleared));
        inherited.extend(self.environment.iter().map(|(name, value)| (name.into(), value.into())));
        inherited
    }
}

fn redis(credentials: &Credentials, Endpoint { host, port }: &Endpoint) -> Client {
    let mut args = vec!["-h".to_owned(), host.clone(), "-p".to_owned(), port.to_string()];
    args.extend(credentials.username().into_iter().flat_map(|user| ["--user".to_owned(), user]));
    let database = credentials.database().filter(|database| database.bytes().all(|byte| byte.is_ascii_digit()));
    args.extend(database.into_iter().flat_map(|database| ["-n".to_owned(), database]));
    args.extend(is_encrypted(credentials).then(|| "--tls".to_owned()));
    Client {
        programs: &["redis-cli", "valkey-cli"],
        package: "redis-tools",
        image: "redis:7",
        arguments: Arguments::Fixed(args),
        environment: credentials.password().map(|password| ("REDISCLI_AUTH", password)).into_iter().collect(),
        cleared: &["REDISCLI_AUTH"],
    }
}

fn postgres(credentials: &Credentials, Endpoint { host, port }: &Endpoint) -> Client {
    let mode = credentials.option("sslmode").filter(|mode| SSL_MODES.contains(&mode.as_str()));
    let mode = mode.or_else(|| is_encrypted(credentials).then(|| "require".to_owned()));
    let known = [
        ("PGHOST", Some(host.clone())),
        ("PGPORT", Some(port.to_string())),
        ("PGUSER", credentials.username()),
        ("PGPASSWORD", credentials.password()),
        ("PGDATABASE", credentials.database()),
        ("PGSSLMODE", mode),
    ];
    Client {
        programs: &["psql"],
        package: "postgresql-client",
        image: "postgres:16",
        arguments: Arguments::Fixed(vec![]),
        environment: known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        // PGHOSTADDR alone would have the password sent somewhere else.
        cleared: &["PG*"],
    }
}

fn mysql(credentials: &Credentials, Endpoint { host, port }: &Endpoint) -> Client {
    // Somebody's own settings may have a password, and would win over the variable; the option has to be the first.
    let mut common = vec!["--no-defaults".to_owned(), "--protocol=TCP".to_owned()];
    common.extend([format!("--host={host}"), format!("--port={port}")]);
    common.extend(credentials.username().map(|user| format!("--user={user}")));
    common.extend(credentials.database().map(|database| format!("--database={database}")));
    // Else the server could ask for any file that the user can read.
    common.push("--local-infile=0".to_owned());
    Client {
        programs: &["mariadb", "mysql"],
        package: "mariadb-client",
        image: "mariadb:10.11",
        arguments: Arguments::Mysql { common, is_encrypted: is_encrypted(credentials) },
        environment: credentials.password().map(|password| ("MYSQL_PWD", password)).into_iter().collect(),
        cleared: &["MYSQL_PWD"],
    }
}

/// Whether the provider says that the connection is to be encrypted.
fn is_encrypted(credentials: &Credentials) -> bool {
    let says = |name: &str| credentials.option(name).unwrap_or_default().to_ascii_lowercase();
    let is_required = |mode: String| matches!(mode.as_str(), "require" | "required" | "verify-ca" | "verify-full");
    let is_on = |value: String| matches!(value.as_str(), "true" | "1" | "require");
    ["redis", "valkey"].iter().any(|name| credentials.scheme() == format!("{name}s"))
        || credentials.protocol() == "rediss"
        || ["sslmode", "ssl-mode"].into_iter().any(|name| is_required(says(name)))
        || ["ssl", "tls"].into_iter().any(|name| is_on(says(name)))
        || credentials.get("tls").is_some_and(|tls| is_on(tls.to_ascii_lowercase()))
}
