//! Another provider of a service named `secret`, so that the name alone does not say which one is meant.

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Provider, Service, export};

struct SecondSecret;

impl Provider for SecondSecret {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let service =
            Service::new("secret", "Always the same").variable("SECRET_KEY").plan(Plan::new("default", "One"));
        Ok(Manifest::new("0.1.0", "A second provider of secrets").service(service))
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        Ok(Config::new().secret("SECRET_KEY", "second"))
    }
}

export!(SecondSecret);
