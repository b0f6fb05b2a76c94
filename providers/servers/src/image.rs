//! The image that servers run from: the usual one, or another that the operator sets.

use larder_sdk::{Failure, Options, json, secrets};
use serde::Deserialize;
use serde_json::Value;

/// An image, and what it is to hold.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    /// The one that is taken if none is set.
    pub usual: &'static str,
    /// What any that is set must hold, like `Redis 6.2 or newer`.
    pub of: &'static str,
}

/// As much of an operator's options as matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    image: Option<String>,
}

impl Image {
    /// The one that these options name.
    ///
    /// # Errors
    /// It is no text.
    pub fn under(&self, options: &Options) -> Result<String, String> {
        Ok(self.or_usual(options.to()?))
    }

    /// The one that is to be run now.
    ///
    /// # Errors
    /// The options can't be read.
    pub fn now(&self) -> Result<String, Failure> {
        Ok(self.or_usual(secrets::options()?))
    }

    /// The schema of options that have it and nothing beside.
    #[must_use]
    pub fn options(&self) -> Value {
        json!({ "type": "object", "additionalProperties": false, "properties": { "image": self.option() } })
    }

    /// The schema of the option `image`.
    #[must_use]
    pub fn option(&self) -> Value {
        let Self { usual, of } = self;
        json!({ "type": "string", "description": format!("The image of {of}; {usual} by default") })
    }

    fn or_usual(&self, settings: Settings) -> String {
        settings.image.unwrap_or_else(|| self.usual.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_may_set_another() {
        let image = Image { usual: "redis:7", of: "Redis" };
        let under = |options: &str| image.under(&Options::parse(options).unwrap());
        assert_eq!(under("{}").unwrap(), "redis:7");
        assert_eq!(under(r#"{"image":"mine:1","external":{}}"#).unwrap(), "mine:1");
        assert!(under(r#"{"image":1}"#).unwrap_err().contains("options.image"));
    }
}
