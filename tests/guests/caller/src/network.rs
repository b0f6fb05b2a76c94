//! Ways to the network: Rust's own sockets, and `wasi:http`. What keeps them from it becomes a failure with its words.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use larder_sdk::Failure;
use larder_sdk::net::Connection;
use serde::Deserialize;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, IncomingResponse, Method, OutgoingRequest, RequestOptions, Scheme};
use wasip2::io::streams::StreamError;

/// Connects by name or address and port.
pub(crate) fn tcp(to: &str, send: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(to).map_err(failed)?;
    stream.write_all(send.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    Ok(answer)
}

/// Connects by the host's own connections, says something in the clear if told to, and then speaks TLS.
pub(crate) fn tls(to: &Secured) -> Result<String, Failure> {
    let mut stream = Connection::connect(&to.host, to.port)?;
    if let Some(wait_ms) = to.wait_ms {
        stream.set_deadline(Duration::from_millis(wait_ms));
    }
    if !to.first.is_empty() {
        stream.write_all(to.first.as_bytes()).map_err(failed)?;
        let mut answer = [0];
        stream.read_exact(&mut answer).map_err(failed)?;
    }
    stream.start_tls()?;
    stream.write_all(to.send.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    Ok(answer)
}

/// A connection that is to be secured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secured {
    host: String,
    port: u16,
    /// In the clear, answered by one byte.
    #[serde(default)]
    first: String,
    #[serde(default)]
    send: String,
    /// How long the server may let wait for itself, all in all.
    wait_ms: Option<u64>,
}

/// Sends a datagram.
pub(crate) fn udp(to: &str) -> Result<String, Failure> {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(failed)?;
    socket.send_to(b"hello", to).map_err(failed)?;
    Ok("sent".into())
}

/// Listens for a moment.
pub(crate) fn listen(at: &str) -> Result<String, Failure> {
    TcpListener::bind(at).map_err(failed)?;
    Ok("listened".into())
}

/// A request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    scheme: String,
    authority: String,
    path: String,
    /// Another method than `GET`.
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// How long the answer may let wait for itself.
    wait_ms: Option<u64>,
}

/// Asks, and reads the whole answer.
pub(crate) fn http(asked: &Ask) -> Result<String, Failure> {
    let fields = Fields::new();
    for (name, value) in &asked.headers {
        fields.append(name, value.as_bytes()).map_err(failed)?;
    }
    let request = OutgoingRequest::new(fields);
    if let Some(method) = &asked.method {
        let method = if method == "CONNECT" { Method::Connect } else { Method::Other(method.clone()) };
        request.set_method(&method).map_err(|()| Failure::failed("the method was refused"))?;
    }
    let scheme = if asked.scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| Failure::failed("the scheme was refused"))?;
    request.set_authority(Some(&asked.authority)).map_err(|()| Failure::failed("the authority was refused"))?;
    request.set_path_with_query(Some(&asked.path)).map_err(|()| Failure::failed("the path was refused"))?;
    let options = RequestOptions::new();
    let wait = asked.wait_ms.map(|ms| ms * 1_000_000);
    options.set_first_byte_timeout(wait).map_err(|()| Failure::failed("the wait was refused"))?;
    let response = outgoing_handler::handle(request, Some(options)).map_err(failed)?;
    response.subscribe().block();
    match response.get() {
        Some(Ok(Ok(response))) => read(&response),
        Some(Ok(Err(code))) => Err(failed(code)),
        _ => Err(Failure::failed("there is no answer")),
    }
}

fn read(response: &IncomingResponse) -> Result<String, Failure> {
    let mut text = format!("{} ", response.status());
    let body = response.consume().map_err(|()| Failure::failed("the body is gone"))?;
    let stream = body.stream().map_err(|()| Failure::failed("the body is gone"))?;
    loop {
        match stream.blocking_read(4096) {
            Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Err(StreamError::Closed) => return Ok(text),
            Err(StreamError::LastOperationFailed(error)) => return Err(Failure::failed(error.to_debug_string())),
        }
    }
}

fn failed(error: impl Debug) -> Failure {
    Failure::failed(format!("{error:?}"))
}
