//! A provider that imports an interface no host has.

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Provider, Service, export};

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "acme:magic/magician" });
}

struct UnknownImport;

impl Provider for UnknownImport {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let service = Service::new("spell", "A spell").variable("SPELL").plan(Plan::new("default", "One"));
        Ok(Manifest::new("0.1.0", "Casts spells").service(service))
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        Ok(Config::new().variable("SPELL", bindings::acme::magic::spells::cast(&addon.name())))
    }
}

export!(UnknownImport);
