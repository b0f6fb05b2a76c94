//! `larder provider limit`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::ProviderArgs;
use super::change::change;
use super::show::limits;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::Provider;
use crate::cli::text;

/// What to limit.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// What its calls may use from now on, like `cpu_ms=5000`; `cpu_ms=default` goes back.
    #[arg(value_name = "LIMIT=VALUE", required = true, value_parser = setting)]
    settings: Vec<Setting>,
}

/// A limit and its value; none for the default.
type Setting = (String, Option<u64>);

fn setting(text: &str) -> Result<Setting, String> {
    let (name, value) = text.split_once('=').ok_or("write LIMIT=VALUE, like cpu_ms=5000")?;
    let value = match value {
        "default" => None,
        number => Some(number.parse().map_err(|_| "the value is a whole number, or `default`")?),
    };
    Ok((name.to_owned(), value))
}

pub(super) async fn run(context: &Context, args: &LimitArgs) -> Result<()> {
    let decide = |provider: &Provider| Ok(json!({ "limits": with(provider, &args.settings)? }));
    change(context, &args.which.name, "limits", decide, limits).await.map(drop)
}

/// The provider's limits that are not the defaults, with these settings.
fn with(provider: &Provider, settings: &[Setting]) -> Result<BTreeMap<String, u64>> {
    let is_known = |name: &str| provider.limits.iter().any(|limit| limit.name == name);
    if let Some((unknown, _)) = settings.iter().find(|(name, _)| !is_known(name)) {
        let help = format!("`larder provider show {}` lists those there are", provider.name);
        let detail = format!("there is no limit {}", text::line(unknown));
        return Err(Failure::new(Kind::Failed, "invalid_limit", detail).or_help(help));
    }
    let set = provider.limits.iter().filter(|limit| limit.value != limit.default);
    let mut limits: BTreeMap<String, u64> = set.map(|limit| (limit.name.clone(), limit.value)).collect();
    for (name, value) in settings {
        match value {
            Some(value) => limits.insert(name.clone(), *value),
            None => limits.remove(name),
        };
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::Limit;

    #[test]
    fn what_was_set_before_stays_set() {
        let limit = |name: &str, value| Limit { name: name.into(), value, default: 1, max: 9 };
        let limits = vec![limit("a", 1), limit("b", 2), limit("c", 3)];
        let provider = Provider { limits, ..Provider::default() };
        let settings = [setting("a=7").unwrap(), setting("c=default").unwrap()];
        assert_eq!(with(&provider, &settings).unwrap(), BTreeMap::from([("a".into(), 7), ("b".into(), 2)]));
        assert_eq!(with(&provider, &[setting("x=default").unwrap()]).unwrap_err().code, "invalid_limit");
        assert!(setting("a").is_err() && setting("a=x").is_err());
    }
}
