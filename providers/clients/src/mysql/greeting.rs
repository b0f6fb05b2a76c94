//! The first words of a server, and what the client answers to them.

use super::bytes::Bytes;
use crate::Error;

const PROTOCOL: u8 = 10;
const ERROR: u8 = 0xff;
/// What a nonce has, in bytes.
const NONCE_BYTES: usize = 20;
/// Of these, the first part of the nonce; the rest comes later in the greeting.
const NONCE_BYTES_FIRST: usize = 8;
const RESERVED_BYTES: usize = 10;

const LONG_PASSWORD: u32 = 0x0000_0001;
const PROTOCOL_41: u32 = 0x0000_0200;
const SSL: u32 = 0x0000_0800;
const TRANSACTIONS: u32 = 0x0000_2000;
const SECURE_CONNECTION: u32 = 0x0000_8000;
const PLUGIN_AUTH: u32 = 0x0008_0000;
/// What we can, and need. Nothing that would let a server ask for files, and no several statements at once.
const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
const SAID: u32 = NEEDED | LONG_PASSWORD | TRANSACTIONS;

const PACKET_BYTES_MAX: u32 = 0x00ff_ffff;
/// `utf8mb4_general_ci`, which all of them know.
const CHARSET: u8 = 45;

/// What a server tells about itself.
pub(super) struct Greeting {
    pub(super) version: String,
    pub(super) nonce: Vec<u8>,
    pub(super) plugin: String,
    capabilities: u32,
}

impl Greeting {
    pub(super) fn read(packet: &[u8]) -> Result<Self, Error> {
        let mut bytes = Bytes(packet);
        match bytes.byte()? {
            PROTOCOL => {}
            // It may have too many connections.
            ERROR => return Err(bytes.refusal()?),
            _ => return Err(Error::protocol("this is no MySQL")),
        }
        let version = bytes.until_zero();
        let _thread = bytes.take(4)?;
        let mut nonce = bytes.take(NONCE_BYTES_FIRST)?.to_vec();
        let _filler = bytes.byte()?;
        let low = bytes.two()?;
        let _charset_and_status = bytes.take(3)?;
        let capabilities = u32::from(bytes.two()?) << 16 | u32::from(low);
        if capabilities & NEEDED != NEEDED {
            return Err(Error::protocol("the server is older than MySQL 5.5"));
        }
        let _length_and_reserved = bytes.take(1 + RESERVED_BYTES)?;
        nonce.extend_from_slice(bytes.take(NONCE_BYTES - NONCE_BYTES_FIRST)?);
        let _zero = bytes.byte()?;
        Ok(Self { version, nonce, plugin: bytes.until_zero(), capabilities })
    }

    pub(super) fn has_tls(&self) -> bool {
        self.capabilities & SSL != 0
    }
}

/// The nonce in a later change of mind about how to prove a password: it may end in a zero byte.
pub(super) fn nonce(bytes: &[u8]) -> Result<&[u8], Error> {
    bytes.get(..NONCE_BYTES).ok_or_else(|| Error::protocol("a nonce is too short"))
}

/// The beginning of an answer, and all of it where it only asks for TLS.
pub(super) fn client(tls: bool) -> Vec<u8> {
    let capabilities = if tls { SAID | SSL } else { SAID };
    let mut packet = capabilities.to_le_bytes().to_vec();
    packet.extend(PACKET_BYTES_MAX.to_le_bytes());
    packet.push(CHARSET);
    packet.extend([0; 23]);
    packet
}

/// The whole answer.
pub(super) fn response(tls: bool, user: &str, proof: &[u8], plugin: &str) -> Result<Vec<u8>, Error> {
    let length = u8::try_from(proof.len()).map_err(|_| Error::protocol("a proof is too long"))?;
    if user.contains('\0') {
        return Err(Error::BadInput("a user's name has a zero byte in it".to_owned()));
    }
    let mut packet = client(tls);
    packet.extend_from_slice(user.as_bytes());
    packet.extend([0, length]);
    packet.extend_from_slice(proof);
    packet.extend_from_slice(plugin.as_bytes());
    packet.push(0);
    Ok(packet)
}
