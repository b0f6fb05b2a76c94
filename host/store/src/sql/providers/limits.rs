//! What a provider's calls may use, where that differs from the defaults.

use larder_domain::ProviderName;
use larder_domain::audit::{Action, Actor};
use larder_domain::limits::{Limit, ProviderLimits};
use larder_domain::ports::store::RevisionChanged;
use serde_json::{Map, Value};

use super::revision;
use crate::sql::audit;
use crate::sql::error::{Failure, Result, Stop};
use crate::sql::tx::Tx;

/// Leaves out what this host has no limit for, or no longer allows: a stricter host goes back to its default.
pub(super) fn read(text: &str) -> Result<ProviderLimits> {
    let set: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| Failure::corrupt("a provider's limits that are no JSON"))?;
    let numbers = set.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_u64()?)));
    let allowed = numbers.filter(|(name, value)| Limit::from_name(name).is_some_and(|limit| limit.allows(*value)));
    let fits = |without: Option<Limit>| {
        let is_left_out = |name: &str| without.is_some_and(|limit| limit.as_str() == name);
        ProviderLimits::parse(allowed.clone().filter(|(name, _)| !is_left_out(name)))
    };
    // Together they may leave a guest no room. There is room in the memory that it has by default, whatever the others are.
    let limits = fits(None).or_else(|_| fits(Some(Limit::MemoryBytes)));
    limits.map_err(|error| Failure::corrupt(error.to_string()))
}

pub(super) fn set(
    tx: &Tx<'_>,
    provider: &ProviderName,
    limits: &ProviderLimits,
    revision: u64,
) -> Result<(), Stop<RevisionChanged>> {
    revision::advance(tx, provider, revision)?;
    let set: Map<String, Value> = limits.set().map(|(limit, value)| (limit.to_string(), value.into())).collect();
    let set = Value::Object(set);
    tx.write("UPDATE provider SET limits = ? WHERE name = ?", (set.to_string(), provider.as_str()))?;
    Ok(audit::note(tx, Actor::Admin, Action::Limited, provider, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_allowed_once_goes_back_to_its_default() {
        let limits = |text: &str| read(text).unwrap().set().collect::<Vec<_>>();
        assert_eq!(limits(r#"{"memory_bytes": 1048576, "cpu_ms": 50}"#), [(Limit::CpuMs, 50)]);
        assert_eq!(limits(r#"{"stack": 1, "stack_bytes": 1}"#), []);
        let greedy = r#"{"memory_bytes": 8388608, "hostcall_bytes": 16777216, "log_bytes": 1048576}"#;
        assert_eq!(limits(greedy), [(Limit::HostcallBytes, 16_777_216), (Limit::LogBytes, 1_048_576)]);
    }
}
