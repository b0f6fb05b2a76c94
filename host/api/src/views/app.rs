//! Apps, and the variables that they see.

use std::collections::{BTreeMap, HashMap};

use larder_control::EnvironmentVariable;
use larder_domain::ports::store::AppVariable;
use larder_domain::quota::AppUse;
use larder_domain::{AddonId, AppName};
use serde::Serialize;

/// One app.
#[derive(Serialize)]
pub(crate) struct AppView<'a> {
    name: &'a str,
    /// How many live addons it has.
    addons: u64,
    /// How many it may have.
    addons_max: u64,
}

impl<'a> AppView<'a> {
    /// `default` is how many it may have if nothing else was said of it.
    pub(crate) fn new(name: &'a AppName, used: AppUse, default: u64) -> Self {
        Self { name: name.as_str(), addons: used.addons, addons_max: used.addons_max.unwrap_or(default) }
    }
}

/// How many live addons an app may have.
#[derive(Serialize)]
pub(crate) struct AppQuotaView {
    /// What was said of this app; none if nothing was.
    addons_max: Option<u64>,
    /// What holds: that, or what all may have.
    limit: u64,
    used: u64,
}

impl AppQuotaView {
    pub(crate) fn new(AppUse { addons, addons_max }: AppUse, default: u64) -> Self {
        Self { addons_max, limit: addons_max.unwrap_or(default), used: addons }
    }
}

/// An app that was asked for by name.
#[derive(Serialize)]
pub(crate) struct AppNameView<'a> {
    pub(crate) name: &'a str,
}

/// Where an app's future addons are to be.
#[derive(Serialize)]
pub(crate) struct AppEngineView {
    /// None for anywhere.
    pub(crate) engine: Option<String>,
}

/// The network that an app's own containers are in.
#[derive(Serialize)]
pub(crate) struct AppNetworkView {
    /// None if it has none.
    pub(crate) network: Option<String>,
}

/// A page of apps.
#[derive(Serialize)]
pub(crate) struct AppsView<'a> {
    apps: Vec<AppView<'a>>,
    next: Option<&'a str>,
}

impl<'a> AppsView<'a> {
    pub(crate) fn new(apps: &'a [(AppName, AppUse)], default: u64, next: Option<&'a AppName>) -> Self {
        let apps = apps.iter().map(|(name, used)| AppView::new(name, *used, default));
        Self { apps: apps.collect(), next: next.map(AppName::as_str) }
    }
}

/// An app's variables.
#[derive(Serialize)]
pub(crate) struct AppConfigView<'a> {
    /// For programs that just want the values.
    variables: BTreeMap<&'a str, &'a str>,
    /// The same, with what is known of each.
    details: Vec<DetailView<'a>>,
}

#[derive(Serialize)]
struct DetailView<'a> {
    name: &'a str,
    value: &'a str,
    secret: bool,
    addon: Option<AddonId>,
}

impl<'a> AppConfigView<'a> {
    /// `owned` tells which addon a variable belongs to.
    pub(crate) fn new(environment: &'a [EnvironmentVariable], owned: &[AppVariable]) -> Self {
        let owners: HashMap<&str, AddonId> =
            owned.iter().filter_map(|variable| Some((variable.name.as_str(), variable.addon?))).collect();
        let detail = |variable: &'a EnvironmentVariable| DetailView {
            name: &variable.name,
            value: variable.value.reveal(),
            secret: variable.secret,
            addon: owners.get(variable.name.as_str()).copied(),
        };
        Self {
            variables: environment.iter().map(|v| (v.name.as_str(), v.value.reveal())).collect(),
            details: environment.iter().map(detail).collect(),
        }
    }
}
