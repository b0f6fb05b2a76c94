//! `larder status`: where the server is, whether it is ready, how much it holds.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::api::call::Call;
use super::context::Context;
use super::failure::{Failure, Kind, Result};
use super::model::{self, Addon, App, Provider};
use super::table::Fields;
use super::text;

/// The states worth counting: those that an addon passes, and the one that wants attention.
const STATES: &str = "waiting_for_provision,provisioned,ready,error";

pub(crate) async fn run(context: &Context) -> Result<()> {
    let status = read(context).await?;
    context.out.result(&status, || Ok(show(&status)))?;
    if status["ready"] == true {
        return Ok(());
    }
    let detail = format!("the server at `{}` is not ready", context.api.url());
    Err(Failure::new(Kind::Failed, "not_ready", detail).or_help("wait a moment; its log tells what it waits for"))
}

/// The API has no single answer for this, so the JSON is ours.
async fn read(context: &Context) -> Result<Value> {
    let api = &context.api;
    let ready = is_ready(context).await?;
    let providers = api.call(Call::get(&["v1", "providers"])).await?.body;
    let providers: Vec<Provider> = model::read_list(&providers, "providers")?;
    let apps = api.list("apps", || Call::get(&["v1", "apps"])).await?;
    let apps: Vec<App> = model::read_list(&apps, "apps")?;
    let addons = api.list("addons", || Call::get(&["v1", "addons"]).query("state", STATES)).await?;
    let addons: Vec<Addon> = model::read_list(&addons, "addons")?;
    Ok(json!({
        "url": api.url(),
        "ready": ready,
        "providers": tally(providers.into_iter().map(|provider| provider.state)),
        "apps": apps.len(),
        "addons": tally(addons.into_iter().map(|addon| addon.state)),
    }))
}

async fn is_ready(context: &Context) -> Result<bool> {
    match context.api.call(Call::get(&["readyz"])).await {
        Ok(answer) => Ok(answer.status == StatusCode::OK),
        Err(failure) if failure.kind == Kind::Failed => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn tally(states: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    counts
}

fn show(status: &Value) -> String {
    let mut fields = Fields::default();
    fields
        .field("url", status["url"].as_str().unwrap_or_default())
        .field("ready", if status["ready"] == true { "yes" } else { "no" })
        .field("providers", &by_state(&status["providers"], "provider"))
        .field("apps", &status["apps"].to_string())
        .field("addons", &by_state(&status["addons"], "addon"));
    fields.render()
}

/// `3 addons (2 ready, 1 error)`
fn by_state(counts: &Value, noun: &str) -> String {
    let counts: Vec<(&String, u64)> =
        counts.as_object().into_iter().flatten().map(|(state, count)| (state, count.as_u64().unwrap_or(0))).collect();
    let total = counts.iter().map(|(_, count)| count).sum();
    let states: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let total = text::count(total, noun);
    if states.is_empty() { total } else { format!("{total} ({})", states.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_by_state() {
        let status = json!({"url": "http://127.0.0.1:7117", "ready": true, "providers": {"active": 1},
            "apps": 2, "addons": {"error": 1, "ready": 2}});
        let expected = "\
url:        http://127.0.0.1:7117
ready:      yes
providers:  1 provider (1 active)
apps:       2
addons:     3 addons (1 error, 2 ready)
";
        assert_eq!(show(&status), expected);
        assert_eq!(by_state(&json!({}), "addon"), "0 addons");
    }
}
