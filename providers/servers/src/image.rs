//! The image that servers run from: the usual one, or another that the operator sets.
//!
//! A server with data keeps the image that it was made with. Another one may not be able to read them; or it can, and the one before can't
//! any more, so that an update that fails could not be taken back.

use larder_sdk::{Failure, Options, json, secrets, state};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// An image, and what it is to hold.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    /// The one that is taken if none is set.
    pub usual: &'static str,
    /// What any that is set must hold, like `Redis 6.2 or newer`.
    pub of: &'static str,
}

/// Where the image is remembered that an addon's server was made with.
const KEPT: &str = "image";

/// As much of an operator's options as matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    image: Option<String>,
    earlier_images: Vec<String>,
    /// A server that is there already: then new addons have none, and are asked for no images of servers.
    external: Option<IgnoredAny>,
}

impl Image {
    /// The one that these options name.
    ///
    /// # Errors
    /// It is no text.
    pub fn under(&self, options: &Options) -> Result<String, String> {
        Ok(self.or_usual(options.to()?))
    }

    /// Those that older addons still run from, as these options tell.
    ///
    /// # Errors
    /// One of them is no text.
    pub(crate) fn earlier_under(options: &Options) -> Result<Vec<String>, String> {
        Ok(options.to::<Settings>()?.earlier_images)
    }

    /// The one that these options name for new addons, and those that older ones still run from.
    ///
    /// # Errors
    /// One of them is no text.
    pub fn all_under(&self, options: &Options) -> Result<Vec<String>, String> {
        let settings: Settings = options.to()?;
        let mut images = settings.earlier_images.clone();
        let image = self.or_usual(settings);
        images.retain(|earlier| *earlier != image);
        images.insert(0, image);
        Ok(images)
    }

    /// The one that the addon's server is to run from for ever, which is that of new addons if there is none yet.
    ///
    /// # Errors
    /// The options do not name it any more.
    pub fn kept(&self) -> Result<String, Failure> {
        let image = match state::get_text(KEPT)? {
            Some(kept) => self.named(kept)?,
            None => self.now()?,
        };
        state::set(KEPT, &image)?;
        Ok(image)
    }

    /// The same image, if the options name it for servers: only then there is a grant to be had for it.
    ///
    /// # Errors
    /// They do not.
    pub(crate) fn named(&self, image: String) -> Result<String, Failure> {
        self.named_in(&secrets::options()?, image)
    }

    /// The one that new servers are to be run from; none if there are none, since the operator has one.
    ///
    /// # Errors
    /// The options can't be read.
    pub(crate) fn of_new_servers(&self) -> Result<Option<String>, Failure> {
        let settings: Settings = secrets::options()?;
        Ok(settings.external.is_none().then(|| self.or_usual(settings)))
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

    /// The schema of the same options, and of one for the images that older addons keep.
    #[must_use]
    pub fn options_of_keepers(&self) -> Value {
        let mut options = self.options();
        options["properties"]["earlier_images"] = json!({
            "description": "Images that older addons still run from: each keeps the one that it was made with",
            "type": "array",
            "items": { "type": "string" }
        });
        options
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

    fn named_in(&self, settings: &Settings, image: String) -> Result<String, Failure> {
        let is_of_new_ones = settings.external.is_none() && image == *settings.image.as_deref().unwrap_or(self.usual);
        if is_of_new_ones || settings.earlier_images.contains(&image) {
            return Ok(image);
        }
        Err(Failure::rejected(format!(
            "the addon's server is of {image}, which the provider's options do not name for servers in containers: add it to \
            `earlier_images` and grant it, or bring the data over to a new addon"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_had_as_long_as_it_is_named_for_servers() {
        let image = Image { usual: "redis:7", of: "Redis" };
        let named =
            |options: Value, name: &str| image.named_in(&serde_json::from_value(options).unwrap(), name.to_owned());
        let external = json!({ "hostname": "db.internal" });
        for options in [
            json!({}),
            json!({ "image": "redis:7", "external": null }),
            json!({ "image": "redis:8", "earlier_images": ["redis:6.2", "redis:7"] }),
            json!({ "earlier_images": ["redis:7"], "external": external }),
        ] {
            assert_eq!(named(options, "redis:7").unwrap(), "redis:7");
        }
        for options in [
            json!({ "image": "redis:8" }),
            json!({ "image": "redis:8", "earlier_images": ["redis:6.2"] }),
            // Of those servers there are no new ones any more.
            json!({ "external": external }),
            json!({ "image": "redis:7", "earlier_images": ["redis:6.2"], "external": external }),
        ] {
            let refused = named(options, "redis:7").unwrap_err().to_string();
            assert!(refused.contains("is of redis:7") && refused.contains("add it to `earlier_images`"), "{refused}");
        }
    }

    #[test]
    fn an_operator_may_set_another() {
        let image = Image { usual: "redis:7", of: "Redis" };
        let under = |options: &str| image.under(&Options::parse(options).unwrap());
        assert_eq!(under("{}").unwrap(), "redis:7");
        assert_eq!(under(r#"{"image":"mine:1","external":{}}"#).unwrap(), "mine:1");
        assert!(under(r#"{"image":1}"#).unwrap_err().contains("options.image"));
    }
}
