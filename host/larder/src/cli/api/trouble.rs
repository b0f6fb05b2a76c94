//! Failures between us and the server, told so that a person knows what to do.

use std::error::Error;

use reqwest::StatusCode;

use crate::cli::failure::{Failure, Kind};
use crate::cli::settings::Source;

pub(super) const WHICH_TOKEN: &str = "pass another token with --token or LARDER_TOKEN; a server keeps its \
     administrator's token in `admin.token` in its data directory, which --data-dir names";

/// The connection could not be made, or broke.
pub(super) fn transport(url: &str, source: &Source, error: &reqwest::Error) -> Failure {
    let cause = root_cause(error);
    if error.is_connect() {
        let detail = format!("cannot reach the server at `{url}`: {cause}");
        return Failure::new(Kind::Unreachable, "unreachable", detail).or_help(where_to_look(source));
    }
    if error.is_timeout() {
        let detail = format!("the server at `{url}` did not answer in time");
        return Failure::new(Kind::Unreachable, "no_answer", detail).or_help("look at the server's log, and try again");
    }
    let detail = format!("the connection to `{url}` broke: {cause}");
    Failure::new(Kind::Unreachable, "connection_lost", detail).or_help("look at the server's log, and try again")
}

/// Something answered, but not Larder.
pub(super) fn not_larder(url: &str, status: StatusCode) -> Failure {
    let detail = format!("the answer of `{url}` (HTTP status {}) is none of Larder's", status.as_u16());
    Failure::new(Kind::Failed, "bad_answer", detail).or_help("check the address, and what stands before the server")
}

/// No client could be made.
pub(super) fn unusable(error: &reqwest::Error) -> Failure {
    let detail = format!("no HTTPS connection can be made: {}", root_cause(error));
    Failure::new(Kind::Failed, "no_client", detail).or_help("install the system's CA certificates")
}

fn where_to_look(source: &Source) -> String {
    match source {
        Source::User => "check the address, or start a server with `larder serve`".to_owned(),
        Source::ConfigFile(path) => {
            format!("the address is from `{}`; check it, or pass another one with --url", path.display())
        }
        Source::DataDir(folder) => {
            let folder = folder.display();
            format!("its server has stopped: start it with `larder serve --data-dir {folder}`, or pass --url")
        }
        Source::Default => "start a server with `larder serve`, or pass the address of one with --url".to_owned(),
    }
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
