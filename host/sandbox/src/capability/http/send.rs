//! Sends one request: over a connection of its own, so that no two guests, and no two grants, ever share one. Redirects are answers like
//! any other: the guest may follow them, and is asked about again. Nothing is decompressed.

use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme as UriScheme};
use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use larder_domain::network::{Host, Scheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::HEADERS_BYTES_MAX;
use super::body::{Bounded, Connection};
use crate::capability::network::{Closed, Gate};
use crate::capability::tls::Tls;

/// The longest that a connection may take to be there, TLS included; guests may ask for less.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest that an answer's head may take.
const FIRST_BYTE_WAIT: Duration = Duration::from_secs(15);
/// The longest pause within an answer's body.
const PAUSE: Duration = Duration::from_secs(15);
/// Headers of an answer.
const HEADERS_MAX: usize = 100;

/// Sends the request, if the gate lets it.
pub(super) async fn send(
    gate: &Gate,
    tls: &Tls,
    mut request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Response<WasiBody>, Error> {
    // It asks for a tunnel to somewhere else.
    if request.method() == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let scheme = match request.uri().scheme() {
        Some(scheme) if *scheme == UriScheme::HTTP => Scheme::Http,
        Some(scheme) if *scheme == UriScheme::HTTPS => Scheme::Https,
        _ => return Err(Error::HttpProtocolError),
    };
    let authority = request.uri().authority().ok_or(Error::HttpRequestUriInvalid)?.clone();
    let (host, port) = destination(scheme, &authority)?;
    // Only a proxy is told more than the path; the head was made from a valid one.
    *request.uri_mut() = target(request.uri())?;
    let connect_wait = options.connect_timeout.unwrap_or(CONNECT_WAIT).min(CONNECT_WAIT);
    let stream = gate.connect(scheme, &host, port, connect_wait).await.map_err(closed)?;
    match scheme {
        Scheme::Https => {
            let secured = timeout(connect_wait, tls.connect_for_http(authority.host(), stream)).await;
            let stream = secured.map_err(|_| Error::ConnectionTimeout)?.map_err(Error::Tls)?;
            exchange(stream, request, options).await
        }
        Scheme::Http | Scheme::Tcp => exchange(stream, request, options).await,
    }
}

/// What is asked for (RFC 9112, section 3.2.1): a path that is empty is the root.
fn target(uri: &Uri) -> Result<Uri, Error> {
    let wanted = uri.path_and_query().ok_or(Error::HttpRequestUriInvalid)?;
    // Shown, it begins with a slash, which is not so as it is kept.
    Ok(Uri::from(PathAndQuery::try_from(wanted.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?))
}

/// Where a request goes. What could be read in two ways goes nowhere.
fn destination(scheme: Scheme, authority: &Authority) -> Result<(Host, u16), Error> {
    if authority.as_str().contains('@') {
        return Err(Error::HttpRequestUriInvalid);
    }
    let host = Host::parse(authority.host()).map_err(|_| Error::HttpRequestUriInvalid)?;
    // What follows the host is its port, or the authority is none: it goes into the header `Host` as it is.
    let rest = authority.as_str().strip_prefix(authority.host()).ok_or(Error::HttpRequestUriInvalid)?;
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0') => {
            digits.parse().ok()
        }
        None if rest.is_empty() => scheme.port(),
        _ => None,
    };
    Ok((host, port.ok_or(Error::HttpRequestUriInvalid)?))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Response<WasiBody>, Error> {
    let mut client = http1::Builder::new();
    client.max_headers(HEADERS_MAX).max_buf_size(HEADERS_BYTES_MAX);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await?;
    let connection = Connection::drive(connection);
    let head_wait = options.first_byte_timeout.unwrap_or(FIRST_BYTE_WAIT).min(FIRST_BYTE_WAIT);
    let response =
        timeout(head_wait, sender.send_request(request)).await.map_err(|_| Error::ConnectionReadTimeout)??;
    let pause = options.between_bytes_timeout.unwrap_or(PAUSE).min(PAUSE);
    Ok(response.map(|incoming| Bounded::new(incoming, pause, connection).boxed_unsync()))
}

fn closed(closed: Closed) -> Error {
    match closed {
        Closed::Denied => Error::HttpRequestDenied,
        Closed::AddressDenied => Error::DestinationIpProhibited,
        Closed::TooMany => Error::ConnectionLimitReached,
        Closed::Unknown => Error::DnsError { rcode: None, info_code: None },
        Closed::TimedOut => Error::ConnectionTimeout,
        Closed::Failed(error) => Error::Connect(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_to(authority: &str) -> Option<(String, u16)> {
        let (host, port) = destination(Scheme::Http, &authority.parse().ok()?).ok()?;
        Some((host.to_string(), port))
    }

    #[test]
    fn an_empty_path_is_the_root() {
        for (asked, sent) in [("http://h", "/"), ("http://h?q=1", "/?q=1"), ("http://h/a?q", "/a?q")] {
            assert_eq!(target(&asked.parse().unwrap()).unwrap().to_string(), sent, "{asked}");
        }
    }

    #[test]
    fn a_port_is_a_number_or_not_there() {
        let to = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(goes_to("h.example"), to("h.example", 80));
        assert_eq!(goes_to("h.example:8080"), to("h.example", 8080));
        assert_eq!(goes_to("[::1]:8080"), to("[::1]", 8080));
        for odd in ["h:", "h:0", "h:08", "h:+8", "h:-1", "h:x", "h:72737", "h:99999999", "u@h:80", "[::1]x", "127.1:80"]
        {
            assert_eq!(goes_to(odd), None, "{odd}");
        }
    }
}
