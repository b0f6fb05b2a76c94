//! Where the server is, and which token to present.
//!
//! Address: `--url` or `LARDER_URL`; else `--data-dir` or `LARDER_DATA_DIR`, whose server tells it; else the
//! config file; else the usual data directory; else where a server listens by default. Token: `--token` or
//! `LARDER_TOKEN`; else the one that the config file or the data directory has **for that address**. So a
//! mistyped address, or another program that listens where a server did, never gets a token that was not
//! meant for it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;

use super::args::Global;
use super::failure::{Failure, Kind, Result};
use crate::data_dir::{self, SERVER_FILE, TOKEN_FILE};

/// Where a server listens unless told otherwise.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:7117";

/// How to reach a server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) url: Url,
    pub(crate) token: Option<String>,
    /// Who told the address.
    pub(crate) source: Source,
    /// What a person should know, though it works.
    pub(crate) warning: Option<String>,
}

/// Who told the server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line or the environment.
    User,
    /// The config file.
    ConfigFile(PathBuf),
    /// A server that runs, or ran, with this data directory.
    DataDir(PathBuf),
    /// Nobody.
    Default,
}

/// The config file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    url: Option<String>,
    token: Option<String>,
}

/// The part of `server.json` that matters here.
#[derive(Debug, Deserialize)]
struct ServerFile {
    url: String,
}

impl Settings {
    /// Looks in all places.
    pub(crate) fn find(global: &Global) -> Result<Self> {
        let config = data_dir::users_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("config.json"));
        Self::find_in(global, config.as_deref(), &data_dir::resolve(global.data_dir.as_deref()))
    }

    fn find_in(global: &Global, config_path: Option<&Path>, data_dir: &Path) -> Result<Self> {
        let config = config_path.map(read_config).transpose()?.flatten().unwrap_or_default();
        let config_url = config.url.as_deref().map(parse_url).transpose()?;
        let server_url = read_server(data_dir)?;
        let is_named = global.data_dir.as_deref().is_some_and(|path| !path.as_os_str().is_empty());
        let (url, source) = match (given(global.url.as_deref()), &server_url, &config_url, config_path) {
            (Some(url), ..) => (parse_url(url)?, Source::User),
            (None, Some(url), _, _) if is_named => (url.clone(), Source::DataDir(data_dir.to_owned())),
            (None, None, _, _) if is_named => return Err(no_server(data_dir)),
            (None, _, Some(url), Some(path)) => (url.clone(), Source::ConfigFile(path.to_owned())),
            (None, Some(url), ..) => (url.clone(), Source::DataDir(data_dir.to_owned())),
            (None, None, ..) => (parse_url(DEFAULT_LISTEN)?, Source::Default),
        };
        let belongs = |other: &Option<Url>| other.as_ref().is_some_and(|other| same_place(&url, other));
        let token = match given(global.token.as_deref()) {
            Some(token) => Some(token.to_owned()),
            None if !is_named && belongs(&config_url) && config.token.is_some() => config.token.clone(),
            None if belongs(&server_url) => read_token(data_dir)?,
            None if belongs(&config_url) => config.token.clone(),
            None => None,
        };
        let warning = config_path.filter(|_| config.token.is_some()).and_then(too_open);
        Ok(Self { url, token, source, warning })
    }
}

/// An empty variable is as good as none.
fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}

/// An address of a server; `http://` may be left out.
fn parse_url(text: &str) -> Result<Url> {
    let wrong = |why: &str| {
        Failure::usage(format!("`{text}` is no address of a server: {why}"))
            .or_help(format!("an address looks like `http://{DEFAULT_LISTEN}`"))
    };
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&full).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("only http and https are spoken"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::usage("an address takes no user and password").or_help("pass the token with --token"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment"));
    }
    Ok(url)
}

/// Whether both addresses lead to one server; `localhost` has several names.
fn same_place(one: &Url, other: &Url) -> bool {
    let same_host = one.host_str() == other.host_str() || (is_loopback(one) && is_loopback(other));
    same_host && one.scheme() == other.scheme() && one.port_or_known_default() == other.port_or_known_default()
}

/// Whether the address stays on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_config(path: &Path) -> Result<Option<ConfigFile>> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        Failure::usage(format!("`{}` is no config file: {error}", path.display()))
            .or_help("it holds a JSON object with `url` and `token`, both optional")
    })
}

fn read_server(data_dir: &Path) -> Result<Option<Url>> {
    let path = data_dir.join(SERVER_FILE);
    let Some(text) = read(&path)? else {
        return Ok(None);
    };
    let server: ServerFile = serde_json::from_str(&text).map_err(|error| {
        Failure::new(Kind::Failed, "bad_server_file", format!("`{}` is damaged: {error}", path.display()))
            .or_help("restart the server, or pass its address with --url")
    })?;
    parse_url(&server.url).map(Some)
}

fn read_token(data_dir: &Path) -> Result<Option<String>> {
    let token = read(&data_dir.join(TOKEN_FILE))?;
    Ok(token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()))
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => {
            let failure = Failure::new(Kind::Failed, "unreadable", format!("`{}`: {error}", path.display()));
            Err(failure.or_help("run as the user who owns it, or pass --url and --token"))
        }
    }
}

fn too_open(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let path = path.display();
    (mode & 0o077 != 0)
        .then(|| format!("warning: `{path}` holds a token and is open to other users; run `chmod 600 {path}`"))
}

fn no_server(data_dir: &Path) -> Failure {
    let folder = data_dir.display();
    Failure::new(Kind::Unreachable, "no_server", format!("no server runs with the data directory `{folder}`"))
        .or_help(format!("start it with `larder serve --data-dir {folder}`, or pass an address with --url"))
}

#[cfg(test)]
mod tests;
