//! Docker engines.

use larder_control::{EngineReport, EngineSettings, EngineSource, EngineState, Pruned};
use larder_domain::engines::EngineLabels;
use larder_domain::ports::engine::EngineInfo;
use serde::Serialize;

/// How an engine is doing.
#[derive(Serialize)]
pub(crate) struct EngineView<'a> {
    name: &'a str,
    /// `reachable`, `unreachable`, `elsewhere` or `unconfigured`.
    state: &'static str,
    /// `file` if a node is started with it, `added` if it was added while servers ran.
    source: Option<&'static str>,
    /// Whether no new addons come to it.
    drained: bool,
    /// How many addons are on it.
    addons: u64,
    /// Why it is not reachable.
    error: Option<String>,
    version: Option<&'a str>,
    api_version: Option<&'a str>,
    storage_driver: Option<&'a str>,
    limits_memory: Option<bool>,
    url: Option<&'a str>,
    advertise: Option<String>,
    publish_at: Option<String>,
    ports: Option<String>,
    labels: Option<&'a EngineLabels>,
    weight: Option<u32>,
    /// Objects that the store has never wanted.
    unknown: Vec<&'a str>,
}

impl<'a> From<&'a EngineReport> for EngineView<'a> {
    fn from(report: &'a EngineReport) -> Self {
        let (state, settings, info, error): (_, Option<&EngineSettings>, Option<&EngineInfo>, _) = match &report.state {
            EngineState::Reachable { settings, info, .. } => ("reachable", Some(settings), Some(info), None),
            EngineState::Unreachable { settings, error } => ("unreachable", Some(settings), None, Some(error)),
            EngineState::Elsewhere(_) => ("elsewhere", None, None, None),
            EngineState::Unconfigured => ("unconfigured", None, None, None),
        };
        let unknown = match &report.state {
            EngineState::Reachable { unknown, .. } => unknown.iter().map(|found| found.full_name.as_str()).collect(),
            _ => vec![],
        };
        let elsewhere = if let EngineState::Elsewhere(engine) = &report.state { Some(&**engine) } else { None };
        Self {
            name: report.name.as_str(),
            state,
            source: report.source.map(|source| match source {
                EngineSource::File => "file",
                EngineSource::Added => "added",
            }),
            drained: report.is_drained,
            addons: report.addons,
            error: error.map(ToString::to_string),
            version: info.map(|info| info.version.as_str()),
            api_version: info.map(|info| info.api_version.as_str()),
            storage_driver: info.map(|info| info.storage_driver.as_str()),
            limits_memory: info.map(|info| info.limits_memory),
            url: settings.map(|settings| &settings.url).or(elsewhere.map(|engine| &engine.url)).map(String::as_str),
            advertise: settings
                .map(|settings| settings.advertise.to_string())
                .or_else(|| elsewhere.map(|engine| engine.advertise.clone())),
            publish_at: settings.map(|settings| settings.publish_at.to_string()),
            ports: settings.map(|settings| format!("{}-{}", settings.ports.start(), settings.ports.end())),
            labels: settings.map(|settings| &settings.labels).or(elsewhere.map(|engine| &engine.labels)),
            weight: settings.map(|settings| settings.weight).or(elsewhere.map(|engine| engine.weight)),
            unknown,
        }
    }
}

/// What came of removing what is nobody's.
#[derive(Serialize)]
pub(crate) struct PrunedView<'a> {
    removed: &'a [String],
    /// Engines on which not all of it could be removed.
    failed: Vec<FailedView<'a>>,
}

#[derive(Serialize)]
struct FailedView<'a> {
    engine: &'a str,
    error: String,
}

impl<'a> From<&'a Pruned> for PrunedView<'a> {
    fn from(pruned: &'a Pruned) -> Self {
        let failed = pruned.failed.iter();
        let failed = failed.map(|(engine, error)| FailedView { engine: engine.as_str(), error: error.to_string() });
        Self { removed: &pruned.removed, failed: failed.collect() }
    }
}
