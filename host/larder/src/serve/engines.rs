//! The Docker engines that addons' containers and volumes are made on: one that the command line names, or all that a file does.

mod file;
mod maker;
mod rules;

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use larder_containers::{DockerEngine, Registries};
use larder_control::{Control, EngineMaker, EngineSettings, NamedEngine};
use larder_domain::EngineName;
use larder_domain::engines::EngineLabels;
use larder_domain::network::Host;

use maker::Maker;

/// What the one engine is called that the command line names.
const NAME: &str = "default";
/// What stands for no engine at all.
const NONE: &str = "none";
/// The ports that containers are given unless somebody says otherwise.
const PORTS: RangeInclusive<u16> = 21_000..=21_999;
/// Where an engine on this machine is reached, and publishes.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How engines are found and used.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArgs {
    /// The Docker engine for addons: unix:///path/of/docker.sock or tcp://host:port; none for no engine
    #[arg(long, value_name = "ENDPOINT", env = "LARDER_ENGINE", default_value = "unix:///var/run/docker.sock")]
    pub(crate) engine: String,
    /// The name or address by which apps and this host reach what the engine publishes
    #[arg(long, value_name = "HOST", env = "LARDER_ADVERTISE", default_value = "127.0.0.1", value_parser = host)]
    pub(crate) advertise: Host,
    /// The engine's own address at which containers' ports are published
    #[arg(long, value_name = "ADDRESS", env = "LARDER_PUBLISH_AT", default_value_t = LOOPBACK)]
    pub(crate) publish_at: IpAddr,
    /// The ports that may be given to containers
    #[arg(long, value_name = "FIRST-LAST", env = "LARDER_ENGINE_PORTS", default_value = "21000-21999", value_parser = ports)]
    pub(crate) engine_ports: RangeInclusive<u16>,
    /// A file, YAML or JSON, that names several engines and logins for registries, in the place of the options above
    #[arg(long, value_name = "FILE", env = "LARDER_ENGINES")]
    #[arg(conflicts_with_all = ["engine", "advertise", "publish_at", "engine_ports"])]
    pub(crate) engines: Option<PathBuf>,
    /// Do not use the engines that were added with `larder engine add`: for looking at a backup beside the original
    #[arg(long, env = "LARDER_NO_ADDED_ENGINES")]
    pub(crate) no_added_engines: bool,
}

/// What a node is started with.
pub(super) struct Configured {
    /// The engines. Whether they can be reached shows when they are used.
    pub(super) engines: Vec<NamedEngine>,
    /// What makes those that are added later.
    pub(super) maker: Option<Arc<dyn EngineMaker>>,
}

impl Configured {
    /// The use cases over these engines.
    pub(super) fn given_to(self, control: Control) -> Control {
        let control = control.with_engines(self.engines);
        match self.maker {
            Some(maker) => control.with_engine_maker(maker),
            None => control,
        }
    }
}

/// What the options and the file say.
///
/// # Errors
/// What is wrong with them.
pub(super) fn configured(args: EngineArgs) -> anyhow::Result<Configured> {
    let takes_more = !args.no_added_engines;
    let (engines, logins) = match &args.engines {
        Some(file) => file::read(file)?,
        None => (one(args)?, Registries::default()),
    };
    let maker = takes_more.then(|| Arc::new(Maker { logins }) as Arc<dyn EngineMaker>);
    Ok(Configured { engines, maker })
}

/// The one that the options name, if any.
fn one(args: EngineArgs) -> anyhow::Result<Vec<NamedEngine>> {
    if args.engine == NONE {
        return Ok(vec![]);
    }
    let engine = DockerEngine::connect(&args.engine).context("--engine can't be used")?;
    if engine.is_exposed() {
        bail!(
            "--engine {} goes over the network without TLS, and whoever is on the way is root on that machine: name it in a file, \
             with `tls`, or with `insecure: true` if you mean it, and use --engines FILE",
            args.engine
        );
    }
    let EngineArgs { advertise, publish_at, engine_ports: ports, engine: url, .. } = args;
    let (name, labels): (EngineName, _) = (NAME.parse()?, EngineLabels::new());
    let settings = EngineSettings { name, url, advertise, publish_at, ports, labels, weight: 1 };
    Ok(vec![NamedEngine::new(Arc::new(engine), settings)])
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
