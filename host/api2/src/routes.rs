//! The map of the API.

mod addons;
mod apps;
mod events;
mod health;
mod providers;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use crate::{ApiState, auth, problem};

/// All routes, with what every request passes through.
pub(crate) fn all(state: ApiState) -> Router {
    let protected = Router::new()
        .route("/v1/providers", get(providers::list).post(providers::upload))
        .route("/v1/providers/{name}", get(providers::show).delete(providers::remove))
        .route("/v1/providers/{name}/versions/{digest}", get(providers::version))
        .route("/v1/providers/{name}/versions/{digest}/activate", post(providers::activate))
        .route("/v1/catalog", get(providers::catalog))
        .route("/v1/apps", get(apps::list))
        .route("/v1/apps/{app}", get(apps::show).put(apps::create).delete(apps::delete))
        .route("/v1/apps/{app}/config", get(apps::config).patch(apps::patch_config))
        .route("/v1/apps/{app}/addons", get(addons::list_of_app).post(addons::create))
        .route("/v1/addons", get(addons::list))
        .route("/v1/addons/{id}", get(addons::show).delete(addons::delete))
        .route("/v1/addons/{id}/config", get(addons::config))
        .route("/v1/addons/{id}/logs", get(addons::logs))
        .route("/v1/addons/{id}/events", get(events::of_addon))
        .route("/v1/events", get(events::all))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(from_fn_with_state(state.clone(), auth::require_token));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .merge(protected)
        .layer(from_fn_with_state(state.clone(), auth::require_host))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}
