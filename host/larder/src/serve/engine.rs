//! The Docker engine that addons' containers and volumes are made on.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use larder_containers::DockerEngine;
use larder_control::{EngineSettings, NamedEngine};
use larder_domain::network::Host;

/// The one engine that there is so far.
const NAME: &str = "default";

/// How an engine is found and used.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArgs {
    /// The Docker engine for addons: unix:///path/of/docker.sock or tcp://host:port
    #[arg(long, value_name = "ENDPOINT", env = "LARDER_ENGINE", default_value = "unix:///var/run/docker.sock")]
    pub(crate) engine: String,
    /// The name or address by which apps and this host reach what the engine publishes
    #[arg(long, value_name = "HOST", env = "LARDER_ADVERTISE", default_value = "127.0.0.1", value_parser = host)]
    pub(crate) advertise: Host,
    /// The engine's own address at which containers' ports are published
    #[arg(long, value_name = "ADDRESS", env = "LARDER_PUBLISH_AT", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) publish_at: IpAddr,
    /// The ports that may be given to containers
    #[arg(long, value_name = "FIRST-LAST", env = "LARDER_ENGINE_PORTS", default_value = "21000-21999", value_parser = ports)]
    pub(crate) engine_ports: RangeInclusive<u16>,
}

/// The engine. Whether it can be reached shows when it is used.
///
/// # Errors
/// The endpoint is none.
pub(super) fn engine(args: EngineArgs) -> anyhow::Result<NamedEngine> {
    let engine = DockerEngine::connect(&args.engine).context("--engine can't be used")?;
    let EngineArgs { advertise, publish_at, engine_ports: ports, .. } = args;
    Ok(NamedEngine {
        engine: Arc::new(engine),
        settings: EngineSettings { name: NAME.to_owned(), advertise, publish_at, ports },
    })
}

fn host(text: &str) -> Result<Host, String> {
    Host::parse(text).map_err(|error| error.to_string())
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let meant = "write FIRST-LAST, like 21000-21999";
    let (first, last) = text.split_once('-').ok_or(meant)?;
    let (first, last): (u16, u16) = (first.parse().map_err(|_| meant)?, last.parse().map_err(|_| meant)?);
    if first == 0 || first > last { Err(meant.to_owned()) } else { Ok(first..=last) }
}
