//! `larder provider grant` and `larder provider revoke`.

use clap::Args;
use larder_domain::network::{Destinations, Grant as Destination};
use serde_json::json;

use super::ProviderArgs;
use super::change::change;
use super::show::{asking, newest_or_active};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{Grant, Provider, Request};
use crate::cli::text;

/// The one capability that there is so far.
const NETWORK: &str = "network";

/// What to grant.
#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// What it may reach from now on, like `tcp://db.internal:5432`, `tcp://10.1.0.0/16:5432` or `https://*.example.com`.
    #[arg(value_name = "DESTINATION", required_unless_present = "all")]
    destinations: Vec<String>,

    /// Everything that it asks for: the version that waits for that, or else the one that serves.
    #[arg(long, conflicts_with = "destinations")]
    all: bool,
}

/// What to take back.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// What it may no longer reach, as `larder provider show` has it.
    #[arg(value_name = "DESTINATION", required = true)]
    destinations: Vec<String>,
}

pub(super) async fn grant(context: &Context, args: &GrantArgs) -> Result<()> {
    let decide = |provider: &Provider| {
        let new = if args.all {
            asked_for(provider).filter(|request| !request.granted).map(|request| request.value.clone()).collect()
        } else {
            args.destinations.clone()
        };
        let mut grants = provider.grants.clone();
        grants.extend(new.into_iter().map(|value| Grant { capability: NETWORK.into(), value }));
        Ok(json!({ "grants": grants }))
    };
    let provider = change(context, &args.which.name, "grants", decide, told).await?;
    for unasked in args.destinations.iter().filter(|value| !is_asked_for(&provider, value)) {
        let unasked = text::line(unasked);
        context.out.note(&format!("`{}` does not ask for {unasked}, so nothing comes of it yet", provider.name));
    }
    Ok(())
}

pub(super) async fn revoke(context: &Context, args: &RevokeArgs) -> Result<()> {
    let unwanted: Vec<String> = args.destinations.iter().map(|value| canonical(value)).collect();
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

fn asked_for(provider: &Provider) -> impl Iterator<Item = &Request> {
    let requests = asking(provider).map(|version| version.requests.as_slice()).unwrap_or_default();
    requests.iter().filter(|request| request.capability == NETWORK)
}

/// Whether a destination has anything to do with what the provider asks for.
fn is_asked_for(provider: &Provider, value: &str) -> bool {
    let read = |value: &str| value.parse::<Destination>().ok();
    let Some(granted) = read(value) else { return true };
    asked_for(provider).filter_map(|request| read(&request.value)).any(|asked| {
        let wide = |one: &Destination, other: &Destination| Destinations::new(vec![one.clone()]).covers(other);
        wide(&asked, &granted) || wide(&granted, &asked)
    })
}

/// A destination as the server spells it; what is none, as it is.
fn canonical(value: &str) -> String {
    value.parse::<Destination>().map_or_else(|_| value.to_owned(), |destination| destination.to_string())
}

fn told(provider: &Provider) -> String {
    let grants: Vec<String> = provider.grants.iter().map(|grant| text::line(&grant.value)).collect();
    let may = if grants.is_empty() { "nothing".to_owned() } else { grants.join(", ") };
    let state = newest_or_active(provider).map(|version| version.state.as_str()).unwrap_or_default();
    format!("`{}` may reach {may}; its state is `{state}`\n", provider.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::Version;

    #[test]
    fn a_grant_that_nobody_asked_for_is_told_from_one_that_somebody_did() {
        let request =
            Request { capability: NETWORK.into(), value: "tcp://*.db.example:5432".into(), ..Request::default() };
        let version = Version { state: "active".into(), requests: vec![request], ..Version::default() };
        let provider = Provider { versions: vec![version], ..Provider::default() };
        for asked in ["tcp://a.db.example:5432", "tcp://*.db.example:5000-6000"] {
            assert!(is_asked_for(&provider, asked), "{asked}");
        }
        assert!(!is_asked_for(&provider, "tcp://a.db.example:5433"));
        assert_eq!(canonical("https://EXAMPLE.com:443"), "https://example.com");
    }

    #[test]
    fn what_it_may_do_now_is_told() {
        let grant = |value: &str| Grant { capability: NETWORK.into(), value: value.into() };
        let version = Version { digest: "a".into(), state: "active".into(), ..Version::default() };
        let mut provider = Provider { name: "pg".into(), versions: vec![version], ..Provider::default() };
        assert_eq!(told(&provider), "`pg` may reach nothing; its state is `active`\n");
        provider.grants = vec![grant("tcp://a:1"), grant("tcp://b:2")];
        assert_eq!(told(&provider), "`pg` may reach tcp://a:1, tcp://b:2; its state is `active`\n");
    }
}
