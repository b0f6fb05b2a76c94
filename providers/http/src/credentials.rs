//! What an app gets: the binding's credentials as one JSON text, and each of them by its name.

use larder_sdk::{Addon, Config, Failure, log};
use serde_json::{Map, Value};

use crate::offer::variable;
use crate::record;

/// How many credentials an addon may have, and how long their keys may be, in bytes.
const ENTRIES_MAX: usize = 64;
const KEY_BYTES_MAX: usize = 128;
/// What tells no secret, wherever brokers use these names.
const PUBLIC: [&str; 6] = ["hostname", "host", "port", "protocol", "database", "username"];

pub(crate) fn config(addon: &Addon) -> Result<Config, Failure> {
    let service = addon.service();
    let Some(credentials) = record::credentials(addon.generation())? else { return Ok(Config::new()) };
    let mut config = Config::new();
    let uri = ["uri", "url"].iter().find_map(|key| credentials.get(*key)?.as_str());
    if let Some(uri) = uri {
        config = config.secret(variable(&service, "URL"), uri);
    }
    for (key, value) in flat(&credentials) {
        let is_public = PUBLIC.contains(&key.as_str());
        config = if is_public { config.credential(key, value) } else { config.secret_credential(key, value) };
    }
    Ok(config.secret(variable(&service, "CREDENTIALS"), Value::Object(credentials).to_string()))
}

/// Objects within objects become keys with dots, and whatever is no text becomes its JSON.
fn flat(credentials: &Map<String, Value>) -> Vec<(String, String)> {
    let mut entries = vec![];
    flatten("", credentials, &mut entries);
    let all = entries.len();
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|(key, _)| {
        !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.contains(char::is_control) && seen.insert(key.clone())
    });
    entries.truncate(ENTRIES_MAX);
    if entries.len() < all {
        log::warn(format!("{} of {all} credentials are only in the variable", all - entries.len()));
    }
    entries
}

fn flatten(before: &str, object: &Map<String, Value>, entries: &mut Vec<(String, String)>) {
    for (key, value) in object {
        let key = if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
        match value {
            Value::Null => {}
            Value::Object(inner) => flatten(&key, inner, entries),
            Value::String(text) => entries.push((key, text.clone())),
            other => entries.push((key, other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_gets_dots() {
        let credentials = serde_json::json!({
            "uri": "x://y", "port": 5, "none": null, "tls": { "on": true, "ca": { "pem": "P" } }, "hosts": ["a", "b"]
        });
        let Value::Object(credentials) = credentials else { panic!("it is an object") };
        let mut entries = flat(&credentials);
        entries.sort();
        let entries: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let expected =
            [("hosts", r#"["a","b"]"#), ("port", "5"), ("tls.ca.pem", "P"), ("tls.on", "true"), ("uri", "x://y")];
        assert_eq!(entries, expected);
    }
}
