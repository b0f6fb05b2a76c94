//! The image that servers run from: the usual one, or another that the operator sets.
//!
//! A server with data keeps the image that it was made with. Another one may not be able to read them; or it can, and the one before can't
//! any more, so that an update that fails could not be taken back.

use larder_sdk::{Failure, Options, json, secrets, state};
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

/// Where the image is remembered that an addon's server was made with.
const KEPT: &str = "image";

/// As much of an operator's options as matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    image: Option<String>,
    earlier_images: Vec<String>,
}

impl Image {
    /// The one that these options name.
    ///
    /// # Errors
    /// It is no text.
    pub fn under(&self, options: &Options) -> Result<String, String> {
        Ok(self.or_usual(options.to()?))
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
    /// The options no longer name it.
    pub fn kept(&self) -> Result<String, Failure> {
        let settings: Settings = secrets::options()?;
        let (kept, earlier) = (state::get_text(KEPT)?, settings.earlier_images.clone());
        let image = choose(kept, self.or_usual(settings), &earlier)?;
        state::set(KEPT, &image)?;
        Ok(image)
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
}

fn choose(kept: Option<String>, of_new_ones: String, earlier: &[String]) -> Result<String, Failure> {
    match kept {
        Some(kept) if kept != of_new_ones && !earlier.contains(&kept) => Err(Failure::rejected(format!(
            "the addon's server is of {kept}, which the provider's options no longer name: add it to `earlier_images` and grant it, or \
            bring the data over to a new addon"
        ))),
        Some(kept) => Ok(kept),
        None => Ok(of_new_ones),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_addon_keeps_the_one_that_it_was_made_with() {
        let chosen = |kept: Option<&str>, earlier: &[&str]| {
            let earlier: Vec<String> = earlier.iter().map(|&image| image.to_owned()).collect();
            choose(kept.map(str::to_owned), "redis:8".to_owned(), &earlier)
        };
        assert_eq!(chosen(None, &["redis:7"]).unwrap(), "redis:8");
        assert_eq!(chosen(Some("redis:8"), &[]).unwrap(), "redis:8");
        assert_eq!(chosen(Some("redis:7"), &["redis:6.2", "redis:7"]).unwrap(), "redis:7");
        let refused = chosen(Some("redis:7"), &["redis:6.2"]).unwrap_err().to_string();
        assert!(refused.contains("is of redis:7") && refused.contains("`earlier_images`"), "{refused}");
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
