//! The file of engines: read as strictly as any file that people write here, with every mistake told at once by its line.

mod registries;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use larder_containers::{DockerEngine, Registries, Tls, TlsFiles};
use larder_control::{EngineSettings, NamedEngine};
use larder_domain::EngineName;
use larder_domain::engines::{ENGINE_LABELS_MAX, ENGINE_WEIGHT_MAX, EngineLabels};
use larder_domain::network::Host;

use super::{LOOPBACK, PORTS, ports};
use crate::cli::apply::fields::Fields;
use crate::cli::apply::mistake::Mistakes;
use crate::cli::apply::yaml::{self, Key, Node};
use crate::cli::object::read_bounded;

/// How many engines a host may use.
const ENGINES_MAX: usize = 32;
/// The longest file with a key or certificates, in bytes.
const PROOF_BYTES_MAX: u64 = 1024 * 1024;
/// What may be said of an engine.
const KEYS: [&str; 8] = ["url", "advertise", "publish_at", "ports", "tls", "insecure", "labels", "weight"];

/// Reads the file, and the files that it names.
///
/// # Errors
/// All that is wrong with it, each with its line.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<NamedEngine>> {
    let name = path.display().to_string();
    let text = File::open(path).and_then(read_bounded).with_context(|| format!("{name} can't be read as --engines"))?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    understand(&text, &name, &folder)
}

fn understand(text: &str, name: &str, folder: &Path) -> anyhow::Result<Vec<NamedEngine>> {
    let mut mistakes = Mistakes::default();
    let engines = match mistakes.keep(yaml::parse(text)) {
        Some(root) => Reader { folder, urls: BTreeSet::new(), mistakes: &mut mistakes }.root(&root),
        None => vec![],
    };
    mistakes
        .or(name, engines)
        .map_err(|failure| anyhow!("the engines can't be used as they are written:\n{}", failure.detail))
}

