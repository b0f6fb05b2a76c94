//! What an engine may be said to be: the rules of the file of engines, and of those that are added while servers run.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use larder_containers::{DockerEngine, Registries, Tls, TlsProof};
use larder_control::{EngineSettings, NamedEngine};
use larder_domain::EngineName;
use larder_domain::engines::{ENGINE_LABELS_MAX, ENGINE_WEIGHT_MAX, EngineLabels};
use larder_domain::network::Host;

use super::{LOOPBACK, PORTS, ports};

/// The longest text in PEM, in bytes: three of them are to fit into a request.
pub(super) const PEM_BYTES_MAX: usize = 256 * 1024;

/// What is said of an engine, each part as it stands there.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) url: Option<String>,
    pub(super) advertise: Option<String>,
    pub(super) publish_at: Option<String>,
    pub(super) ports: Option<String>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) weight: Option<String>,
    pub(super) is_insecure: bool,
    /// Whether there is anything about TLS, be it right or wrong.
    pub(super) has_tls: bool,
    pub(super) tls: Option<TlsProof>,
}

/// Where something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// In the whole.
    Engine,
    /// Under a key.
    Key(&'static str),
    /// In one of the labels, by its place among them.
    Label(usize),
}

/// What is wrong with it, all at once.
#[derive(Debug, Default)]
pub(super) struct Wrong(pub(super) Vec<(At, String)>);

impl Wrong {
    fn add(&mut self, at: At, what: impl Into<String>) {
        self.0.push((at, what.into()));
    }

    fn kept<T, E: std::fmt::Display>(&mut self, at: At, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.add(at, error.to_string())).ok()
    }
}

/// The engine. What can be read is, whatever is wrong with the rest: who corrects one mistake is not to find the next.
pub(super) fn engine(
    name: Option<EngineName>,
    said: &Said,
    what: &str,
    logins: &Registries,
    wrong: &mut Wrong,
) -> Option<NamedEngine> {
    let connected = said.url.as_deref().map(|url| DockerEngine::connect(url).map_err(|why| format!("{what}: {why}")));
    let engine = connected.and_then(|connected| wrong.kept(At::Engine, connected));
    check_way(engine.as_ref(), said, what, wrong);
    let advertise = advertise(engine.as_ref(), said, wrong);
    let publish_at = publish_at(engine.as_ref(), said, what, wrong);
    let ports = value("ports", said.ports.as_deref(), ports, wrong).unwrap_or(PORTS);
    let (labels, weight) = (labels(said, wrong), weight(said, wrong));
    let tls = said.tls.as_ref().and_then(|proof| {
        let tls = Tls::of(proof).map_err(|error| format!("{what}, `tls`: {error}"));
        wrong.kept(At::Key("tls"), tls)
    });
    let engine = engine?.with_registries(logins.clone());
    let engine = match tls {
        Some(tls) => engine.secured(tls),
        None => engine,
    };
    let (name, url, advertise) = (name?, said.url.clone()?, advertise?);
    let settings = EngineSettings { name, url, advertise, publish_at, ports, labels, weight };
    Some(NamedEngine::new(Arc::new(engine), settings))
}

/// There is TLS on the way, or nobody, or somebody has said that this is meant.
fn check_way(engine: Option<&DockerEngine>, said: &Said, what: &str, wrong: &mut Wrong) {
    if !said.has_tls {
        if engine.is_some_and(DockerEngine::is_exposed) && !said.is_insecure {
            let what = format!(
                "{what} is reached over the network without TLS, and whoever is on the way is root on that machine: \
                 add `tls`, or `insecure: true` if you mean it"
            );
            wrong.add(At::Engine, what);
        }
        return;
    }
    if said.is_insecure {
        wrong.add(At::Key("tls"), format!("{what} has `tls` and `insecure`: leave out one of them"));
    }
    if engine.is_some_and(|engine| engine.host().is_none()) {
        let what = format!("{what} is a socket of this machine, which has no TLS: leave out `tls`, or use tcp://");
        wrong.add(At::Key("tls"), what);
    }
}

/// Where apps reach it: where this host does, unless that is said.
fn advertise(engine: Option<&DockerEngine>, said: &Said, wrong: &mut Wrong) -> Option<Host> {
    let loopback = LOOPBACK.to_string();
    let of_url = engine.filter(|engine| !engine.is_local()).and_then(DockerEngine::host).unwrap_or(&loopback);
    let read = Host::parse(said.advertise.as_deref().unwrap_or(of_url));
    wrong.kept(At::Key("advertise"), read.map_err(|error| format!("`advertise`: {error}")))
}

fn publish_at(engine: Option<&DockerEngine>, said: &Said, what: &str, wrong: &mut Wrong) -> IpAddr {
    let meant = "an address of the engine's own machine, like 10.0.0.2 or 0.0.0.0";
    let parse = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("it is no IP address: write {meant}"));
    if engine.is_some_and(|engine| !engine.is_local()) && said.publish_at.is_none() {
        wrong.add(At::Engine, format!("{what} is on another machine, and has no `publish_at`: add {meant}"));
    }
    value("publish_at", said.publish_at.as_deref(), parse, wrong).unwrap_or(LOOPBACK)
}

fn labels(said: &Said, wrong: &mut Wrong) -> EngineLabels {
    let mut labels = EngineLabels::new();
    if said.labels.len() > ENGINE_LABELS_MAX {
        wrong.add(At::Key("labels"), format!("`labels` has more than {ENGINE_LABELS_MAX} labels"));
    }
    for (at, (name, value)) in said.labels.iter().enumerate() {
        let mut text = |text: &str| wrong.kept(At::Label(at), FromStr::from_str(text));
        let (name, value) = (text(name), text(value));
        labels.extend(name.zip(value));
    }
    labels
}

fn weight(said: &Said, wrong: &mut Wrong) -> u32 {
    let meant =
        format!("write a number from 0 to {ENGINE_WEIGHT_MAX}; 0 is for engines that take only what asks for them");
    let parse = |text: &str| text.parse().ok().filter(|weight| *weight <= ENGINE_WEIGHT_MAX).ok_or(meant);
    value("weight", said.weight.as_deref(), parse, wrong).unwrap_or(1)
}

/// The value of a text, if there is one; none if it is wrong.
fn value<T>(
    key: &'static str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, String>,
    wrong: &mut Wrong,
) -> Option<T> {
    wrong.kept(At::Key(key), parse(text?).map_err(|why| format!("`{key}`: {why}")))
}
