//! Parameters that become environment variables: `{"GREETING": "hello"}` sets `GREETING` to `hello`. For settings that
//! an app needs and that no server hands out.
//!
//! They can be changed later. It shows how a plan describes its parameters. The host checks them against the schema before it makes any call, and
//! tells the developer what is wrong; so the provider only has to read them.

use std::collections::BTreeMap;

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Provider, Service, Update, json};

/// Name and value of each variable.
type Variables = BTreeMap<String, String>;

struct Parameters;

impl Provider for Parameters {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let variables = json!({
            "type": "object",
            "description": "Environment variables, by name",
            "minProperties": 1,
            "maxProperties": 64,
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$" },
            "additionalProperties": { "type": "string", "maxLength": 32768 },
        });
        let service = Service::new("parameters", "Environment variables of your choice")
            .tag("variables")
            .any_variables()
            .plan(Plan::new("default", "Up to 64 variables").parameters(variables));
        let about = "Turns parameters into environment variables";
        Ok(Manifest::new(env!("CARGO_PKG_VERSION"), about).service(service))
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        let variables: Variables = addon.parameters()?;
        Ok(format!("Setting {} variables", variables.len()))
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        let variables: Variables = addon.parameters()?;
        let set = |config: Config, (name, value)| config.variable(name, value);
        Ok(variables.into_iter().fold(Config::new(), set))
    }
}

impl Update for Parameters {
    /// There is nothing to change but what `get_config` gives: the host takes the variables away that are no longer there.
    fn begin_update(addon: &Addon) -> Result<String, Failure> {
        let variables: Variables = addon.parameters()?;
        Ok(format!("Setting {} variables", variables.len()))
    }
}

larder_sdk::export!(Parameters: update);
