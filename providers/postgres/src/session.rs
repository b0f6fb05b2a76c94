//! Logging in to a server, and what would help where it doesn't let in.

use larder_clients::postgres::{self, Login, Session};
use larder_clients::{Error, HostStream};
use larder_sdk::Failure;
use larder_servers::database::Server;

const WRONG_PASSWORD: &str = "28P01";
const NOT_LET_IN: &str = "28000";
const NO_RIGHTS: &str = "42501";
const NO_DATABASE: &str = "3D000";

/// Logs in to a database as the administrator. On a server of our own it sees to it that nobody else gets in as that, unless it is in a
/// database of somebody's, who may have it act as another there.
pub(crate) fn administer(server: &Server, database: &str) -> Result<Session<HostStream>, Failure> {
    let strict = enter(server, database).and_then(|mut session| {
        if server.is_ours() && database == server.database {
            postgres::demand_passwords(&mut session)?;
        }
        Ok(session)
    });
    strict.map_err(|error| explain(server, &error))
}

/// Logs in to a database of somebody's as the administrator, and gives the server's own words if that does not work.
pub(crate) fn enter(server: &Server, database: &str) -> Result<Session<HostStream>, Error> {
    connect(server, &server.user, &server.password, database)
}

/// Logs in as an app.
pub(crate) fn log_in(
    server: &Server,
    role: &str,
    password: &str,
    database: &str,
) -> Result<Session<HostStream>, Failure> {
    connect(server, role, password, database).map_err(|error| server.failure(&error, "as the app's own role"))
}

fn connect(server: &Server, user: &str, password: &str, database: &str) -> Result<Session<HostStream>, Error> {
    server.connect(|stream, tls| Session::connect(stream, &Login { user, password, database, tls }))
}

/// What was refused to the administrator, and what would help.
pub(crate) fn explain(server: &Server, error: &Error) -> Failure {
    let advice = match error.code() {
        Some(WRONG_PASSWORD | NOT_LET_IN) => Some(server.login_advice()),
        _ if server.is_ours() => None,
        Some(NO_RIGHTS) => Some("give the role in the provider's options CREATEROLE and CREATEDB"),
        Some(NO_DATABASE) => Some("correct `external.database` in the provider's options"),
        _ => None,
    };
    server.explain(error, advice)
}
