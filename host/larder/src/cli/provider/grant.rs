//! `larder provider grant` and `larder provider revoke`.

use clap::Args;
use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde_json::json;

use super::ProviderArgs;
use super::show::newest_or_active;
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Grant, Provider};
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

    /// Everything that its newest version asks for.
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
    let known = Known::read(context, &args.which.name).await?;
    let asked = || {
        let all = known.provider.versions.first().into_iter().flat_map(|version| &version.requests);
        all.filter(|request| request.capability == NETWORK && !request.granted)
    };
    let new: Vec<Grant> = if args.all {
        asked().map(|request| Grant { capability: request.capability.clone(), value: request.value.clone() }).collect()
    } else {
        let grant = |value: &String| Grant { capability: NETWORK.into(), value: value.clone() };
        args.destinations.iter().map(grant).collect()
    };
    let mut grants = known.provider.grants.clone();
    grants.extend(new);
    known.replace(context, &grants).await
}

pub(super) async fn revoke(context: &Context, args: &RevokeArgs) -> Result<()> {
    let known = Known::read(context, &args.which.name).await?;
    let has = |value: &String| known.provider.grants.iter().any(|grant| grant.value == *value);
    if let Some(unknown) = args.destinations.iter().find(|value| !has(value)) {
        let detail = format!("`{}` was not granted {}", args.which.name, text::line(unknown));
        let help = format!("`larder provider show {}` lists what was", args.which.name);
        return Err(Failure::new(Kind::Failed, "no_such_grant", detail).or_help(help));
    }
    let left: Vec<Grant> =
        known.provider.grants.iter().filter(|grant| !args.destinations.contains(&grant.value)).cloned().collect();
    known.replace(context, &left).await
}

/// A provider as it was read, so that nobody's change in between is lost.
struct Known {
    provider: Provider,
    etag: String,
}

impl Known {
    async fn read(context: &Context, name: &str) -> Result<Self> {
        let answer = context.api.call(Call::get(&["v1", "providers", name])).await?;
        Ok(Self { provider: model::read(&answer.body)?, etag: answer.etag.unwrap_or_default() })
    }

    async fn replace(&self, context: &Context, grants: &[Grant]) -> Result<()> {
        let name = &self.provider.name;
        let call = Call::new(Method::PUT, &["v1", "providers", name, "grants"]);
        let call = call.header(IF_MATCH, self.etag.clone()).json(&json!({ "grants": grants }));
        let answer = context.api.call(call).await?.body;
        context.out.result(&answer, || Ok(format!("{}\n", told(&model::read(&answer)?))))
    }
}

fn told(provider: &Provider) -> String {
    let grants: Vec<String> = provider.grants.iter().map(|grant| text::line(&grant.value)).collect();
    let may = if grants.is_empty() { "nothing".to_owned() } else { grants.join(", ") };
    let state = newest_or_active(provider).map(|version| version.state.as_str()).unwrap_or_default();
    format!("`{}` may reach {may}; its state is `{state}`", provider.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::Version;

    #[test]
    fn what_it_may_do_now_is_told() {
        let grant = |value: &str| Grant { capability: NETWORK.into(), value: value.into() };
        let version = Version { digest: "a".into(), state: "active".into(), ..Version::default() };
        let mut provider = Provider { name: "pg".into(), versions: vec![version], ..Provider::default() };
        assert_eq!(told(&provider), "`pg` may reach nothing; its state is `active`");
        provider.grants = vec![grant("tcp://a:1"), grant("tcp://b:2")];
        assert_eq!(told(&provider), "`pg` may reach tcp://a:1, tcp://b:2; its state is `active`");
    }
}
