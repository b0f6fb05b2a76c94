//! Addons, and what they give their apps.

use larder_control::Place;
use larder_domain::config::AddonConfig;
use larder_domain::operation::{Health, Operation};
use larder_domain::variables::Prefix;
use larder_domain::{AddonId, AddonRecord, Cleanup};
use serde::Serialize;
use serde_json::Value;

use crate::time::Timestamp;

/// One addon.
#[derive(Serialize)]
pub(crate) struct AddonView<'a> {
    id: AddonId,
    component_kind: &'static str,
    app: Option<&'a str>,
    name: &'a str,
    provider: &'a str,
    service: &'a str,
    plan: &'a str,
    provision_type: &'static str,
    role: &'static str,
    parent: Option<AddonId>,
    engine: Option<&'a str>,
    attach_as: Option<&'a Prefix>,
    protected: bool,
    parameters: &'a Value,
    state: &'static str,
    message: &'a str,
    percent: Option<u8>,
    error: Option<AddonErrorView<'a>>,
    health: &'a Health,
    generation: u32,
    operation: Option<&'a Operation>,
    cleanup: CleanupView<'a>,
    attempts: u32,
    delete_wanted: bool,
    kept_until: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct AddonErrorView<'a> {
    code: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct CleanupView<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a str>,
}

impl<'a> From<&'a AddonRecord> for AddonView<'a> {
    fn from(record: &'a AddonRecord) -> Self {
        let (spec, addon) = (&*record.spec, &record.addon);
        Self {
            id: spec.id,
            component_kind: spec.kind.as_str(),
            app: spec.app.as_ref().map(|app| app.as_str()),
            name: spec.name.as_str(),
            provider: spec.provider.as_str(),
            service: spec.service.as_str(),
            plan: spec.plan.as_str(),
            provision_type: spec.provision_type.as_str(),
            role: spec.role.as_str(),
            parent: spec.parent,
            engine: record.engine.as_ref().map(|engine| engine.as_str()),
            attach_as: spec.attach_as.as_ref(),
            protected: spec.protected,
            parameters: spec.parameters.reveal(),
            state: addon.state.as_str(),
            message: &addon.message,
            percent: addon.percent,
            error: addon.error.as_ref().map(|error| AddonErrorView { code: &error.code, reason: &error.reason }),
            health: &addon.health,
            generation: addon.generation,
            operation: addon.operation.as_ref(),
            cleanup: CleanupView::from(&addon.cleanup),
            attempts: addon.attempts,
            delete_wanted: addon.delete_wanted,
            kept_until: addon.kept().map(|grace| grace.shown.into()),
            created_at: spec.created_at.into(),
            updated_at: record.updated_at.into(),
        }
    }
}

impl<'a> From<&'a Cleanup> for CleanupView<'a> {
    fn from(cleanup: &'a Cleanup) -> Self {
        let (attempts, last_error) = match cleanup {
            Cleanup::Failing { attempts, last_error } => (Some(*attempts), Some(last_error.as_str())),
            Cleanup::None | Cleanup::Pending | Cleanup::Done => (None, None),
        };
        Self { state: cleanup.as_str(), attempts, last_error }
    }
}

/// A page of addons.
#[derive(Serialize)]
pub(crate) struct AddonsView<'a> {
    addons: Vec<AddonView<'a>>,
    next: Option<AddonId>,
}

impl<'a> AddonsView<'a> {
    pub(crate) fn new(addons: &'a [AddonRecord], next: Option<AddonId>) -> Self {
        Self { addons: addons.iter().map(AddonView::from).collect(), next }
    }
}

/// What one addon gives its app.
#[derive(Serialize)]
pub(crate) struct AddonConfigView<'a> {
    variables: Vec<VariableView<'a>>,
    credentials: Vec<CredentialView<'a>>,
    /// Where its containers' ports are reached.
    places: Vec<PlaceView<'a>>,
}

/// A port of a container, in an app's network and from outside.
#[derive(Serialize)]
struct PlaceView<'a> {
    name: &'a str,
    port: u16,
    host: &'a str,
    published: u16,
}

#[derive(Serialize)]
struct VariableView<'a> {
    name: &'a str,
    value: &'a str,
    secret: bool,
}

#[derive(Serialize)]
struct CredentialView<'a> {
    key: &'a str,
    value: &'a str,
    secret: bool,
}

impl<'a> AddonConfigView<'a> {
    pub(crate) fn new(config: Option<&'a AddonConfig>, places: &'a [Place]) -> Self {
        let place = |place: &'a Place| PlaceView {
            name: &place.name,
            port: place.port,
            host: &place.host,
            published: place.published,
        };
        let variables = config.into_iter().flat_map(|config| &config.variables);
        let credentials = config.into_iter().flat_map(|config| &config.credentials);
        Self {
            variables: variables
                .map(|v| VariableView { name: v.name.as_str(), value: v.value.reveal(), secret: v.secret })
                .collect(),
            credentials: credentials
                .map(|c| CredentialView { key: &c.key, value: c.value.reveal(), secret: c.secret })
                .collect(),
            places: places.iter().map(place).collect(),
        }
    }
}