/// Reads one thing after the other, and goes on where something is wrong.
struct Reader<'a> {
    /// Where files are looked for that are not named from the root.
    folder: &'a Path,
    /// Of the engines that were read.
    urls: BTreeSet<String>,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn root(&mut self, root: &Node) -> Vec<NamedEngine> {
        let Some(fields) = Fields::of(root, "the file", &["engines", "registries"], self.mistakes) else {
            return vec![];
        };
        let logins = fields.get("registries").map(|(_, node)| self.registries(node)).unwrap_or_default();
        let Some((key, engines)) = fields.get("engines") else {
            self.mistakes
                .add(root.line, "the file has no `engines`: name at least one, as `NAME: {url: unix:///path}`");
            return vec![];
        };
        let Some(engines) = Fields::any(engines, "`engines`", self.mistakes) else { return vec![] };
        if !(1..=ENGINES_MAX).contains(&engines.entries().len()) {
            self.mistakes.add(key.line, format!("`engines` names {}; use 1 to {ENGINES_MAX}", engines.entries().len()));
        }
        engines.entries().iter().filter_map(|(key, node)| self.engine(key, node, &logins)).collect()
    }

    /// What can be read is, whatever is wrong with the rest: who corrects one mistake is not to find the next.
    fn engine(&mut self, key: &Key, node: &Node, logins: &Registries) -> Option<NamedEngine> {
        let what = format!("the engine `{}`", key.text);
        let name: Option<EngineName> = self.parsed(key.line, key.text.parse());
        let fields = Fields::of(node, &what, &KEYS, self.mistakes)?;
        let url = fields.required("url", &what, key.line, self.mistakes);
        let engine = url.as_deref().and_then(|url| self.of_url(url, &what, key.line));
        let tls = self.tls(&fields, &what);
        self.check_way(engine.as_ref(), &fields, &what, key.line);
        let advertise = self.advertise(engine.as_ref(), &fields);
        let publish_at = self.publish_at(engine.as_ref(), &fields, &what, key.line);
        let ports = self.value(&fields, "ports", ports).unwrap_or(PORTS);
        let (labels, weight) = (self.labels(&fields), self.weight(&fields));
        let engine = engine?.with_registries(logins.clone());
        let engine = match tls {
            Some(tls) => engine.secured(tls),
            None => engine,
        };
        let settings =
            EngineSettings { name: name?, url: url?, advertise: advertise?, publish_at, ports, labels, weight };
        Some(NamedEngine::new(Arc::new(engine), settings))
    }

    fn of_url(&mut self, url: &str, what: &str, line: usize) -> Option<DockerEngine> {
        if !self.urls.insert(url.to_owned()) {
            self.mistakes.add(line, format!("{what} has the url of another one: an engine has one name"));
        }
        self.parsed(line, DockerEngine::connect(url).map_err(|error| format!("{what}: {error}")))
    }

    /// There is TLS on the way, or nobody, or somebody has said that this is meant.
    fn check_way(&mut self, engine: Option<&DockerEngine>, fields: &Fields<'_>, what: &str, line: usize) {
        let is_insecure = fields.flag("insecure", self.mistakes);
        let Some((key, _)) = fields.get("tls") else {
            if engine.is_some_and(DockerEngine::is_exposed) && !is_insecure {
                let what = format!(
                    "{what} is reached over the network without TLS, and whoever is on the way is root on that machine: \
                     add `tls`, or `insecure: true` if you mean it"
                );
                self.mistakes.add(line, what);
            }
            return;
        };
        if is_insecure {
            self.mistakes.add(key.line, format!("{what} has `tls` and `insecure`: leave out one of them"));
        }
        if engine.is_some_and(|engine| engine.host().is_none()) {
            let what = format!("{what} is a socket of this machine, which has no TLS: leave out `tls`, or use tcp://");
            self.mistakes.add(key.line, what);
        }
    }

    /// What is presented to the engine, and asked of it.
    fn tls(&mut self, fields: &Fields<'_>, what: &str) -> Option<Tls> {
        let (key, node) = fields.get("tls")?;
        let fields = Fields::of(node, "`tls`", &["ca", "cert", "key"], self.mistakes)?;
        let mut file = |name| {
            let file = fields.required(name, "`tls`", key.line, self.mistakes)?;
            let file = self.file(&file);
            let opened = regular(&file, PROOF_BYTES_MAX).map_err(|why| {
                format!("{what}, `tls`: `{name}` {} must be a readable file in PEM: {why}", file.display())
            });
            self.parsed(key.line, opened).map(|_| file)
        };
        let (ca, cert, own) = (file("ca"), file("cert"), file("key"));
        let files = TlsFiles { ca: ca?, cert: cert?, key: own? };
        self.parsed(key.line, Tls::from_files(&files).map_err(|error| format!("{what}, `tls`: {error}")))
    }

    /// Where apps reach it: where this host does, unless that is said.
    fn advertise(&mut self, engine: Option<&DockerEngine>, fields: &Fields<'_>) -> Option<Host> {
        let loopback = LOOPBACK.to_string();
        let of_url = engine.filter(|engine| !engine.is_local()).and_then(DockerEngine::host).unwrap_or(&loopback);
        let line = fields.get("advertise").map_or(0, |(key, _)| key.line);
        let text = fields.text("advertise", self.mistakes);
        let read = Host::parse(text.as_deref().unwrap_or(of_url));
        self.parsed(line, read.map_err(|error| format!("`advertise`: {error}")))
    }

    fn publish_at(&mut self, engine: Option<&DockerEngine>, fields: &Fields<'_>, what: &str, line: usize) -> IpAddr {
        let meant = "an address of the engine's own machine, like 10.0.0.2 or 0.0.0.0";
        let parse = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("it is no IP address: write {meant}"));
        if engine.is_some_and(|engine| !engine.is_local()) && fields.get("publish_at").is_none() {
            self.mistakes.add(line, format!("{what} is on another machine, and has no `publish_at`: add {meant}"));
        }
        self.value(fields, "publish_at", parse).unwrap_or(LOOPBACK)
    }

    fn labels(&mut self, fields: &Fields<'_>) -> EngineLabels {
        let mut labels = EngineLabels::new();
        let Some((key, node)) = fields.get("labels") else { return labels };
        let Some(entries) = Fields::any(node, "`labels`", self.mistakes) else { return labels };
        if entries.entries().len() > ENGINE_LABELS_MAX {
            self.mistakes.add(key.line, format!("`labels` has more than {ENGINE_LABELS_MAX} labels"));
        }
        for (key, node) in entries.entries() {
            let value = node.text().unwrap_or_default();
            let (name, value) = (self.parsed(key.line, key.text.parse()), self.parsed(key.line, value.parse()));
            labels.extend(name.zip(value));
        }
        labels
    }

    fn weight(&mut self, fields: &Fields<'_>) -> u32 {
        let meant =
            format!("write a number from 0 to {ENGINE_WEIGHT_MAX}; 0 is for engines that take only what asks for them");
        let parse = |text: &str| text.parse().ok().filter(|weight| *weight <= ENGINE_WEIGHT_MAX).ok_or(meant);
        self.value(fields, "weight", parse).unwrap_or(1)
    }

    /// The value under a key, read from its text; none if there is none, or it is wrong.
    fn value<T>(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let line = fields.get(name)?.0.line;
        let text = fields.text(name, self.mistakes)?;
        self.parsed(line, parse(&text).map_err(|why| format!("`{name}`: {why}")))
    }

    fn parsed<T, E: std::fmt::Display>(&mut self, line: usize, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.mistakes.add(line, error.to_string())).ok()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Opens a file that holds bytes: a pipe would be waited for, and who opens a device does something to it.
fn regular(path: &Path, bytes_max: u64) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let found = file.metadata()?;
    match found.is_file() {
        false => Err(io::Error::other("it is no regular file")),
        true if found.len() > bytes_max => Err(io::Error::other(format!("it is longer than {bytes_max} bytes"))),
        true => Ok(file),
    }
}
