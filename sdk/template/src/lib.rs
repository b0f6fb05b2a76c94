//! {{name}}: an addon provider for Larder.

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Provider, Service, secrets};

struct MyProvider;

impl Provider for MyProvider {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let service = Service::new("{{name}}", "What apps get, in a sentence")
            .variable("EXAMPLE_PASSWORD")
            .plan(Plan::new("default", "The only size"));
        let about = "What this makes, in a sentence";
        Ok(Manifest::new(env!("CARGO_PKG_VERSION"), about).service(service))
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        let password = secrets::password("example", 0, 40)?;
        Ok(Config::new().secret("EXAMPLE_PASSWORD", password))
    }
}

larder_sdk::export!(MyProvider);
