//! One request over `wasi:http`, with one bound on the time that all of it takes. On no other target than WASI is there anyone to ask.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    self as wasi, ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::StreamError;

use super::url::Parts;
use super::{Error, Method, Request, Response};

/// How much of a body is read at once, in bytes.
const READ_BYTES: u64 = 16 * 1024;

/// Sends a request and reads the answer.
pub(super) fn send(request: &Request) -> Result<Response, Error> {
    let wait_ns = u64::try_from(request.wait_max.as_nanos()).unwrap_or(u64::MAX);
    let deadline = subscribe_duration(wait_ns);
    let outgoing = head(request)?;
    let body = outgoing.body().map_err(|()| bad("the body"))?;
    let answer = outgoing_handler::handle(outgoing, None).map_err(of_code)?;
    // A server may answer before it has read everything, and close: then the answer tells more than the broken connection.
    let written = write(body, &request.body, &deadline);
    if written == Err(Error::TimedOut) {
        return Err(Error::TimedOut);
    }
    read(&come(&answer, &deadline)?, request.answer_bytes_max, &deadline)
}

fn head(request: &Request) -> Result<OutgoingRequest, Error> {
    let Parts { is_secure, authority, path } = Parts::of(&request.url)?;
    let fields = Fields::new();
    let add = |name: &str, value: &str| {
        let added = fields.append(name, value.as_bytes());
        added.map_err(|error| Error::BadRequest(format!("the header {name}: {error}")))
    };
    for (name, value) in &request.headers {
        add(name, value)?;
    }
    if !request.body.is_empty() || matches!(request.method, Method::Post | Method::Put | Method::Patch) {
        add("content-length", &request.body.len().to_string())?;
    }
    let outgoing = OutgoingRequest::new(fields);
    let scheme = if is_secure { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&method(request.method)).map_err(|()| bad("the method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| bad("the scheme"))?;
    outgoing.set_authority(Some(authority)).map_err(|()| bad("the URL's host"))?;
    outgoing.set_path_with_query(Some(&path)).map_err(|()| bad("the URL's path"))?;
    Ok(outgoing)
}

const fn method(method: Method) -> wasi::Method {
    match method {
        Method::Get => wasi::Method::Get,
        Method::Post => wasi::Method::Post,
        Method::Put => wasi::Method::Put,
        Method::Patch => wasi::Method::Patch,
        Method::Delete => wasi::Method::Delete,
    }
}

fn write(body: OutgoingBody, mut bytes: &[u8], deadline: &Pollable) -> Result<(), Error> {
    let stream = body.write().map_err(|()| broken("the body is gone"))?;
    while !bytes.is_empty() {
        let room = stream.check_write().map_err(of_stream)?;
        if room == 0 {
            wait(&stream.subscribe(), deadline)?;
            continue;
        }
        let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
        stream.write(now).map_err(of_stream)?;
        bytes = later;
    }
    // A body is finished when its streams are gone.
    drop(stream);
    OutgoingBody::finish(body, None).map_err(of_code)
}

fn come(answer: &FutureIncomingResponse, deadline: &Pollable) -> Result<IncomingResponse, Error> {
    wait(&answer.subscribe(), deadline)?;
    match answer.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(code))) => Err(of_code(code)),
        _ => Err(broken("there is none")),
    }
}

fn read(response: &IncomingResponse, bytes_max: usize, deadline: &Pollable) -> Result<Response, Error> {
    let (status, headers) = (response.status(), response.headers().entries());
    let incoming = response.consume().map_err(|()| broken("the body is gone"))?;
    let stream = incoming.stream().map_err(|()| broken("the body is gone"))?;
    let mut body = vec![];
    loop {
        wait(&stream.subscribe(), deadline)?;
        match stream.read(READ_BYTES) {
            Ok(bytes) if body.len() + bytes.len() > bytes_max => return Err(Error::TooLong(bytes_max)),
            Ok(bytes) => body.extend(bytes),
            Err(StreamError::Closed) => return Ok(Response { status, headers, body }),
            Err(error) => return Err(of_stream(error)),
        }
    }
}

/// Waits until something can go on, or for the deadline.
fn wait(ready: &Pollable, deadline: &Pollable) -> Result<(), Error> {
    if poll(&[ready, deadline]).contains(&0) { Ok(()) } else { Err(Error::TimedOut) }
}

fn of_stream(error: StreamError) -> Error {
    match error {
        StreamError::Closed => broken("the connection was closed"),
        StreamError::LastOperationFailed(error) => {
            wasi::http_error_code(&error).map_or_else(|| broken(&error.to_debug_string()), of_code)
        }
    }
}

fn of_code(code: ErrorCode) -> Error {
    use ErrorCode as C;
    let unreachable = |why: &str| Error::Unreachable(why.to_owned());
    match code {
        C::HttpRequestDenied | C::DestinationIpProhibited => Error::Denied,
        C::DnsTimeout | C::DnsError(_) | C::DestinationNotFound => unreachable("its name has no address"),
        C::DestinationUnavailable | C::DestinationIpUnroutable => unreachable("there is no way to it"),
        C::ConnectionRefused => unreachable("nobody listens there"),
        C::ConnectionTimeout => unreachable("it took too long to connect"),
        C::ConnectionLimitReached => unreachable("there are as many connections as there may be"),
        C::ConnectionReadTimeout | C::ConnectionWriteTimeout | C::HttpResponseTimeout => Error::TimedOut,
        C::TlsProtocolError => Error::Insecure("it does not speak TLS as it should".to_owned()),
        C::TlsCertificateError => Error::Insecure("its certificate is not trusted".to_owned()),
        C::TlsAlertReceived(alert) => Error::Insecure(format!("it refuses: {alert:?}")),
        C::HttpRequestMethodInvalid => bad("the method"),
        C::HttpRequestUriInvalid | C::HttpRequestUriTooLong => bad("the URL"),
        C::HttpRequestHeaderSize(_) | C::HttpRequestHeaderSectionSize(_) => bad("the headers"),
        C::ConnectionTerminated | C::HttpResponseIncomplete => broken("the connection was closed"),
        C::HttpProtocolError => broken("the connection was closed, or what came is no HTTP"),
        other => broken(&format!("{other:?}")),
    }
}

fn bad(what: &str) -> Error {
    Error::BadRequest(format!("{what} is not valid, or too long"))
}

fn broken(why: &str) -> Error {
    Error::Broken(why.to_owned())
}
