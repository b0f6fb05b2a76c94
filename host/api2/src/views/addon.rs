//! Addons.

use larder_domain::addon::Cleanup;
use larder_domain::config::AddonConfig;
use larder_domain::{AddonRecord, SecretString};
use serde_json::{Value, json};

use crate::time::rfc3339;

/// An addon as its developer sees it.
pub(crate) fn addon(record: &AddonRecord) -> Value {
    let (spec, addon) = (&record.spec, &record.addon);
    json!({
        "id": spec.id,
        "component_kind": spec.kind,
        "app": spec.app,
        "name": spec.name,
        "provider": spec.provider,
        "service": spec.service,
        "plan": spec.plan,
        "provision_type": spec.provision_type,
        "role": spec.role,
        "attach_as": spec.attach_as,
        "protected": spec.protected,
        "parameters": spec.parameters,
        "state": addon.state,
        "message": addon.message,
        "percent": addon.percent,
        "error": addon.error.as_ref().map(|error| json!({ "code": error.code, "reason": error.reason })),
        "cleanup": cleanup(&addon.cleanup),
        "attempts": addon.attempts,
        "delete_wanted": addon.delete_wanted,
        "created_at": rfc3339(spec.created_at),
        "updated_at": rfc3339(record.updated_at),
    })
}

fn cleanup(cleanup: &Cleanup) -> Value {
    match cleanup {
        Cleanup::Failing { attempts, last_error } => {
            json!({ "state": "failing", "attempts": attempts, "last_error": last_error })
        }
        other => json!({ "state": other.as_str() }),
    }
}

/// What an addon gives its app, secrets included.
pub(crate) fn config(config: &AddonConfig) -> Value {
    let entry = |key: &str, name: &str, value: &SecretString, secret: bool| json!({ key: name, "value": value.reveal(), "secret": secret });
    let variables = config.variables.iter().map(|v| entry("name", v.name.as_str(), &v.value, v.secret));
    let credentials = config.credentials.iter().map(|c| entry("key", &c.key, &c.value, c.secret));
    json!({ "variables": variables.collect::<Vec<_>>(), "credentials": credentials.collect::<Vec<_>>() })
}
