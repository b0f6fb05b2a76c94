//! What an addon gives its app, as JSON.

use larder_domain::SecretString;
use larder_domain::config::{AddonConfig, Credential, Variable};
use larder_domain::ports::StoreError;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Plain;

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    variables: Vec<Item<T>>,
    credentials: Vec<Item<T>>,
}

#[derive(Serialize, Deserialize)]
struct Item<T> {
    name: T,
    value: T,
    secret: bool,
}

pub(crate) fn encode_config(config: &AddonConfig) -> Plain {
    let variables = config.variables.iter().map(|v| item(v.name.as_str(), &v.value, v.secret)).collect();
    let credentials = config.credentials.iter().map(|c| item(&c.key, &c.value, c.secret)).collect();
    let stored = Stored { variables, credentials };
    // Room for it all at once: growing would leave copies behind that nobody wipes.
    let room = stored.variables.iter().chain(&stored.credentials).map(Item::room).sum::<usize>() + 64;
    let mut plain = Zeroizing::new(Vec::with_capacity(room));
    // Texts and booleans always have a form in JSON, and a vector takes all that is written to it.
    let _ = serde_json::to_writer(&mut *plain, &stored);
    plain
}

pub(crate) fn decode_config(plain: &[u8]) -> Result<AddonConfig, StoreError> {
    let corrupt = || StoreError::Corrupt("a configuration that is none".into());
    let stored: Stored<String> = serde_json::from_slice(plain).map_err(|_| corrupt())?;
    let variable = |item: Item<String>| {
        let name = item.name.parse().map_err(|_| corrupt())?;
        Ok(Variable { name, value: SecretString::new(item.value), secret: item.secret })
    };
    let credential =
        |item: Item<String>| Credential { key: item.name, value: SecretString::new(item.value), secret: item.secret };
    Ok(AddonConfig {
        variables: stored.variables.into_iter().map(variable).collect::<Result<_, StoreError>>()?,
        credentials: stored.credentials.into_iter().map(credential).collect(),
    })
}

fn item<'a>(name: &'a str, value: &'a SecretString, secret: bool) -> Item<&'a str> {
    Item { name, value: value.reveal(), secret }
}

impl Item<&str> {
    /// At least as long as its JSON: a byte may become six (`\u0001`).
    fn room(&self) -> usize {
        40 + 6 * (self.name.len() + self.value.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_comes_back_as_it_was() {
        let text = |text: &str| SecretString::new(text);
        let config = AddonConfig {
            variables: vec![Variable { name: "A_URL".parse().unwrap(), value: text("x\u{1}\"ä"), secret: true }],
            credentials: vec![Credential { key: "uri".into(), value: text(""), secret: false }],
        };
        assert_eq!(decode_config(&encode_config(&config)).unwrap(), config);
        assert!(matches!(decode_config(b"{}"), Err(StoreError::Corrupt(_))));
    }
}
