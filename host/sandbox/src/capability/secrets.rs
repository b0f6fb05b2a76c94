//! `larder:host/secrets`: passwords that need not be stored, and the operator's options.
//!
//! # How a password is derived
//!
//! With the addon's seed as key, HMAC-SHA-256 (RFC 2104) of
//!
//! ```text
//! "larder password v1\0" ‖ len(name) ‖ name ‖ generation ‖ length ‖ block
//! ```
//!
//! gives 32 bytes for each `block` = 0, 1, 2, …; numbers are 32 bits, big-endian. Each byte below 248 = 4 × 62 gives a
//! character, `A-Za-z0-9[byte mod 62]`; the others are skipped, so that every character is equally likely. The first
//! `length` characters are the password.
//!
//! **This never changes**: resources that exist were made with these passwords. A better derivation gets another name.

use hmac::{Hmac, KeyInit, Mac};
use larder_domain::limits::PASSWORD_CHARS_MAX;
use larder_domain::secret::{SecretString, Seed};
use sha2::Sha256;

use crate::bindings::SecretsFailure;
use crate::bindings::secrets::{Error, Host};

/// The longest name of a password, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Different passwords that one call may ask for.
const PASSWORDS_MAX: usize = 256;

const LABEL: &[u8] = b"larder password v1\0";
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// The largest multiple of the alphabet's size that a byte can't pass.
const UNBIASED_BELOW: u8 = 248;

/// The secrets of a call.
pub(crate) struct CallSecrets {
    seed: Option<Seed>,
    options: SecretString,
    issued: Vec<SecretString>,
}

impl CallSecrets {
    /// Those of an addon.
    pub(crate) fn of(seed: Seed, options: SecretString) -> Self {
        Self { seed: Some(seed), options, issued: Vec::new() }
    }

    /// The options alone.
    pub(crate) fn of_no_addon(options: SecretString) -> Self {
        Self { seed: None, options, issued: Vec::new() }
    }

    /// The passwords that the guest has got.
    pub(crate) fn into_issued(self) -> Vec<SecretString> {
        self.issued
    }

    fn remember(&mut self, password: &str) -> wasmtime::Result<()> {
        if self.issued.iter().any(|issued| issued.reveal() == password) {
            return Ok(());
        }
        if self.issued.len() >= PASSWORDS_MAX {
            wasmtime::bail!("a call may ask for at most {PASSWORDS_MAX} different passwords");
        }
        self.issued.push(SecretString::new(password));
        Ok(())
    }
}

impl Host for CallSecrets {
    fn password(&mut self, name: String, generation: u32, length: u32) -> Result<String, SecretsFailure> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Error::BadName(NAME_BYTES_MAX as u32).into());
        }
        if length == 0 || length > PASSWORD_CHARS_MAX {
            return Err(Error::BadLength(PASSWORD_CHARS_MAX).into());
        }
        let Some(seed) = &self.seed else {
            return Err(SecretsFailure::trap(wasmtime::format_err!(
                "`password` belongs to an addon, and `describe` is about none"
            )));
        };
        let password = derive(seed, &name, generation, length).map_err(SecretsFailure::trap)?;
        self.remember(&password).map_err(SecretsFailure::trap)?;
        Ok(password)
    }

    fn options_json(&mut self) -> wasmtime::Result<String> {
        Ok(self.options.reveal().to_owned())
    }

    fn convert_error(&mut self, failure: SecretsFailure) -> wasmtime::Result<Error> {
        failure.downcast()
    }
}

fn derive(seed: &Seed, name: &str, generation: u32, length: u32) -> wasmtime::Result<String> {
    let name_bytes = u32::try_from(name.len())?;
    let mut keyed = Hmac::<Sha256>::new_from_slice(&seed.0)?;
    keyed.update(LABEL);
    keyed.update(&name_bytes.to_be_bytes());
    keyed.update(name.as_bytes());
    keyed.update(&generation.to_be_bytes());
    keyed.update(&length.to_be_bytes());

    let wanted = length as usize;
    let mut password = String::with_capacity(wanted);
    for block in 0_u32.. {
        let bytes = keyed.clone().chain_update(block.to_be_bytes()).finalize().into_bytes();
        let unbiased = bytes.iter().filter(|byte| **byte < UNBIASED_BELOW);
        let room = wanted - password.len();
        password.extend(unbiased.take(room).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])));
        if password.len() == wanted {
            break;
        }
    }
    Ok(password)
}

#[cfg(test)]
mod tests;
