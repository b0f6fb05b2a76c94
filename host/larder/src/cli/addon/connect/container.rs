//! A client in a container, for machines where it isn't installed.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::client::Client;
use crate::cli::exec::{self, Environment, Program};

const DOCKER: &str = "docker";
/// How long an engine may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether an engine answers.
pub(super) async fn is_possible(path: Option<&OsStr>) -> bool {
    let Some(docker) = exec::find(DOCKER, path) else { return false };
    let mut ask = Command::new(docker);
    ask.args(["version", "--format", "{{.Server.Version}}"]).kill_on_drop(true);
    ask.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    matches!(timeout(PATIENCE, ask.status()).await, Ok(Ok(status)) if status.success())
}

/// The client in a container of this image. Variables are passed by their names, so that no value is on a command
/// line; the engine's own client takes them from its environment.
pub(super) fn program(
    client: Client,
    image: &str,
    more: Vec<OsString>,
    inherited: Environment,
    is_terminal: bool,
) -> Program {
    let mut words = vec!["run", "--rm", "--interactive", "--network", "host"];
    words.extend(is_terminal.then_some("--tty"));
    words.extend(client.environment.iter().flat_map(|(name, _)| ["--env", name]));
    let inside = inside(&client, image);
    words.extend([image, inside]);
    let mut args: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    args.extend(client.arguments(inside));
    args.extend(more);
    Program { name: DOCKER.into(), args, environment: client.told(inherited) }
}

/// Which of the programs this image has: the one that is called like it, or the usual one.
fn inside(client: &Client, image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or(image);
    let is_named = |program: &&&str| name.contains(program.trim_end_matches("-cli"));
    client.programs.iter().find(is_named).copied().unwrap_or(client.programs[0])
}
