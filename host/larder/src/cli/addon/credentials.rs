//! What an addon is reached with, read part by part.
//!
//! The parts are a provider's words. A host name is checked before any program gets it, and what a provider
//! gives only as part of its URI is taken from there.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::{WhichArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon, Credential, Place};

/// An addon's credentials.
pub(super) struct Credentials {
    label: String,
    parts: Vec<Credential>,
    uri: Option<Url>,
    places: Vec<Place>,
}

/// Where an addon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Credentials {
    /// Asks for an addon's. One that has none yet is a failure that tells why.
    pub(super) async fn of(context: &Context, which: &WhichArgs) -> Result<Self> {
        let id = reference::find(&context.api, &which.addon, which.app.as_deref()).await?;
        let addon: Addon = model::read(&context.api.call(Call::get(&["v1", "addons", &id])).await?.body)?;
        let answer = context.api.call(Call::get(&["v1", "addons", &id, "config"])).await?.body;
        let parts: Vec<Credential> = model::read_list(&answer, "credentials")?;
        if parts.is_empty() {
            return Err(none(&addon));
        }
        // Servers of before did not tell them.
        let places = model::read_list(&answer, "places")?;
        Ok(Self { places, ..Self::new(addon.label(), parts) })
    }

    pub(super) fn new(label: String, parts: Vec<Credential>) -> Self {
        let uri = parts.iter().find(|part| part.key == "uri").and_then(|part| Url::parse(&part.value).ok());
        Self { label, parts, uri, places: vec![] }
    }

    /// How people call the addon.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// A part, unless it is empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let part = self.parts.iter().find(|part| part.key == key)?;
        Some(part.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The parts that nobody is to see.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let secret = |part: &&Credential| part.secret || part.key == "password";
        self.parts.iter().filter(secret).map(|part| part.value.as_str()).filter(|value| !value.is_empty())
    }

    /// What is spoken there, in small letters; empty if nobody told.
    pub(super) fn protocol(&self) -> String {
        let scheme = self.uri.as_ref().map(Url::scheme);
        self.get("protocol").or(scheme).unwrap_or_default().to_ascii_lowercase()
    }

    pub(super) fn username(&self) -> Option<String> {
        self.get("username").map(str::to_owned).or_else(|| decoded(self.uri.as_ref()?.username()))
    }

    pub(super) fn password(&self) -> Option<String> {
        self.get("password").map(str::to_owned).or_else(|| decoded(self.uri.as_ref()?.password()?))
    }

    pub(super) fn database(&self) -> Option<String> {
        self.get("database").map(str::to_owned).or_else(|| decoded(self.uri.as_ref()?.path().trim_start_matches('/')))
    }

    /// The scheme of the URI; empty if there is none.
    pub(super) fn scheme(&self) -> &str {
        self.uri.as_ref().map(Url::scheme).unwrap_or_default()
    }

    /// What the URI's query says about this.
    pub(super) fn option(&self, name: &str) -> Option<String> {
        let mut options = self.uri.as_ref()?.query_pairs();
        options.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    }

    /// Where it listens.
    pub(super) fn endpoint(&self) -> Result<Endpoint> {
        let uri = self.uri.as_ref();
        let host = self.get("hostname").or_else(|| uri?.host_str()).unwrap_or_default().trim_matches(['[', ']']);
        let port = self.get("port").map_or_else(|| uri.and_then(Url::port_or_known_default), |port| port.parse().ok());
        let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        match port.filter(|port| *port > 0) {
            Some(port) if host.starts_with(|c: char| c != '-') && host.chars().all(is_fit) => {
                Ok(self.outside(Endpoint { host: host.to_owned(), port }))
            }
            _ => Err(self.nowhere()),
        }
    }

    /// The same, seen from outside of the network that its app's own containers are in.
    fn outside(&self, inside: Endpoint) -> Endpoint {
        let is_it = |place: &&Place| place.name == inside.host && place.port == inside.port;
        match self.places.iter().find(is_it) {
            Some(place) => Endpoint { host: place.host.trim_matches(['[', ']']).to_owned(), port: place.published },
            None => inside,
        }
    }

    fn nowhere(&self) -> Failure {
        let detail = format!("`{}` has no `hostname` and `port` that can be connected to", self.label);
        let help = format!("see what it has with `larder addon show {}`", self.label);
        Failure::new(Kind::Failed, "no_endpoint", detail).or_help(help)
    }
}

impl Endpoint {
    /// Whether it is on the machine of whoever connects.
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Says so if this machine is probably not the one that the address was meant for.
    pub(super) fn warn_if_elsewhere(&self, context: &Context) {
        if self.is_loopback() && !context.api.is_here() {
            context.out.note(&format!(
                "warning: {self} is an address of the server's machine, and means this one here; \
                 the operator can have addons listen elsewhere"
            ));
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn none(addon: &Addon) -> Failure {
    let label = addon.label();
    if addon.state == "ready" {
        return Failure::new(Kind::Failed, "no_credentials", format!("`{label}` has no credentials"))
            .or_help("its provider gives variables only; nothing is told that could be connected to");
    }
    let detail = format!("`{label}` has no credentials: its state is `{}`", addon.state);
    Failure::new(Kind::Failed, "no_credentials", detail)
        .or_help(format!("wait for it with `larder addon wait {label}`"))
}

/// A part of a URI without its escapes; none if it is empty or no text.
fn decoded(part: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(part.len()), part.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &tail[2..]),
            None => (bytes.push(first), rest = tail),
        };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
pub(super) mod tests;
