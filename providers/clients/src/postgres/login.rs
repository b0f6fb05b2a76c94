//! Logging in. Each step is expected at its place: a server that goes back to an earlier one, or leaves out the proof that it knows
//! the password, too, is none.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::message::{self, not_understood};
use super::{Login, Session};
use crate::{Error, Stream};

/// The longest login with everything in it, in bytes.
const LOGIN_BYTES_MAX: usize = 64 * 1024;
/// The most rounds that a server may ask for: as many as take a good part of a second.
const ROUNDS_MAX: u32 = 100_000;

/// Whoever owns a database sets what is so in it at first: where things are searched for, so that their functions would run as us, or
/// what keeps a session from being opened, from changing anything or from going on.
const NOT_THEIRS: [(&str, &str); 8] = [
    ("search_path", "pg_catalog"),
    ("local_preload_libraries", ""),
    ("default_transaction_read_only", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("exit_on_error", "off"),
];

pub(super) fn log_in<S: Stream>(session: &mut Session<S>, login: &Login<'_>) -> Result<(), Error> {
    session.wire.allow(LOGIN_BYTES_MAX);
    if login.tls {
        secure(session)?;
    }
    let who = [("user", login.user), ("database", login.database), ("client_encoding", "UTF8")];
    say(session, |out| frontend::startup_message(who.into_iter().chain(NOT_THEIRS), out))?;
    match hear(session)? {
        // The operator trusts whoever gets here.
        Message::AuthenticationOk => {}
        Message::AuthenticationSasl(offered) => {
            scram(session, &offered, login.password)?;
            expect_welcome(session)?;
        }
        Message::AuthenticationMd5Password(body) => {
            let proof = md5_hash(login.user.as_bytes(), login.password.as_bytes(), body.salt());
            say(session, |out| frontend::password_message(proof.as_bytes(), out))?;
            expect_welcome(session)?;
        }
        Message::AuthenticationCleartextPassword if session.wire.is_secure() => {
            say(session, |out| frontend::password_message(login.password.as_bytes(), out))?;
            expect_welcome(session)?;
        }
        Message::AuthenticationCleartextPassword => {
            return Err(Error::Insecure("the server wants the password as it is, and there is no TLS".to_owned()));
        }
        _ => return Err(Error::protocol("the server wants something else than a password")),
    }
    until_ready(session)
}

/// Asks for TLS, and goes on in it.
fn secure<S: Stream>(session: &mut Session<S>) -> Result<(), Error> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    session.wire.send(&request)?;
    match session.wire.exactly(1)?.as_slice() {
        b"S" => session.wire.start_tls(),
        b"N" => Err(Error::NoTls),
        _ => Err(Error::protocol("this is no PostgreSQL")),
    }
}

fn scram<S: Stream>(session: &mut Session<S>, offered: &AuthenticationSaslBody, password: &str) -> Result<(), Error> {
    if !offered.mechanisms().any(|name| Ok(name == SCRAM_SHA_256)).map_err(not_understood)? {
        return Err(Error::protocol("the server has no SCRAM-SHA-256"));
    }
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    say(session, |out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out))?;
    let Message::AuthenticationSaslContinue(challenge) = hear(session)? else { return Err(out_of_place()) };
    check_rounds(challenge.data())?;
    scram.update(challenge.data()).map_err(not_understood)?;
    say(session, |out| frontend::sasl_response(scram.message(), out))?;
    let Message::AuthenticationSaslFinal(proof) = hear(session)? else { return Err(out_of_place()) };
    // Only who knows the password, too, can say this.
    let proven = scram.finish(proof.data());
    proven.map_err(|_| Error::Insecure("the server does not prove that it knows the password".to_owned()))
}

/// A server could have us count for hours.
fn check_rounds(challenge: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(challenge);
    let rounds = text.rsplit_once(",i=").and_then(|(_, rounds)| rounds.parse().ok());
    if rounds.is_some_and(|rounds: u32| rounds <= ROUNDS_MAX) {
        return Ok(());
    }
    Err(Error::protocol(format!("the server wants more than {ROUNDS_MAX} rounds of SCRAM")))
}

fn expect_welcome<S: Stream>(session: &mut Session<S>) -> Result<(), Error> {
    if matches!(hear(session)?, Message::AuthenticationOk) { Ok(()) } else { Err(out_of_place()) }
}

/// Hears what the server tells of itself, until it waits for statements.
fn until_ready<S: Stream>(session: &mut Session<S>) -> Result<(), Error> {
    loop {
        match hear(session)? {
            Message::ReadyForQuery(_) => return Ok(()),
            Message::ParameterStatus(status) if status.name().is_ok_and(|name| name == "server_version") => {
                session.version = status.value().unwrap_or_default().to_owned();
            }
            Message::ParameterStatus(_) | Message::BackendKeyData(_) => {}
            _ => return Err(out_of_place()),
        }
    }
}

fn say<S: Stream>(
    session: &mut Session<S>,
    write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
) -> Result<(), Error> {
    session.wire.send(&message::write(write)?)
}

/// The next message that is no notice. An error is always the last word here.
fn hear<S: Stream>(session: &mut Session<S>) -> Result<Message, Error> {
    loop {
        match message::read(&mut session.wire)? {
            Message::ErrorResponse(body) => return Err(Error::Refused(message::refusal(&body).0)),
            Message::NoticeResponse(_) => {}
            other => return Ok(other),
        }
    }
}

fn out_of_place() -> Error {
    Error::protocol("a message is out of place in a login")
}
