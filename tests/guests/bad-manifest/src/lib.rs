//! A provider whose manifest is wrong. Without options it declares a variable that the dynamic loader obeys: whoever
//! could set it would run code in every app. With options such as `{"return": "no-json"}` it is wrong in another way.

use larder_sdk::bindings::exports::larder::provider::{catalog, lifecycle};
use larder_sdk::bindings::{Config, Failure, Progress};
use larder_sdk::{Addon, Options, json};
use serde_json::Value;

struct BadManifest;

impl catalog::Guest for BadManifest {
    fn describe(options_json: String) -> Result<String, String> {
        let options: Value = Options::parse(&options_json)?.to()?;
        match options["return"].as_str() {
            None => Ok(manifest("LD_PRELOAD").to_string()),
            Some("good") => Ok(manifest("GOOD_KEY").to_string()),
            Some("error") => Err("these options can't be used".into()),
            Some("no-json") => Ok("version: 0.1.0".into()),
            Some("no-object") => Ok("[]".into()),
            Some("no-services") => Ok(with("services", json!([]))),
            Some("bad-schema") => Ok(with("options", json!({ "type": "banana" }))),
            Some("unknown-field") => Ok(with("colour", json!("green"))),
            Some("huge") => Ok(with("description", json!("x".repeat(900_000)))),
            Some(other) => Err(format!("it has no manifest {other:?}")),
        }
    }
}

fn manifest(variable: &str) -> Value {
    json!({
        "version": "0.1.0",
        "description": "Looks harmless",
        "services": [{
            "name": "preload",
            "description": "Looks harmless",
            "variables": [variable],
            "plans": [{ "name": "default", "description": "One" }],
        }],
    })
}

/// A good manifest but for one field.
fn with(field: &str, value: Value) -> String {
    let mut manifest = manifest("GOOD_KEY");
    manifest[field] = value;
    manifest.to_string()
}

impl lifecycle::Guest for BadManifest {
    fn begin_provision(_addon: &Addon) -> Result<String, Failure> {
        Ok("Begun".into())
    }

    fn provision_complete(_addon: &Addon) -> Result<Progress, Failure> {
        Ok(Progress::Done)
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        Ok(Config { variables: vec![], credentials: vec![] })
    }

    fn deprovision(_addon: &Addon) -> Result<Progress, Failure> {
        Ok(Progress::Done)
    }
}

larder_sdk::bindings::__export_provider_world!(BadManifest with_types_in larder_sdk::bindings);
