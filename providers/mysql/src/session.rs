//! Logging in to a server, and what would help where it doesn't let in.

use larder_clients::mysql::{Login, Session};
use larder_clients::{Error, HostStream};
use larder_sdk::Failure;
use larder_servers::database::Server;

const NOT_LET_IN: [&str; 3] = ["1045", "1130", "1698"];
const NO_RIGHTS: [&str; 4] = ["1044", "1142", "1227", "1410"];

/// Logs in as the administrator.
pub(crate) fn administer(server: &Server) -> Result<Session<HostStream>, Failure> {
    connect(server, &server.user, &server.password).map_err(|error| explain(server, &error))
}

/// Logs in as somebody else.
pub(crate) fn log_in(server: &Server, user: &str, password: &str) -> Result<Session<HostStream>, Failure> {
    connect(server, user, password).map_err(|error| server.failure(&error, "as the app's own user"))
}

fn connect(server: &Server, user: &str, password: &str) -> Result<Session<HostStream>, Error> {
    server.connect(|stream, tls| Session::connect(stream, &Login { user, password, tls }))
}

/// What was refused to the administrator, and what would help.
pub(crate) fn explain(server: &Server, error: &Error) -> Failure {
    let advice = match error.code() {
        Some(code) if NOT_LET_IN.contains(&code) => Some(server.login_advice()),
        _ if server.is_ours() => None,
        Some(code) if NO_RIGHTS.contains(&code) => {
            Some("give the user in the provider's options all privileges, with GRANT OPTION")
        }
        _ => None,
    };
    server.explain(error, advice)
}
