//! The table of routes. A handler parses, makes a call of the use cases, converts.

mod addons;
mod apps;
mod audit;
mod backups;
mod catalog;
mod config;
mod engines;
mod events;
mod health;
mod key;
mod metrics;
mod nodes;
mod providers;
mod transfers;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};

use crate::state::Shared;
use crate::turns;

/// Routes that need no token: they tell nothing but whether the host works.
pub(crate) fn open() -> Router<Shared> {
    Router::new().route("/healthz", get(health::healthz)).route("/readyz", get(health::readyz))
}

/// Routes that need one.
pub(crate) fn v1(api: &Shared) -> Router<Shared> {
    let quick = quick().route_layer(from_fn_with_state(Arc::clone(api), turns::quick));
    let slow = slow().route_layer(from_fn_with_state(Arc::clone(api), turns::slow));
    quick.merge(slow).merge(apart())
}

/// What the store alone answers.
fn quick() -> Router<Shared> {
    Router::new()
        .route("/v1/providers", get(providers::list))
        .route("/v1/providers/{name}", get(providers::show).delete(providers::remove))
        .route("/v1/providers/{name}/grants", put(providers::set_grants))
        .route("/v1/providers/{name}/limits", put(providers::set_limits))
        .route("/v1/providers/{name}/quotas", put(providers::set_quotas))
        .route("/v1/providers/{name}/versions/{digest}", get(providers::version))
        .route("/v1/catalog", get(catalog::list))
        .route("/v1/apps", get(apps::list))
        .route("/v1/apps/{app}", get(apps::show).put(apps::create).delete(apps::delete))
        .route("/v1/apps/{app}/config", get(config::show).patch(config::change))
        .route("/v1/apps/{app}/engine", get(apps::engine).put(apps::set_engine))
        .route("/v1/apps/{app}/network", get(apps::network))
        .route("/v1/apps/{app}/quota", get(apps::quota).put(apps::set_quota))
        .route("/v1/apps/{app}/addons", get(addons::of_app).post(addons::create))
        .route("/v1/addons", get(addons::of_all))
        .route("/v1/addons/{id}", get(addons::show).patch(addons::patch).delete(addons::delete))
        .route("/v1/addons/{id}/rotate", post(addons::rotate))
        .route("/v1/addons/{id}/undelete", post(addons::undelete))
        .route("/v1/addons/{id}/config", get(addons::config))
        .route("/v1/addons/{id}/events", get(events::of_addon))
        .route("/v1/addons/{id}/logs", get(events::logs))
        .route("/v1/events", get(events::of_all))
        .route("/v1/audit", get(audit::list))
        .route("/v1/key", get(key::show))
        .route("/v1/nodes", get(nodes::list))
        .route("/v1/nodes/{node}/drain", post(nodes::drain))
        .route("/v1/nodes/{node}/resume", post(nodes::resume))
}

/// What asks engines or providers, or takes a while by itself.
fn slow() -> Router<Shared> {
    Router::new()
        .route("/v1/providers/{name}/options", put(providers::set_options))
        .route("/v1/providers/{name}/versions/{digest}/activate", post(providers::activate))
        .route("/v1/apps/{app}/network", put(apps::set_network))
        .route("/v1/key/rotate", post(key::rotate))
        .route("/v1/engines", get(engines::list))
        .route("/v1/engines/{engine}", put(engines::add).delete(engines::forget))
        .route("/v1/engines/prune", post(engines::prune))
        .route("/v1/engines/{engine}/drain", post(engines::drain))
        .route("/v1/engines/{engine}/resume", post(engines::resume))
}

/// What has bounds of its own, and what is always answered.
fn apart() -> Router<Shared> {
    Router::new()
        .route("/v1/providers", post(providers::upload))
        .route("/v1/addons/{id}/exports", post(transfers::export))
        .route("/v1/addons/{id}/imports", post(transfers::import))
        .route("/v1/backups", post(backups::make))
        .route("/metrics", get(metrics::show))
}
