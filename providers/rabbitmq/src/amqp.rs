//! A login by AMQP 0-9-1, as an app makes it, and nothing more of the protocol: what is ready is what has answered it.

use std::io::{self, Read, Write};

use larder_sdk::net::Connection;
use larder_servers::LOGIN_WAIT;

use crate::server::Place;

/// The longest frame that is read, in bytes.
const FRAME_BYTES_MAX: u32 = 128 * 1024;
const FRAME_END: u8 = 0xce;
const METHOD_FRAME: u8 = 1;

/// Methods of the class `connection`.
mod method {
    pub(super) const START: [u8; 4] = [0, 10, 0, 10];
    pub(super) const START_OK: [u8; 4] = [0, 10, 0, 11];
    pub(super) const TUNE: [u8; 4] = [0, 10, 0, 30];
    pub(super) const TUNE_OK: [u8; 4] = [0, 10, 0, 31];
    pub(super) const OPEN: [u8; 4] = [0, 10, 0, 40];
    pub(super) const OPEN_OK: [u8; 4] = [0, 10, 0, 41];
    pub(super) const CLOSE: [u8; 4] = [0, 10, 0, 50];
}

/// Logs in to a virtual host, and out again.
pub(crate) fn log_in(place: &Place, vhost: &str, user: &str, password: &str) -> Result<(), String> {
    let mut stream = Connection::connect(&place.host, place.amqp).map_err(|error| format!("AMQP: {error}"))?;
    stream.set_deadline(LOGIN_WAIT.min(place.until.left()));
    dialogue(stream, vhost, user, password).map_err(|error| format!("AMQP: {error}"))
}

fn dialogue(mut stream: impl Read + Write, vhost: &str, user: &str, password: &str) -> io::Result<()> {
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    receive(&mut stream, method::START)?;
    let plain = format!("\0{user}\0{password}");
    let no_properties = 0_u32.to_be_bytes();
    let response = [&length(plain.len()).to_be_bytes(), plain.as_bytes()].concat();
    let answer = [&no_properties[..], &short("PLAIN"), &response, &short("en_US")].concat();
    send(&mut stream, method::START_OK, &answer)?;
    // What it proposes is taken.
    let tune = receive(&mut stream, method::TUNE)?;
    send(&mut stream, method::TUNE_OK, &tune)?;
    let reserved = [0, 0];
    send(&mut stream, method::OPEN, &[&short(vhost)[..], &reserved].concat())?;
    receive(&mut stream, method::OPEN_OK)?;
    let (success, because_of_no_method) = (200_u16.to_be_bytes(), [0; 4]);
    send(&mut stream, method::CLOSE, &[&success[..], &short(""), &because_of_no_method].concat())
}

fn send(stream: &mut impl Write, method: [u8; 4], arguments: &[u8]) -> io::Result<()> {
    let channel = [0, 0];
    let size = length(method.len() + arguments.len()).to_be_bytes();
    stream.write_all(&[&[METHOD_FRAME][..], &channel, &size, &method, arguments, &[FRAME_END]].concat())
}

/// The arguments of the method that must come now.
fn receive(stream: &mut impl Read, expected: [u8; 4]) -> io::Result<Vec<u8>> {
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let [kind, _, _, size @ ..] = head;
    let size = u32::from_be_bytes(size);
    if kind != METHOD_FRAME || size > FRAME_BYTES_MAX {
        return Err(io::Error::other("the server speaks another protocol"));
    }
    let mut payload = vec![0; size as usize + 1];
    stream.read_exact(&mut payload)?;
    let Some((&FRAME_END, payload)) = payload.split_last() else {
        return Err(io::Error::other("the server speaks another protocol"));
    };
    match payload.split_first_chunk() {
        Some((method, arguments)) if *method == expected => Ok(arguments.to_vec()),
        Some((&method::CLOSE, arguments)) => Err(io::Error::other(refusal(arguments))),
        _ => Err(io::Error::other("the server says something unexpected")),
    }
}

/// The server's words for why it closes.
fn refusal(arguments: &[u8]) -> String {
    let text = arguments.get(3..).unwrap_or_default();
    let length = arguments.get(2).copied().unwrap_or_default().into();
    let words = String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned();
    format!("the server refuses: {words}")
}

/// A text of at most 255 bytes.
fn short(text: &str) -> Vec<u8> {
    let bytes = &text.as_bytes()[..text.len().min(255)];
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [&[length], bytes].concat()
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
