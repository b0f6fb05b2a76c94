//! An addon's URL as it is at this end of a tunnel.
//!
//! The URL is cut and put together again as text, so that what a provider wrote stays as it is but for the address.

use std::net::{IpAddr, SocketAddr};

use crate::cli::addon::credentials::{Credentials, Endpoint};
use crate::cli::text::DOTS;

/// Words of a query that tell no secret.
const HARMLESS: &[&str] =
    &["true", "false", "0", "1", "disable", "allow", "prefer", "require", "required", "verify-ca", "verify-full"];

/// A URL in its parts, each with the mark that begins it, except the address.
struct Parts<'a> {
    scheme: &'a str,
    user: &'a str,
    /// With its colon.
    password: Option<&'a str>,
    host: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

/// The local end as people read it.
pub(super) fn shown(local: SocketAddr) -> String {
    match local.ip() {
        ip if ip == IpAddr::from([127, 0, 0, 1]) => format!("localhost:{}", local.port()),
        _ => local.to_string(),
    }
}

/// The addon's URL with the local address in place of its own; none if it has none, or one to another place.
pub(super) fn at(credentials: &Credentials, target: &Endpoint, local: SocketAddr, reveal: bool) -> Option<String> {
    let parts = Parts::of(credentials.get("uri")?)?;
    if !parts.leads_to(target) {
        return None;
    }
    // A client of MySQL's takes `localhost` for a socket in the file system, so the address stays a number.
    let address = SocketAddr::new(reachable(local.ip()), local.port()).to_string();
    if reveal {
        return Some(parts.with(&address, |_, part| part.to_owned()));
    }
    let secrets: Vec<&str> = credentials.secrets().collect();
    Some(parts.with(&address, |what, part| {
        let is_secret = match what {
            What::Password => true,
            What::Value => !HARMLESS.contains(&part.to_ascii_lowercase().as_str()),
            What::Other => secrets.iter().any(|secret| part.contains(secret)),
        };
        if is_secret { DOTS.to_owned() } else { part.to_owned() }
    }))
}

/// Which part of a URL it is.
enum What {
    Password,
    /// Of the query.
    Value,
    Other,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = userinfo.split_once(':').map_or((userinfo, None), |(user, word)| (user, Some(word)));
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        Some(Self { scheme, user, password, host, path, query })
    }

    /// Whether this is where the tunnel ends. A URL without a port means the usual one.
    fn leads_to(&self, target: &Endpoint) -> bool {
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let host = self.host.to_ascii_lowercase();
        host == target.to_string().to_ascii_lowercase() || host == bracketed(&target.host).to_ascii_lowercase()
    }

    fn with(&self, address: &str, show: impl Fn(What, &str) -> String) -> String {
        let mut url = format!("{}://", self.scheme);
        if !self.user.is_empty() || self.password.is_some() {
            let password = self.password.map(|password| format!(":{}", show(What::Password, password)));
            url.push_str(&format!("{}{}@", show(What::Other, self.user), password.unwrap_or_default()));
        }
        url.push_str(address);
        url.push_str(&show(What::Other, self.path));
        let Some(query) = self.query else { return url };
        let value = |pair: &str| match pair.split_once('=') {
            Some((name, value)) => format!("{}={}", show(What::Other, name), show(What::Value, value)),
            None => show(What::Value, pair),
        };
        format!("{url}?{}", query.split('&').map(value).collect::<Vec<_>>().join("&"))
    }
}

/// An address to connect to, for one to listen at.
fn reachable(listened: IpAddr) -> IpAddr {
    match listened {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::addon::credentials::tests::credentials;

    fn told(uri: &str, local: &str, reveal: bool) -> Option<String> {
        let credentials = credentials(&[("uri", uri), ("hostname", "db.internal"), ("port", "5432"), ("token", "t0k")]);
        at(&credentials, &credentials.endpoint().unwrap(), local.parse().unwrap(), reveal)
    }

    #[test]
    fn only_the_address_changes() {
        for (uri, expected) in [
            ("pg://ann:p%40s@db.internal:5432/shop?sslmode=require", "pg://ann:p%40s@127.0.0.1:7/shop?sslmode=require"),
            ("redis://:a@b@DB.internal:5432", "redis://:a@b@127.0.0.1:7"),
            ("http://db.internal/x?y#z", "http://127.0.0.1:7/x?y#z"),
        ] {
            assert_eq!(told(uri, "127.0.0.1:7", true).as_deref(), Some(expected));
        }
        assert_eq!(told("x://db.internal:5432/", "0.0.0.0:7", true).as_deref(), Some("x://127.0.0.1:7/"));
        assert_eq!(told("x://db.internal:5432/", "[::]:7", true).as_deref(), Some("x://[::1]:7/"));
    }

    #[test]
    fn secrets_are_dots() {
        for (uri, expected) in [
            ("pg://ann:s3cret@db.internal:5432/shop", format!("pg://ann:{DOTS}@127.0.0.1:7/shop")),
            ("redis://:s3cret@db.internal:5432/0", format!("redis://:{DOTS}@127.0.0.1:7/0")),
            ("x://db.internal/a?key=abc&tls=true&abc", format!("x://127.0.0.1:7/a?key={DOTS}&tls=true&{DOTS}")),
            ("x://t0k@db.internal/in/t0k", format!("x://{DOTS}@127.0.0.1:7{DOTS}")),
        ] {
            assert_eq!(told(uri, "127.0.0.1:7", false), Some(expected));
        }
    }

    #[test]
    fn a_url_to_another_place_is_not_shown() {
        for uri in ["pg://u:p@other:5432/", "pg://u:p@db.internal:1/", "pg://u:pa/ss@db.internal:5432/", "text", "a,b"]
        {
            assert_eq!(told(uri, "127.0.0.1:7", true), None, "{uri}");
        }
    }

    #[test]
    fn the_local_end_is_called_as_people_do() {
        assert_eq!(shown("127.0.0.1:7".parse().unwrap()), "localhost:7");
        assert_eq!(shown("[::1]:7".parse().unwrap()), "[::1]:7");
    }
}
