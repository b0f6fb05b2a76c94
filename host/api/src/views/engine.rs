//! Docker engines.

use larder_control::EngineReport;
use serde::Serialize;

/// How an engine is doing.
#[derive(Serialize)]
pub(crate) struct EngineView {
    name: String,
    reachable: bool,
    /// Why it is not.
    error: Option<String>,
    version: Option<String>,
    api_version: Option<String>,
    storage_driver: Option<String>,
    limits_memory: Option<bool>,
    advertise: String,
    publish_at: String,
    ports: String,
    /// Objects of addons that the store has never seen.
    unknown: Vec<String>,
}

impl From<&EngineReport> for EngineView {
    fn from(report: &EngineReport) -> Self {
        let (settings, info) = (&report.settings, report.info.as_ref());
        Self {
            name: settings.name.clone(),
            reachable: info.is_ok(),
            error: info.err().map(ToString::to_string),
            version: info.ok().map(|info| info.version.clone()),
            api_version: info.ok().map(|info| info.api_version.clone()),
            storage_driver: info.ok().map(|info| info.storage_driver.clone()),
            limits_memory: info.ok().map(|info| info.limits_memory),
            advertise: settings.advertise.to_string(),
            publish_at: settings.publish_at.to_string(),
            ports: format!("{}-{}", settings.ports.start(), settings.ports.end()),
            unknown: report.unknown.iter().map(|found| found.full_name.clone()).collect(),
        }
    }
}
