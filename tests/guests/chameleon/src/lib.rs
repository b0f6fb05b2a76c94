//! A provider whose every function does what the addon's parameters tell it: fail, wait, trap, loop, eat memory, lie.
//!
//! `{"begin": B, "complete": B, "config": B, "deprovision": B}`, where `B` is one behaviour or a list of them, one for
//! each call; the last one repeats. The place in a list is kept in the state, which a trap discards: the same behaviour
//! comes again, unless it made a checkpoint first.

mod behaviour;
mod entry;
mod harm;
mod script;

use larder_sdk::{
    Addon, Config, Failure, Manifest, Options, Plan, Progress, Provider, Service, export, secrets, state,
};
use serde_json::json;

use behaviour::Answer;

struct Chameleon;

impl Provider for Chameleon {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let anything = json!({ "type": "object" });
        let plan = Plan::new("default", "As told").parameters(anything.clone());
        let hasty =
            Plan::new("hasty", "Gives up soon").parameters(anything).provision_deadline_s(3).failed_attempts_max(1);
        let named =
            Service::new("chameleon", "Does what it is told").variable("CHAMELEON_URL").variable("CHAMELEON_TOKEN");
        let any = Service::new("chameleon-any", "Sets what it is told").any_variables();
        let manifest = Manifest::new("0.1.0", "Misbehaves on demand");
        Ok([named, any]
            .into_iter()
            .fold(manifest, |manifest, service| manifest.service(service.plan(plan.clone()).plan(hasty.clone()))))
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        match script::play(addon, "begin")? {
            Answer::Message(message) => Ok(message),
            _ => Ok("begun".into()),
        }
    }

    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        script::play(addon, "complete").map(Answer::into_progress)
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        match script::play(addon, "config")? {
            Answer::Config(config) => Ok(config),
            _ => usual_config(addon),
        }
    }

    fn deprovision(addon: &Addon) -> Result<Progress, Failure> {
        script::play(addon, "deprovision").map(Answer::into_progress)
    }
}

/// What an honest provider would give. Tests see what was stored: the state's `k1` is a credential, and its
/// `generation` that of the token.
fn usual_config(addon: &Addon) -> Result<Config, Failure> {
    let generation = state::get_json("generation")?.unwrap_or(0);
    let config = Config::new()
        .variable("CHAMELEON_URL", format!("chameleon://{}", addon.id()))
        .secret("CHAMELEON_TOKEN", secrets::password("token", generation, 40)?);
    Ok(match state::get_text("k1")? {
        Some(value) => config.credential("k1", value),
        None => config,
    })
}

export!(Chameleon);
