//! A session with a PostgreSQL server (its manual, "Frontend/Backend Protocol"): log in by SCRAM-SHA-256, ask, read one row. The messages
//! and the authentication are `postgres-protocol`'s; it leaves reading and writing to us, so any stream will do.

use std::fmt::Display;
use std::io::{Read, Write};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use larder_sdk::Failure;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{ErrorResponseBody, Message};
use postgres_protocol::message::frontend;

/// What is read at once, in bytes.
const READ_BYTES: usize = 4 * 1024;
/// The longest message that is waited for, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Somebody who is logged in.
pub(crate) struct Session<S> {
    stream: S,
    received: BytesMut,
}

/// Asks for TLS; from the answer on, the stream is to be secured.
pub(crate) fn request_tls(stream: &mut (impl Read + Write)) -> Result<(), Failure> {
    let (mut request, mut answer) = (BytesMut::new(), [0]);
    frontend::ssl_request(&mut request);
    stream.write_all(&request).map_err(failed)?;
    stream.read_exact(&mut answer).map_err(failed)?;
    if answer == *b"S" { Ok(()) } else { Err(Failure::failed("the server has no TLS")) }
}

impl<S: Read + Write> Session<S> {
    /// Logs in to the database `postgres`.
    pub(crate) fn log_in(stream: S, user: &str, password: &str) -> Result<Self, Failure> {
        let mut session = Self { stream, received: BytesMut::new() };
        let parameters = [("user", user), ("database", "postgres")];
        session.send(|out| frontend::startup_message(parameters, out))?;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            match session.receive()? {
                Message::AuthenticationSasl(offered) => {
                    if !offered.mechanisms().any(|name| Ok(name == SCRAM_SHA_256)).map_err(failed)? {
                        return Err(Failure::failed("the server has no SCRAM-SHA-256"));
                    }
                    session.send(|out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out))?;
                }
                Message::AuthenticationSaslContinue(challenge) => {
                    scram.update(challenge.data()).map_err(failed)?;
                    session.send(|out| frontend::sasl_response(scram.message(), out))?;
                }
                // Only who knows the password, too, can say this.
                Message::AuthenticationSaslFinal(proof) => scram.finish(proof.data()).map_err(failed)?,
                Message::ReadyForQuery(_) => return Ok(session),
                Message::AuthenticationCleartextPassword | Message::AuthenticationMd5Password(_) => {
                    return Err(Failure::failed("the server wants a password in a way that is not safe"));
                }
                _ => {}
            }
        }
    }

    /// The first row of what a query gives, as text.
    pub(crate) fn row(&mut self, query: &str) -> Result<Vec<String>, Failure> {
        self.send(|out| frontend::query(query, out))?;
        let mut row = vec![];
        loop {
            match self.receive()? {
                Message::DataRow(data) if row.is_empty() => {
                    let text = |range: Option<std::ops::Range<usize>>| {
                        let bytes = range.and_then(|range| data.buffer().get(range)).unwrap_or_default();
                        Ok(String::from_utf8_lossy(bytes).into_owned())
                    };
                    row = data.ranges().map(text).collect().map_err(failed)?;
                }
                Message::ReadyForQuery(_) => return Ok(row),
                _ => {}
            }
        }
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<(), Failure> {
        let mut message = BytesMut::new();
        write(&mut message).map_err(failed)?;
        self.stream.write_all(&message).map_err(failed)
    }

    /// The next message that is no error.
    fn receive(&mut self) -> Result<Message, Failure> {
        loop {
            match Message::parse(&mut self.received).map_err(failed)? {
                Some(Message::ErrorResponse(error)) => return Err(refused(&error)),
                Some(message) => return Ok(message),
                None if self.received.len() > MESSAGE_BYTES_MAX => {
                    return Err(Failure::failed("the server says more than it is asked"));
                }
                None => {}
            }
            let mut more = [0; READ_BYTES];
            match self.stream.read(&mut more).map_err(failed)? {
                0 => return Err(Failure::failed("the server has closed the connection")),
                bytes => self.received.extend_from_slice(&more[..bytes]),
            }
        }
    }
}

/// The server's own words.
fn refused(error: &ErrorResponseBody) -> Failure {
    let words = error.fields().find(|field| Ok(field.type_() == b'M'));
    let words = words.ok().flatten().map(|field| String::from_utf8_lossy(field.value_bytes()).into_owned());
    Failure::failed(format!("the server refuses: {}", words.unwrap_or_default()))
}

pub(crate) fn failed(error: impl Display) -> Failure {
    Failure::failed(error.to_string())
}
