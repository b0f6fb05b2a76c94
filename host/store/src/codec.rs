//! How values look inside their seals. The bytes are wiped when they are dropped, as all of them may hold secrets.

mod config;
mod state;

pub(crate) use config::{decode_config, encode_config};
pub(crate) use state::{decode_state, encode_state};

use larder_domain::ports::StoreError;
use larder_domain::secret::{SecretJson, Seed};
use larder_domain::{AddonId, SecretString};
use zeroize::Zeroizing;

pub(crate) type Plain = Zeroizing<Vec<u8>>;

/// Seed from its bytes.
pub(crate) fn decode_seed(plain: &[u8]) -> Result<Seed, StoreError> {
    let bytes = plain.try_into().map_err(|_| StoreError::Corrupt("a seed of a wrong length".into()))?;
    Ok(Seed(bytes))
}

/// Parameters as JSON.
pub(crate) fn encode_parameters(parameters: &SecretJson) -> SecretString {
    parameters.to_text()
}

/// Parameters from JSON.
pub(crate) fn decode_parameters(addon: AddonId, plain: &[u8]) -> Result<SecretJson, StoreError> {
    serde_json::from_slice(plain).map_err(|_| StoreError::Corrupt(format!("parameters of addon {addon}")))
}

/// Secrets as a JSON list.
pub(crate) fn encode_secrets(secrets: &[SecretString]) -> Plain {
    let texts: Vec<&str> = secrets.iter().map(SecretString::reveal).collect();
    // Room for it all at once: growing would leave copies behind that nobody wipes. An escape has up to six bytes.
    let room = texts.iter().map(|text| text.len() * 6 + 3).sum::<usize>() + 2;
    let mut plain = Zeroizing::new(Vec::with_capacity(room));
    // Texts always have a form in JSON, and a vector takes all that is written to it.
    let _ = serde_json::to_writer(&mut *plain, &texts);
    plain
}

/// Secrets from a JSON list.
pub(crate) fn decode_secrets(plain: &[u8]) -> Result<Vec<SecretString>, StoreError> {
    serde_json::from_slice(plain).map_err(|_| StoreError::Corrupt("a list of secrets that is none".into()))
}

/// A text that was sealed as it is.
pub(crate) fn decode_text(plain: &[u8]) -> Result<SecretString, StoreError> {
    let text = std::str::from_utf8(plain).map_err(|_| StoreError::Corrupt("a sealed text that is no text".into()))?;
    Ok(SecretString::new(text))
}
