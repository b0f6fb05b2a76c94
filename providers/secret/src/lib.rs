//! The smallest useful provider: every addon is a secret, handed to its app as `SECRET_KEY`.
//!
//! Nothing is made and nothing is stored: the host derives the secret from a seed that it keeps with the addon, so
//! every call finds the same one. That is why three of the five functions of [`Provider`] are not here: there is
//! nothing to begin, to wait for, or to remove. The provider `parameters` is the one to read next.
//!
//! It can be given another length, and be replaced by a new secret. Both are optional interfaces, and each is a trait that is named
//! in `export!`.

use larder_sdk::{
    Addon, Config, Failure, Manifest, Options, Plan, Progress, Provider, Rotation, Service, Update, json, secrets,
};
use serde::Deserialize;

/// How long a secret is if nobody says it, and the bounds of what may be said, in characters.
const LENGTH_USUAL: u32 = 100;
const LENGTH_MIN: u32 = 16;
const LENGTH_MAX: u32 = 256;

struct Secret;

/// What the developer sets.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    length: Option<u32>,
}

impl Parameters {
    fn length(&self) -> u32 {
        self.length.unwrap_or(LENGTH_USUAL)
    }
}

impl Provider for Secret {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let parameters = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "length": { "type": "integer", "minimum": LENGTH_MIN, "maximum": LENGTH_MAX, "default": LENGTH_USUAL }
            }
        });
        let about = format!("{LENGTH_USUAL} characters from A-Z, a-z and 0-9, or another length");
        let service = Service::new("secret", "A secret that nobody else knows")
            .tag("secret")
            .variable("SECRET_KEY")
            .plan(Plan::new("default", &about).parameters(parameters));
        Ok(Manifest::new(env!("CARGO_PKG_VERSION"), "Secrets for apps").service(service))
    }

    /// Every generation is a secret of its own, and so is every length.
    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        let length = addon.parameters::<Parameters>()?.length();
        let secret = secrets::password("secret", addon.generation(), length)?;
        Ok(Config::new().secret("SECRET_KEY", &secret).secret_credential("password", &secret))
    }
}

impl Update for Secret {
    fn begin_update(addon: &Addon) -> Result<String, Failure> {
        let length = addon.parameters::<Parameters>()?.length();
        Ok(format!("The app gets another secret, of {length} characters"))
    }
}

impl Rotation for Secret {
    fn begin_rotation(_addon: &Addon) -> Result<String, Failure> {
        Ok("The app gets another secret".to_owned())
    }

    /// There is no server that would go on taking the old one.
    fn end_rotation(_addon: &Addon) -> Result<Progress, Failure> {
        Ok(Progress::Done)
    }
}

larder_sdk::export!(Secret: update, rotation);
