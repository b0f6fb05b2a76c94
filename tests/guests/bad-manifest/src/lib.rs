//! Declares a variable that the dynamic loader obeys: whoever could set it would run code in every app.

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Provider, Service, export};

struct BadManifest;

impl Provider for BadManifest {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let service = Service::new("preload", "Looks harmless").variable("LD_PRELOAD").plan(Plan::new("default", "One"));
        Ok(Manifest::new("0.1.0", "Looks harmless").service(service))
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        Ok(Config::new().variable("LD_PRELOAD", "/tmp/evil.so"))
    }
}

export!(BadManifest);
