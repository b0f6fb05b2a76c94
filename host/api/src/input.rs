//! Bodies and query parameters as clients send them, and their turning into what the use cases take.

mod config;
mod create;
mod engine;
mod grants;
mod limits;
mod network;
mod options;
mod patch;
mod quotas;

use larder_domain::{AddonId, AddonState, AppName, ProviderName};
use serde::Deserialize;

use crate::page::Limit;

pub(crate) use config::ConfigPatchBody;
pub(crate) use create::CreateBody;
pub(crate) use engine::AppEngineBody;
pub(crate) use grants::GrantsBody;
pub(crate) use limits::LimitsBody;
pub(crate) use network::AppNetworkBody;
pub(crate) use options::OptionsBody;
pub(crate) use patch::{PatchBody, RotateBody};
pub(crate) use quotas::{AppQuotaBody, QuotasBody};

/// `POST /v1/providers`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadQuery {
    pub(crate) name: Option<String>,
}

/// `DELETE /v1/providers/{name}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForceQuery {
    #[serde(default)]
    pub(crate) force: bool,
}

/// `DELETE /v1/addons/{id}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteAddonQuery {
    #[serde(default)]
    pub(crate) force: bool,
    #[serde(default)]
    pub(crate) now: bool,
}

/// `DELETE /v1/apps/{app}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteAppQuery {
    #[serde(default)]
    pub(crate) cascade: bool,
}

/// `GET /v1/apps`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppsQuery {
    pub(crate) after: Option<AppName>,
    #[serde(default)]
    pub(crate) limit: Limit,
}

/// `GET /v1/addons` and `GET /v1/apps/{app}/addons`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddonsQuery {
    #[serde(default)]
    pub(crate) state: States,
    pub(crate) provider: Option<ProviderName>,
    #[serde(default)]
    pub(crate) kept: bool,
    pub(crate) after: Option<AddonId>,
    #[serde(default)]
    pub(crate) limit: Limit,
}

/// Events and lines of logs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    #[serde(default)]
    pub(crate) after: u64,
    #[serde(default)]
    pub(crate) limit: Limit,
}

/// `GET /v1/audit`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    pub(crate) provider: Option<ProviderName>,
    pub(crate) before: Option<u64>,
    #[serde(default)]
    pub(crate) limit: Limit,
}

/// `GET /v1/apps/{app}/config`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigQuery {
    #[serde(default)]
    pub(crate) format: Format,
}

/// How an app's variables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// With everything that is known of each.
    #[default]
    Json,
    /// For a POSIX shell.
    Env,
    /// For `docker run --env-file`.
    Docker,
    /// For systemd's `EnvironmentFile=`.
    Systemd,
}

/// States with commas between them.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct States(pub(crate) Vec<AddonState>);

impl TryFrom<String> for States {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let states = text.split(',').map(|name| AddonState::from_name(name).ok_or_else(|| unknown_state(name)));
        states.collect::<Result<_, _>>().map(Self)
    }
}

fn unknown_state(name: &str) -> String {
    let known: Vec<&str> = AddonState::ALL.iter().map(|state| state.as_str()).collect();
    format!("there is no state {name:?}; use {}", known.join(", "))
}
