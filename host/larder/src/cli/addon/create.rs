//! `larder addon create`.

use std::time::Duration;

use clap::Args;
use clap_complete::ArgValueCandidates;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::wait;
use crate::cli::api::call::Call;
use crate::cli::api::{Answer, Api};
use crate::cli::completions::candidates;
use crate::cli::context::Context;
use crate::cli::duration;
use crate::cli::failure::{Failure, Result};
use crate::cli::model::{self, Addon};
use crate::cli::object::read_object;
use crate::cli::spelling::{Param, merge_params};

/// How often to send the request at most, should the connection break.
const SENDS_MAX: u32 = 3;

/// What to provision.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The service, as `larder catalog` lists it.
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(candidates::services))]
    service: String,

    /// The app that gets the addon's variables.
    #[arg(long, value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: String,

    /// The addon's name within the app [default: the service's name].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The plan, where the service has several.
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,

    /// The provider, where several offer the service.
    #[arg(long, value_name = "PROVIDER", add = ArgValueCandidates::new(candidates::providers))]
    provider: Option<String>,

    /// A server of its own, or a part of a common one.
    #[arg(long, value_name = "TYPE", value_parser = ["independent", "communal", "shared"])]
    provision_type: Option<String>,

    /// Share the addon of the same name in this experiment (with `--provision-type shared`).
    #[arg(long, value_name = "EXPERIMENT")]
    shared_experiment: Option<String>,

    /// That experiment's app, if it is another one's.
    #[arg(long, value_name = "APP")]
    shared_app: Option<String>,

    /// A prefix for the variables: `blue` makes DATABASE_URL into BLUE_DATABASE_URL.
    #[arg(long, value_name = "PREFIX")]
    attach_as: Option<String>,

    /// A parameter: key=text, or key:=json (repeatable).
    #[arg(long = "param", value_name = "KEY=VALUE")]
    params: Vec<Param>,

    /// All parameters as a JSON object, from the command line, a file, or standard input.
    #[arg(long, value_name = "JSON|@FILE|-")]
    params_json: Option<String>,

    /// The engine that its containers are to be on: its name, or labels like disk=ssd [default: the one with the most room].
    #[arg(long, value_name = "NAME|LABEL=VALUE,…")]
    engine: Option<String>,

    /// Refuse to delete the addon.
    #[arg(long)]
    protected: bool,

    /// Makes repeating this command safe: the same key never creates a second addon.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// Wait until the addon is ready [without a value: 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    #[arg(num_args = 0..=1, default_missing_value = "60s")]
    wait: Option<Duration>,
}

pub(crate) async fn run(context: &Context, args: CreateArgs) -> Result<()> {
    let wait = args.wait;
    let answer = send(context, args).await?.body;
    let addon: Addon = model::read(&answer)?;
    let created = format!("created `{}` ({}), state `{}`", addon.label(), addon.id, addon.state);
    let Some(timeout) = wait else {
        return if context.out.json { context.out.json(&answer) } else { context.out.done(&created) };
    };
    context.out.done(&created)?;
    let (answer, addon) = wait::until_settled(context, &addon.id, timeout).await?;
    wait::report(context, &answer, &addon, timeout)?;
    match &addon.app {
        Some(app) => context.out.done(&format!("see its variables with `larder config show {app}`")),
        None => Ok(()),
    }
}

async fn send(context: &Context, args: CreateArgs) -> Result<Answer> {
    let key = args.idempotency_key.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    let app = args.app.clone();
    post(&context.api, &app, &body(args)?, &key).await
}

/// The key lets the request be repeated when nobody knows whether it arrived.
pub(crate) async fn post(api: &Api, app: &str, body: &Value, key: &str) -> Result<Answer> {
    let mut sends = 0;
    loop {
        sends += 1;
        let call = Call::new(Method::POST, &["v1", "apps", app, "addons"]).json(body).idempotency_key(key);
        match api.call(call).await {
            Err(failure) if failure.code == "connection_lost" && sends < SENDS_MAX => {}
            result => return result,
        }
    }
}

/// What is not given is left to the server.
fn body(args: CreateArgs) -> Result<Value> {
    let base =
        args.params_json.as_deref().map(|source| read_object(source, "--params-json")).transpose()?.unwrap_or_default();
    let parameters = merge_params(base, args.params).map_err(Failure::usage)?;
    let mut body = json!({ "service": args.service });
    let texts = [
        ("name", args.name),
        ("plan", args.plan),
        ("provider", args.provider),
        ("provision_type", args.provision_type),
        ("shared_experiment_name", args.shared_experiment),
        ("shared_app_name", args.shared_app),
        ("attach_as", args.attach_as),
        ("engine", args.engine),
    ];
    if let Some(fields) = body.as_object_mut() {
        fields.extend(texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
        if !parameters.is_empty() {
            fields.insert("parameters".into(), parameters.into());
        }
        if args.protected {
            fields.insert("protected".into(), true.into());
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
