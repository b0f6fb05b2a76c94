//! `larder addon show`.

use serde_json::Value;

use super::{WhichArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon, Operation};
use crate::cli::table::Fields;

pub(crate) async fn run(context: &Context, args: &WhichArgs) -> Result<()> {
    let id = reference::find(&context.api, &args.addon, args.app.as_deref()).await?;
    let answer = context.api.call(Call::get(&["v1", "addons", &id])).await?.body;
    context.out.result(&answer, || Ok(show(&model::read(&answer)?)))
}

fn show(addon: &Addon) -> String {
    let yes = |is: bool| if is { "yes" } else { "" };
    let parameters =
        if addon.parameters.is_empty() { String::new() } else { Value::from(addon.parameters.clone()).to_string() };
    let percent = addon.percent.map(|percent| format!("{percent} %")).unwrap_or_default();
    let error = addon.error.as_ref().map(|error| format!("{}: {}", error.code, error.reason)).unwrap_or_default();
    let mut fields = Fields::default();
    fields
        .field("id", &addon.id)
        .field("app", addon.app.as_deref().unwrap_or_default())
        .field("name", &addon.name)
        .field("service", &addon.service)
        .field("plan", &addon.plan)
        .field("provider", &addon.provider)
        .field("type", &addon.provision_type)
        .field_if_any("engine", addon.engine.as_deref().unwrap_or_default())
        .field_if_any("attach as", addon.attach_as.as_deref().unwrap_or_default())
        .field_if_any("protected", yes(addon.protected))
        .field_if_any("parameters", &parameters)
        .field("state", &addon.state)
        .field_if_any("message", addon.message.as_deref().unwrap_or_default())
        .field_if_any("progress", &percent)
        .field_if_any("error", &error)
        .field_if_any("health", &health(addon))
        .field_if_any("operation", &addon.operation.as_ref().map(Operation::remark).unwrap_or_default())
        .field_if_any("cleanup", &cleanup(addon))
        .field_if_any("attempts", &if addon.attempts > 0 { addon.attempts.to_string() } else { String::new() })
        .field_if_any("delete wanted", yes(addon.delete_wanted && !addon.is_settled()))
        .field_if_any("kept until", addon.kept_until.as_deref().unwrap_or_default())
        .field("created", &addon.created_at)
        .field("updated", &addon.updated_at);
    fields.render()
}

/// Of an addon that is not ready there is nothing to say.
fn health(addon: &Addon) -> String {
    match (addon.state.as_str(), &addon.health.reason) {
        ("ready", Some(reason)) => format!("{}: {reason}", addon.health.state),
        ("ready", None) => addon.health.state.clone(),
        _ => String::new(),
    }
}

fn cleanup(addon: &Addon) -> String {
    let cleanup = &addon.cleanup;
    match (cleanup.state.as_str(), &cleanup.last_error) {
        ("" | "none", _) => String::new(),
        (state, None) => state.to_owned(),
        (state, Some(error)) => format!("{state}, {} attempts so far: {error}", cleanup.attempts.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_there_is_to_say_is_shown() {
        let addon = json!({
            "id": "7", "app": "web", "name": "db", "service": "postgres", "plan": "small", "provider": "pg",
            "provision_type": "independent", "attach_as": null, "parameters": {"size": 1}, "state": "error",
            "message": null, "percent": null, "error": {"code": "provider_failed", "reason": "disk\u{1b}[1m full"},
            "cleanup": {"state": "failing", "attempts": 2, "last_error": "no answer"}, "attempts": 3,
            "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:01.000Z",
        });
        let expected = "\
id:          7
app:         web
name:        db
service:     postgres
plan:        small
provider:    pg
type:        independent
parameters:  {\"size\":1}
state:       error
error:       provider_failed: disk\\u{1b}[1m full
cleanup:     failing, 2 attempts so far: no answer
attempts:    3
created:     2026-01-01T00:00:00.000Z
updated:     2026-01-01T00:00:01.000Z
";
        assert_eq!(show(&model::read(&addon).unwrap()), expected);
    }
}
