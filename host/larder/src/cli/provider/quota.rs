//! `larder provider quota`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::ProviderArgs;
use super::change::change;
use super::show::quotas;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::Provider;

/// What to set.
#[derive(Debug, Args)]
pub(crate) struct QuotaArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// How many live addons there may be of a plan, like `small=50`; `small=none` for any number.
    #[arg(value_name = "PLAN=COUNT", required = true, value_parser = setting)]
    settings: Vec<Setting>,
}

/// A plan and how many there may be of it; none for any number.
type Setting = (String, Option<u32>);

fn setting(text: &str) -> Result<Setting, String> {
    let (plan, count) = text.split_once('=').ok_or("write PLAN=COUNT, like small=50")?;
    let count = match count {
        "none" => None,
        number => Some(number.parse().map_err(|_| "the count is a whole number, or `none`")?),
    };
    Ok((plan.to_owned(), count))
}

pub(super) async fn run(context: &Context, args: &QuotaArgs) -> Result<()> {
    let decide = |provider: &Provider| Ok(json!({ "quotas": with(provider, &args.settings) }));
    let provider = change(context, &args.which.name, "quotas", decide, quotas).await?;
    if provider.quotas.is_empty() {
        context.out.note(&format!("no plan of `{}` has a quota", provider.name));
    }
    Ok(())
}

/// The quotas of the provider's plans with these settings.
fn with(provider: &Provider, settings: &[Setting]) -> BTreeMap<String, u64> {
    let mut quotas: BTreeMap<String, u64> = provider.quotas.iter().map(|q| (q.plan.clone(), q.limit)).collect();
    for (plan, count) in settings {
        match count {
            Some(count) => quotas.insert(plan.clone(), u64::from(*count)),
            None => quotas.remove(plan),
        };
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::PlanQuota;

    #[test]
    fn what_was_set_before_stays_set() {
        let quota = |plan: &str, limit| PlanQuota { plan: plan.into(), limit, used: 1 };
        let provider = Provider { quotas: vec![quota("a", 1), quota("b", 2)], ..Provider::default() };
        let settings = [setting("b=none").unwrap(), setting("c=0").unwrap()];
        assert_eq!(with(&provider, &settings), BTreeMap::from([("a".into(), 1), ("c".into(), 0)]));
        assert!(setting("a").is_err() && setting("a=x").is_err() && setting("a=-1").is_err());
    }
}
