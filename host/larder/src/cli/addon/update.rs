//! `larder addon update`, and how every operation is awaited and reported.

use std::time::Duration;

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{WhichArgs, reference, wait};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::duration;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon, Operation};
use crate::cli::object::read_object;
use crate::cli::spelling::{Param, merge_params};

/// What is to become of an addon.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// The plan that it is to have.
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,

    /// A parameter in the place of the one that it has: key=text, or key:=json (repeatable). The others stay.
    #[arg(long = "param", value_name = "KEY=VALUE")]
    params: Vec<Param>,

    /// All parameters as a JSON object, from the command line, a file, or standard input.
    #[arg(long, value_name = "JSON|@FILE|-")]
    params_json: Option<String>,

    /// How long to wait for it at most; 0 to return at once.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

pub(crate) async fn run(context: &Context, args: UpdateArgs) -> Result<()> {
    let UpdateArgs { which, plan, params, params_json, timeout } = args;
    if plan.is_none() && params.is_empty() && params_json.is_none() {
        return Err(Failure::usage("say what is to change: --plan, --param or --params-json".to_owned()));
    }
    let id = reference::find(&context.api, &which.addon, which.app.as_deref()).await?;
    let mut body = Map::new();
    if let Some(plan) = plan {
        body.insert("plan".into(), plan.into());
    }
    if !params.is_empty() || params_json.is_some() {
        let base = match params_json.as_deref() {
            Some(source) => read_object(source, "--params-json")?,
            None => parameters(context, &id).await?,
        };
        body.insert("parameters".into(), merge_params(base, params).map_err(Failure::usage)?.into());
    }
    let call = Call::new(Method::PATCH, &["v1", "addons", &id]).json(&Value::Object(body));
    let answer = context.api.call(call).await?.body;
    finish(context, answer, timeout, "is updated").await
}

async fn parameters(context: &Context, id: &str) -> Result<Map<String, Value>> {
    let answer = context.api.call(Call::get(&["v1", "addons", id])).await?.body;
    Ok(model::read::<Addon>(&answer)?.parameters)
}

/// Waits until the operation that was begun has ended, or goes on by itself, and says how it stands.
pub(crate) async fn finish(context: &Context, begun: Value, timeout: Duration, done: &str) -> Result<()> {
    let addon: Addon = model::read(&begun)?;
    let asked = addon.operation.as_ref().map(|operation| operation.id.clone());
    let (answer, addon) = match addon.is_settled() || timeout.is_zero() {
        true => (begun, addon),
        false => wait::until_settled(context, &addon.id, timeout).await?,
    };
    if context.out.json {
        context.out.json(&answer)?;
    }
    let label = addon.label();
    match outcome(&addon, asked.as_deref(), timeout)? {
        Some(operation) if operation.is_under_way() => context.out.done(&format!("`{label}`: {}", operation.remark())),
        Some(operation) if operation.state == "running" => {
            context.out.done(&format!("`{label}` {done}: {}", operation.message))
        }
        Some(_) | None => context.out.done(&format!("`{label}` {done}")),
    }
}

/// The operation that was asked for, after it was waited for; none if the addon has none, or another one by now.
///
/// # Errors
/// It failed, or is not done yet though it was to be waited for.
pub(crate) fn outcome<'a>(addon: &'a Addon, asked: Option<&str>, timeout: Duration) -> Result<Option<&'a Operation>> {
    let label = addon.label();
    let Some(operation) = addon.operation.as_ref().filter(|operation| Some(operation.id.as_str()) == asked) else {
        return Ok(None);
    };
    if let Some(error) = &operation.error {
        let detail = format!("`{label}` stays as it was: {}", error.reason);
        let help = format!("see `larder addon events {}` and `larder addon logs {}`", addon.id, addon.id);
        return Err(Failure::new(Kind::AddonFailed, &error.code, detail).or_help(help));
    }
    if operation.is_under_way() && !timeout.is_zero() {
        let detail = format!("`{label}`: the {} goes on after {}", operation.kind, duration::show(timeout));
        let help = format!("wait longer with `larder addon wait {label} --timeout 5m`");
        return Err(Failure::new(Kind::TimedOut, "timeout", detail).or_help(help));
    }
    Ok(Some(operation))
}

/// A body for an operation that is told nothing but a number of seconds.
pub(crate) fn seconds(name: &str, duration: Option<Duration>) -> Value {
    duration.map_or_else(|| json!({}), |duration| json!({ name: duration.as_secs() }))
}
