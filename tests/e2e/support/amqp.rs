//! A client of AMQP 0-9-1, as an app has one: a URL, durable queues, messages that outlive the server.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Url;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const END: u8 = 0xce;

/// Class and method, as they stand before a method's arguments.
type Name = [u8; 4];

const START: Name = [0, 10, 0, 10];
const START_OK: Name = [0, 10, 0, 11];
const TUNE: Name = [0, 10, 0, 30];
const TUNE_OK: Name = [0, 10, 0, 31];
const OPEN: Name = [0, 10, 0, 40];
const OPEN_OK: Name = [0, 10, 0, 41];
const CHANNEL_OPEN: Name = [0, 20, 0, 10];
const CHANNEL_OPEN_OK: Name = [0, 20, 0, 11];
const DECLARE: Name = [0, 50, 0, 10];
const DECLARE_OK: Name = [0, 50, 0, 11];
const CONFIRM: Name = [0, 85, 0, 10];
const CONFIRM_OK: Name = [0, 85, 0, 11];
const PUBLISH: Name = [0, 60, 0, 40];
const GET: Name = [0, 60, 0, 70];
const GET_OK: Name = [0, 60, 0, 71];
const GET_EMPTY: Name = [0, 60, 0, 72];
const ACK: Name = [0, 60, 0, 80];

/// A connection with one channel, logged in to a virtual host.
pub(crate) struct Amqp {
    stream: TcpStream,
    channel: u16,
}

impl Amqp {
    /// Logs in as the URL says.
    pub(crate) fn connect(url: &str) -> io::Result<Self> {
        let url = Url::parse(url).unwrap();
        let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap()))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut amqp = Self { stream, channel: 0 };
        amqp.stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        amqp.receive(&[START])?;
        let plain = format!("\0{}\0{}", url.username(), url.password().unwrap());
        let plain = [&u32::try_from(plain.len()).unwrap().to_be_bytes(), plain.as_bytes()].concat();
        amqp.send(START_OK, &[&[0; 4][..], &short("PLAIN"), &plain, &short("en_US")].concat())?;
        let (_, mut agreed) = amqp.receive(&[TUNE])?;
        // Nobody here says that he lives while he has nothing to say.
        agreed.truncate(agreed.len().saturating_sub(2));
        agreed.extend([0, 0]);
        amqp.send(TUNE_OK, &agreed)?;
        amqp.ask(OPEN, &[&short(&url.path()[1..])[..], &[0, 0]].concat(), OPEN_OK)?;
        amqp.channel = 1;
        amqp.ask(CHANNEL_OPEN, &[0], CHANNEL_OPEN_OK)?;
        amqp.ask(CONFIRM, &[0], CONFIRM_OK)?;
        Ok(amqp)
    }

    /// Makes a durable queue, unless it is there.
    pub(crate) fn declare(&mut self, queue: &str) -> io::Result<()> {
        let durable = 2;
        self.ask(DECLARE, &[&[0, 0][..], &short(queue), &[durable], &[0; 4]].concat(), DECLARE_OK)
    }

    /// Puts a message into a queue; it is on disk when this returns.
    pub(crate) fn publish(&mut self, queue: &str, message: &str) -> io::Result<()> {
        self.send(PUBLISH, &[&[0, 0][..], &short(""), &short(queue), &[0]].concat())?;
        let length = u64::try_from(message.len()).unwrap().to_be_bytes();
        let delivery_mode_2 = [0x10, 0, 2];
        self.send_frame(HEADER, &[&[0, 60, 0, 0][..], &length, &delivery_mode_2].concat())?;
        self.send_frame(BODY, message.as_bytes())?;
        self.receive(&[ACK]).map(drop)
    }

    /// Takes the next message out of a queue, if there is one.
    pub(crate) fn get(&mut self, queue: &str) -> io::Result<Option<String>> {
        let without_ack = 1;
        self.send(GET, &[&[0, 0][..], &short(queue), &[without_ack]].concat())?;
        if self.receive(&[GET_OK, GET_EMPTY])?.0 == GET_EMPTY {
            return Ok(None);
        }
        let (_header, body) = (self.read_frame()?, self.read_frame()?);
        Ok(Some(String::from_utf8(body).unwrap()))
    }

    fn ask(&mut self, name: Name, arguments: &[u8], answer: Name) -> io::Result<()> {
        self.send(name, arguments)?;
        self.receive(&[answer]).map(drop)
    }

    fn send(&mut self, name: Name, arguments: &[u8]) -> io::Result<()> {
        self.send_frame(METHOD, &[&name, arguments].concat())
    }

    fn send_frame(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&[kind], &self.channel.to_be_bytes()[..], &length, payload, &[END]].concat())
    }

    /// One of these methods and its arguments; anything else is an error in the server's words.
    fn receive(&mut self, expected: &[Name]) -> io::Result<(Name, Vec<u8>)> {
        let payload = self.read_frame()?;
        // A heartbeat has none: the server lives, and has nothing to say.
        let said = payload.split_first_chunk().ok_or_else(|| io::Error::other("nothing but a heartbeat"));
        let (name, arguments) = said?;
        if expected.contains(name) {
            return Ok((*name, arguments.to_vec()));
        }
        Err(io::Error::other(format!("{name:?}: {}", String::from_utf8_lossy(arguments))))
    }

    fn read_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 7];
        self.stream.read_exact(&mut head)?;
        let [.., a, b, c, d] = head;
        let mut payload = vec![0; u32::from_be_bytes([a, b, c, d]) as usize + 1];
        self.stream.read_exact(&mut payload)?;
        assert_eq!(payload.pop(), Some(END));
        Ok(payload)
    }
}

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}
