//! `larder provider list` and `larder provider show`.

use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, Provider, Request, Version};
use crate::cli::spelling::short_digest;
use crate::cli::table::{Fields, Table};
use crate::cli::text;

pub(super) async fn list(context: &Context) -> Result<()> {
    let answer = context.api.call(Call::get(&["v1", "providers"])).await?.body;
    let providers: Vec<Provider> = model::read_list(&answer, "providers")?;
    if providers.is_empty() {
        context.out.note("there are no providers; upload one with `larder provider upload FILE`");
    }
    context.out.result(&answer, || Ok(overview(&providers)))
}

pub(super) async fn run(context: &Context, name: &str) -> Result<()> {
    let answer = context.api.call(Call::get(&["v1", "providers", name])).await?.body;
    context.out.result(&answer, || Ok(show(&model::read(&answer)?)))
}

fn overview(providers: &[Provider]) -> String {
    let mut table = Table::new(["PROVIDER", "STATE", "VERSION", "DIGEST", "ADDONS", "SERVICES"]);
    for provider in providers {
        let version = newest_or_active(provider);
        table.row([
            provider.name.as_str(),
            &provider.state,
            version.and_then(|version| version.version.as_deref()).unwrap_or_default(),
            version.map(|version| short_digest(&version.digest)).unwrap_or_default(),
            &provider.live_addons.to_string(),
            &version.map(|version| version.services.join(",")).unwrap_or_default(),
        ]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

/// The version that serves, else the newest.
pub(super) fn newest_or_active(provider: &Provider) -> Option<&Version> {
    let active = provider.versions.iter().find(|version| Some(&version.digest) == provider.active.as_ref());
    active.or(provider.versions.first())
}

fn show(provider: &Provider) -> String {
    let description = newest_or_active(provider).and_then(|version| version.description.as_deref()).unwrap_or_default();
    let exports = newest_or_active(provider).map(|version| version.exports.join(", ")).unwrap_or_default();
    let mut fields = Fields::default();
    fields
        .field("provider", &provider.name)
        .field_if_any("description", description)
        .field("state", &provider.state)
        .field_if_any("can also", &exports)
        .field("live addons", &provider.live_addons.to_string());
    let mut versions = Table::new(["DIGEST", "VERSION", "STATE", "SIZE", "UPLOADED", "SERVICES"]);
    for version in &provider.versions {
        versions.row([
            short_digest(&version.digest),
            version.version.as_deref().unwrap_or_default(),
            &version.state,
            &text::bytes(version.size_bytes),
            &text::seconds(&version.uploaded_at),
            &version.services.join(","),
        ]);
    }
    let refusals: String = provider.versions.iter().filter_map(refusal).collect();
    let (permissions, limits) = (permissions(provider), limits(provider));
    let below = |table: String| if table.is_empty() { table } else { format!("\n{table}") };
    let (limits, quotas) = (below(limits), below(quotas(provider)));
    format!("{}\n{}{permissions}{quotas}{limits}{refusals}", fields.render(), versions.render())
}

/// What its calls may use; nothing, if the server doesn't say.
pub(super) fn limits(provider: &Provider) -> String {
    let mut table = Table::new(["LIMIT", "VALUE", "DEFAULT", "MOST"]);
    for limit in &provider.limits {
        table.row([limit.name.as_str(), &limit.value.to_string(), &limit.default.to_string(), &limit.max.to_string()]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

/// How many live addons there may be of its plans, and are; nothing, if none has a quota.
pub(super) fn quotas(provider: &Provider) -> String {
    let mut table = Table::new(["PLAN", "ADDONS", "QUOTA"]);
    for quota in &provider.quotas {
        table.row([quota.plan.as_str(), &quota.used.to_string(), &quota.limit.to_string()]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

/// The version whose requests are to be decided on: the one that waits for that, else the one that serves, else the newest.
pub(super) fn asking(provider: &Provider) -> Option<&Version> {
    let waiting = provider.versions.iter().find(|version| version.state == "waiting_for_approval");
    waiting.or_else(|| newest_or_active(provider))
}

/// What that version asks for beside what was granted, and the command that grants the rest.
fn permissions(provider: &Provider) -> String {
    let asked = asking(provider).map(|version| version.requests.as_slice()).unwrap_or_default();
    if asked.is_empty() && provider.grants.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["CAPABILITY", "VALUE", "ASKED FOR", "GRANTED", "WHAT FOR"]);
    for request in asked {
        let needed = if request.required { "required" } else { "optional" };
        let granted = if request.granted { "yes" } else { "no" };
        table.row([&request.capability, &request.value, needed, granted, &request.reason]);
    }
    for grant in provider.grants.iter().filter(|grant| !asked.iter().any(|request| request.value == grant.value)) {
        table.row([&grant.capability, &grant.value, "-", "yes", "-"]);
    }
    let missing: String =
        asked.iter().filter(|request| !request.granted).map(|request| command(provider, request)).collect();
    let missing = if missing.is_empty() { missing } else { format!("\nto grant what is missing:\n{missing}") };
    format!("\n{}{missing}", table.render())
}

/// The command that grants what is asked for.
pub(super) fn command(provider: &Provider, request: &Request) -> String {
    format!("  larder provider grant {} '{}'\n", text::line(&provider.name), text::line(&request.value))
}

/// Why a version can't serve, below the table: it may be a text of several lines.
fn refusal(version: &Version) -> Option<String> {
    let refusal = version.refusal.as_ref()?;
    let digest = text::line(short_digest(&version.digest));
    let message = text::block(refusal.message.trim_end()).replace('\n', "\n  ");
    Some(format!("\n{digest} was refused ({}):\n  {message}\n", text::line(&refusal.code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::{Grant, PlanQuota, Refusal};

    fn provider() -> Provider {
        let version = |digest: &str, state: &str| Version {
            digest: digest.repeat(64),
            state: state.into(),
            size_bytes: 2048,
            uploaded_at: "2026-01-01T00:00:00.000Z".into(),
            services: vec!["redis".into()],
            ..Version::default()
        };
        let refusal = Refusal { code: "unknown_import".into(), message: "it imports `x`\nuse `y`".into() };
        let refused = Version { refusal: Some(refusal), services: Vec::new(), ..version("b", "refused") };
        let active =
            Version { version: Some("1.2.0".into()), description: Some("Redis".into()), ..version("a", "active") };
        let digest = Some(active.digest.clone());
        let versions = vec![refused, active];
        Provider {
            name: "redis".into(),
            state: "active".into(),
            active: digest,
            live_addons: 2,
            grants: vec![],
            limits: vec![],
            quotas: vec![],
            versions,
        }
    }

    #[test]
    fn the_list_tells_of_the_version_that_serves() {
        let expected = "\
PROVIDER  STATE   VERSION  DIGEST        ADDONS  SERVICES
redis     active  1.2.0    aaaaaaaaaaaa  2       redis
";
        assert_eq!(overview(&[provider()]), expected);
        assert_eq!(overview(&[]), "");
    }

    #[test]
    fn a_refusal_is_told_in_full() {
        let expected = "\
provider:     redis
description:  Redis
state:        active
live addons:  2

DIGEST        VERSION  STATE    SIZE     UPLOADED              SERVICES
bbbbbbbbbbbb  -        refused  2.0 KiB  2026-01-01T00:00:00Z  -
aaaaaaaaaaaa  1.2.0    active   2.0 KiB  2026-01-01T00:00:00Z  redis

bbbbbbbbbbbb was refused (unknown_import):
  it imports `x`
  use `y`
";
        assert_eq!(show(&provider()), expected);
    }

    #[test]
    fn quotas_are_shown_with_what_is_used_of_them() {
        let quotas = vec![PlanQuota { plan: "small".into(), limit: 50, used: 7 }];
        let shown = show(&Provider { quotas, ..provider() });
        assert!(shown.contains("\nPLAN   ADDONS  QUOTA\nsmall  7       50\n"), "{shown}");
    }

    #[test]
    fn what_is_asked_for_stands_beside_what_was_granted() {
        let request = |value: &str, required, granted| Request {
            capability: "network".into(),
            value: value.into(),
            required,
            reason: "to work".into(),
            granted,
        };
        let grant = |value: &str| Grant { capability: "network".into(), value: value.into() };
        let mut asking = provider();
        asking.versions[0].requests = vec![request("tcp://refused:1", true, false)];
        asking.versions[1].requests = vec![request("tcp://a:1", true, true), request("https://b.c", false, false)];
        asking.grants = vec![grant("tcp://a:1"), grant("tcp://z:9")];
        let expected = "
CAPABILITY  VALUE        ASKED FOR  GRANTED  WHAT FOR
network     tcp://a:1    required   yes      to work
network     https://b.c  optional   no       to work
network     tcp://z:9    -          yes      -

to grant what is missing:
  larder provider grant redis 'https://b.c'
";
        assert_eq!(permissions(&asking), expected);
    }
}
