//! `larder addon tunnel`: an addon at a port of this machine.
//!
//! The connections go from this machine to the addon directly; the server only tells where it is and is not asked
//! again.

mod address;
mod forward;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;

use super::WhichArgs;
use super::credentials::{Credentials, Endpoint};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::text;
use forward::Interrupt;

/// To what, and from where.
#[derive(Debug, Args)]
pub(crate) struct TunnelArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// The port to listen at [default: a free one].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    localport: Option<u16>,

    /// The address to listen at; another than the default lets other machines reach the addon.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,

    /// Show the secrets in the URL.
    #[arg(long)]
    reveal: bool,
}

pub(crate) async fn run(context: &Context, args: &TunnelArgs) -> Result<()> {
    let credentials = Credentials::of(context, &args.which).await?;
    let target = credentials.endpoint()?;
    target.warn_if_elsewhere(context);
    if target.is_loopback() && args.localport == Some(target.port) {
        return Err(Failure::usage(format!("the addon itself is at port {} of this machine", target.port))
            .or_help("choose another port, or leave out --localport"));
    }
    // Whoever reads that we listen may end us at once.
    let interrupt = Interrupt::watch().map_err(|error| cannot("no_signals", "signals can't be watched", &error))?;
    let asked = SocketAddr::new(args.listen, args.localport.unwrap_or_default());
    let listener = TcpListener::bind(asked).await.map_err(|error| not_listening(asked, &error))?;
    let local = listener.local_addr().map_err(|error| not_listening(asked, &error))?;
    announce(context, &credentials, (local, &target), args.reveal)?;
    forward::serve(context.out, listener, target, interrupt).await;
    context.out.note("the tunnel is closed");
    Ok(())
}

fn announce(
    context: &Context,
    credentials: &Credentials,
    (local, target): (SocketAddr, &Endpoint),
    reveal: bool,
) -> Result<()> {
    if !local.ip().is_loopback() {
        context.out.note(&format!("warning: whoever reaches {local} reaches the addon"));
    }
    let url = address::at(credentials, target, local, reveal);
    if context.out.json {
        let (target, local) = (target.to_string(), local.to_string());
        return context.out.json_line(&json!({ "local": local, "target": target, "url": url }));
    }
    context.out.text(&format!("{} -> {target}\n", address::shown(local)))?;
    match url {
        Some(url) => context.out.text(&format!("{}\n", text::line(&url))),
        None => Ok(()),
    }
}

fn not_listening(asked: SocketAddr, error: &std::io::Error) -> Failure {
    cannot("cannot_listen", &format!("{asked} can't be listened at"), error)
        .or_help("choose another port with --localport, or leave it out for a free one")
}

fn cannot(code: &str, what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Failed, code, format!("{what}: {error}"))
}
