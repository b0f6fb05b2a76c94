//! Logging in: proving a password in one of two ways, whichever the server keeps the user under.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Login;
use super::bytes::Bytes;
use super::greeting::{self, Greeting};
use super::packets::Packets;
use crate::{Error, Stream};

const OK: u8 = 0x00;
const MORE: u8 = 0x01;
const SWITCH: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// The server remembers the password.
const FAST: u8 = 0x03;
/// It does not, and wants to see it.
const FULL: u8 = 0x04;
/// More words than these, no login takes.
const WORDS_MAX: usize = 5;

/// How a password is proven.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Native,
    CachingSha2,
}

impl Way {
    const ALL: [Self; 2] = [Self::Native, Self::CachingSha2];

    fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    fn proof(self, password: &str, nonce: &[u8]) -> Vec<u8> {
        match self {
            _ if password.is_empty() => vec![],
            Self::Native => {
                let once = Sha1::digest(password);
                let twice = Sha1::digest(once);
                either(&once, &Sha1::new().chain_update(nonce).chain_update(twice).finalize())
            }
            Self::CachingSha2 => {
                let once = Sha256::digest(password);
                let twice = Sha256::digest(once);
                either(&once, &Sha256::new().chain_update(twice).chain_update(nonce).finalize())
            }
        }
    }
}

/// Only one of the bits.
fn either(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

/// What a user's password is kept as under `mysql_native_password`.
pub(super) fn native_hash(password: &str) -> String {
    let hash = Sha1::digest(Sha1::digest(password));
    hash.iter().fold("*".to_owned(), |text, byte| format!("{text}{byte:02X}"))
}

/// Logs in, and gives the server's version.
pub(super) fn log_in<S: Stream>(packets: &mut Packets<S>, login: &Login<'_>) -> Result<String, Error> {
    let greeting = Greeting::read(&packets.read()?)?;
    if login.tls {
        if !greeting.has_tls() {
            return Err(Error::NoTls);
        }
        packets.write(&greeting::client(true))?;
        packets.start_tls()?;
    }
    // The server's favourite is not the user's, perhaps; it then says so.
    let way = Way::named(&greeting.plugin).unwrap_or(Way::Native);
    let proof = way.proof(login.password, &greeting.nonce);
    packets.write(&greeting::response(login.tls, login.user, &proof, way.name())?)?;
    converse(packets, login, way)?;
    Ok(greeting.version)
}

fn converse<S: Stream>(packets: &mut Packets<S>, login: &Login<'_>, mut way: Way) -> Result<(), Error> {
    let mut may_switch = true;
    for _ in 0..WORDS_MAX {
        let packet = packets.read()?;
        let mut bytes = Bytes(&packet);
        match bytes.byte()? {
            OK => return Ok(()),
            ERROR => return Err(bytes.refusal()?),
            SWITCH if may_switch => {
                may_switch = false;
                let name = bytes.until_zero();
                way = Way::named(&name).ok_or_else(|| no_way(&name))?;
                packets.write(&way.proof(login.password, greeting::nonce(bytes.0)?))?;
            }
            MORE if way == Way::CachingSha2 => match bytes.byte()? {
                FAST => {}
                FULL => show(packets, login.password)?,
                _ => return Err(out_of_place()),
            },
            _ => return Err(out_of_place()),
        }
    }
    Err(out_of_place())
}

/// Says the password as it is. In the clear there would be a way by the server's public key; nobody vouches for that key, and who
/// changes it on the way reads the password.
fn show<S: Stream>(packets: &mut Packets<S>, password: &str) -> Result<(), Error> {
    if !packets.is_secure() {
        let what = "the server wants to see the password (the first login by caching_sha2_password), which takes TLS";
        return Err(Error::Insecure(what.to_owned()));
    }
    packets.write(&[password.as_bytes(), &[0]].concat())
}

fn no_way(name: &str) -> Error {
    let name: String = name.chars().filter(|character| character.is_ascii_graphic()).take(64).collect();
    Error::protocol(format!("the user's password is kept as `{name}`, which is not known here"))
}

fn out_of_place() -> Error {
    Error::protocol("a packet is out of place in a login")
}
