//! A provider that describes itself well and breaks down as soon as it is used.

#![expect(clippy::panic, reason = "that is what it is for")]

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Progress, Provider, Service, export};

struct Trapper;

impl Provider for Trapper {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let service = Service::new("trap", "Breaks down").variable("TRAP").plan(Plan::new("default", "One"));
        Ok(Manifest::new("0.1.0", "Breaks down when it is used").service(service))
    }

    fn begin_provision(_addon: &Addon) -> Result<String, Failure> {
        panic!("not today")
    }

    fn provision_complete(_addon: &Addon) -> Result<Progress, Failure> {
        panic!("not today")
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        panic!("not today")
    }

    fn deprovision(_addon: &Addon) -> Result<Progress, Failure> {
        panic!("not today")
    }
}

export!(Trapper);
