//! JSON that may have secrets in it: wiped when dropped, and printed as dots.

use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::SecretString;

/// A JSON value of which nobody knows what in it is secret. It has no `Display`, no `Serialize`, and a `Debug` that tells nothing.
#[derive(Clone, PartialEq)]
pub struct SecretJson(Value);

impl SecretJson {
    /// The value itself. Every use of this is a place where secrets may leave their holder.
    #[must_use]
    pub const fn reveal(&self) -> &Value {
        &self.0
    }

    /// The same as text.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        text_of(&self.0)
    }
}

/// JSON as text that leaves no copies behind.
#[must_use]
pub fn text_of(value: &Value) -> SecretString {
    let mut length = Length(0);
    // Every value has a form in JSON, a number can be counted up and a vector takes all that is written to it.
    let _ = serde_json::to_writer(&mut length, value);
    // Room for it all at once: growing would leave copies behind that nobody wipes.
    let mut text = Vec::with_capacity(length.0);
    let _ = serde_json::to_writer(&mut text, value);
    SecretString::new(String::from_utf8(text).unwrap_or_default())
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Default for SecretJson {
    fn default() -> Self {
        Self(Value::Null)
    }
}

impl From<Value> for SecretJson {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl<'de> Deserialize<'de> for SecretJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl fmt::Debug for SecretJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretJson(…)")
    }
}

impl Zeroize for SecretJson {
    fn zeroize(&mut self) {
        wipe(&mut self.0);
    }
}

impl Drop for SecretJson {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for SecretJson {}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    *value = Value::Null;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_wiped_when_dropped<T: ZeroizeOnDrop>() {}

    #[test]
    fn all_texts_are_wiped_and_nothing_is_told() {
        is_wiped_when_dropped::<SecretJson>();
        let mut json = SecretJson::from(json!({ "a": ["word", { "b": "word" }], "n": 4711 }));
        let told = format!("{json:?} {:#?}", Some(&json));
        assert!(!told.contains("word") && !told.contains("4711"), "{told}");
        json.zeroize();
        assert_eq!(json, SecretJson::default());
        let mut text = json!({ "a": ["word"] });
        let Value::Object(members) = &mut text else { unreachable!() };
        members.values_mut().for_each(wipe);
        assert_eq!(text, json!({ "a": null }));
    }

    #[test]
    fn text_has_room_for_what_it_says_and_no_more() {
        for value in [json!({ "a": "ä\"\\\n\u{1}", "b": [1, 2.5, null, true] }), json!("x".repeat(100_000))] {
            let text = text_of(&value);
            assert_eq!(text.reveal(), value.to_string());
            assert_eq!(text.0.capacity(), text.0.len());
        }
    }
}
