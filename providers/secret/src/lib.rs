//! The smallest useful provider: every addon is a secret of 100 characters, handed to its app as `SECRET_KEY`.
//!
//! Nothing is made and nothing is stored: the host derives the secret from a seed that it keeps with the addon, so
//! every call finds the same one. That is why three of the five functions of [`Provider`] are not here: there is
//! nothing to begin, to wait for, or to remove. The provider `parameters` is the one to read next.

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Provider, Service, secrets};

struct Secret;

impl Provider for Secret {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let service = Service::new("secret", "A secret that nobody else knows")
            .tag("secret")
            .variable("SECRET_KEY")
            .plan(Plan::new("default", "100 characters from A-Z, a-z and 0-9"));
        Ok(Manifest::new(env!("CARGO_PKG_VERSION"), "Secrets for apps").service(service))
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        let secret = secrets::password("secret", 0, 100)?;
        Ok(Config::new().secret("SECRET_KEY", &secret).secret_credential("password", &secret))
    }
}

larder_sdk::export!(Secret);
