//! Providers, their versions, and what they offer.

use larder_control::{Offer, Offers};
use larder_domain::manifest::{Plan, Service};
use larder_domain::provider::{Provider, Version};
use serde_json::{Value, json};

use crate::time::rfc3339;

/// A provider with its versions, the newest first.
pub(crate) fn provider(provider: &Provider) -> Value {
    let shown = provider.active().or(provider.versions.first());
    json!({
        "name": provider.name,
        "component_kind": provider.kind,
        "state": shown.map(|version| version.state),
        "active": provider.active().map(|version| version.digest.to_string()),
        "live_addons": provider.live_addons,
        "versions": provider.versions.iter().map(version).collect::<Vec<_>>(),
    })
}

/// One version.
pub(crate) fn version(version: &Version) -> Value {
    let manifest = version.manifest.as_ref();
    json!({
        "digest": version.digest.to_string(),
        "state": version.state,
        "size_bytes": version.size_bytes,
        "uploaded_at": rfc3339(version.uploaded_at),
        "version": manifest.map(|manifest| &manifest.version),
        "description": manifest.map(|manifest| &manifest.description),
        "services": manifest.map_or_else(Vec::new, |manifest| manifest.services.iter().map(|s| &s.name).collect()),
        "requests": manifest.map_or(&[][..], |manifest| &manifest.requests[..]),
        "refusal": version.refusal.as_ref().map(|(code, message)| json!({ "code": code, "message": message })),
    })
}

/// Everything that can be had now.
pub(crate) fn catalog(offers: &Offers) -> Value {
    let services =
        offers.0.values().flat_map(|offer| offer.manifest.services.iter().map(|service| entry(offer, service)));
    json!({ "services": services.collect::<Vec<_>>() })
}

fn entry(offer: &Offer, service: &Service) -> Value {
    json!({
        "name": service.name,
        "description": service.description,
        "tags": service.tags,
        "bindable": service.bindable,
        "provision_types": service.provision_types,
        "variables": service.variables,
        "provider": offer.provider,
        "provider_version": offer.manifest.version,
        "digest": offer.digest.to_string(),
        "plans": service.plans.iter().map(plan).collect::<Vec<_>>(),
    })
}

fn plan(plan: &Plan) -> Value {
    json!({
        "name": plan.name,
        "description": plan.description,
        "free": plan.free,
        "parameters": plan.parameters,
        "provision_deadline_s": plan.provision_deadline_s,
    })
}
