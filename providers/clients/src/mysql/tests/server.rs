//! The server's side of the protocol, written after the manual and not after our client: it checks proofs as a server does, which
//! knows hashes and no passwords.

use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(super) const SHA2: &str = "caching_sha2_password";
pub(super) const NATIVE: &str = "mysql_native_password";

const NONCES: [&[u8; 20]; 2] = [b"abcdefghijklmnopqrst", b"ABCDEFGHIJKLMNOPQRST"];
const STATUS: [u8; 2] = [0x00, 0x02];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Response,
    TlsThenResponse,
    Switched,
    Password,
    Commands,
}

pub(super) struct Server {
    /// The one user's password.
    password: &'static str,
    /// How a client is asked for a proof at first, and how the user's password is kept.
    plugins: [&'static str; 2],
    remembers: bool,
    pub(super) has_tls: bool,
    /// What is answered to the statement after those of the login.
    pub(super) answer: Vec<u8>,
    awaits: Awaits,
    commands: usize,
    pub(super) shown_in_the_clear: bool,
}

pub(super) fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[low, middle, high, number], payload].concat()
}

pub(super) fn ok(number: u8) -> Vec<u8> {
    packet(number, &[0, 0, 0, STATUS[0], STATUS[1], 0, 0])
}

pub(super) fn eof(number: u8) -> Vec<u8> {
    packet(number, &[0xfe, 0, 0, STATUS[0], STATUS[1]])
}

pub(super) fn error(number: u8, code: u16, text: &str) -> Vec<u8> {
    packet(number, &[&[0xff], &code.to_le_bytes()[..], b"#42000", text.as_bytes()].concat())
}

impl Server {
    pub(super) fn new(plugins: [&'static str; 2]) -> Self {
        let (awaits, answer) = (Awaits::Response, ok(1));
        let password = "correct horse";
        Self {
            password,
            plugins,
            remembers: false,
            has_tls: false,
            answer,
            awaits,
            commands: 0,
            shown_in_the_clear: false,
        }
    }

    pub(super) fn remembering(self) -> Self {
        Self { remembers: true, ..self }
    }

    pub(super) fn with_tls(self) -> Self {
        Self { has_tls: true, ..self }
    }

    pub(super) fn greeting(&self) -> Vec<u8> {
        let (first, second) = NONCES[0].split_at(8);
        let low = (0xa201_u16 | if self.has_tls { 0x0800 } else { 0 }).to_le_bytes();
        let high = 0x0008_u16.to_le_bytes();
        let plugin = [self.plugins[0].as_bytes(), &[0]].concat();
        let parts: [&[u8]; 11] =
            [b"\x0a8.4.2\0", &[7, 0, 0, 0], first, &[0], &low, &[45, 2, 0], &high, &[21], &[0; 10], second, &[0]];
        packet(0, &[parts.concat(), plugin].concat())
    }

    /// What is said to a packet of the client's.
    pub(super) fn hear(&mut self, bytes: &[u8], is_secure: bool) -> Vec<u8> {
        let (number, payload) = (bytes[3] + 1, &bytes[4..]);
        self.shown_in_the_clear |= !is_secure && payload.windows(5).any(|part| part == b"horse");
        match self.awaits {
            Awaits::Response if payload.len() == 32 => {
                assert!(self.has_tls, "asked for TLS though there is none");
                self.awaits = Awaits::TlsThenResponse;
                vec![]
            }
            Awaits::Response | Awaits::TlsThenResponse => {
                assert_eq!(self.awaits == Awaits::TlsThenResponse, is_secure);
                let user = payload[32..].iter().position(|byte| *byte == 0).unwrap() + 33;
                let proof = &payload[user + 1..][..usize::from(payload[user])];
                let tried = if self.plugins[0] == SHA2 { SHA2 } else { NATIVE };
                assert_eq!(&payload[user + 1 + proof.len()..], [tried.as_bytes(), &[0]].concat());
                if self.plugins[0] == self.plugins[1] {
                    return self.judge(number, proof, NONCES[0]);
                }
                self.awaits = Awaits::Switched;
                packet(number, &[&[0xfe], self.plugins[1].as_bytes(), &[0], NONCES[1], &[0]].concat())
            }
            Awaits::Switched => self.judge(number, payload, NONCES[1]),
            Awaits::Password => self.admit(number, payload == [self.password.as_bytes(), &[0]].concat()),
            Awaits::Commands => {
                self.commands += 1;
                if self.commands > 2 { self.answer.clone() } else { ok(1) }
            }
        }
    }

    fn judge(&mut self, number: u8, proof: &[u8], nonce: &[u8]) -> Vec<u8> {
        let is_right = if self.plugins[1] == SHA2 { self.sha2(proof, nonce) } else { self.native(proof, nonce) };
        if self.plugins[1] == NATIVE {
            return self.admit(number, is_right);
        }
        if self.remembers && is_right {
            return [packet(number, &[1, 3]), self.admit(number + 1, true)].concat();
        }
        self.awaits = Awaits::Password;
        packet(number, &[1, 4])
    }

    /// Knows `SHA256(SHA256(password))`.
    fn sha2(&self, proof: &[u8], nonce: &[u8]) -> bool {
        let kept = Sha256::digest(Sha256::digest(self.password));
        let mask = Sha256::new().chain_update(kept).chain_update(nonce).finalize();
        let once: Vec<u8> = proof.iter().zip(mask).map(|(proof, mask)| proof ^ mask).collect();
        Sha256::digest(once) == kept
    }

    /// Knows `SHA1(SHA1(password))`.
    fn native(&self, proof: &[u8], nonce: &[u8]) -> bool {
        let kept = Sha1::digest(Sha1::digest(self.password));
        let mask = Sha1::new().chain_update(nonce).chain_update(kept).finalize();
        let once: Vec<u8> = proof.iter().zip(mask).map(|(proof, mask)| proof ^ mask).collect();
        Sha1::digest(once) == kept
    }

    fn admit(&mut self, number: u8, is_right: bool) -> Vec<u8> {
        self.awaits = Awaits::Commands;
        if is_right { ok(number) } else { error(number, 1045, "Access denied for user 'admin' (using password: YES)") }
    }
}
