//! By which names the server may be called.
//!
//! A web page can have its own host name resolve to 127.0.0.1 and then send requests to this machine from a visitor's browser
//! (DNS rebinding). The browser names the page's host in the `Host` header, so names that are not this server's are
//! refused. An address can't be rebound, and is refused only if it is none of the server's.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use larder_control::Code;

use crate::problem::Problem;
use crate::state::Shared;

/// The longest part of a stranger's host name that a message repeats, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// The server's own names and addresses. Ports don't matter: they may be mapped.
#[derive(Debug)]
pub(crate) struct AllowedHosts {
    listen: IpAddr,
    names: Vec<String>,
}

impl AllowedHosts {
    pub(crate) fn new(listen: IpAddr, names: Vec<String>) -> Self {
        Self { listen: listen.to_canonical(), names }
    }

    /// Whether a request with this `Host` header is meant for this server.
    fn permits(&self, host: &str) -> bool {
        // A user's name before an `@` has no place in this header.
        let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else {
            return false;
        };
        let name = authority.host();
        match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => self.permits_address(address.to_canonical()),
            Err(_) => self.permits_name(name.strip_suffix('.').unwrap_or(name)),
        }
    }

    /// A server that listens on every address may have any.
    fn permits_address(&self, address: IpAddr) -> bool {
        address.is_loopback() || address == self.listen || self.listen.is_unspecified()
    }

    fn permits_name(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case("localhost") || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Refuses requests that are meant for another server.
pub(crate) async fn require_own_host(State(api): State<Shared>, request: Request, next: Next) -> Response {
    match check(&api.hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(hosts: &AllowedHosts, request: &Request) -> Result<(), Problem> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    let header = headers.next().map(|value| value.to_str().unwrap_or_default());
    if headers.next().is_some() {
        return Err(Problem::new(Code::Forbidden, "the request has more than one Host header"));
    }
    let target = request.uri().authority().map(Authority::as_str);
    let mut named = header.into_iter().chain(target).peekable();
    if named.peek().is_none() {
        return Err(Problem::new(Code::Forbidden, "the request has no Host header"));
    }
    match named.find(|host| !hosts.permits(host)) {
        None => Ok(()),
        Some(host) => {
            let shown: String = host.chars().take(SHOWN_CHARS_MAX).collect();
            let detail = format!("{shown:?} is no name of this server; the operator can add one with --allow-host");
            Err(Problem::new(Code::Forbidden, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_hosts(listen: &str, permitted: &[&str], refused: &[&str]) {
        let hosts = AllowedHosts::new(listen.parse().unwrap(), vec!["Larder.example".into()]);
        for host in permitted {
            assert!(hosts.permits(host), "{host} was refused");
        }
        for host in refused {
            assert!(!hosts.permits(host), "{host} was permitted");
        }
    }

    #[test]
    fn own_names_and_addresses_with_any_port() {
        let permitted = [
            "localhost",
            "LOCALHOST:7117",
            "localhost.",
            "127.0.0.1",
            "127.3.2.1:80",
            "[::1]:7117",
            "[::ffff:127.0.0.1]",
            "larder.example",
            "larder.EXAMPLE.:443",
            "10.0.0.5:7117",
        ];
        let refused = [
            "",
            " ",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "sub.larder.example",
            "10.0.0.6",
            "[::2]",
            "localhost@evil.example",
            "admin@localhost",
            "localhost/x",
            "localhost:x:y",
        ];
        check_hosts("10.0.0.5", &permitted, &refused);
    }

    #[test]
    fn a_server_on_every_address_has_every_address_and_no_more_names() {
        check_hosts("0.0.0.0", &["192.168.7.7", "[2001:db8::1]:7117", "localhost"], &["evil.example"]);
        check_hosts("::", &["192.168.7.7", "[2001:db8::1]"], &["evil.example"]);
    }
}
