//! `larder provider grant` and `larder provider revoke`.

use clap::Args;
use larder_domain::grants::{Capability, Permission};
use serde_json::json;

use super::ProviderArgs;
use super::change::change;
use super::show::{asking, newest_or_active};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{Grant, Provider, Request};
use crate::cli::text;

/// What to grant.
#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// What it may do from now on: reach a destination, like `tcp://db.internal:5432` or `https://*.example.com`, or have
    /// objects on a Docker engine, like `redis:7 memory=512MiB` or `volumes=1`.
    #[arg(value_name = "GRANT", required_unless_present = "all")]
    grants: Vec<String>,

    /// Everything that it asks for: the version that waits for that, or else the one that serves.
    #[arg(long, conflicts_with = "grants")]
    all: bool,
}

/// What to take back.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// What it may no longer do, as `larder provider show` has it.
    #[arg(value_name = "GRANT", required = true)]
    grants: Vec<String>,
}

pub(super) async fn grant(context: &Context, args: &GrantArgs) -> Result<()> {
    let decide = |provider: &Provider| {
        let new = if args.all {
            asked_for(provider).filter(|request| !request.granted).map(granting).collect()
        } else {
            args.grants.iter().map(|value| read(value)).collect::<Vec<_>>()
        };
        let mut grants = provider.grants.clone();
        grants.extend(new);
        Ok(json!({ "grants": grants }))
    };
    let provider = change(context, &args.which.name, "grants", decide, told).await?;
    for unasked in args.grants.iter().filter(|value| !is_asked_for(&provider, value)) {
        let unasked = text::line(unasked);
        context.out.note(&format!("`{}` does not ask for {unasked}, so nothing comes of it yet", provider.name));
    }
    Ok(())
}

pub(super) async fn revoke(context: &Context, args: &RevokeArgs) -> Result<()> {
    let unwanted: Vec<String> = args.grants.iter().map(|value| canonical(value)).collect();
    let decide = |provider: &Provider| {
        let has = |value: &String| provider.grants.iter().any(|grant| grant.value == *value);
        if let Some(unknown) = unwanted.iter().find(|value| !has(value)) {
            let detail = format!("`{}` was not granted {}", provider.name, text::line(unknown));
            let help = format!("`larder provider show {}` lists what was", provider.name);
            return Err(Failure::new(Kind::Failed, "no_such_grant", detail).or_help(help));
        }
        let left: Vec<&Grant> = provider.grants.iter().filter(|grant| !unwanted.contains(&grant.value)).collect();
        Ok(json!({ "grants": left }))
    };
    change(context, &args.which.name, "grants", decide, told).await.map(drop)
}

/// What can be granted of what is asked for.
fn asked_for(provider: &Provider) -> impl Iterator<Item = &Request> {
    let requests = asking(provider).map(|version| version.requests.as_slice()).unwrap_or_default();
    requests.iter().filter(|request| Capability::from_name(&request.capability).is_some())
}

fn granting(request: &Request) -> Grant {
    Grant { capability: request.capability.clone(), value: request.value.clone() }
}

/// A grant as somebody types it: what has a scheme is a destination.
fn read(value: &str) -> Grant {
    let capability = if value.contains("://") { Capability::Network } else { Capability::Docker };
    Grant { capability: capability.to_string(), value: value.to_owned() }
}

fn permission(grant: &Grant) -> Option<Permission> {
    Permission::parse(&grant.capability, &grant.value).ok()
}

/// Whether a grant has anything to do with what the provider asks for.
fn is_asked_for(provider: &Provider, value: &str) -> bool {
    let Some(granted) = permission(&read(value)) else { return true };
    let asked = asked_for(provider).filter_map(|request| permission(&granting(request)));
    asked.into_iter().any(|asked| asked.covers(&granted) || granted.covers(&asked))
}

/// A grant as the server spells it; what is none, as it is.
fn canonical(value: &str) -> String {
    permission(&read(value)).map_or_else(|| value.to_owned(), |permission| permission.value())
}

fn told(provider: &Provider) -> String {
    let grants: Vec<String> = provider.grants.iter().map(|grant| text::line(&grant.value)).collect();
    let may = if grants.is_empty() { "nothing".to_owned() } else { grants.join(", ") };
    let state = newest_or_active(provider).map(|version| version.state.as_str()).unwrap_or_default();
    format!("`{}` was granted {may}; its state is `{state}`\n", provider.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::Version;

    #[test]
    fn a_grant_that_nobody_asked_for_is_told_from_one_that_somebody_did() {
        let request =
            Request { capability: "network".into(), value: "tcp://*.db.example:5432".into(), ..Request::default() };
        let version = Version { state: "active".into(), requests: vec![request], ..Version::default() };
        let provider = Provider { versions: vec![version], ..Provider::default() };
        for asked in ["tcp://a.db.example:5432", "tcp://*.db.example:5000-6000"] {
            assert!(is_asked_for(&provider, asked), "{asked}");
        }
        assert!(!is_asked_for(&provider, "tcp://a.db.example:5433"));
        assert!(!is_asked_for(&provider, "volumes=1"));
        assert_eq!(canonical("https://EXAMPLE.com:443"), "https://example.com");
        assert_eq!(canonical("redis:7"), "redis:7 containers=1 memory=512MiB cpus=1 pids=128");
    }

    #[test]
    fn what_it_may_do_now_is_told() {
        let grant = |value: &str| read(value);
        let version = Version { digest: "a".into(), state: "active".into(), ..Version::default() };
        let mut provider = Provider { name: "pg".into(), versions: vec![version], ..Provider::default() };
        assert_eq!(told(&provider), "`pg` was granted nothing; its state is `active`\n");
        provider.grants = vec![grant("tcp://a:1"), grant("tcp://b:2")];
        assert_eq!(told(&provider), "`pg` was granted tcp://a:1, tcp://b:2; its state is `active`\n");
    }
}
