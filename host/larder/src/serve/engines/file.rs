//! The file of engines: read as strictly as any file that people write here, with every mistake told at once by its line.

mod registries;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use larder_containers::{Pem, Registries, TlsProof};
use larder_control::NamedEngine;
use larder_domain::engines::ENGINES_MAX;
use larder_domain::{EngineName, SecretString};

use super::rules::{self, At, PEM_BYTES_MAX, Said, Wrong};
use crate::cli::apply::fields::Fields;
use crate::cli::apply::mistake::Mistakes;
use crate::cli::apply::yaml::{self, Key, Node};
use crate::cli::object::read_bounded;

/// What may be said of an engine.
const KEYS: [&str; 8] = ["url", "advertise", "publish_at", "ports", "tls", "insecure", "labels", "weight"];

/// Reads the file, and the files that it names.
///
/// # Errors
/// All that is wrong with it, each with its line.
pub(super) fn read(path: &Path) -> anyhow::Result<(Vec<NamedEngine>, Registries)> {
    let name = path.display().to_string();
    let text = File::open(path).and_then(read_bounded).with_context(|| format!("{name} can't be read as --engines"))?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    understand(&text, &name, &folder)
}

fn understand(text: &str, name: &str, folder: &Path) -> anyhow::Result<(Vec<NamedEngine>, Registries)> {
    let mut mistakes = Mistakes::default();
    let engines = match mistakes.keep(yaml::parse(text)) {
        Some(root) => Reader { folder, urls: BTreeSet::new(), mistakes: &mut mistakes }.root(&root),
        None => Default::default(),
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
    fn root(&mut self, root: &Node) -> (Vec<NamedEngine>, Registries) {
        let Some(fields) = Fields::of(root, "the file", &["engines", "registries"], self.mistakes) else {
            return Default::default();
        };
        let logins = fields.get("registries").map(|(_, node)| self.registries(node)).unwrap_or_default();
        let Some((key, engines)) = fields.get("engines") else {
            self.mistakes
                .add(root.line, "the file has no `engines`: name at least one, as `NAME: {url: unix:///path}`");
            return Default::default();
        };
        let Some(engines) = Fields::any(engines, "`engines`", self.mistakes) else { return Default::default() };
        if !(1..=ENGINES_MAX).contains(&engines.entries().len()) {
            self.mistakes.add(key.line, format!("`engines` names {}; use 1 to {ENGINES_MAX}", engines.entries().len()));
        }
        let engines = engines.entries().iter().filter_map(|(key, node)| self.engine(key, node, &logins)).collect();
        (engines, logins)
    }

    /// What can be read is, whatever is wrong with the rest: who corrects one mistake is not to find the next.
    fn engine(&mut self, key: &Key, node: &Node, logins: &Registries) -> Option<NamedEngine> {
        let what = format!("the engine `{}`", key.text);
        let name: Option<EngineName> = self.parsed(key.line, key.text.parse());
        let fields = Fields::of(node, &what, &KEYS, self.mistakes)?;
        let url = fields.required("url", &what, key.line, self.mistakes);
        if url.as_ref().is_some_and(|url| !self.urls.insert(url.clone())) {
            self.mistakes.add(key.line, format!("{what} has the url of another one: an engine has one name"));
        }
        let (lines, labels) = self.labels(&fields).into_iter().unzip::<_, _, Vec<usize>, Vec<_>>();
        let mut text = |name| fields.text(name, self.mistakes);
        let (advertise, publish_at) = (text("advertise"), text("publish_at"));
        let (ports, weight) = (text("ports"), text("weight"));
        let is_insecure = fields.flag("insecure", self.mistakes);
        let (has_tls, tls) = (fields.get("tls").is_some(), self.tls(&fields, &what));
        let said = Said { url, advertise, publish_at, ports, labels, weight, is_insecure, has_tls, tls };
        let mut wrong = Wrong::default();
        let made = rules::engine(name, &said, &what, logins, &mut wrong);
        for (at, what) in wrong.0 {
            let line = match at {
                At::Engine => Some(key.line),
                At::Key(name) => fields.get(name).map(|(key, _)| key.line),
                At::Label(at) => lines.get(at).copied(),
            };
            self.mistakes.add(line.unwrap_or(key.line), what);
        }
        made
    }

    /// The texts that are presented to the engine, and asked of it.
    fn tls(&mut self, fields: &Fields<'_>, what: &str) -> Option<TlsProof> {
        let (key, node) = fields.get("tls")?;
        let fields = Fields::of(node, "`tls`", &["ca", "cert", "key"], self.mistakes)?;
        let mut pem = |name| {
            let file = fields.required(name, "`tls`", key.line, self.mistakes)?;
            let file = self.file(&file);
            let read = regular(&file, PEM_BYTES_MAX as u64).and_then(read_pem).map_err(|why| {
                format!("{what}, `tls`: `{name}` {} must be a readable file in PEM: {why}", file.display())
            });
            Some(Pem { called: file.display().to_string(), text: self.parsed(key.line, read)? })
        };
        let (ca, cert, own) = (pem("ca"), pem("cert"), pem("key"));
        Some(TlsProof { ca: ca?, cert: cert?, key: own? })
    }

    /// The labels, each with its line.
    fn labels(&mut self, fields: &Fields<'_>) -> Vec<(usize, (String, String))> {
        let labels = fields.get("labels").and_then(|(_, node)| Fields::any(node, "`labels`", self.mistakes));
        let entries = labels.map(|labels| labels.entries()).unwrap_or_default().iter();
        entries.map(|(key, node)| (key.line, (key.text.clone(), node.text().unwrap_or_default().to_owned()))).collect()
    }

    fn parsed<T, E: std::fmt::Display>(&mut self, line: usize, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.mistakes.add(line, error.to_string())).ok()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The text of a file that is no longer than one in PEM may be. It may hold a key.
fn read_pem(file: File) -> io::Result<SecretString> {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(PEM_BYTES_MAX + 1));
    file.take(PEM_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    match text.len() > PEM_BYTES_MAX {
        true => Err(io::Error::other(format!("it is longer than {PEM_BYTES_MAX} bytes"))),
        false => Ok(SecretString::new(text.as_str())),
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
