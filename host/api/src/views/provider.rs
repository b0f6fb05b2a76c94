//! Providers and their versions.

use larder_domain::grants::{Granted, is_granted};
use larder_domain::limits::{Limit, ProviderLimits};
use larder_domain::manifest::{Manifest, Request};
use larder_domain::provider::{CheckStage, Provider, Version, VersionState};
use larder_domain::quota::PlanQuota;
use serde::Serialize;

use crate::time::Timestamp;

/// One version.
#[derive(Serialize)]
pub(crate) struct VersionView<'a> {
    digest: String,
    state: &'static str,
    /// How far its check has come, if it is being checked.
    check: Option<&'static str>,
    size_bytes: u64,
    uploaded_at: Timestamp,
    version: Option<&'a str>,
    description: Option<&'a str>,
    services: Vec<&'a str>,
    /// The optional interfaces.
    exports: Vec<&'static str>,
    requests: Vec<RequestView<'a>>,
    refusal: Option<RefusalView<'a>>,
}

/// A capability that it asks for.
#[derive(Serialize)]
struct RequestView<'a> {
    capability: &'a str,
    value: &'a str,
    required: bool,
    reason: &'a str,
    granted: bool,
}

/// Why it can't serve.
#[derive(Serialize)]
struct RefusalView<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> VersionView<'a> {
    /// A version, and what of its requests was granted.
    pub(crate) fn new(version: &'a Version, grants: &[Granted]) -> Self {
        let manifest = version.manifest.as_ref();
        let refusal = version.refusal.as_ref();
        Self {
            digest: version.digest.to_string(),
            state: version.state.as_str(),
            check: None,
            size_bytes: version.size_bytes,
            uploaded_at: version.uploaded_at.into(),
            version: manifest.map(|manifest| manifest.version.as_str()),
            description: manifest.map(|manifest| manifest.description.as_str()),
            services: manifest.map(services).unwrap_or_default(),
            exports: version.exports.iter().map(|interface| interface.as_str()).collect(),
            requests: manifest.map(|manifest| requests(manifest, grants)).unwrap_or_default(),
            refusal: refusal.map(|(code, message)| RefusalView { code, message }),
        }
    }
}

impl VersionView<'_> {
    /// The same, with how far its check has come.
    pub(crate) fn at(self, stage: CheckStage) -> Self {
        let is_checking = self.state == VersionState::Checking.as_str();
        Self { check: is_checking.then(|| stage.as_str()), ..self }
    }
}

fn services(manifest: &Manifest) -> Vec<&str> {
    manifest.services.iter().map(|service| service.name.as_str()).collect()
}

fn requests<'a>(manifest: &'a Manifest, grants: &[Granted]) -> Vec<RequestView<'a>> {
    let view = |request: &'a Request| RequestView {
        capability: &request.capability,
        value: &request.value,
        required: request.required,
        reason: &request.reason,
        granted: is_granted(request, grants),
    };
    manifest.requests.iter().map(view).collect()
}

/// One provider.
#[derive(Serialize)]
pub(crate) struct ProviderView<'a> {
    name: &'a str,
    component_kind: &'static str,
    /// That of the version that serves, else of the newest.
    state: Option<&'static str>,
    active: Option<String>,
    live_addons: u64,
    grants: Vec<GrantView<'a>>,
    limits: Vec<LimitView>,
    quotas: Vec<QuotaView<'a>>,
    versions: Vec<VersionView<'a>>,
}

/// Something that it may do.
#[derive(Serialize)]
struct GrantView<'a> {
    capability: &'a str,
    value: &'a str,
    granted_at: Timestamp,
}

/// What its calls may use of one thing.
#[derive(Serialize)]
struct LimitView {
    name: &'static str,
    value: u64,
    default: u64,
    min: u64,
    max: u64,
}

/// How many live addons there may be of one of its plans.
#[derive(Serialize)]
struct QuotaView<'a> {
    plan: &'a str,
    limit: u64,
    used: u64,
}

impl<'a> From<&'a PlanQuota> for QuotaView<'a> {
    fn from(PlanQuota { plan, limit, used }: &'a PlanQuota) -> Self {
        Self { plan: plan.as_str(), limit: *limit, used: *used }
    }
}

impl LimitView {
    fn new(limit: Limit, limits: &ProviderLimits) -> Self {
        let (min, max) = limit.bounds();
        Self { name: limit.as_str(), value: limits.value(limit), default: limit.default_value(), min, max }
    }
}

impl<'a> From<&'a Provider> for ProviderView<'a> {
    fn from(provider: &'a Provider) -> Self {
        let active = provider.active();
        Self {
            name: provider.name.as_str(),
            component_kind: provider.kind.as_str(),
            state: active.or(provider.versions.first()).map(|version| version.state.as_str()),
            active: active.map(|version| version.digest.to_string()),
            live_addons: provider.live_addons,
            grants: provider.grants.iter().map(GrantView::from).collect(),
            limits: Limit::ALL.iter().map(|limit| LimitView::new(*limit, &provider.limits)).collect(),
            quotas: provider.quotas.iter().map(QuotaView::from).collect(),
            versions: provider.versions.iter().map(|version| VersionView::new(version, &provider.grants)).collect(),
        }
    }
}

impl<'a> From<&'a Granted> for GrantView<'a> {
    fn from(granted: &'a Granted) -> Self {
        Self { capability: &granted.capability, value: &granted.value, granted_at: granted.granted_at.into() }
    }
}

/// All providers.
#[derive(Serialize)]
pub(crate) struct ProvidersView<'a> {
    providers: Vec<ProviderView<'a>>,
}

impl<'a> From<&'a [Provider]> for ProvidersView<'a> {
    fn from(providers: &'a [Provider]) -> Self {
        Self { providers: providers.iter().map(ProviderView::from).collect() }
    }
}
