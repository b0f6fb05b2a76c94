//! `larder addon connect`: the service's own client, logged in.
//!
//! The password goes to the client in its environment and never on its command line, which every user of the
//! machine can read. Where the client is not installed, it runs in a container.

mod client;
mod container;

use std::ffi::OsString;
use std::io::{IsTerminal, stdin};

use clap::Args;
use serde_json::json;

use super::WhichArgs;
use super::credentials::{Credentials, Endpoint};
use crate::cli::context::Context;
use crate::cli::exec::{self, Program};
use crate::cli::failure::{Failure, Kind, Result};
use client::Client;

const EXIT_CODES: &str = "\
Exit codes:
  the client's own, once it runs; before that those of `larder`, and
  126  the client can't be executed
  127  there is no client for this service, or it is not installed";

/// To what, and how.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// Run the client in a container of this image, also where it is installed.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,

    /// More arguments for the client.
    #[arg(value_name = "ARGS", last = true)]
    args: Vec<OsString>,
}

pub(crate) async fn run(context: &Context, args: ConnectArgs) -> Result<()> {
    match prepare(context, args).await? {
        Some(program) => Err(program.exec()),
        None => Ok(()),
    }
}

/// The client; none if there is nothing to start and all has been said.
async fn prepare(context: &Context, args: ConnectArgs) -> Result<Option<Program>> {
    let credentials = Credentials::of(context, &args.which).await?;
    let endpoint = credentials.endpoint()?;
    endpoint.warn_if_elsewhere(context);
    if credentials.protocol() == "memcached" && args.args.is_empty() {
        return tell(context, &endpoint).map(|()| None);
    }
    let Some(client) = Client::of(&credentials, &endpoint) else {
        return Err(unknown(&credentials, &endpoint));
    };
    let (path, inherited) = (std::env::var_os("PATH"), exec::passed_on(std::env::vars_os()));
    let is_installed = |name: &&&str| exec::find(name, path.as_deref()).is_some();
    match client.programs.iter().find(is_installed) {
        Some(name) if args.image.is_none() => return Ok(Some(client.program(name, args.args, inherited))),
        _ => {}
    }
    if !container::is_possible(path.as_deref()).await {
        return Err(missing(&client, args.image.as_deref()));
    }
    let image = args.image.as_deref().unwrap_or(client.image);
    if args.image.is_none() {
        context.out.note(&format!("`{}` is not installed; it runs in a container of `{image}`", client.programs[0]));
    }
    Ok(Some(container::program(client, image, args.args, inherited, stdin().is_terminal())))
}

/// Memcached is spoken to by hand.
fn tell(context: &Context, endpoint: &Endpoint) -> Result<()> {
    let Endpoint { host, port } = endpoint;
    let value = json!({ "protocol": "memcached", "hostname": host, "port": port });
    context.out.result(&value, || Ok(format!("{endpoint}\n")))?;
    context.out.note(&format!("memcached has no client of its own; type its commands into `nc {host} {port}`"));
    Ok(())
}

fn unknown(credentials: &Credentials, endpoint: &Endpoint) -> Failure {
    let (label, protocol) = (credentials.label(), credentials.protocol());
    let detail = if protocol.is_empty() {
        format!("`{label}` does not tell its protocol")
    } else {
        format!("no client is known for the protocol `{protocol}` of `{label}`")
    };
    Failure::new(Kind::CommandMissing, "no_client", detail)
        .or_help(format!("it listens at {endpoint}; run a client of yours with `larder run --app APP -- CLIENT`"))
}

fn missing(client: &Client, image: Option<&str>) -> Failure {
    let (name, package) = (client.programs[0], client.package);
    let failure = |detail: String| Failure::new(Kind::CommandMissing, "client_missing", detail);
    match image {
        Some(image) => failure(format!("no container of `{image}` can be run: no Docker engine answers"))
            .or_help("check `docker version`, or leave out --image"),
        None => failure(format!("`{name}` is not installed, and no Docker engine answers that could run it"))
            .or_help(format!("install the package `{package}`, or start Docker")),
    }
}

#[cfg(test)]
mod tests;
